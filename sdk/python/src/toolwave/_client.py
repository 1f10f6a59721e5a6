"""The blocking client: the same as the asynchronous one, for threads. May be used from several at once."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Literal

import grpc
from typing_extensions import Self, Unpack

from toolwave import _calls, _failover, _results, _trace
from toolwave._channel import DEFAULT_ADDRESS, Options, Route, Tls, Token, check_token, route
from toolwave._errors import RpcError, from_rpc
from toolwave._proto import execution_pb2 as pb
from toolwave._types import Cancellation, Event, Execution, Plan, Tool, ToolCall, ToolResult

_UNWATCHED = 0.25
"""Seconds until grpc's thread that watches a channel has ended: it fails, and says so, if the channel closes first."""

_LAST_READ = 0.1
"""Seconds for a message that has come already, when the status of its call is known."""


class _Way:
    """A channel to one of the coordinators."""

    def __init__(self, where: Route) -> None:
        credentials = where.credentials()
        options = list(where.options)
        if credentials is None:
            self.channel = grpc.insecure_channel(where.address.target, options=options)
        else:
            self.channel = grpc.secure_channel(where.address.target, credentials, options=options)
        self.methods: dict[str, Any] = {
            name: self.channel.unary_unary(path, request_serializer=to, response_deserializer=back)
            for name, (path, to, back) in _calls.METHODS.items()
        }
        path, to, back = _calls.STREAM
        self.stream: Any = self.channel.unary_stream(path, request_serializer=to, response_deserializer=back)
        self._state: grpc.ChannelConnectivity | None = None
        self._changed = threading.Condition()

    def _notice(self, state: grpc.ChannelConnectivity) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def unwatch(self) -> None:
        """Before it is closed."""
        self.channel.unsubscribe(self._notice)

    def connected(self) -> bool:
        """There is a connection, perhaps after a while: only then is a request sent, so that a missing one is known
        to have carried none."""
        known = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        if self._state is not grpc.ChannelConnectivity.READY:
            self.channel.unsubscribe(self._notice)
            self._state = None
            self.channel.subscribe(self._notice, try_to_connect=True)
        with self._changed:
            self._changed.wait_for(lambda: self._state in known, _failover.CONNECT_TIMEOUT)
            return self._state is grpc.ChannelConnectivity.READY


def _messages(call: Any) -> Iterator[pb.ExecuteParallelStreamResponse]:
    """Of a stream, until it ends. grpc's iterator waits for ever for a first message where grpc sent the request again
    by itself and had no connection left, though it knows the call's status: so that message is waited for elsewhere."""
    first: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        try:
            first.put(next(call, None))
        except Exception as error:
            first.put(error)

    def on_ended(_: Any) -> None:
        if call.code() is not grpc.StatusCode.OK:
            first.put(call)

    call.add_done_callback(on_ended)
    threading.Thread(target=read, name="toolwave-stream", daemon=True).start()
    message = first.get()
    if message is call:
        # a message that came before the status goes first
        with contextlib.suppress(queue.Empty):
            message = first.get(timeout=_LAST_READ)
    if isinstance(message, Exception):
        raise message
    if message is not None:
        yield message
        yield from call


class Client:
    """Runs tool calls on a cluster, and blocks meanwhile. `with` or `close()` ends it.

    `address` may be several with commas between them: one is asked, and another when it takes no work. What may have
    run is submitted to another only where `resubmit` says so: "keyed" if every call has an idempotency key, "always".

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
        patience: float | None = None,
        resubmit: _failover.Resubmit = "never",
    ) -> None:
        options = (*_failover.options(address, patience, resubmit), *channel_options)
        routes = [route(each, tls, max_message_bytes, options) for each in _failover.split(address)]
        self._token = Token(token, token_file)
        for where in routes:
            check_token(where.address, self._token, insecure_plaintext_token)
        self._max_message_bytes = max_message_bytes
        self._turns = _failover.Turns([where.address.target for where in routes], patience, resubmit, channel_options)
        self._ways = [_Way(where) for where in routes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; executions that are waited for are cancelled."""
        if not self._turns.is_once:
            for way in self._ways:
                way.unwatch()
            time.sleep(_UNWATCHED)
        for way in self._ways:
            way.channel.close()

    def _call(self, method: str, request: Any, traceparent: str | None = None) -> Any:
        if self._turns.is_once:
            return self._ask(0, method, request, traceparent)
        return self._carry(method, request, traceparent)[0]

    def _carry(self, method: str, request: Any, traceparent: str | None = None) -> tuple[Any, _failover.Carrying]:
        carrying = _failover.carrying(self._turns, request)
        while True:
            way = self._reached(carrying)
            if method == "execute":
                carrying.in_time(request)
            try:
                return self._ask(way, method, request, traceparent), carrying
            except RpcError as missed:
                time.sleep(carrying.missed(way, missed))

    def _ask(self, way: int, method: str, request: Any, traceparent: str | None = None) -> Any:
        timeout = _calls.rpc_deadline(request) if method == "execute" else None
        metadata = _trace.metadata(self._token.metadata(), traceparent)
        call = self._ways[way].methods[method].future(request, timeout=timeout, metadata=metadata)
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
        answer: pb.ExecuteParallelResponse = self._call("execute", request, options.get("traceparent"))
        return [_results.result(each) for each in answer.results]

    def execute(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Execution:
        """The same, with the execution's summary."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        traceparent = options.get("traceparent")
        if self._turns.is_once:
            return _results.execution(self._ask(0, "execute", request, traceparent), [])
        answer, carrying = self._carry("execute", request, traceparent)
        return _results.execution(answer, carrying.resubmissions)

    def stream(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Iterator[Event]:
        """Each event as it happens. An iteration that is left early cancels the execution.

        Of several coordinators another is asked until one has begun to answer; afterwards its errors are the caller's.
        """
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        carrying = None if self._turns.is_once else _failover.carrying(self._turns, request)
        while True:
            way = 0
            if carrying is not None:
                way = self._reached(carrying)
                carrying.in_time(request)
            call = self._ways[way].stream(
                pb.ExecuteParallelStreamRequest(execution=request),
                timeout=_calls.rpc_deadline(request),
                metadata=_trace.metadata(self._token.metadata(), options.get("traceparent")),
            )
            try:
                for message in _messages(call):
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
            time.sleep(carrying.missed(way, missed))

    def _reached(self, carrying: _failover.Carrying) -> int:
        """One that can be connected to."""
        while not self._ways[way := self._turns.pick()].connected():
            time.sleep(carrying.missed(way, _failover.unreachable(self._turns.addresses[way]), sent=False))
        return way

    def plan(
        self,
        tool_calls: Iterable[ToolCall],
        max_concurrency: int | Literal["auto"] = _calls.DEFAULT_CONCURRENCY,
        **options: Unpack[_calls.ExecutionOptions],
    ) -> Plan:
        """Waves and edges of the calls; runs nothing."""
        request = _calls.execution_request(tool_calls, max_concurrency, options, self._max_message_bytes)
        planned = self._call("plan", pb.PlanExecutionRequest(execution=request), options.get("traceparent"))
        return _results.plan(planned)

    def cancel(self, *, execution_id: str | None = None, idempotency_key: str | None = None) -> Cancellation:
        """Cancels an execution; one that has ended is no error. Of several coordinators the one that was asked last
        is told: another one does not know the execution."""
        request = _calls.cancel_request(execution_id, idempotency_key)
        return _results.cancellation(self._ask(self._turns.current, "cancel", request))

    def list_tools(self) -> list[Tool]:
        """The tools of the cluster, sorted by name."""
        answer: pb.ListToolsResponse = self._call("list_tools", pb.ListToolsRequest())
        return [_results.tool(each) for each in answer.tools]
