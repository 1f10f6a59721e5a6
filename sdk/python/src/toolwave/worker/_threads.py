"""Threads for tools that block: as many as the worker has slots, started when they are needed.

They are daemons: a tool that never returns must not hold up the end of the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Threads:
    """Runs jobs, each in one thread. The executor never has more of them than there are slots."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._started = 0

    def submit(self, job: Job) -> None:
        """Runs it as soon as a thread is free. Called from the loop only."""
        with self._lock:
            needs_thread = self._idle == 0 and self._started < self._most
            if needs_thread:
                self._started += 1
            else:
                self._idle -= 1
        self._jobs.put(job)
        if needs_thread:
            threading.Thread(target=self._run, name=f"toolwave-tool-{self._started}", daemon=True).start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # the job's arguments must not live on while the thread waits
            del job
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """Threads end once their jobs have."""
        for _ in range(self._started):
            self._jobs.put(None)
