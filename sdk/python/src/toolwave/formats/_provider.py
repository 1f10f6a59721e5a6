"""Whose format it is, and what that provider allows in the name of a tool. Reads and writes nothing."""

from __future__ import annotations

from enum import Enum

NAME_LIMIT = 64
"""The longest name that goes to any provider; Gemini and Anthropic would take 128."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


class Provider(str, Enum):
    """A provider's way to say tool calls; the values are the words of `toolwave run --from`."""

    OPENAI_CHAT = "openai"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"

    @property
    def label(self) -> str:
        """For messages."""
        return _LABELS[self]

    @property
    def expected(self) -> str:
        """What a reply of it may be, for messages."""
        return _EXPECTED[self]

    @property
    def allowed(self) -> frozenset[str]:
        """What may stand anywhere in the name of a tool."""
        return _PLAIN | {".", ":"} if self is Provider.GEMINI else _PLAIN

    @property
    def allowed_first(self) -> frozenset[str]:
        """What may stand at the beginning."""
        return _LETTERS if self is Provider.GEMINI else _PLAIN


_LABELS = {
    Provider.OPENAI_CHAT: "OpenAI chat completions",
    Provider.OPENAI_RESPONSES: "OpenAI responses",
    Provider.ANTHROPIC: "Anthropic messages",
    Provider.GEMINI: "Gemini generateContent",
}
_EXPECTED = {
    Provider.OPENAI_CHAT: (
        "a chat completion (an object with `choices`), its assistant message, or the list `tool_calls`"
    ),
    Provider.OPENAI_RESPONSES: "a response (an object with `output`), or the list of its output items",
    Provider.ANTHROPIC: "a message (an object with `content`), or the list of its content blocks",
    Provider.GEMINI: "a response (an object with `candidates`), its content, or the list of its parts",
}
