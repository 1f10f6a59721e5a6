"""Whether a schema lies in the subset of JSON Schema that OpenAI takes with `strict: true`.

A schema that breaks one of these rules is refused by the provider together with the whole request, so doubt means no.
The rules: OpenAI's guide "Structured model outputs", "Supported schemas"; the Rust side reads the same.
"""

from __future__ import annotations

from typing import Any

_PROPERTIES = 5_000
_LEVELS = 10
_CHARACTERS = 120_000
"""Of names of properties and definitions, of enum and of const values together."""
_ENUM_VALUES = 1_000
_MANY_ENUM_VALUES = 250
_ENUM_CHARACTERS = 15_000
"""Of one enum with many values."""

_TYPES = frozenset(["string", "number", "integer", "boolean", "object", "array", "null"])
_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])
_RANGES = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])


def is_strict(schema: Any) -> bool:
    """True when `schema`, that of a tool's parameters, may go out with `strict: true`."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    spent = _Spent(schema)
    return spent.schema(schema, 1) and spent.within_bounds()


class _Spent:
    """What a schema has used of OpenAI's bounds."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._properties = 0
        self._characters = 0
        self._enum_values = 0

    def within_bounds(self) -> bool:
        return self._properties <= _PROPERTIES and self._characters <= _CHARACTERS and self._enum_values <= _ENUM_VALUES

    def schema(self, schema: Any, level: int) -> bool:
        if not isinstance(schema, dict) or level > _LEVELS:
            return False
        if "$ref" in schema:
            # Nothing may stand beside a reference.
            return len(schema) == 1 and self._leads_somewhere(schema["$ref"])
        if "anyOf" in schema:
            alternatives = schema["anyOf"]
            return (
                schema.keys() <= {"anyOf", "description", "title"}
                and isinstance(alternatives, list)
                and bool(alternatives)
                and all(self.schema(each, level) for each in alternatives)
            )
        types = _types(schema)
        if not types:
            return False
        return (
            all(self._keyword(keyword, value, types, level) for keyword, value in schema.items())
            and ("object" not in types or _is_closed(schema))
            and ("array" not in types or "items" in schema)
        )

    def _keyword(self, keyword: str, value: Any, types: frozenset[str], level: int) -> bool:
        if keyword == "type":
            return True
        if keyword in ("description", "title"):
            return isinstance(value, str)
        if keyword == "enum":
            return self._values(value)
        if keyword == "const":
            self._characters += _characters(value)
            return not isinstance(value, dict | list)
        if keyword == "properties":
            return "object" in types and self._named(value, level + 1, properties=True)
        if keyword in ("required", "additionalProperties"):
            # Judged with the properties.
            return "object" in types
        if keyword in ("$defs", "definitions"):
            return self._named(value, 1, properties=False)
        if keyword == "items":
            return "array" in types and self.schema(value, level + 1)
        if keyword in ("minItems", "maxItems"):
            return "array" in types and type(value) is int and value >= 0
        if keyword == "pattern":
            return "string" in types and isinstance(value, str)
        if keyword == "format":
            return "string" in types and isinstance(value, str) and value in _FORMATS
        if keyword in _RANGES:
            return bool(types & {"number", "integer"}) and type(value) in (int, float)
        return False

    def _named(self, schemas: Any, level: int, *, properties: bool) -> bool:
        if not isinstance(schemas, dict):
            return False
        if properties:
            self._properties += len(schemas)
        self._characters += sum(map(len, schemas))
        return all(self.schema(each, level) for each in schemas.values())

    def _values(self, values: Any) -> bool:
        if not isinstance(values, list) or not values:
            return False
        characters = sum(map(_characters, values))
        self._enum_values += len(values)
        self._characters += characters
        return not any(isinstance(value, dict | list) for value in values) and (
            len(values) <= _MANY_ENUM_VALUES or characters <= _ENUM_CHARACTERS
        )

    def _leads_somewhere(self, reference: Any) -> bool:
        """To the whole, or to a definition at its top."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return False
        pointer = reference[1:]
        if pointer == "":
            return True
        if not pointer.startswith(("/$defs/", "/definitions/")):
            return False
        at: Any = self._root
        for token in pointer[1:].split("/"):
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(at, list) and key.isdecimal() and int(key) < len(at):
                at = at[int(key)]
            elif isinstance(at, dict) and key in at:
                at = at[key]
            else:
                return False
        return True


def _types(schema: dict[str, Any]) -> frozenset[str]:
    """The types that it names; none where one does not exist."""
    named = schema.get("type")
    names = named if isinstance(named, list) else [named]
    if not all(isinstance(name, str) and name in _TYPES for name in names):
        return frozenset()
    return frozenset(names)


def _is_closed(schema: dict[str, Any]) -> bool:
    """Nothing besides its properties, and all of them always there."""
    properties = schema.get("properties")
    required = schema.get("required")
    return (
        isinstance(properties, dict)
        and isinstance(required, list)
        and all(isinstance(name, str) for name in required)
        and schema.get("additionalProperties") is False
        and set(required) == properties.keys()
    )


def _characters(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0
