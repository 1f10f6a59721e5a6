"""The asynchronous client. It adds no behaviour of its own but to ask another coordinator, where it knows several."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Literal

import grpc
import grpc.aio
from typing_extensions import Self, Unpack

from toolwave import _calls, _failover, _results, _trace
from toolwave._channel import DEFAULT_ADDRESS, Options, Route, Tls, Token, check_token, route
from toolwave._errors import RpcError, from_rpc
from toolwave._proto import execution_pb2 as pb
from toolwave._types import Cancellation, Event, Execution, Plan, Tool, ToolCall, ToolResult


class _Way:
    """A channel to one of the coordinators, of the loop that runs."""

    def __init__(self, where: Route) -> None:
        credentials = where.credentials()
        target, options = where.address.target, list(where.options)
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(target, options=options)
        else:
            self.channel = grpc.aio.secure_channel(target, credentials, options=options)
        self.methods: dict[str, Any] = {
            name: self.channel.unary_unary(path, request_serializer=to, response_deserializer=back)
            for name, (path, to, back) in _calls.METHODS.items()
        }
        path, to, back = _calls.STREAM
        self.methods["stream"] = self.channel.unary_stream(path, request_serializer=to, response_deserializer=back)

    async def connected(self) -> bool:
        """There is a connection, perhaps after a while: only then is a request sent, so that a missing one is known
        to have carried none."""
        try:
            return await asyncio.wait_for(self._connect(), _failover.CONNECT_TIMEOUT)
        except asyncio.TimeoutError:
            return False

    async def _connect(self) -> bool:
        while True:
            state = self.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                return True
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                return False
            await self.channel.wait_for_state_change(state)


class AsyncClient:
    """Runs tool calls on a cluster. Connects with its first request; `async with` or `close()` ends it.

    `address` may be several with commas between them: one is asked, and another when it takes no work. What may have
    run is submitted to another only where `resubmit` says so: "keyed" if every call has an idempotency key, "always".

    Cancelling the task that waits for an execution cancels the execution on the coordinator.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        token: str | Callable[[], str] | None = None,
        token_file: str | os.PathLike[str] | None = None,
        tls: Tls | bool | None = None,
        insecure_plaintext_token: bool = False,
        max_message_bytes: int = _calls.DEFAULT_MAX_MESSAGE_BYTES,
        channel_options: Options = (),
        patience: float | None = None,
        resubmit: _failover.Resubmit = "never",
    ) -> None:
        options = (*_failover.options(address, patience, resubmit), *channel_options)
        self._routes = [route(each, tls, max_message_bytes, options) for each in _failover.split(address)]
        self._token = Token(token, token_file)
        for where in self._routes:
            check_token(where.address, self._token, insecure_plaintext_token)
        self._max_message_bytes = max_message_bytes
        self._turns = _failover.Turns(
            [where.address.target for where in self._routes], patience, resubmit, channel_options
        )
        self._ways: list[_Way] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; executions that are waited for are cancelled. A later request connects anew."""
        ways, self._ways = self._ways, []
        for way in ways:
            await way.channel.close()

    def _way(self, way: int) -> _Way:
        loop = asyncio.get_running_loop()
        if not self._ways or self._loop is not loop:
            # here and not in __init__: channels belong to the loop that runs
            self._loop = loop
            self._ways = [_Way(where) for where in self._routes]
        return self._ways[way]

    async def _call(self, method: str, request: Any, traceparent: str | None = None) -> Any:
        if self._turns.is_once:
            return await self._ask(0, method, request, traceparent)
        return (await self._carry(method, request, traceparent))[0]

    async def _carry(self, method: str, request: Any, traceparent: str | None = None) -> tuple[Any, _failover.Carrying]:
        carrying = _failover.carrying(self._turns, request)
        while True:
            way = await self._reached(carrying)
            if method == "execute":
                carrying.in_time(request)
            try:
                return await self._ask(way, method, request, traceparent), carrying
            except RpcError as missed:
                await asyncio.sleep(carrying.missed(way, missed))

    async def _ask(self, way: int, method: str, request: Any, traceparent: str | None = None) -> Any:
        timeout = _calls.rpc_deadline(request) if method == "execute" else None
        metadata = _trace.metadata(self._token.metadata(), traceparent)
        try:
            return await self._way(way).methods[method](request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    async def _reached(self, carrying: _failover.Carrying) -> int:
        """One that can be connected to."""
        while not await self._way(way := self._turns.pick()).connected():
            error = _failover.unreachable(self._turns.addresses[way])
            await asyncio.sleep(carrying.missed(way, error, sent=False))
        return way

    async def execute_tools_parallel(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> list[ToolResult]:
        """Runs the calls and returns one result for each, in their order.

        Trouble of one call is in its result; an error is raised where the request is wrong as a whole.
        """
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        answer: pb.ExecuteParallelResponse = await self._call("execute", request, options.get("traceparent"))
        return [_results.result(each) for each in answer.results]

    async def execute(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Execution:
        """The same, with the execution's summary."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        traceparent = options.get("traceparent")
        if self._turns.is_once:
            return _results.execution(await self._ask(0, "execute", request, traceparent), [])
        answer, carrying = await self._carry("execute", request, traceparent)
        return _results.execution(answer, carrying.resubmissions)

    async def stream(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> AsyncIterator[Event]:
        """Each event as it happens: planned first, then a result for each call as it ends, the summary last.

        An iteration that is left early cancels the execution; `contextlib.aclosing` makes that happen at once.
        Of several coordinators another is asked until one has begun to answer; afterwards its errors are the caller's.
        """
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        carrying = None if self._turns.is_once else _failover.carrying(self._turns, request)
        while True:
            way = 0
            if carrying is not None:
                way = await self._reached(carrying)
                carrying.in_time(request)
            call = self._way(way).methods["stream"](
                pb.ExecuteParallelStreamRequest(execution=request),
                timeout=_calls.rpc_deadline(request),
                metadata=_trace.metadata(self._token.metadata(), options.get("traceparent")),
            )
            try:
                while (message := await call.read()) is not grpc.aio.EOF:
                    # it has begun to answer
                    carrying = None
                    for each in message.events:
                        if (event := _results.event(each)) is not None:
                            yield event
                return
            except grpc.RpcError as error:
                if carrying is None:
                    raise from_rpc(error) from None
                missed = from_rpc(error)
            finally:
                call.cancel()
            await asyncio.sleep(carrying.missed(way, missed))

    async def plan(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Plan:
        """Waves and edges of the calls; runs nothing."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        planned = await self._call("plan", pb.PlanExecutionRequest(execution=request), options.get("traceparent"))
        return _results.plan(planned)

    async def cancel(self, *, execution_id: str | None = None, idempotency_key: str | None = None) -> Cancellation:
        """Cancels an execution; one that has ended is no error. Of several coordinators the one that was asked last
        is told: another one does not know the execution."""
        request = _calls.cancel_request(execution_id, idempotency_key)
        return _results.cancellation(await self._ask(self._turns.current, "cancel", request))

    async def list_tools(self) -> list[Tool]:
        """The tools of the cluster, sorted by name."""
        answer: pb.ListToolsResponse = await self._call("list_tools", pb.ListToolsRequest())
        return [_results.tool(each) for each in answer.tools]
