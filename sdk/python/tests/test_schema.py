"""Schemas from type hints and docstrings, and the way back from JSON to the annotated types."""

from __future__ import annotations

import collections.abc
import datetime
import enum
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Union

import annotated_types
import jsonschema
import pydantic
import pytest
from typing_extensions import NotRequired, Required, TypedDict

import toolwave
from toolwave import Context, HostedTool, ToolDefinitionError, reads, tool, writes


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    """A place.

    Args:
        x: To the right.
    """

    x: int
    y: int = 0


@dataclass
class Shape:
    corners: list[Point]
    colour: Colour = Colour.RED
    tags: list[str] = field(default_factory=list)


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int
    place: Point


class Book(TypedDict):
    title: str
    pages: NotRequired[int]


class Inner(pydantic.BaseModel):
    n: int = pydantic.Field(ge=0, description="not below zero")


class Model(pydantic.BaseModel):
    inner: Inner
    words: list[str] = []


UserId = NewType("UserId", int)
POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer", "description": "To the right."}, "y": {"type": "integer", "default": 0}},
    "required": ["x"],
    "additionalProperties": False,
    "description": "A place.",
}


def tool_of(hint: Any) -> HostedTool[..., Any]:
    def function(value):  # type: ignore[no-untyped-def]
        return value

    function.__annotations__ = {"value": hint}
    return HostedTool(function)


TABLE: list[tuple[Any, dict[str, Any], Any, Any]] = [
    (str, {"type": "string"}, "a", "a"),
    (int, {"type": "integer"}, 3, 3),
    (float, {"type": "number"}, 3, 3.0),
    (bool, {"type": "boolean"}, True, True),
    (None, {"type": "null"}, None, None),
    (Any, {}, {"a": [1]}, {"a": [1]}),
    (list, {"type": "array"}, [1], [1]),
    (list[int], {"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2]),
    (collections.abc.Sequence[str], {"type": "array", "items": {"type": "string"}}, ["a"], ["a"]),
    (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ["a", "b"], {"a", "b"}),
    (frozenset[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1], frozenset({1})),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1, 2], (1, 2)),
    (
        tuple[int, str],
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
        },
        [1, "a"],
        (1, "a"),
    ),
    (dict, {"type": "object"}, {"a": 1}, {"a": 1}),
    (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}),
    (dict[str, Any], {"type": "object"}, {"a": 1}, {"a": 1}),
    (
        dict[str, Point],
        {"type": "object", "additionalProperties": POINT},
        {"a": {"x": 1}},
        {"a": Point(1)},
    ),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
    (Literal[1, "a", None], {"enum": [1, "a", None]}, None, None),
    (Colour, {"type": "string", "enum": ["red", "blue"]}, "blue", Colour.BLUE),
    (Level, {"type": "integer", "enum": [1, 2]}, 2, Level.HIGH),
    (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "1", "1"),
    (Union[float, int], {"anyOf": [{"type": "number"}, {"type": "integer"}]}, 1, 1),
    (Union[Point, Colour, None], {"anyOf": [POINT, {"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]},
     "red", Colour.RED),
    (Union[Colour, str], {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "string"}]}, "green", "green"),
    (Union[list[Point], Point], {"anyOf": [{"type": "array", "items": POINT}, POINT]}, {"x": 2}, Point(2)),
    (Point, POINT, {"x": 1, "y": 2}, Point(1, 2)),
    (
        Shape,
        {
            "type": "object",
            "properties": {
                "corners": {"type": "array", "items": POINT},
                "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["corners"],
            "additionalProperties": False,
        },
        {"corners": [{"x": 1}], "colour": "blue"},
        Shape([Point(1)], Colour.BLUE),
    ),
    (
        Movie,
        {
            "type": "object",
            "properties": {"title": {"type": "string"}, "year": {"type": "integer"}, "place": POINT},
            "required": ["title"],
            "additionalProperties": False,
        },
        {"title": "a", "place": {"x": 1}},
        {"title": "a", "place": Point(1)},
    ),
    (
        Book,
        {
            "type": "object",
            "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}},
            "required": ["title"],
            "additionalProperties": False,
        },
        {"title": "a"},
        {"title": "a"},
    ),
    (Annotated[int, "how many"], {"type": "integer", "description": "how many"}, 1, 1),
    (Annotated[str, {"pattern": "^a", "examples": ["ab"]}], {"type": "string", "pattern": "^a", "examples": ["ab"]},
     "ab", "ab"),
    (Annotated[int, annotated_types.Ge(1), annotated_types.Lt(10)],
     {"type": "integer", "minimum": 1, "exclusiveMaximum": 10}, 5, 5),
    (Annotated[list[int], annotated_types.Len(1, 3)],
     {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3}, [1], [1]),
    (Annotated[str, pydantic.Field(description="word", min_length=2, pattern="^a")],
     {"type": "string", "description": "word", "minLength": 2, "pattern": "^a"}, "ab", "ab"),
    (UserId, {"type": "integer"}, 1, 1),
    (datetime.datetime, {"type": "string", "format": "date-time"}, "2026-11-23T07:00:00Z",
     datetime.datetime(2026, 11, 23, 7, tzinfo=datetime.timezone.utc)),
    (datetime.date, {"type": "string", "format": "date"}, "2026-11-23", datetime.date(2026, 11, 23)),
    (uuid.UUID, {"type": "string", "format": "uuid"}, "12345678-1234-5678-1234-567812345678",
     uuid.UUID("12345678-1234-5678-1234-567812345678")),
    (Path, {"type": "string"}, "/tmp/a", Path("/tmp/a")),
    (Decimal, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}, "1.10", Decimal("1.10")),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "schema", "value", "converted"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_every_hint_has_its_schema_and_its_way_back(hint: Any, schema: Any, value: Any, converted: Any) -> None:
    made = tool_of(hint)
    assert made.input_schema["properties"]["value"] == schema
    assert made.input_schema["additionalProperties"] is False and made.input_schema["required"] == ["value"]
    jsonschema.Draft202012Validator.check_schema(made.input_schema)
    jsonschema.Draft202012Validator(made.input_schema).validate({"value": value})
    arguments = made.arguments({"value": value}, None)
    assert arguments == {"value": converted} and type(arguments["value"]) is type(converted)


def test_a_type_that_holds_itself_is_defined_once_and_referred_to() -> None:
    made = tool_of(Tree)
    assert made.input_schema["properties"]["value"] == {"$ref": "#/$defs/Tree"}
    assert made.input_schema["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    value = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}
    jsonschema.Draft202012Validator(made.input_schema).validate({"value": value})
    assert made.arguments({"value": value}, None)["value"] == Tree("a", [Tree("b", [Tree("c")])])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(made.input_schema).validate({"value": {"name": "a", "children": [{}]}})


def test_pydantic_models_bring_their_own_schema_and_check_themselves() -> None:
    made = tool_of(list[Model])
    jsonschema.Draft202012Validator.check_schema(made.input_schema)
    jsonschema.Draft202012Validator(made.input_schema).validate({"value": [{"inner": {"n": 1}}]})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(made.input_schema).validate({"value": [{"inner": {"n": -1}}]})
    assert made.arguments({"value": [{"inner": {"n": 1}}]}, None)["value"] == [Model(inner=Inner(n=1))]


GOOGLE = """Finds flights.

    Only direct ones.

    Args:
        origin: Where from.
        when (str): The day,
            as 2026-11-23.

    Returns:
        Flights.
    """
NUMPY = """Finds flights.

    Only direct ones.

    Parameters
    ----------
    origin : str
        Where from.
    when : str
        The day,
        as 2026-11-23.
    """
REST = """Finds flights.

    Only direct ones.

    :param origin: Where from.
    :param when: The day,
        as 2026-11-23.
    :returns: Flights.
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_descriptions_come_from_docstrings_of_every_style(text: str) -> None:
    def find(origin: str, when: Annotated[str, "said here"], seats: int = 1) -> list[str]:
        return []

    find.__doc__ = text
    made = tool(find)
    assert made.description == "Finds flights.\n\nOnly direct ones."
    properties = made.input_schema["properties"]
    assert properties["origin"]["description"] == "Where from."
    # what stands at the type is nearer than what the docstring says
    assert properties["when"]["description"] == "said here"
    assert properties["seats"] == {"type": "integer", "default": 1}
    assert made.input_schema["required"] == ["origin", "when"]
    assert made.output_schema == {"type": "array", "items": {"type": "string"}}


def test_the_context_is_no_parameter_and_the_function_stays_callable() -> None:
    @tool
    def plain(a: int, ctx: Context, b: int = 2) -> int:
        return a + b

    @tool
    async def optional(ctx: Context | None = None) -> None: ...

    assert list(plain.input_schema["properties"]) == ["a", "b"] and plain.wants_context and not plain.is_async
    assert optional.input_schema["properties"] == {} and optional.wants_context and optional.is_async
    assert plain(1, Context()) == 3


def test_what_is_declared_is_registered() -> None:
    @tool(
        name="files.copy",
        description="Copies.",
        effects=[reads("file:{source}"), writes("file:{target}")],
        idempotent=True,
        honours_idempotency_key=True,
        timeout=datetime.timedelta(seconds=1.5),
        max_concurrency=4,
        max_concurrency_per_worker=2,
        rate=2.5,
        rate_burst=3,
        max_result_bytes=100,
        retry={"max_attempts": 2, "initial_backoff": 0.25},
        labels={"team": "a"},
    )
    def copy(source: str, target: str) -> None: ...

    declared = copy.declaration()
    assert (declared.name, declared.description) == ("files.copy", "Copies.")
    assert [(effect.mode, effect.key_template) for effect in declared.effects] == [
        (1, "file:{source}"),
        (2, "file:{target}"),
    ]
    assert declared.idempotent and declared.honours_idempotency_key and not declared.read_only
    assert (declared.timeout.seconds, declared.timeout.nanos) == (1, 500_000_000)
    assert (declared.max_concurrency, declared.max_concurrency_per_worker) == (4, 2)
    assert (declared.rate_per_second, declared.rate_burst, declared.max_result_bytes) == (2.5, 3, 100)
    assert declared.retry.max_attempts == 2 and declared.retry.initial_backoff.nanos == 250_000_000
    assert dict(declared.labels) == {"team": "a"}
    assert json.loads(declared.input_schema_json)["required"] == ["source", "target"]


def test_a_schema_that_is_given_hands_parameters_over_as_they_come() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    @tool(input_schema=schema)
    def anything(**parameters: Any) -> Any:
        return parameters

    assert anything.input_schema == schema and anything.arguments({"a": 1}, None) == {"a": 1}


def positional(a: int, /) -> None: ...


def variable(*a: int) -> None: ...


def unknown_name(a: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: tool_of(bytes), "parameter 'value': bytes have no JSON"),
        (lambda: tool_of(dict[int, str]), "key of a JSON object"),
        (lambda: tool_of(object.__class__), "no JSON Schema"),
        (lambda: tool_of(Callable[[], int]), "no JSON Schema"),
        (lambda: tool(positional), "has no name in JSON"),
        (lambda: tool(variable), "has no name in JSON"),
        (lambda: tool(unknown_name), "type hints cannot be read"),
        (lambda: tool(name="a b")(lambda: None), "the name is not allowed"),
        (lambda: tool(effects=[reads("a{")])(positional), "has no name|effect"),
        (lambda: tool(name="t", rate=0)(lambda: None), "rate is 0"),
        (lambda: tool(name="t", timeout=-1)(lambda: None), "timeout is -1"),
        (lambda: tool(name="t", timeout="5s")(lambda: None), "expected seconds"),  # type: ignore[call-overload]
        (lambda: tool(name="t", effects=[reads("{}")])(lambda: None), "effect"),
        (lambda: tool(name="t", input_schema={"type": "array"})(lambda: None), "takes no objects"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_when_it_is_declared(make: Callable[[], Any], problem: str) -> None:
    with pytest.raises(ToolDefinitionError, match=problem):
        make()


def test_parameters_that_the_types_do_not_take_are_told_with_their_name() -> None:
    from toolwave._tool import InvalidParameters

    with pytest.raises(InvalidParameters, match=r"^/value: "):
        tool_of(Colour).arguments({"value": "green"}, None)


def test_what_is_exported_is_there() -> None:
    assert all(hasattr(toolwave, name) for name in toolwave.__all__)
