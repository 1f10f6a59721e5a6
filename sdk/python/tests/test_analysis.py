"""Why an execution took its time: what the summary's analysis says, and what becomes of fields that are not there."""

from __future__ import annotations

import asyncio

from cluster import Coordinator
from google.protobuf.duration_pb2 import Duration

from toolwave import Analysis, AsyncClient, Client, Summary, ToolCall, Wait, _results
from toolwave._proto import execution_pb2 as pb

MILLISECONDS = 50
CALLS: list[ToolCall] = [{"tool_name": "sleep", "parameters": {"milliseconds": MILLISECONDS}} for _ in range(3)]


def shows_the_executions_own_limit(analysis: Analysis | None) -> None:
    assert analysis is not None
    [limit] = [wait for wait in analysis.waits if wait.reason == "EXECUTION_LIMIT"]
    assert analysis.waits[0] == limit and (limit.subject, limit.calls) == ("", 2)
    # the second waits for one, the third for two
    assert limit.time >= 3 * MILLISECONDS / 1000
    assert analysis.peak_in_flight == 1 and (analysis.retries, analysis.retry_time) == (0, 0)
    assert len(analysis.critical_path) == 1
    assert 0 < analysis.critical_path_execution <= analysis.lower_bound
    assert analysis.saved_by_one_more_slot is not None and analysis.saved_by_one_more_slot > 0


async def test_every_way_to_run_calls_tells_what_they_waited_for(client: AsyncClient, cluster: Coordinator) -> None:
    shows_the_executions_own_limit((await client.execute(CALLS, 1)).summary.analysis)
    last = [event async for event in client.stream(CALLS, 1)][-1]
    assert isinstance(last, Summary)
    shows_the_executions_own_limit(last.analysis)

    def blocking() -> None:
        with Client(cluster.address) as client:
            shows_the_executions_own_limit(client.execute(CALLS, 1).summary.analysis)
            last = list(client.stream(CALLS, 1))[-1]
            assert isinstance(last, Summary)
            shows_the_executions_own_limit(last.analysis)

    await asyncio.to_thread(blocking)


async def test_attempts_that_were_followed_by_another_are_counted_and_say_when_they_were_sent(
    client: AsyncClient,
) -> None:
    execution = await client.execute([{"tool_name": "fails_first"}])
    attempts = execution.results[0]["attempts"]
    sent = [attempt["dispatched_at"] for attempt in attempts]
    assert len(sent) == 3 and None not in sent and sent == sorted(sent, key=lambda at: at or 0)
    for attempt in attempts:
        assert attempt["dispatched_at"] and attempt["ended_at"] and attempt["dispatched_at"] <= attempt["ended_at"]
    analysis = execution.summary.analysis
    assert analysis is not None and analysis.retries == 2 and analysis.retry_time > 0


def test_what_a_coordinator_does_not_tell_is_none_and_a_reason_of_a_newer_one_is_unspecified() -> None:
    assert _results.summary(pb.ExecutionSummary()).analysis is None
    assert _results.result(pb.CallResult(attempts=[pb.Attempt(number=1)]))["attempts"][0]["dispatched_at"] is None
    second = Duration(seconds=1)
    told = pb.ExecutionAnalysis(waits=[pb.Wait(time=second, calls=2)], lower_bound=second)
    told.waits[0].MergeFromString(b"\x08\x63")
    analysis = _results.summary(pb.ExecutionSummary(analysis=told)).analysis
    assert analysis == Analysis([], 0.0, [Wait("UNSPECIFIED", "", 1.0, 2)], 0, 0.0, 1.0, 0, None)
    told.saved_by_one_more_slot.CopyFrom(Duration())
    analysis = _results.summary(pb.ExecutionSummary(analysis=told)).analysis
    assert analysis is not None and analysis.saved_by_one_more_slot == 0.0
