"""What a result shows to a model: JSON, or the content blocks of an MCP server. Knows no provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_IMAGES = frozenset(["image/png", "image/jpeg", "image/webp", "image/gif"])
"""Types of images that every provider which takes images takes."""
_BLOCKS = frozenset(["text", "image", "audio", "resource", "resource_link"])
_MEMBERS = frozenset(["content", "structuredContent", "isError", "_meta", "resultType"])
"""Of a CallToolResult of MCP; an object with any other is something else."""


@dataclass(frozen=True)
class Text:
    """A block of text."""

    text: str


@dataclass(frozen=True)
class Image:
    """Base64, of a type that models take."""

    media_type: str
    data: str


@dataclass(frozen=True)
class Other:
    """Any other block: audio, a resource, an image of an unusual type."""

    block: dict[str, Any]


Block = Text | Image | Other


@dataclass(frozen=True)
class Blocks:
    """An MCP server's answer, never without blocks; `is_error`: the server says that its tool failed."""

    blocks: list[Block]
    is_error: bool


@dataclass(frozen=True)
class Json:
    """Any JSON but an MCP server's answer."""

    value: Any


def shown(result: Any) -> Blocks | Json:
    """What the result is."""
    if not isinstance(result, dict) or not result.keys() <= _MEMBERS or not isinstance(result.get("content"), list):
        return Json(result)
    blocks = [_block(each) for each in result["content"]]
    found = [block for block in blocks if block is not None]
    if len(found) < len(blocks):
        return Json(result)
    if not found:
        structured = result.get("structuredContent")
        return Json(result if structured is None else structured)
    return Blocks(found, result.get("isError") is True)


def besides_text(details: Any) -> Any:
    """What an error's details tell beside its message: of an MCP server's answer its structured content, if any."""
    said = shown(details)
    if isinstance(said, Blocks):
        return details.get("structuredContent")
    return said.value


def _block(block: Any) -> Block | None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return Text(block["text"]) if isinstance(block.get("text"), str) else None
    if kind == "image":
        media_type, data = block.get("mimeType"), block.get("data")
        if isinstance(media_type, str) and media_type in _IMAGES and isinstance(data, str):
            return Image(media_type, data)
        return Other(block)
    return Other(block) if isinstance(kind, str) and kind in _BLOCKS else None


def plain(block: Block) -> dict[str, Any]:
    """The block as an MCP server says it, for a provider that takes no such block here."""
    if isinstance(block, Text):
        return {"type": "text", "text": block.text}
    if isinstance(block, Image):
        return {"type": "image", "data": block.data, "mimeType": block.media_type}
    return block.block
