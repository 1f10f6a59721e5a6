"""JSON Schema from type hints, and the way back: from JSON values to the annotated types.

Every hint becomes a `Shape`. What has no shape is refused when the tool is declared, never when it is called.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typing_extensions

from toolwave._constraints import constrained
from toolwave._docs import parameter_docs

Schema = dict[str, Any]
Convert = Callable[[Any], Any]


class NoShape(TypeError):
    """The hint cannot be expressed in JSON Schema."""


@dataclass
class Shape:
    """A hint: its schema, whether a JSON value fits it, and what the value becomes (None: it stays as it is)."""

    schema: Schema
    fits: Callable[[Any], bool]
    convert: Convert | None = None

    def converted(self, value: Any) -> Any:
        """The value of the annotated type."""
        return value if self.convert is None else self.convert(value)


def _is_integer(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(parse: Callable[[str], Any], schema: Schema) -> Shape:
    def fits(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            parse(value)
        except (ValueError, ArithmeticError):
            return False
        return True

    return Shape(schema, fits, parse)


def _datetime(text: str) -> datetime.datetime:
    # before 3.11 fromisoformat does not know the letter
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text)


_SIMPLE: dict[Any, Callable[[], Shape]] = {
    Any: lambda: Shape({}, lambda _: True),
    object: lambda: Shape({}, lambda _: True),
    None: lambda: Shape({"type": "null"}, lambda value: value is None),
    type(None): lambda: Shape({"type": "null"}, lambda value: value is None),
    str: lambda: Shape({"type": "string"}, lambda value: isinstance(value, str)),
    bool: lambda: Shape({"type": "boolean"}, lambda value: isinstance(value, bool)),
    int: lambda: Shape({"type": "integer"}, _is_integer, int),
    float: lambda: Shape({"type": "number"}, _is_number, float),
    datetime.datetime: lambda: _parsed(_datetime, {"type": "string", "format": "date-time"}),
    datetime.date: lambda: _parsed(datetime.date.fromisoformat, {"type": "string", "format": "date"}),
    datetime.time: lambda: _parsed(datetime.time.fromisoformat, {"type": "string", "format": "time"}),
    uuid.UUID: lambda: _parsed(uuid.UUID, {"type": "string", "format": "uuid"}),
    decimal.Decimal: lambda: _parsed(decimal.Decimal, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}),
    pathlib.Path: lambda: _parsed(pathlib.Path, {"type": "string"}),
    list: lambda: Shape({"type": "array"}, lambda value: isinstance(value, list)),
    dict: lambda: Shape({"type": "object"}, lambda value: isinstance(value, dict)),
    tuple: lambda: Shape({"type": "array"}, lambda value: isinstance(value, list), tuple),
    set: lambda: Shape({"type": "array", "uniqueItems": True}, lambda value: isinstance(value, list), set),
}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = {set: set, frozenset: frozenset, collections.abc.Set: frozenset}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class Shaper:
    """Shapes the hints of one tool. `definitions` holds what refers to itself, and what pydantic defines."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._open: dict[Any, Shape] = {}
        self._recursive: dict[Any, str] = {}

    def shape(self, hint: Any) -> Shape:
        """The shape of any hint; `NoShape` when there is none."""
        try:
            made = _SIMPLE.get(hint)
        except TypeError:
            # annotations may hold a dict, and are no keys then
            made = None
        if made is not None:
            return made()
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return constrained(self.shape(arguments[0]), arguments[1:])
        if origin is Union or origin is types.UnionType:
            return self._union(arguments)
        if origin is Literal or origin is typing_extensions.Literal:
            return _choices(list(arguments), None)
        if origin in _LISTS:
            return self._list(arguments[0])
        if origin in _SETS:
            return self._set(_SETS[origin], arguments[0])
        if origin is tuple:
            return self._tuple(arguments)
        if origin in _MAPPINGS:
            return self._mapping(arguments)
        if (alias := getattr(hint, "__value__", None)) is not None and type(hint).__name__ == "TypeAliasType":
            return self.shape(alias)
        if (supertype := getattr(hint, "__supertype__", None)) is not None:
            return self.shape(supertype)
        if isinstance(hint, type):
            return self._class(hint)
        raise NoShape(f"{_name(hint)} has no JSON Schema; expected str, int, list[...], a dataclass or the like")

    def _class(self, hint: type) -> Shape:
        if issubclass(hint, enum.Enum):
            return _choices([member.value for member in hint], hint)
        if hasattr(hint, "model_json_schema") and hasattr(hint, "model_validate"):
            return self._pydantic(hint)
        if dataclasses.is_dataclass(hint):
            return self._named(hint, self._dataclass)
        if typing_extensions.is_typeddict(hint):
            return self._named(hint, self._typed_dict)
        if hint is bytes:
            raise NoShape("bytes have no JSON; expected str, with base64 in it")
        raise NoShape(f"the class {hint.__qualname__} has no JSON Schema; expected a dataclass, TypedDict or Enum")

    def _named(self, hint: type, make: Callable[[type, Shape], Shape]) -> Shape:
        """A class that may hold itself."""
        if hint in self._open:
            name = self._recursive.setdefault(hint, self._free_name(hint.__name__))
            inner = self._open[hint]
            return Shape(
                {"$ref": f"#/$defs/{name}"}, lambda value: inner.fits(value), lambda value: inner.converted(value)
            )
        shape = self._open[hint] = Shape({}, lambda _: True)
        made = make(hint, shape)
        del self._open[hint]
        shape.schema, shape.fits, shape.convert = made.schema, made.fits, made.convert
        if hint in self._recursive:
            name = self._recursive.pop(hint)
            self.definitions[name] = made.schema
            return Shape({"$ref": f"#/$defs/{name}"}, made.fits, made.convert)
        return made

    def _free_name(self, name: str) -> str:
        taken = {*self.definitions, *self._recursive.values()}
        free, number = name, 2
        while free in taken:
            free, number = f"{name}{number}", number + 1
        return free

    def _union(self, arguments: tuple[Any, ...]) -> Shape:
        shapes = [self.shape(argument) for argument in arguments]

        def convert(value: Any) -> Any:
            # exact types first: 1 is an int in `float | int`, and "x" is text in `Path | str`
            for shape in shapes:
                if shape.convert is None and shape.schema and shape.fits(value):
                    return value
            if type(value) is int:
                for shape in shapes:
                    if shape.schema.get("type") == "integer":
                        return value
            for shape in shapes:
                if shape.fits(value):
                    return shape.converted(value)
            return value

        needs = any(shape.convert is not None for shape in shapes)
        schema: Schema = {"anyOf": [shape.schema for shape in shapes]}
        return Shape(schema, lambda value: any(shape.fits(value) for shape in shapes), convert if needs else None)

    def _list(self, item: Any) -> Shape:
        shape = self.shape(item)
        each = shape.convert
        return Shape(
            {"type": "array", "items": shape.schema},
            lambda value: isinstance(value, list) and all(map(shape.fits, value)),
            None if each is None else lambda value: [each(element) for element in value],
        )

    def _set(self, kind: type, item: Any) -> Shape:
        shape = self.shape(item)
        return Shape(
            {"type": "array", "items": shape.schema, "uniqueItems": True},
            lambda value: isinstance(value, list) and all(map(shape.fits, value)),
            lambda value: kind(map(shape.converted, value)),
        )

    def _tuple(self, arguments: tuple[Any, ...]) -> Shape:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            shape = self._list(arguments[0])
            return Shape(shape.schema, shape.fits, lambda value: tuple(shape.converted(value)))
        shapes = [self.shape(argument) for argument in arguments if argument != ()]
        schema: Schema = {"type": "array", "minItems": len(shapes), "maxItems": len(shapes)}
        if shapes:
            schema |= {"prefixItems": [shape.schema for shape in shapes], "items": False}

        def fits(value: Any) -> bool:
            return (
                isinstance(value, list)
                and len(value) == len(shapes)
                and all(shape.fits(item) for shape, item in zip(shapes, value, strict=True))
            )

        return Shape(
            schema,
            fits,
            lambda value: tuple(shape.converted(item) for shape, item in zip(shapes, value, strict=True)),
        )

    def _mapping(self, arguments: tuple[Any, ...]) -> Shape:
        key = get_args(arguments[0])[0] if get_origin(arguments[0]) is Annotated else arguments[0]
        if key is not str and key is not Any:
            raise NoShape(f"{_name(arguments[0])} cannot be the key of a JSON object; expected str")
        shape = self.shape(arguments[1])
        each = shape.convert
        return Shape(
            {"type": "object", "additionalProperties": shape.schema} if shape.schema else {"type": "object"},
            lambda value: isinstance(value, dict) and all(map(shape.fits, value.values())),
            None if each is None else lambda value: {name: each(item) for name, item in value.items()},
        )

    def _dataclass(self, hint: type, _: Shape) -> Shape:
        hints = typing_extensions.get_type_hints(hint, include_extras=True)
        fields = [field for field in dataclasses.fields(hint) if field.init]
        shapes = {field.name: self.shape(hints[field.name]) for field in fields}
        required = []
        for field in fields:
            if field.default is not dataclasses.MISSING:
                add_default(shapes[field.name], field.default)
            elif field.default_factory is dataclasses.MISSING:
                required.append(field.name)

        def convert(value: Any) -> Any:
            return hint(**{name: shapes[name].converted(item) for name, item in value.items()})

        return _object(hint, shapes, required, convert)

    def _typed_dict(self, hint: type, _: Shape) -> Shape:
        hints = typing_extensions.get_type_hints(hint, include_extras=True)
        shapes = {name: self.shape(_unqualified(each)) for name, each in hints.items()}
        keys = getattr(hint, "__required_keys__", frozenset(hints))
        required = [name for name, each in hints.items() if _is_required(each, name in keys)]
        needs = any(shape.convert is not None for shape in shapes.values())

        def convert(value: Any) -> Any:
            return {name: shapes[name].converted(item) for name, item in value.items()}

        return _object(hint, shapes, required, convert if needs else None)

    def _pydantic(self, hint: Any) -> Shape:
        schema: Schema = hint.model_json_schema()
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions.setdefault(name, definition)

        def fits(value: Any) -> bool:
            try:
                hint.model_validate(value)
            except ValueError:
                return False
            return True

        return Shape(schema, fits, hint.model_validate)


def _object(hint: type, shapes: dict[str, Shape], required: list[str], convert: Convert | None) -> Shape:
    documented, texts = parameter_docs(hint)
    for name, text in texts.items():
        if name in shapes:
            shapes[name].schema.setdefault("description", text)
    schema: Schema = {
        "type": "object",
        "properties": {name: shape.schema for name, shape in shapes.items()},
        "required": required,
        "additionalProperties": False,
    }
    if not required:
        del schema["required"]
    # what the dataclass decorator makes up says nothing
    if documented and not documented.startswith(f"{hint.__name__}("):
        schema["description"] = documented

    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(name in value for name in required)
            and all(name in shapes and shapes[name].fits(item) for name, item in value.items())
        )

    return Shape(schema, fits, convert)


def _choices(values: list[Any], kind: Callable[[Any], Any] | None) -> Shape:
    words: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    names = {words.get(type(value)) for value in plain}
    if None in names:
        raise NoShape(f"{plain!r} cannot be written in JSON; expected str, int, float, bool or None")
    schema: Schema = {"enum": plain}
    if len(names) == 1:
        schema = {"type": names.pop(), "enum": plain}

    def fits(value: Any) -> bool:
        return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in plain)

    back = dict(zip(map(repr, plain), values, strict=True)) if plain != values else None
    if kind is None and back is not None:
        return Shape(schema, fits, lambda value: back.get(repr(value), value))
    return Shape(schema, fits, kind)


def add_default(shape: Shape, value: Any) -> None:
    """The default as JSON, where it has one."""
    from toolwave._encode import plain

    try:
        shape.schema["default"] = plain(value)
    except (TypeError, ValueError):
        return


def _is_required(hint: Any, otherwise: bool) -> bool:
    # with annotations that are text, the class itself does not know
    while (word := getattr(get_origin(hint), "_name", "")) in ("Required", "NotRequired", "ReadOnly"):
        if word != "ReadOnly":
            return word == "Required"
        hint = get_args(hint)[0]
    return otherwise


def _unqualified(hint: Any) -> Any:
    while getattr(get_origin(hint), "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        hint = get_args(hint)[0]
    return hint


def _name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
