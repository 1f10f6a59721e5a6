"""The caller's trace: from the client, through the coordinator, to the tool."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from cluster import Coordinator

from toolwave import AsyncClient, Client, Context, ParameterError, RpcError, Worker, _trace, tool

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@tool
def trace_of(context: Context) -> list[str]:
    """Returns the trace that it is part of."""
    return [context.traceparent, context.tracestate]


async def test_the_trace_that_is_given_reaches_the_tool(coordinator: Coordinator) -> None:
    worker = Worker(trace_of, coordinator=coordinator.address, name="here")
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(worker.registered(), 30)
    async with AsyncClient(coordinator.address) as client:
        [result] = await client.execute_tools_parallel([{"tool_name": "trace_of"}], traceparent=PARENT)
        assert result["result"] == [PARENT, ""]
        [result] = await client.execute_tools_parallel([{"tool_name": "trace_of"}])
        assert result["result"] == ["", ""]
        with pytest.raises(ParameterError, match="traceparent"):
            await client.execute_tools_parallel([{"tool_name": "trace_of"}], traceparent="nonsense")

    def blocking() -> object:
        with Client(coordinator.address) as client:
            return client.execute_tools_parallel([{"tool_name": "trace_of"}], traceparent=PARENT)[0]["result"]

    assert await asyncio.to_thread(blocking) == [PARENT, ""]
    worker.drain()
    await asyncio.wait_for(running, 60)


class Listening(grpc.GenericRpcHandler):
    """Refuses every request, and keeps the trace that came with it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str | None]] = []

    def service(self, details: Any) -> None:
        headers = dict(details.invocation_metadata)
        self.heard.append((details.method.rpartition("/")[2], headers.get("traceparent")))


@pytest.mark.parametrize("also", ["", "127.0.0.1:1,"])
async def test_every_request_of_an_execution_tells_its_trace(also: str) -> None:
    listening = Listening()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, [listening])
        address = f"{also}127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        calls: Any = [{"tool_name": "any"}]
        expected = [
            (method, PARENT)
            for method in ("ExecuteParallel", "ExecuteParallel", "PlanExecution", "ExecuteParallelStream")
        ]

        def blocking() -> None:
            with Client(address) as client:
                for ask in (client.execute_tools_parallel, client.execute, client.plan):
                    with pytest.raises(RpcError, match="UNIMPLEMENTED"):
                        ask(calls, traceparent=PARENT)
                with pytest.raises(RpcError, match="UNIMPLEMENTED"):
                    list(client.stream(calls, traceparent=PARENT))

        await asyncio.to_thread(blocking)
        assert listening.heard == expected
        listening.heard.clear()
        async with AsyncClient(address) as client:
            for ask in (client.execute_tools_parallel, client.execute, client.plan):
                with pytest.raises(RpcError, match="UNIMPLEMENTED"):
                    await ask(calls, traceparent=PARENT)
            with pytest.raises(RpcError, match="UNIMPLEMENTED"):
                [event async for event in client.stream(calls, traceparent=PARENT)]
        assert listening.heard == expected
        server.stop(None).wait()


def test_the_span_that_is_current_in_opentelemetry_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    class Propagator:
        def inject(self, carrier: dict[str, str]) -> None:
            carrier.update(traceparent=PARENT, tracestate="a=b", baggage="not=sent")

    monkeypatch.setattr(_trace, "_PROPAGATOR", Propagator())
    sent = (("traceparent", PARENT), ("tracestate", "a=b"))
    token = (("authorization", "Bearer x"),)
    assert _trace.metadata(None, None) == sent
    assert _trace.metadata(token, None) == token + sent
    other = PARENT.replace("4", "5")
    assert _trace.metadata(token, other) == (*token, ("traceparent", other))
    monkeypatch.setattr(_trace, "_PROPAGATOR", None)
    assert _trace.metadata(token, None) == token
    assert _trace.metadata(None, None) is None
