"""The ends of attempts that the coordinator has not acknowledged yet, in the order in which they are told.

They outlive sessions: a new session numbers them again from 1 and tells them again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from toolwave.worker._ends import Ended, Key


class Unacknowledged:
    """The first `told` of the ends are on their way, with the numbers after `acknowledged`."""

    def __init__(self) -> None:
        self._ends: deque[Ended] = deque()
        self._keys: set[Key] = set()
        self._untold: deque[Ended] = deque()
        self._acknowledged = 0

    def push(self, ended: Ended) -> None:
        self._keys.add(ended.key)
        self._untold.append(ended)

    def __len__(self) -> int:
        return len(self._ends) + len(self._untold)

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def keys(self) -> Collection[Key]:
        return self._keys

    def untold(self) -> Iterator[Key]:
        """Those that are not on their way."""
        return (ended.key for ended in self._untold)

    @property
    def has_untold(self) -> bool:
        return bool(self._untold)

    def next_untold(self) -> tuple[int, Ended]:
        """The next to tell, and its number in this session."""
        return self._acknowledged + len(self._ends) + 1, self._untold[0]

    def mark_told(self) -> None:
        """The one that `next_untold` gave is on its way."""
        self._ends.append(self._untold.popleft())

    def acknowledge(self, up_to: int) -> bool:
        """All up to this number are safe. False when it is ahead of what was told."""
        safe = up_to - self._acknowledged
        if safe <= 0:
            # an older acknowledgement says nothing new
            return True
        if safe > len(self._ends):
            return False
        for _ in range(safe):
            self._keys.discard(self._ends.popleft().key)
        self._acknowledged = up_to
        return True

    def begin_session(self) -> None:
        """A new session tells everything again, from number 1."""
        self._acknowledged = 0
        self._untold.extendleft(reversed(self._ends))
        self._ends.clear()

    def forget(self, unwanted: Collection[Key]) -> None:
        """Nobody wants these; only between `begin_session` and the first that is told."""
        self._untold = deque(ended for ended in self._untold if ended.key not in unwanted)
        self._keys.difference_update(unwanted)

    def forget_all(self) -> None:
        """Of another coordinator, which knows none of them."""
        self._ends.clear()
        self._untold.clear()
        self._keys.clear()
        self._acknowledged = 0
