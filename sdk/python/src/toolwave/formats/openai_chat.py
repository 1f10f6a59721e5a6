"""OpenAI chat completions, and the many servers that speak it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolwave.formats._content import Blocks, Text, plain, shown
from toolwave.formats._ending import compact, error_text, result_text
from toolwave.formats._format import Format
from toolwave.formats._provider import Provider
from toolwave.formats._reply import Answered, Found, ReplyError, kind_of, only, present
from toolwave.formats._strict import is_strict


class _OpenAiChat(Format):
    provider = Provider.OPENAI_CHAT

    def find(self, root: Any) -> Found | None:
        if isinstance(root, list):
            return _calls(root)
        if not isinstance(root, dict):
            return None
        message: dict[str, Any] = root
        choices = present(root, "choices", list)
        if choices is not None:
            choice = only(choices, "choices")
            if not choice:
                return Found([], []) if choice == {} else None
            message = choice
        message = present(message, "message", dict) or message
        if message.get("tool_calls") is not None:
            return _calls(message["tool_calls"])
        if message.get("function_call") is not None:
            raise ReplyError("the message holds `function_call`, which has no id to answer to; expected `tool_calls`")
        content = message.get("content")
        of_anthropic = isinstance(content, list) and any(kind_of(part) == "tool_use" for part in content)
        return Found([], []) if message.get("role") == "assistant" and not of_anthropic else None

    def fields(self, item: dict[str, Any]) -> tuple[Any, Any, Any]:
        function = present(item, "function", dict) or {}
        return item.get("id"), function.get("name"), function.get("arguments")

    def write(self, answered: Sequence[Answered]) -> list[dict[str, Any]]:
        return [{"role": "tool", "tool_call_id": each.call.id, "content": _content(each)} for each in answered]

    def definition(self, function: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        return {"type": "function", "function": {**function, "parameters": schema, "strict": is_strict(schema)}}


def _calls(items: Any) -> Found | None:
    if not isinstance(items, list):
        return None
    found = Found([], [])
    for item in items:
        kind = kind_of(item)
        if not isinstance(item, dict):
            return None
        # what names a function and is none is broken, and says so in its own answer
        if kind == "function" or (kind is None and "function" in item):
            found.calls.append(item)
        elif kind is not None and kind in item:
            found.left_alone.append(kind)
        else:
            return None
    return found


def _content(each: Answered) -> str | list[dict[str, Any]]:
    if each.error is not None:
        return error_text(each.error)
    said = shown(each.result)
    if not isinstance(said, Blocks):
        return result_text(said.value)
    # text is all that such a message may hold
    texts = [block.text if isinstance(block, Text) else compact(plain(block)) for block in said.blocks]
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


_FORMAT = _OpenAiChat()
read = _FORMAT.read
names = _FORMAT.names
definitions = _FORMAT.definitions
run = _FORMAT.run
run_blocking = _FORMAT.run_blocking
