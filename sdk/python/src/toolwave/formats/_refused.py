"""Calls that a coordinator refuses together with the whole request are taken out, so that the others run.

A refused request has run nothing, so that what is left may be sent again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolwave._errors import FieldViolation, InvalidRequestError
from toolwave._types import ToolCall, ToolResult

_CALL = re.compile(r"calls\[(\d+)\]")


class Refusals:
    """The calls of one execution that are left, and the results of those that were refused."""

    def __init__(self, calls: Iterable[ToolCall]) -> None:
        self.left = list(calls)
        self.results: list[ToolResult] = []

    def take_out(self, error: InvalidRequestError) -> None:
        """Takes out every call that the refusal names; raises it where something else is wrong as well."""
        first: dict[int, FieldViolation] = {}
        for violation in error.violations:
            if not violation.field and first:
                # the last of very many says how many more there are
                continue
            found = _CALL.match(violation.field)
            if found is None or int(found[1]) >= len(self.left):
                raise error
            first.setdefault(int(found[1]), violation)
        if not first:
            raise error
        self.results += [refused(self.left[index], violation) for index, violation in first.items()]
        self.left = [call for index, call in enumerate(self.left) if index not in first]

    def with_results(self, results: Iterable[ToolResult]) -> list[ToolResult]:
        """All results, those of refused calls included."""
        return [*self.results, *results]


def refused(call: ToolCall, violation: FieldViolation) -> ToolResult:
    """The result of a call that never became part of an execution."""
    return rejection(
        call["tool_name"], violation.reason or "INVALID_ARGUMENT", violation.description, call.get("id", "0")
    )


def rejection(tool_name: str, code: str, message: str, id: str = "0") -> ToolResult:
    """A result that says REJECTED, for a call that was not sent or not taken."""
    return {
        "tool_name": tool_name,
        "success": False,
        "result": None,
        "error": message,
        "id": id,
        "outcome": "REJECTED",
        "error_code": code,
        "retryable": False,
        "retry_after": None,
        "details": None,
        "violations": [],
        "may_have_run": False,
        "root_call_id": None,
        "wave": 0,
        "attempts": [],
        "queue_time": 0.0,
        "execution_time": 0.0,
    }
