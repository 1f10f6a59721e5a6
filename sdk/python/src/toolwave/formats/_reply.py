"""The tool calls of one reply of a model, and how the messages to send back are made of their results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from toolwave._types import ToolCall, ToolResult
from toolwave.formats import _arguments
from toolwave.formats._ending import CallTrouble, error_of
from toolwave.formats._names import Names
from toolwave.formats._provider import Provider

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class ReplyError(ValueError):
    """A value that holds no reply whose calls could be told."""


@dataclass(frozen=True)
class ReplyCall:
    """One call, as the model wrote it."""

    id: str
    """The provider's, else its index among the reply's calls, in decimal."""
    provider_id: str | None
    name: str
    """The tool, by the name that the model used."""
    tool: str | None
    """The tool, by the catalogue's name; None where no tool can be named so."""
    parameters_json: str | None
    """A JSON object as the model wrote it; None for a call that cannot be run."""
    error: dict[str, Any] | None
    """Why the call cannot be run; None for one that can."""
    item: dict[str, Any]
    """The whole call as it stands in the reply, unknown fields included."""


@dataclass(frozen=True)
class Answered:
    """A call and how it ended: `error` is None where it succeeded."""

    call: ReplyCall
    result: Any
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Found:
    """What a reply holds: items that are calls, and the kinds of others that somebody else answers."""

    calls: list[Any]
    left_alone: list[str]


Writer = Callable[[Sequence[Answered]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Reply:
    """The tool calls of one reply, read by one of `toolwave.formats`' modules."""

    provider: Provider
    calls: list[ReplyCall]
    left_alone: list[str]
    """Kinds of calls in it that are no function calls: whoever offered those tools to the model answers them."""
    _write: Writer

    @property
    def call_ids(self) -> list[str]:
        """An id for each call in an execution: the provider's, where all are legal there and differ; else indices."""
        ids = {call.provider_id for call in self.calls if call.provider_id and _ID.fullmatch(call.provider_id)}
        if len(ids) == len(self.calls):
            return [call.id for call in self.calls]
        return [str(index) for index in range(len(self.calls))]

    def tool_calls(self) -> list[ToolCall]:
        """The calls that can be run, for `execute_tools_parallel`. What a model writes is never a reference."""
        return [
            {"id": id, "tool_name": call.tool or "", "parameters_json": _arguments.literal(call.parameters_json)}
            for id, call in zip(self.call_ids, self.calls, strict=True)
            if call.parameters_json is not None
        ]

    def messages(self, results: Iterable[ToolResult]) -> list[dict[str, Any]]:
        """What follows the reply in the next request: an answer to every call, those included that could not be run.

        `results` has one for each of `tool_calls()`, found by its id.
        """
        by_id = {result["id"]: result for result in results}
        answered: list[Answered] = []
        for id, call in zip(self.call_ids, self.calls, strict=True):
            if call.error is not None:
                answered.append(Answered(call, None, call.error))
                continue
            result = by_id.get(id)
            if result is None:
                raise ValueError(f"no result for the call {id!r}; expected one for each of tool_calls()")
            answered.append(Answered(call, result["result"], error_of(result)))
        return self._write(answered)


def read_call(names: Names, index: int, item: dict[str, Any], fields: tuple[Any, Any, Any]) -> ReplyCall:
    """One call of a reply; `fields` are its id, name and arguments where the provider puts them."""
    id, name, arguments = fields
    name = name if isinstance(name, str) else ""
    provider_id = id if isinstance(id, str) and id else None
    tool = names.tool(name) if name else None
    parameters: str | None = None
    error: dict[str, Any] | None = None
    try:
        if not name:
            raise CallTrouble.bad_tool_name("")
        parameters = _arguments.read(arguments)
        if tool is None:
            parameters = None
            raise CallTrouble.bad_tool_name(name)
    except CallTrouble as trouble:
        error = trouble.error()
    return ReplyCall(provider_id or str(index), provider_id, name, tool, parameters, error, item)


def as_json(reply: Any) -> Any:
    """A reply as JSON values: JSON text, plain values, or the objects of a provider's SDK."""
    if isinstance(reply, str | bytes):
        try:
            return json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise ReplyError(f"the reply is no JSON: {error}") from None
    return _plain(reply)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True, exclude_unset=True)
    return value


def present(value: Any, key: str, kind: type) -> Any:
    """A member that is there and of that type, else None."""
    member = value.get(key) if isinstance(value, dict) else None
    return member if isinstance(member, kind) else None


def only(answers: list[Any], what: str) -> dict[str, Any] | None:
    """The one of a list of answers, {} for none; an error for several."""
    if len(answers) > 1:
        raise ReplyError(
            f"the reply holds {len(answers)} {what}, whose calls are alternatives; give the message of one of them"
        )
    if not answers:
        return {}
    return answers[0] if isinstance(answers[0], dict) else None


def kind_of(item: Any) -> str | None:
    """Its `type`."""
    kind: str | None = present(item, "type", str)
    return kind
