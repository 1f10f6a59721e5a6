"""The asynchronous client. It adds no behaviour of its own: no retries, no defaults but what it can receive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Literal

import grpc
import grpc.aio
from typing_extensions import Self, Unpack

from toolwave import _calls, _results, _trace
from toolwave._channel import DEFAULT_ADDRESS, Options, Tls, Token, check_token, route
from toolwave._errors import from_rpc
from toolwave._proto import execution_pb2 as pb
from toolwave._types import Cancellation, Event, Execution, Plan, Tool, ToolCall, ToolResult


class AsyncClient:
    """Runs tool calls on a cluster. Connects with its first request; `async with` or `close()` ends it.

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
    ) -> None:
        self._route = route(address, tls, max_message_bytes, channel_options)
        self._token = Token(token, token_file)
        check_token(self._route.address, self._token, insecure_plaintext_token)
        self._max_message_bytes = max_message_bytes
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._methods: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; executions that are waited for are cancelled. A later request connects anew."""
        channel, self._channel, self._methods = self._channel, None, {}
        if channel is not None:
            await channel.close()

    def _opened(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if self._channel is None or self._loop is not loop:
            # here and not in __init__: the channel belongs to the loop that runs
            self._loop = loop
            credentials = self._route.credentials()
            target, options = self._route.address.target, list(self._route.options)
            if credentials is None:
                self._channel = grpc.aio.insecure_channel(target, options=options)
            else:
                self._channel = grpc.aio.secure_channel(target, credentials, options=options)
            self._methods = {
                name: self._channel.unary_unary(path, request_serializer=to, response_deserializer=back)
                for name, (path, to, back) in _calls.METHODS.items()
            }
            path, to, back = _calls.STREAM
            self._methods["stream"] = self._channel.unary_stream(
                path, request_serializer=to, response_deserializer=back
            )
        return self._methods

    async def _call(
        self, method: str, request: Any, timeout: float | None = None, traceparent: str | None = None
    ) -> Any:
        try:
            return await self._opened()[method](
                request, timeout=timeout, metadata=_trace.metadata(self._token.metadata(), traceparent)
            )
        except grpc.RpcError as error:
            raise from_rpc(error) from None

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
        answer: pb.ExecuteParallelResponse = await self._call(
            "execute", request, _calls.rpc_deadline(request), options.get("traceparent")
        )
        return [_results.result(each) for each in answer.results]

    async def execute(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Execution:
        """The same, with the execution's summary."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        return _results.execution(
            await self._call("execute", request, _calls.rpc_deadline(request), options.get("traceparent"))
        )

    async def stream(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> AsyncIterator[Event]:
        """Each event as it happens: planned first, then a result for each call as it ends, the summary last.

        An iteration that is left early cancels the execution; `contextlib.aclosing` makes that happen at once.
        """
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        call = self._opened()["stream"](
            pb.ExecuteParallelStreamRequest(execution=request),
            timeout=_calls.rpc_deadline(request),
            metadata=_trace.metadata(self._token.metadata(), options.get("traceparent")),
        )
        try:
            while True:
                message = await call.read()
                if message is grpc.aio.EOF:
                    return
                for each in message.events:
                    if (event := _results.event(each)) is not None:
                        yield event
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        finally:
            call.cancel()

    async def plan(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Plan:
        """Waves and edges of the calls; runs nothing."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        return _results.plan(await self._call("plan", pb.PlanExecutionRequest(execution=request)))

    async def cancel(self, *, execution_id: str | None = None, idempotency_key: str | None = None) -> Cancellation:
        """Cancels an execution; one that has ended is no error."""
        request = _calls.cancel_request(execution_id, idempotency_key)
        return _results.cancellation(await self._call("cancel", request))

    async def list_tools(self) -> list[Tool]:
        """The tools of the cluster, sorted by name."""
        answer: pb.ListToolsResponse = await self._call("list_tools", pb.ListToolsRequest())
        return [_results.tool(each) for each in answer.tools]
