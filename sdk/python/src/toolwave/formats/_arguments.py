"""A model's arguments as JSON text that is safe to send. What a model writes is data: never a reference."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from toolwave.formats._ending import CallTrouble

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_KEY_FOLLOWS = re.compile(r"[ \t\r\n]*:")
_BLANKS = " \t\r\n"


def read(arguments: Any) -> str:
    """The parameters as JSON text: an object, or a string that holds one.

    Models leave arguments out, or empty, for a tool without parameters. Raises CallTrouble.
    """
    if arguments is None:
        return "{}"
    if isinstance(arguments, str):
        if not arguments.strip():
            return "{}"
        if not _is_json(arguments):
            raise CallTrouble.not_json()
        text = arguments
    else:
        try:
            text = json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):
            raise CallTrouble.not_json() from None
    if not text.lstrip(_BLANKS).startswith("{"):
        raise CallTrouble.not_an_object(_kind(text))
    return text


def literal(text: str) -> str:
    """The same object with every `${` written so that it is text and no reference; all else digit for digit."""
    if "$" not in text and "\\u0024" not in text:
        return text
    made: list[str] = []
    at = 0
    for found in _STRING.finditer(text):
        # keys are no place for references
        if _KEY_FOLLOWS.match(text, found.end()):
            continue
        value = json.loads(found[0], strict=False)
        if "${" in value:
            made += [text[at : found.start()], json.dumps(value.replace("${", "$${"), ensure_ascii=False)]
            at = found.end()
    return "".join([*made, text[at:]])


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except RecursionError:
        # the coordinator has a limit on depth, and names it
        return True
    except ValueError as error:
        # Python bounds the digits of an integer; JSON does not, and the coordinator judges it
        return not isinstance(error, json.JSONDecodeError) and "digits" in str(error)
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _kind(text: str) -> str:
    first = text.lstrip(_BLANKS)[:1]
    kinds = {"[": "an array", '"': "a string", "t": "a boolean", "f": "a boolean", "n": "null"}
    return kinds.get(first, "a number")
