"""OpenAI responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolwave.formats._content import Block, Blocks, Image, Text, plain, shown
from toolwave.formats._ending import compact, error_text, result_text
from toolwave.formats._format import Format
from toolwave.formats._provider import Provider
from toolwave.formats._reply import Answered, Found, kind_of, present
from toolwave.formats._strict import is_strict

_OF_OTHERS = frozenset(
    [
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    ]
)
"""What an application answers itself: nothing here knows how."""
_ECHOED = ("caller", "namespace")


class _OpenAiResponses(Format):
    provider = Provider.OPENAI_RESPONSES

    def find(self, root: Any) -> Found | None:
        items = root if isinstance(root, list) else present(root, "output", list)
        if items is None:
            return None
        if not items and isinstance(root, dict) and root.get("error") is not None:
            # a response that failed has an empty output
            return None
        found = Found([], [])
        for item in items:
            kind = kind_of(item)
            # the last two have the shape of others' calls
            if kind is None or kind in ("function", "tool_use"):
                return None
            if kind == "function_call":
                found.calls.append(item)
            elif kind in _OF_OTHERS:
                found.left_alone.append(kind)
        return found

    def fields(self, item: dict[str, Any]) -> tuple[Any, Any, Any]:
        return item.get("call_id"), item.get("name"), item.get("arguments")

    def write(self, answered: Sequence[Answered]) -> list[dict[str, Any]]:
        return [
            {
                "type": "function_call_output",
                "call_id": each.call.id,
                "output": _output(each),
                **{key: each.call.item[key] for key in _ECHOED if each.call.item.get(key) is not None},
            }
            for each in answered
        ]

    def definition(self, function: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        # `strict` is always said: where it is not, every schema is taken for a strict one
        return {"type": "function", **function, "parameters": schema, "strict": is_strict(schema)}


def _output(each: Answered) -> str | list[dict[str, Any]]:
    if each.error is not None:
        return error_text(each.error)
    said = shown(each.result)
    if not isinstance(said, Blocks):
        return result_text(said.value)
    parts = [_part(block) for block in said.blocks]
    if len(parts) == 1 and parts[0]["type"] == "input_text":
        text: str = parts[0]["text"]
        return text
    return parts


def _part(block: Block) -> dict[str, Any]:
    if isinstance(block, Image):
        return {"type": "input_image", "image_url": f"data:{block.media_type};base64,{block.data}"}
    return {"type": "input_text", "text": block.text if isinstance(block, Text) else compact(plain(block))}


_FORMAT = _OpenAiResponses()
read = _FORMAT.read
names = _FORMAT.names
definitions = _FORMAT.definitions
run = _FORMAT.run
run_blocking = _FORMAT.run_blocking
