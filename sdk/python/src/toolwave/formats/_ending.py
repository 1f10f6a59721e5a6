"""How a call ended, as far as a model is told of it. Knows no provider."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from toolwave._types import ToolResult
from toolwave.formats._content import besides_text


class CallTrouble(Exception):
    """Why one call of a reply cannot be run. It is that call's ending and never the others'."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def error(self) -> dict[str, Any]:
        """As a model is told of it."""
        return {"code": self.code, "message": self.message}

    @classmethod
    def not_json(cls) -> CallTrouble:
        """Arguments that are no JSON at all."""
        return cls("PARAMS_NOT_JSON", "the arguments are no JSON; expected one JSON object")

    @classmethod
    def not_an_object(cls, kind: str) -> CallTrouble:
        """Arguments that are some other JSON."""
        return cls("PARAMS_NOT_OBJECT", f"the arguments are {kind}; expected one JSON object")

    @classmethod
    def bad_tool_name(cls, name: str) -> CallTrouble:
        """A name that no tool can have: the coordinator would refuse the whole request."""
        if not name:
            return cls("BAD_TOOL_NAME", "the call names no tool")
        return cls(
            "BAD_TOOL_NAME",
            "the tool's name is not 1 to 128 bytes of [A-Za-z0-9._:-]; call a tool by the name it is offered by",
        )


def error_of(result: ToolResult) -> dict[str, Any] | None:
    """What a model needs to do better, for a call that did not succeed; fields at their defaults are left out."""
    if result["success"]:
        omitted = result.get("omitted_result_bytes", 0)
        if not omitted:
            return None
        message = f"the call succeeded; its result, {omitted} bytes, did not fit into the answer"
        return {"code": "RESULT_OMITTED", "message": message}
    fields: Mapping[str, Any] = result
    error: dict[str, Any] = {
        "code": fields.get("error_code") or "FAILED",
        "message": fields.get("error") or "",
    }
    if fields.get("retryable"):
        error["retryable"] = True
    if fields.get("retry_after") is not None:
        # rounded up: a model that waits so long has waited long enough
        error["retry_after_ms"] = math.ceil(round(fields["retry_after"] * 1000, 6))
    for key in ("may_have_run", "violations"):
        if fields.get(key):
            error[key] = fields[key]
    # the blocks of an MCP server's answer are not told again: their text is the message
    details = besides_text(fields.get("details"))
    if details is not None:
        error["details"] = details
    return error


def compact(value: Any) -> str:
    """JSON text for models."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def error_text(error: dict[str, Any]) -> str:
    """What a model reads of a failure where only text goes."""
    return compact({"error": error})


def result_text(result: Any) -> str:
    """A string as the text that it is, any other JSON as its text."""
    return result if isinstance(result, str) else compact(result)
