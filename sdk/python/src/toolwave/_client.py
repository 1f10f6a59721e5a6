"""The blocking client: the same as the asynchronous one, for threads. May be used from several at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Literal

import grpc
from typing_extensions import Self, Unpack

from toolwave import _calls, _results, _trace
from toolwave._channel import DEFAULT_ADDRESS, Options, Tls, Token, check_token, route
from toolwave._errors import from_rpc
from toolwave._proto import execution_pb2 as pb
from toolwave._types import Cancellation, Event, Execution, Plan, Tool, ToolCall, ToolResult


class Client:
    """Runs tool calls on a cluster, and blocks meanwhile. `with` or `close()` ends it.

    KeyboardInterrupt while it waits cancels the execution on the coordinator.
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
        where = route(address, tls, max_message_bytes, channel_options)
        self._token = Token(token, token_file)
        check_token(where.address, self._token, insecure_plaintext_token)
        self._max_message_bytes = max_message_bytes
        credentials = where.credentials()
        options = list(where.options)
        if credentials is None:
            self._channel = grpc.insecure_channel(where.address.target, options=options)
        else:
            self._channel = grpc.secure_channel(where.address.target, credentials, options=options)
        self._methods: dict[str, Any] = {
            name: self._channel.unary_unary(path, request_serializer=to, response_deserializer=back)
            for name, (path, to, back) in _calls.METHODS.items()
        }
        path, to, back = _calls.STREAM
        self._stream: Any = self._channel.unary_stream(path, request_serializer=to, response_deserializer=back)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; executions that are waited for are cancelled."""
        self._channel.close()

    def _call(self, method: str, request: Any, timeout: float | None = None, traceparent: str | None = None) -> Any:
        call = self._methods[method].future(
            request, timeout=timeout, metadata=_trace.metadata(self._token.metadata(), traceparent)
        )
        try:
            return call.result()
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        except grpc.FutureCancelledError:
            raise from_rpc(call) from None
        finally:
            # without effect on one that has ended; an interrupt must not leave the execution running
            call.cancel()

    def execute_tools_parallel(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> list[ToolResult]:
        """Runs the calls and returns one result for each, in their order."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        answer: pb.ExecuteParallelResponse = self._call(
            "execute", request, _calls.rpc_deadline(request), options.get("traceparent")
        )
        return [_results.result(each) for each in answer.results]

    def execute(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Execution:
        """The same, with the execution's summary."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        return _results.execution(
            self._call("execute", request, _calls.rpc_deadline(request), options.get("traceparent"))
        )

    def stream(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Iterator[Event]:
        """Each event as it happens. An iteration that is left early cancels the execution."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        call = self._stream(
            pb.ExecuteParallelStreamRequest(execution=request),
            timeout=_calls.rpc_deadline(request),
            metadata=_trace.metadata(self._token.metadata(), options.get("traceparent")),
        )
        try:
            for message in call:
                for each in message.events:
                    if (event := _results.event(each)) is not None:
                        yield event
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        finally:
            call.cancel()

    def plan(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Plan:
        """Waves and edges of the calls; runs nothing."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        return _results.plan(self._call("plan", pb.PlanExecutionRequest(execution=request)))

    def cancel(self, *, execution_id: str | None = None, idempotency_key: str | None = None) -> Cancellation:
        """Cancels an execution; one that has ended is no error."""
        request = _calls.cancel_request(execution_id, idempotency_key)
        return _results.cancellation(self._call("cancel", request))

    def list_tools(self) -> list[Tool]:
        """The tools of the cluster, sorted by name."""
        answer: pb.ListToolsResponse = self._call("list_tools", pb.ListToolsRequest())
        return [_results.tool(each) for each in answer.tools]
