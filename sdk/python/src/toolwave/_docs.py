"""Descriptions from docstrings, in the styles of Google, NumPy and reST."""

from __future__ import annotations

import inspect
from typing import Any

import docstring_parser


def parameter_docs(documented: Any) -> tuple[str, dict[str, str]]:
    """What a function or class says of itself, and of its parameters by name."""
    text = inspect.getdoc(documented) if not isinstance(documented, type) else documented.__dict__.get("__doc__")
    if not text:
        return "", {}
    text = inspect.cleandoc(text)
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    pieces = [piece.strip() for piece in (parsed.short_description, parsed.long_description) if piece]
    parameters = {
        parameter.arg_name.lstrip("*"): " ".join(parameter.description.split())
        for parameter in parsed.params
        if parameter.description
    }
    return "\n\n".join(pieces), parameters
