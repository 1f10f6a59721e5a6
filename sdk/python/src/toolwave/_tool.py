"""Functions as tools: the declaration that a worker registers, and how parameters become arguments."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, overload

import typing_extensions
from typing_extensions import ParamSpec

from toolwave._context import Context
from toolwave._docs import parameter_docs
from toolwave._encode import encode_result
from toolwave._errors import ParameterError, ToolDefinitionError
from toolwave._proto import tool_pb2
from toolwave._request import duration, retry_policy
from toolwave._shape import NoShape, Schema, Shape, Shaper, add_default
from toolwave._types import Effect, RetryPolicy, Seconds

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_KEY_TEMPLATE = re.compile(r"(?:[^{}]|\{[^{}]+\})+")
_MAX_TIMEOUT = 24 * 3600


def reads(key: str) -> Effect:
    """The tool reads what the key names: `reads("file:{path}")`, with parameters in braces."""
    return Effect("reads", key)


def writes(key: str) -> Effect:
    """The tool writes what the key names; calls of one execution on the same key keep their order."""
    return Effect("writes", key)


class InvalidParameters(Exception):
    """Parameters that passed the schema and that the annotated types do not take."""


class HostedTool(Generic[P, R]):
    """A function and what is declared of it. Calling it calls the function."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        effects: Iterable[Effect] = (),
        read_only: bool = False,
        idempotent: bool = False,
        honours_idempotency_key: bool = False,
        timeout: Seconds | None = None,
        max_concurrency: int | None = None,
        max_concurrency_per_worker: int | None = None,
        rate: float | None = None,
        rate_burst: int | None = None,
        max_result_bytes: int | None = None,
        retry: RetryPolicy | None = None,
        labels: Mapping[str, str] | None = None,
        input_schema: Schema | None = None,
        output_schema: Schema | None = None,
        local_names: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.name = name if name is not None else getattr(function, "__name__", type(function).__name__)
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 (objects with an async __call__)
        )
        if not _NAME.fullmatch(self.name):
            raise self._wrong("the name is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]")
        documented, texts = parameter_docs(function)
        self.description = description if description is not None else documented
        self._context_name: str | None = None
        self._shapes: dict[str, Shape] = {}
        self._converts: dict[str, Callable[[Any], Any]] = {}
        hints = self._hints(local_names or {})
        self.input_schema = self._input_schema(hints, texts, given=input_schema)
        self.output_schema = output_schema if output_schema is not None else _output_schema(hints.get("return", Any))
        self.effects = list(effects)
        self.read_only, self.idempotent = read_only, idempotent
        self.honours_idempotency_key = honours_idempotency_key
        self.timeout, self.retry = timeout, retry
        self.max_concurrency, self.max_concurrency_per_worker = max_concurrency, max_concurrency_per_worker
        self.rate, self.rate_burst = rate, rate_burst
        self.max_result_bytes = max_result_bytes
        self.labels = dict(labels or {})
        self._check()
        self.__doc__ = function.__doc__
        self.__name__ = self.name
        self.__wrapped__ = function
        self.__module__ = getattr(function, "__module__", __name__)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def _wrong(self, problem: str) -> ToolDefinitionError:
        return ToolDefinitionError(f"the tool {self.name!r}: {problem}")

    def _hints(self, local_names: Mapping[str, Any]) -> dict[str, Any]:
        described = self.function if inspect.isroutine(self.function) else getattr(self.function, "__call__", None)  # noqa: B004
        try:
            return typing_extensions.get_type_hints(described, localns=dict(local_names), include_extras=True)
        except (NameError, TypeError) as error:
            raise self._wrong(f"its type hints cannot be read: {error}") from None

    def _input_schema(self, hints: dict[str, Any], texts: dict[str, str], given: Schema | None) -> Schema:
        shaper = Shaper()
        required: list[str] = []
        for parameter in inspect.signature(self.function).parameters.values():
            hint = hints.get(parameter.name, Any)
            if _is_context(hint):
                self._context_name = parameter.name
            elif given is None:
                self._shapes[parameter.name] = self._shape(shaper, parameter, hint, texts)
                if parameter.default is parameter.empty:
                    required.append(parameter.name)
        if given is not None:
            return given
        self._converts = {name: shape.convert for name, shape in self._shapes.items() if shape.convert is not None}
        schema: Schema = {
            "type": "object",
            "properties": {name: shape.schema for name, shape in self._shapes.items()},
            "additionalProperties": False,
        }
        if required:
            schema["required"] = required
        if shaper.definitions:
            schema["$defs"] = shaper.definitions
        return schema

    def _shape(self, shaper: Shaper, parameter: inspect.Parameter, hint: Any, texts: dict[str, str]) -> Shape:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise self._wrong(f"the parameter {parameter} has no name in JSON; expected parameters with names")
        try:
            shape = shaper.shape(hint)
        except NoShape as error:
            raise self._wrong(f"the parameter {parameter.name!r}: {error}") from None
        if parameter.name in texts:
            shape.schema = {**shape.schema}
            shape.schema.setdefault("description", texts[parameter.name])
        if parameter.default is not parameter.empty:
            add_default(shape, parameter.default)
        return shape

    def _check(self) -> None:
        for effect in self.effects:
            if not isinstance(effect, Effect) or not _KEY_TEMPLATE.fullmatch(effect.key):
                raise self._wrong(
                    f"the effect {effect!r} is not allowed; expected a key such as reads('file:{{path}}')"
                )
        for name in ("max_concurrency", "max_concurrency_per_worker", "rate", "rate_burst", "max_result_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise self._wrong(f"{name} is {value}; expected more than 0, or None for no limit")
        try:
            declared = self.declaration()
        except (ParameterError, TypeError, ValueError) as error:
            raise self._wrong(str(error)) from None
        timeout = declared.timeout
        if self.timeout is not None and not 0 < timeout.seconds + timeout.nanos / 1e9 <= _MAX_TIMEOUT:
            raise self._wrong(f"timeout is {self.timeout}; expected more than 0 and at most 24 hours")
        if not isinstance(self.input_schema, dict) or self.input_schema.get("type", "object") != "object":
            raise self._wrong('the input schema takes no objects; expected "type": "object"')

    def declaration(self) -> tool_pb2.Tool:
        """As it is registered."""
        return tool_pb2.Tool(
            name=self.name,
            description=self.description,
            input_schema_json=encode_result(self.input_schema).encode(),
            output_schema_json=encode_result(self.output_schema).encode() if self.output_schema else b"",
            effects=[
                tool_pb2.Effect(
                    mode=tool_pb2.EFFECT_MODE_WRITES if effect.mode == "writes" else tool_pb2.EFFECT_MODE_READS,
                    key_template=effect.key,
                )
                for effect in self.effects
            ],
            read_only=self.read_only,
            idempotent=self.idempotent,
            honours_idempotency_key=self.honours_idempotency_key,
            timeout=None if self.timeout is None else duration(self.timeout, "timeout"),
            max_concurrency=self.max_concurrency or 0,
            max_concurrency_per_worker=self.max_concurrency_per_worker or 0,
            rate_per_second=self.rate or 0.0,
            rate_burst=self.rate_burst or 0,
            max_result_bytes=self.max_result_bytes or 0,
            retry=None if self.retry is None else retry_policy(self.retry, "retry"),
            labels=self.labels,
        )

    @property
    def wants_context(self) -> bool:
        """One of the function's parameters is a Context."""
        return self._context_name is not None

    def arguments(self, parameters: dict[str, Any], context: Context | None) -> dict[str, Any]:
        """What the function is called with: the parameters as the annotated types, and the context."""
        for name, convert in self._converts.items():
            if name in parameters:
                try:
                    parameters[name] = convert(parameters[name])
                except Exception as error:
                    raise InvalidParameters(f"/{name}: {error}") from error
        if self._context_name is not None:
            parameters[self._context_name] = context
        return parameters


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is not None and type(None) in get_args(hint):
        return any(_is_context(argument) for argument in get_args(hint))
    return hint is Context or hint == Union[Context, None]


def _output_schema(hint: Any) -> Schema | None:
    """For readers only; a hint that has none is no mistake."""
    shaper = Shaper()
    try:
        schema = shaper.shape(hint).schema
    except NoShape:
        return None
    if shaper.definitions:
        schema = {**schema, "$defs": shaper.definitions}
    return schema or None


@overload
def tool(function: Callable[P, R], /) -> HostedTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effects: Iterable[Effect] = (),
    read_only: bool = False,
    idempotent: bool = False,
    honours_idempotency_key: bool = False,
    timeout: Seconds | None = None,
    max_concurrency: int | None = None,
    max_concurrency_per_worker: int | None = None,
    rate: float | None = None,
    rate_burst: int | None = None,
    max_result_bytes: int | None = None,
    retry: RetryPolicy | None = None,
    labels: Mapping[str, str] | None = None,
    input_schema: Schema | None = None,
    output_schema: Schema | None = None,
) -> Callable[[Callable[P, R]], HostedTool[P, R]]: ...


def tool(function: Callable[..., Any] | None = None, /, **declared: Any) -> Any:
    """Makes a tool of a typed function, `async` or not: `@tool`, or `@tool(read_only=True, timeout=5)`.

    Type hints and docstring give schema and description. With `input_schema` the parameters are handed over as they
    come, as keyword arguments.
    """
    # names of the place where it is declared, for hints that are text
    local_names = sys._getframe(1).f_locals
    if function is not None:
        return HostedTool(function, local_names=local_names)
    return lambda function: HostedTool(function, local_names=local_names, **declared)


def as_tool(given: Any) -> HostedTool[..., Any]:
    """A tool as it is, and a function as the tool that it makes."""
    if isinstance(given, HostedTool):
        return given
    if callable(given):
        return HostedTool(given)
    raise ToolDefinitionError(f"{given!r} is no tool; expected a function, or what @tool made of one")
