"""What every provider's format can do, in terms of the few things in which they differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from typing_extensions import Unpack

from toolwave._async_client import AsyncClient
from toolwave._calls import ExecutionOptions
from toolwave._client import Client
from toolwave._errors import InvalidRequestError
from toolwave._types import Tool
from toolwave.formats._detect import detect
from toolwave.formats._names import Names
from toolwave.formats._provider import Provider
from toolwave.formats._refused import Refusals
from toolwave.formats._reply import Answered, Found, Reply, ReplyError, as_json, read_call

Concurrency = int | Literal["auto"]


class Format(ABC):
    """A provider's way to say tool calls."""

    provider: ClassVar[Provider]

    @abstractmethod
    def find(self, root: Any) -> Found | None:
        """The calls in a reply; None for what is no reply of this provider."""

    @abstractmethod
    def fields(self, item: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Id, name and arguments of one call."""

    @abstractmethod
    def write(self, answered: Sequence[Answered]) -> list[dict[str, Any]]:
        """The messages that carry results back."""

    @abstractmethod
    def definition(self, function: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        """One tool; `function` has its name and description."""

    def read(self, reply: Any, tools: Iterable[Tool | str] = ()) -> Reply:
        """The calls of a model's reply: a whole reply, the message in it, or the bare list of its calls.

        JSON text, plain values and the SDK's own objects will do. `tools` is the catalogue that the model was told
        of, to find a tool by the name that it was given. A call that is broken is an error of that call; ReplyError
        is raised for what is no reply.
        """
        root = as_json(reply)
        found = self.find(root)
        if found is None:
            raise ReplyError(self._refusal(root))
        names = Names(self.provider, tools)
        calls = [
            read_call(names, index, item, self.fields(item))
            for index, item in enumerate(each if isinstance(each, dict) else {} for each in found.calls)
        ]
        return Reply(self.provider, calls, found.left_alone, self.write)

    def _refusal(self, root: Any) -> str:
        error = root.get("error") if isinstance(root, dict) else None
        if error is not None:
            message = error.get("message") if isinstance(error, dict) else None
            return f"this is an error of the provider and no reply: {message or error}"
        looks_like = detect(root)
        hint = ""
        if looks_like is not None and looks_like is not self.provider:
            hint = f"; it looks like {looks_like.label} (`{looks_like.value}`)"
        return f"this is no reply of {self.provider.label}: expected {self.provider.expected}{hint}"

    def names(self, tools: Iterable[Tool | str]) -> Names:
        """The names that the provider is told for the tools of a catalogue, and back."""
        return Names(self.provider, tools)

    def definitions(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """What goes into the request as `tools`, under names that the provider takes."""
        names = Names(self.provider, tools)
        made: list[dict[str, Any]] = []
        for tool in tools:
            function: dict[str, Any] = {"name": names.name(tool.name)}
            if tool.description:
                function["description"] = tool.description
            made.append(self.definition(function, object_schema(tool.input_schema)))
        return made

    async def run(
        self,
        client: AsyncClient,
        reply: Any,
        tools: Iterable[Tool | str] | None = None,
        max_concurrency: Concurrency = "auto",
        **options: Unpack[ExecutionOptions],
    ) -> list[dict[str, Any]]:
        """Runs the calls of a reply as one execution, and returns the messages to send back; [] without calls.

        The cluster is asked for its tools unless `tools` says them. A call that the coordinator refuses fails alone.
        """
        read = self.read(reply, await client.list_tools() if tools is None else tools)
        refusals = Refusals(read.tool_calls())
        while refusals.left:
            try:
                return read.messages(
                    refusals.with_results(
                        await client.execute_tools_parallel(refusals.left, max_concurrency, **options)
                    )
                )
            except InvalidRequestError as error:
                refusals.take_out(error)
        return read.messages(refusals.results)

    def run_blocking(
        self,
        client: Client,
        reply: Any,
        tools: Iterable[Tool | str] | None = None,
        max_concurrency: Concurrency = "auto",
        **options: Unpack[ExecutionOptions],
    ) -> list[dict[str, Any]]:
        """`run`, with the blocking client."""
        read = self.read(reply, client.list_tools() if tools is None else tools)
        refusals = Refusals(read.tool_calls())
        while refusals.left:
            try:
                results = client.execute_tools_parallel(refusals.left, max_concurrency, **options)
                return read.messages(refusals.with_results(results))
            except InvalidRequestError as error:
                refusals.take_out(error)
        return read.messages(refusals.results)


def object_schema(schema: Any) -> dict[str, Any]:
    """The schema as providers take it: that of an object, with `properties`, and without `$schema`.

    A schema of anything else stays what it is: the provider will say what it thinks of it.
    """
    given = {key: value for key, value in schema.items() if key != "$schema"} if isinstance(schema, dict) else {}
    kind = given.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        return given
    whole: dict[str, Any] = {"type": "object"}
    whole.update((key, value) for key, value in given.items() if key != "type")
    whole.setdefault("properties", {})
    return whole
