"""Gemini generateContent. The REST names are written; camelCase and snake_case are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolwave._types import Tool
from toolwave.formats._content import Blocks, Image, Text, plain, shown
from toolwave.formats._format import Format
from toolwave.formats._provider import Provider
from toolwave.formats._reply import Answered, Found, only, present


class _Gemini(Format):
    provider = Provider.GEMINI

    def find(self, root: Any) -> Found | None:
        if isinstance(root, list):
            return self._of_list(root)
        if not isinstance(root, dict):
            return None
        holder: dict[str, Any] = root
        candidates = present(root, "candidates", list)
        if candidates is not None:
            candidate = only(candidates, "candidates")
            if not candidate:
                return Found([], []) if candidate == {} else None
            holder = candidate
        elif root.keys() & {"promptFeedback", "prompt_feedback"}:
            # a question that was blocked has no candidates
            return Found([], [])
        holder = present(holder, "content", dict) or holder
        parts = present(holder, "parts", list)
        if parts is None:
            # a candidate that was stopped, for its safety or its length, may have no parts
            stopped = holder.keys() & {"finishReason", "finish_reason"} or holder.get("role") == "model"
            return Found([], []) if stopped else None
        if not all(isinstance(part, dict) for part in parts):
            return None
        return Found([call for part in parts for call in _function_call(part)], [])

    def _of_list(self, elements: list[Any]) -> Found | None:
        found = Found([], [])
        for element in elements:
            if not isinstance(element, dict):
                return None
            if "candidates" in element:
                # the chunks of a streamed response, one after another
                chunk = self.find(element)
                if chunk is None:
                    return None
                found.calls.extend(chunk.calls)
            elif "type" in element:
                return None
            elif "name" in element:
                found.calls.append(element)
            else:
                found.calls.extend(_function_call(element))
        return found

    def fields(self, item: dict[str, Any]) -> tuple[Any, Any, Any]:
        return item.get("id"), item.get("name"), item.get("args")

    def write(self, answered: Sequence[Answered]) -> list[dict[str, Any]]:
        parts = [{"functionResponse": _function_response(each)} for each in answered]
        return [{"role": "user", "parts": parts}] if parts else []

    def definition(self, function: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        return {**function, "parametersJsonSchema": schema}

    def definitions(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        made = super().definitions(tools)
        return [{"functionDeclarations": made}] if made else []


def _function_call(part: dict[str, Any]) -> list[Any]:
    calls = (part.get(key) for key in ("functionCall", "function_call"))
    return [call for call in calls if call is not None][:1]


def _function_response(each: Answered) -> dict[str, Any]:
    made: dict[str, Any] = {"name": each.call.name}
    if each.call.provider_id is not None:
        made = {"id": each.call.provider_id, **made}
    if each.error is not None:
        return {**made, "response": {"error": each.error}}
    said = shown(each.result)
    if not isinstance(said, Blocks):
        return {**made, "response": {"output": said.value}}
    texts: list[Any] = []
    parts: list[dict[str, Any]] = []
    for block in said.blocks:
        if isinstance(block, Image):
            parts.append({"inlineData": {"mimeType": block.media_type, "data": block.data}})
        else:
            texts.append(block.text if isinstance(block, Text) else plain(block))
    key = "error" if said.is_error else "output"
    made["response"] = {key: texts[0] if len(texts) == 1 else texts}
    if parts:
        made["parts"] = parts
    return made


_FORMAT = _Gemini()
read = _FORMAT.read
names = _FORMAT.names
definitions = _FORMAT.definitions
run = _FORMAT.run
run_blocking = _FORMAT.run_blocking
