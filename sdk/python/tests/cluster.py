"""Coordinators and workers as processes of their own, on free ports of loopback. Owns their start and their end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
BINARIES = Path(os.environ.get("TOOLWAVE_BIN_DIR", HERE.parents[2] / "target" / "debug"))
PATIENCE = 60.0
"""Seconds after which a test gives up; nothing is expected to take long."""


class Process:
    """A program whose log is read line by line."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1", **(environment or {})},
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def log(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Blocks until so many lines of the log match."""
        found: list[re.Match[str]] = []
        read = 0

        def enough() -> bool:
            nonlocal read
            for line in self._lines[read:]:
                if match := re.search(pattern, line):
                    found.append(match)
            read = len(self._lines)
            return len(found) >= count or self._ended

        with self._changed:
            if not self._changed.wait_for(enough, PATIENCE) or len(found) < count:
                raise AssertionError(f"no line like {pattern!r} in the log:\n{''.join(self._lines)}")
        return found[count - 1]

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        return self.popen.wait(PATIENCE)

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(PATIENCE)
        if self.popen.stderr is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._ended, PATIENCE)
            self.popen.stderr.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Coordinator(Process):
    """A coordinator with a configuration; `address` is host:port."""

    def __init__(
        self, folder: Path, config: str = "", address: str = "127.0.0.1:0", startup_grace: str = "0s"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "coordinator.toml"
        file.write_text(f'startup_grace = "{startup_grace}"\n{config}')
        super().__init__([str(BINARIES / "toolwave-coordinator"), "--listen", address, "--config", str(file)])
        self.address = self.wait_for(r"(127\.0\.0\.1:[1-9]\d*)").group(1)


def python_worker(address: str, *arguments: str, name: str = "py", tools: str = "hosted_tools") -> Process:
    """A Python worker as people start it; it has registered when this returns."""
    worker = Process(
        [sys.executable, "-m", "toolwave.worker", tools, "--coordinator", address, "--name", name, *arguments],
        {"PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))},
    )
    worker.wait_for("registered")
    return worker


def rust_worker(address: str, name: str = "rust", slots: int = 16) -> Process:
    """The worker with the built-in tools."""
    worker = Process(
        [
            str(BINARIES / "toolwave-worker"),
            *("--coordinator", f"http://{address}", "--name", name, "--slots", str(slots)),
        ]
    )
    worker.wait_for("registered")
    return worker


def terminate(process: Process) -> int:
    """SIGTERM, and the exit code."""
    process.signal(signal.SIGTERM)
    return process.wait()


async def appears(path: Path) -> None:
    """Waits for a file: by files the tools of another process tell what they do."""

    async def poll() -> None:
        while not path.exists():
            await asyncio.sleep(0.005)

    await asyncio.wait_for(poll(), PATIENCE)
