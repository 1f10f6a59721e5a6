"""Whose reply a JSON value is, by the names of its members. Guesses only where a caller asks for that."""

from __future__ import annotations

from typing import Any

from toolwave.formats._provider import Provider

_ANTHROPIC = frozenset(["tool_use", "text", "thinking", "redacted_thinking", "server_tool_use"])
_GEMINI = frozenset(["functionCall", "function_call", "text", "candidates", "args"])


def detect(root: Any) -> Provider | None:
    """The provider whose shapes it has; None where no shape is known, or where there is nothing to go by."""
    if isinstance(root, list):
        found = (_of_element(each) for each in root if isinstance(each, dict))
        return next((provider for provider in found if provider is not None), None)
    if not isinstance(root, dict):
        return None
    if root.keys() & {"choices", "tool_calls", "message"}:
        return Provider.OPENAI_CHAT
    if "output" in root:
        return Provider.OPENAI_RESPONSES
    content = root.get("content")
    if root.keys() & {"candidates", "parts"} or isinstance(content, dict):
        return Provider.GEMINI
    if isinstance(content, list):
        return Provider.ANTHROPIC
    return Provider.OPENAI_CHAT if root.get("role") == "assistant" else None


def _of_element(element: dict[str, Any]) -> Provider | None:
    kind = element.get("type")
    if "function" in element or kind == "custom":
        return Provider.OPENAI_CHAT
    if not isinstance(kind, str):
        return Provider.GEMINI if element.keys() & _GEMINI else None
    if kind in _ANTHROPIC:
        return Provider.ANTHROPIC
    if kind in ("message", "reasoning") or kind.endswith("_call"):
        return Provider.OPENAI_RESPONSES
    return None
