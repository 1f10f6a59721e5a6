"""What stands beside a type in `Annotated[...]`: descriptions and constraints, as keywords of JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolwave._shape import Shape

# the names that annotated_types and pydantic use
_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def constrained(shape: Shape, annotations: tuple[Any, ...]) -> Shape:
    """The shape with what its annotations say: text is a description, a dict is keywords as they are."""
    # what refers to a definition takes keywords beside the reference: 2020-12 allows that
    shape.schema = dict(shape.schema)
    for annotation in annotations:
        if isinstance(annotation, str):
            shape.schema["description"] = annotation
        elif isinstance(annotation, dict):
            shape.schema.update(annotation)
        else:
            _add(shape, annotation)
    return shape


def _add(shape: Shape, annotation: Any) -> None:
    for name in ("description", "documentation"):
        text = getattr(annotation, name, None)
        if isinstance(text, str) and text:
            shape.schema["description"] = text
    for name, keyword in _KEYWORDS.items():
        value = getattr(annotation, name, None)
        if value is not None and not callable(value):
            shape.schema[keyword] = value
    shortest, longest = _LENGTHS.get(str(shape.schema.get("type")), ("minLength", "maxLength"))
    if getattr(annotation, "min_length", None):
        shape.schema[shortest] = annotation.min_length
    if getattr(annotation, "max_length", None) is not None:
        shape.schema[longest] = annotation.max_length
    # pydantic's Field keeps its constraints so
    for inner in getattr(annotation, "metadata", None) or ():
        _add(shape, inner)
