"""The client against a real cluster: the guide's shapes, order, partial failure, streams, plans, cancelling, errors."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from cluster import Coordinator, appears, rust_worker

import toolwave
from toolwave import AsyncClient, Client, ToolCall


async def test_the_guides_example_works_as_it_is_written(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [
            {"tool_name": "get_weather", "parameters": {"city": "Oslo"}},
            {"tool_name": "translate", "parameters": {"text": "hello", "to": "no"}},
            {"tool_name": "divide", "parameters": {"a": 1, "b": 0}},
        ],
        max_concurrency=5,
    )
    lines = []
    for result in results:
        if result["success"]:
            lines.append(f"{result['tool_name']}: {result['result']}")
        else:
            lines.append(f"{result['tool_name']} failed: {result['error']}")
    assert lines == [
        "get_weather: {'city': 'Oslo', 'temperature': 21, 'unit': 'celsius'}",
        "translate: no:hello",
        "divide failed: ZeroDivisionError: division by zero",
    ]
    json.dumps(results)


async def test_results_come_in_request_order_whatever_ends_first(client: AsyncClient) -> None:
    calls: list[ToolCall] = [
        {"tool_name": "sleep", "parameters": {"milliseconds": 40 - 10 * index}, "id": f"c{index}"} for index in range(4)
    ]
    results = await client.execute_tools_parallel(calls, "auto")
    assert [result["id"] for result in results] == ["c0", "c1", "c2", "c3"]


async def test_one_calls_trouble_leaves_the_others_alone(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [
            {"tool_name": "py_echo", "parameters": {"value": 2**53 + 1}},
            {"tool_name": "no_such_tool"},
            {"tool_name": "get_weather", "parameters": {"town": "Oslo"}},
            {"tool_name": "py_echo", "parameters_json": '{"value": '},
            {"tool_name": "py_echo", "parameters": {"value": None}},
        ]
    )
    assert [result["outcome"] for result in results] == ["SUCCEEDED", "REJECTED", "REJECTED", "REJECTED", "SUCCEEDED"]
    assert results[0]["result"] == 2**53 + 1 and results[0]["error"] is None and results[0]["error_code"] is None
    assert results[1]["error_code"] == "UNKNOWN_TOOL"
    assert {violation["path"] for violation in results[2]["violations"]} >= {"/town"} or results[2]["violations"]
    assert results[3]["error_code"] == "PARAMS_NOT_JSON"
    assert results[4]["success"] and results[4]["result"] is None
    assert not results[1]["may_have_run"] and results[1]["attempts"] == []


async def test_references_and_dependencies_reach_the_coordinator(client: AsyncClient) -> None:
    execution = await client.execute(
        [
            {"id": "a", "tool_name": "py_echo", "parameters": {"value": {"n": [1, 2]}}},
            {"id": "b", "tool_name": "py_echo", "parameters": {"value": "${a.result.n[1]}"}},
            {
                "id": "c",
                "tool_name": "fail_as_told",
                "parameters": {"code": "NO", "message": "no"},
                "depends_on": ["b"],
            },
            {"id": "d", "tool_name": "py_echo", "parameters": {"value": 1}, "depends_on": ["c"]},
        ]
    )
    results = execution.results
    assert [result["wave"] for result in results] == [0, 1, 2, 3]
    assert results[1]["result"] == 2
    assert results[2]["details"] == {"why": [1, 2]} and results[2]["error_code"] == "NO"
    assert results[3]["outcome"] == "SKIPPED" and results[3]["root_call_id"] == "c"
    assert results[0]["attempts"][0]["worker"] == "py" and results[0]["execution_time"] >= 0
    assert execution.summary.outcomes == {"SUCCEEDED": 2, "FAILED": 1, "SKIPPED": 1}
    assert execution.summary.calls == 4 and execution.summary.waves == 4
    [attempt] = results[0]["attempts"]
    assert attempt["dispatched_at"] is not None and attempt["ended_at"] is not None
    assert attempt["dispatched_at"] <= attempt["ended_at"]
    analysis = execution.summary.analysis
    assert analysis is not None and analysis.critical_path == [0, 1, 2]
    assert 1 <= analysis.peak_in_flight <= 4 and analysis.retries == 0
    assert analysis.critical_path_execution <= execution.summary.duration


async def test_options_of_calls_and_executions_are_sent(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [
            {"tool_name": "sleep", "parameters": {"milliseconds": 60_000}, "timeout": 0.05},
            {"tool_name": "whoami", "parameters": {}, "idempotency_key": "k1", "priority": 3, "timeout": 7},
        ],
        schedule="barrier",
        on_failure="continue",
        retry={"max_attempts": 1},
    )
    assert results[0]["outcome"] == "TIMED_OUT"
    told = results[1]["result"]
    assert told["idempotency_key"] == "k1" and told["attempt"] == 1 and told["call_id"] == "1" and told["execution_id"]
    assert 0 < told["remaining"] <= 7 and told["cancelled"] is False and told["tool_name"] == "whoami"


async def test_an_executions_timeout_gives_a_partial_answer(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [
            {"tool_name": "py_echo", "parameters": {"value": 1}},
            {"tool_name": "sleep", "parameters": {"milliseconds": 60_000}, "timeout": 60},
        ],
        timeout=0.3,
    )
    assert [result["outcome"] for result in results] == ["SUCCEEDED", "DEADLINE_EXCEEDED"]


async def test_fail_fast_cancels_the_rest_and_names_the_cause(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [
            {"id": "bad", "tool_name": "fail_as_told", "parameters": {"code": "NO", "message": "no"}},
            {"id": "slow", "tool_name": "sleep", "parameters": {"milliseconds": 60_000}, "timeout": 60},
        ],
        on_failure="fail_fast",
    )
    assert results[1]["outcome"] == "CANCELLED" and results[1]["root_call_id"] == "bad"


async def test_the_stream_tells_every_event_and_ends_with_the_summary(client: AsyncClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    kinds: list[str] = []
    async for event in client.stream(
        [
            {"tool_name": "wait_for_file", "parameters": {"path": str(gate)}},
            {"tool_name": "py_echo", "parameters": {"value": "fast"}},
            {"tool_name": "fails_first", "parameters": {}},
        ]
    ):
        kinds.append(event.kind)
        if event.kind == "planned":
            assert event.waves == [[0, 1, 2]]
        if event.kind == "progress":
            assert (event.fraction, event.message, event.call_index) == (0.5, "waiting", 0)
            gate.touch()
        if event.kind == "retried":
            assert event.call_index == 2 and event.failure["code"] == "NOT_YET"
        if event.kind == "result" and event.call_index == 2:
            assert event.result["result"] == 3 and len(event.result["attempts"]) == 3
    assert kinds[0] == "planned" and kinds[-1] == "summary"
    assert kinds.count("result") == 3 and kinds.count("retried") == 2
    assert "started" in kinds and "progress" in kinds


async def test_a_plan_shows_waves_and_edges_and_runs_nothing(client: AsyncClient, tmp_path: Path) -> None:
    path = str(tmp_path / "lines")
    plan = await client.plan(
        [
            {"id": "a", "tool_name": "files.append", "parameters": {"path": path, "line": "1"}},
            {"id": "b", "tool_name": "files.append", "parameters": {"path": path, "line": "2"}},
            {"id": "c", "tool_name": "py_echo", "parameters": {"value": "${b.result}"}},
            {"id": "d", "tool_name": "get_weather", "parameters": {}},
        ]
    )
    assert plan.waves == [[0, 3], [1], [2]] and plan.critical_path_calls == 3
    assert {(edge.source, edge.to, edge.origin) for edge in plan.edges} == {(0, 1, "EFFECT"), (1, 2, "REFERENCE")}
    assert [ended.call_index for ended in plan.rejected] == [3]
    assert not Path(path).exists()


async def test_cancelling_the_task_cancels_the_execution_on_the_coordinator(
    client: AsyncClient, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    task = asyncio.create_task(
        client.execute_tools_parallel([{"tool_name": "wait_for_file", "parameters": {"path": str(gate)}}])
    )
    await appears(gate.with_name("gate.started"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await appears(gate.with_name("gate.cancelled"))


async def test_leaving_a_stream_early_cancels_the_execution(client: AsyncClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    call: ToolCall = {"tool_name": "wait_for_file", "parameters": {"path": str(gate)}}
    async with aclosing(client.stream([call])) as events:  # type: ignore[type-var]
        async for event in events:
            if event.kind == "progress":
                break
    await appears(gate.with_name("gate.cancelled"))


async def test_an_execution_is_cancelled_by_id_and_by_key(client: AsyncClient, tmp_path: Path) -> None:
    outcomes = []
    call: ToolCall = {"tool_name": "wait_for_file", "parameters": {"path": str(tmp_path / "gate")}}
    async for event in client.stream([call], idempotency_key="cancel-me"):
        if event.kind == "planned":
            cancellation = await client.cancel(execution_id=event.execution_id)
            assert not cancellation.already_ended and cancellation.execution_id == event.execution_id
        if event.kind == "result":
            outcomes.append(event.result["outcome"])
    assert outcomes == ["CANCELLED"]
    assert (await client.cancel(idempotency_key="cancel-me")).already_ended
    with pytest.raises(toolwave.NotFoundError) as caught:
        await client.cancel(execution_id="no-such-execution")
    assert caught.value.reason == "EXECUTION_NOT_FOUND"
    with pytest.raises(toolwave.ParameterError):
        await client.cancel()


async def test_a_request_that_is_wrong_as_a_whole_lists_every_violation(client: AsyncClient) -> None:
    with pytest.raises(toolwave.InvalidRequestError) as caught:
        await client.execute_tools_parallel(
            [
                {"id": "a", "tool_name": "py_echo", "depends_on": ["b"]},
                {"id": "b", "tool_name": "py_echo", "depends_on": ["a"]},
                {"id": "c", "tool_name": "../bad", "priority": 9},
            ]
        )
    error = caught.value
    assert error.status == "INVALID_ARGUMENT" and error.reason
    found = {(violation.field, violation.reason) for violation in error.violations}
    assert ("calls[2].tool_name", "BAD_TOOL_NAME") in found and ("calls[2].priority", "BAD_PRIORITY") in found


@pytest.mark.parametrize(
    ("parameters", "path", "problem"),
    [
        ({"a": [1, {"b": float("nan")}]}, "calls[1].parameters.a[1].b", "finite"),
        ({"a": {1, 2}}, "calls[1].parameters.a", "set"),
        ({"a": b"x"}, "calls[1].parameters.a", "bytes"),
        ({"a": "\ud800"}, "calls[1].parameters.a", "surrogate"),
        ({(1, 2): 1}, "calls[1].parameters", "tuple"),
        ([1], "calls[1].parameters", "expected an object"),
    ],
)
async def test_what_is_no_json_is_refused_before_it_is_sent(
    client: AsyncClient, parameters: Any, path: str, problem: str
) -> None:
    with pytest.raises(toolwave.ParameterError, match=problem) as caught:
        await client.execute_tools_parallel(
            [{"tool_name": "py_echo"}, {"tool_name": "py_echo", "parameters": parameters}]
        )
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"tool": "x"}, "calls[0]"),
        ({"parameters": {}}, "calls[0].tool_name"),
        ({"tool_name": "x", "timeout": "5s", "id": "a"}, "calls[0].timeout"),
        ({"tool_name": "x", "depends_on": "a", "id": "b"}, "calls[0].depends_on"),
        ({"tool_name": "x", "id": 5, "priority": 1}, "calls[0].id"),
        ({"tool_name": "x", "parameters": {}, "retry": {"attempts": 3}}, "calls[0].retry"),
    ],
)
async def test_a_call_of_the_wrong_shape_is_refused_with_its_place(client: AsyncClient, call: Any, path: str) -> None:
    with pytest.raises(toolwave.ParameterError) as caught:
        await client.execute_tools_parallel([call])
    assert caught.value.path == path


async def test_results_of_several_mebibytes_arrive(client: AsyncClient) -> None:
    results = await client.execute_tools_parallel(
        [{"tool_name": "large", "parameters": {"size": 6 << 20}} for _ in range(3)]
    )
    assert [len(result["result"]) for result in results] == [6 << 20] * 3
    assert all("omitted_result_bytes" not in result for result in results)


async def test_a_result_that_the_client_does_not_take_is_left_out_and_its_size_told(cluster: Coordinator) -> None:
    async with AsyncClient(cluster.address, max_message_bytes=100_000) as client:
        results = await client.execute_tools_parallel([{"tool_name": "large", "parameters": {"size": 200_000}}])
    assert results[0]["success"] and results[0]["result"] is None
    assert results[0]["omitted_result_bytes"] == 200_002


async def test_tools_are_listed_with_what_is_declared_of_them(client: AsyncClient) -> None:
    tools = {tool.name: tool for tool in await client.list_tools()}
    weather = tools["get_weather"]
    assert weather.description == "Tells the weather of a city." and weather.read_only and not weather.idempotent
    assert weather.input_schema["properties"]["city"] == {"type": "string", "description": "The city's name."}
    assert weather.workers == 1
    assert tools["files.append"].effects == [toolwave.Effect("writes", "file:{path}")]


async def test_a_coordinator_that_is_not_there_is_unavailable() -> None:
    async with AsyncClient("127.0.0.1:1") as client:
        with pytest.raises(toolwave.UnavailableError):
            await client.list_tools()


def test_a_client_may_be_used_in_one_loop_after_another(cluster: Coordinator) -> None:
    client = AsyncClient(cluster.address)

    async def use() -> int:
        return len(await client.list_tools())

    assert asyncio.run(use()) == asyncio.run(use()) > 0


async def test_an_option_that_does_not_exist_is_refused(client: AsyncClient) -> None:
    with pytest.raises(TypeError, match=r"unknown options max_concurency; expected max_concurrency, timeout"):
        await client.execute_tools_parallel([{"tool_name": "py_echo"}], max_concurency=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("address", ["", "ftp://x:1", "host:port", "http://a/b", "a b:1"])
def test_an_address_that_cannot_be_dialled_is_refused(address: str) -> None:
    with pytest.raises(toolwave.ConfigurationError, match="address"):
        AsyncClient(address)


def test_a_token_is_not_sent_in_plaintext_to_another_machine() -> None:
    with pytest.raises(toolwave.ConfigurationError, match="plaintext"):
        AsyncClient("coordinator.example:7420", token="secret")
    assert "secret" not in repr(AsyncClient("127.0.0.1:7420", token="secret").__dict__)


def test_the_blocking_client_does_the_same(cluster: Coordinator) -> None:
    with Client(cluster.address) as client:
        calls: list[ToolCall] = [{"tool_name": "py_echo", "parameters": {"value": index}} for index in range(20)]
        assert [result["result"] for result in client.execute_tools_parallel(calls)] == list(range(20))
        assert client.execute(calls).summary.calls == 20
        assert [event.kind for event in client.stream(calls[:1])][-1] == "summary"
        assert client.plan(calls[:2]).waves == [[0, 1]]
        assert any(tool.name == "py_echo" for tool in client.list_tools())
        with pytest.raises(toolwave.InvalidRequestError) as caught:
            client.execute_tools_parallel([])
        assert caught.value.reason == "EMPTY_REQUEST"
        with pytest.raises(toolwave.NotFoundError):
            client.cancel(idempotency_key="unknown")


def test_leaving_a_blocking_stream_early_cancels_the_execution(cluster: Coordinator, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Client(cluster.address) as client:
        for event in client.stream([{"tool_name": "wait_for_file", "parameters": {"path": str(gate)}}]):
            if event.kind == "progress":
                break
        asyncio.run(appears(gate.with_name("gate.cancelled")))


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    with Coordinator(tmp_path, "max_queued_calls = 1\n") as coordinator, rust_worker(coordinator.address):
        async with AsyncClient(coordinator.address) as client:
            with pytest.raises(toolwave.ResourceExhaustedError) as caught:
                await client.execute_tools_parallel([{"tool_name": "echo"} for _ in range(10)])
    assert caught.value.reason == "QUEUE_FULL" and caught.value.retry_after and caught.value.quota
