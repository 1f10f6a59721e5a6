"""Anthropic messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolwave.formats._content import Block, Blocks, Image, Text, plain, shown
from toolwave.formats._ending import compact, error_text, result_text
from toolwave.formats._format import Format
from toolwave.formats._provider import Provider
from toolwave.formats._reply import Answered, Found, kind_of


class _Anthropic(Format):
    provider = Provider.ANTHROPIC

    def find(self, root: Any) -> Found | None:
        blocks = root
        if isinstance(root, dict):
            if root.get("tool_calls") is not None:
                return None
            blocks = root.get("content")
            if isinstance(blocks, str):
                return Found([], [])
        if not isinstance(blocks, list):
            return None
        found = Found([], [])
        for block in blocks:
            kind = kind_of(block)
            # the last two are shapes of OpenAI's
            if kind is None or kind in ("function", "function_call"):
                return None
            if kind == "tool_use":
                found.calls.append(block)
        return found

    def fields(self, item: dict[str, Any]) -> tuple[Any, Any, Any]:
        return item.get("id"), item.get("name"), item.get("input")

    def write(self, answered: Sequence[Answered]) -> list[dict[str, Any]]:
        content = [_tool_result(each) for each in answered]
        # providers refuse an empty message
        return [{"role": "user", "content": content}] if content else []

    def definition(self, function: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        return {**function, "input_schema": schema}


def _tool_result(each: Answered) -> dict[str, Any]:
    is_error = each.error is not None
    if each.error is not None:
        content = [_visible(error_text(each.error))]
    else:
        said = shown(each.result)
        if isinstance(said, Blocks):
            content, is_error = [_block(block) for block in said.blocks], said.is_error
        else:
            content = [_visible(result_text(said.value))]
    made = {"type": "tool_result", "tool_use_id": each.call.id, "content": content, "is_error": is_error}
    if each.call.item.get("toolset_name") is not None:
        made["toolset_name"] = each.call.item["toolset_name"]
    return made


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Image):
        source = {"type": "base64", "media_type": block.media_type, "data": block.data}
        return {"type": "image", "source": source}
    return _visible(block.text if isinstance(block, Text) else compact(plain(block)))


def _visible(text: str) -> dict[str, Any]:
    """Anthropic refuses text without a visible character: such text goes as the JSON string that it was."""
    return {"type": "text", "text": text if text.strip() else compact(text)}


_FORMAT = _Anthropic()
read = _FORMAT.read
names = _FORMAT.names
definitions = _FORMAT.definitions
run = _FORMAT.run
run_blocking = _FORMAT.run_blocking
