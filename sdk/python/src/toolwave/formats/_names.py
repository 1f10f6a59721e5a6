"""Names of tools that a provider takes for the names that a catalogue has, and back.

The way back is a table made from the catalogue; nothing is ever guessed from how a name looks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from toolwave._types import Tool
from toolwave.formats._provider import NAME_LIMIT, Provider

_HASH_DIGITS = (8, 16, 32)
"""Hex digits of the hash behind a name, tried in this order until all names differ."""
_TOOL_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Names:
    """The names of one catalogue for one provider. They depend on nothing but the set of tools."""

    def __init__(self, provider: Provider, tools: Iterable[Tool | str]) -> None:
        self.provider = provider
        names = {tool if isinstance(tool, str) else tool.name for tool in tools}
        # How often a tool's name was lengthened; 0: only as far as the rules ask for.
        rounds = dict.fromkeys(names, 0)
        while True:
            made = {tool: _name(provider, tool, round) for tool, round in rounds.items()}
            uses = Counter(made.values())
            shared = [tool for tool, name in made.items() if uses[name] > 1 and rounds[tool] < len(_HASH_DIGITS)]
            if not shared:
                break
            for tool in shared:
                rounds[tool] += 1
        self._to_provider = made
        self._to_tool = {name: tool for tool, name in made.items()}

    def name(self, tool: str) -> str | None:
        """The name that the provider is told; None for a tool that is not in the catalogue."""
        return self._to_provider.get(tool)

    def tool(self, name: str) -> str | None:
        """The tool that a model means by `name`; None where no tool can be named so.

        One that the catalogue does not have stays as it is, so that the coordinator rejects that call, with the
        nearest names.
        """
        tool = self._to_tool.get(name)
        if tool is not None:
            return tool
        return name if _TOOL_NAME.fullmatch(name) else None


def _name(provider: Provider, tool: str, round: int) -> str:
    allowed = provider.allowed
    plain = "".join(c if c in allowed else "__" if c == "." else "_" for c in tool)
    starts_well = plain[:1] in provider.allowed_first and plain != ""
    if not starts_well:
        plain = f"_{plain}"
    stays = starts_well and len(plain) <= NAME_LIMIT and "__" not in tool
    if round == 0 and stays:
        return plain
    # A name that has a hash from the start has had its first round with that.
    step = max(round - stays, 0)
    digits = _HASH_DIGITS[min(step, len(_HASH_DIGITS) - 1)]
    return f"{plain[: NAME_LIMIT - 1 - digits]}_{sha256(tool.encode()).hexdigest()[:digits]}"
