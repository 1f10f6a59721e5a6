"""What waits to be said in one session, made into frames of bounded size.

Nothing is delayed but the news that an attempt began: it waits some milliseconds, since most attempts end before
that and then it need not be said. Large results follow in chunks with other entries between them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from toolwave._proto import worker_pb2 as pb
from toolwave.worker._ends import Ended, Key, proto_seconds, reference, shortened, too_large
from toolwave.worker._unacknowledged import Unacknowledged

MAX_ENTRIES = 256
"""In one frame."""
ENTRIES_BYTES = 64 << 10
"""A frame takes no further entry once it holds so much."""
CHUNK = 64 << 10
"""The largest payload inside an entry, and the largest piece of one outside."""
STARTED_GRACE = 0.005
"""Attempts that end within so many seconds are never announced."""
MAX_PROGRESS = 64
"""Progress beyond this is dropped: watchers want the latest, not all."""
MAX_PROGRESS_MESSAGE = 1 << 10
ENTRY_OVERHEAD = 48
"""About what an entry takes beside its payload."""


class _Payload:
    """A result that follows its entry."""

    __slots__ = ("data", "key", "offset")

    def __init__(self, key: Key, data: bytes) -> None:
        self.key = key
        self.data = data
        self.offset = 0


class _Room:
    """What a frame still takes."""

    __slots__ = ("bytes", "entries")

    def __init__(self) -> None:
        self.entries = MAX_ENTRIES
        self.bytes = ENTRIES_BYTES

    def take(self, payload: int) -> bool:
        """Room for an entry; the last one may be larger than what is left."""
        if self.entries <= 0 or self.bytes <= 0:
            return False
        self.entries -= 1
        self.bytes -= payload + ENTRY_OVERHEAD
        return True


class Outbox:
    """`next_frame` makes a frame of what is ready; `runs` tells of an attempt whether it has not ended."""

    def __init__(self, results: Unacknowledged, runs: Callable[[Key], bool], max_result_bytes: int) -> None:
        self._results = results
        self._runs = runs
        self._max_result_bytes = max_result_bytes
        self._started: deque[tuple[float, Key]] = deque()
        self._progress: deque[tuple[Key, float | None, str]] = deque(maxlen=MAX_PROGRESS)
        self._payloads: deque[_Payload] = deque()
        self.heartbeat: pb.Heartbeat | None = None
        self.draining: str | None = None
        self.goodbye: str | None = None

    def started(self, now: float, key: Key) -> None:
        self._started.append((now + STARTED_GRACE, key))

    def progress(self, key: Key, fraction: float | None, message: str) -> None:
        self._progress.append((key, fraction, shortened(message, MAX_PROGRESS_MESSAGE)))

    def told_in_part(self) -> Iterator[Key]:
        """Attempts whose end was told and whose result has not left in whole."""
        return (payload.key for payload in self._payloads)

    def next_due(self) -> float | None:
        """When something becomes ready that is not yet."""
        return self._started[0][0] if self._started else None

    def is_ready(self, now: float) -> bool:
        """There may be something for a frame."""
        return (
            self._results.has_untold
            or bool(self._payloads)
            or bool(self._progress)
            or self.heartbeat is not None
            or self.draining is not None
            or self.goodbye is not None
            or (bool(self._started) and self._started[0][0] <= now)
        )

    def next_frame(self, now: float) -> pb.OpenSessionRequest | None:
        """The next frame, of what is ready."""
        if not self.is_ready(now):
            return None
        frame = pb.OpenSessionRequest()
        said = False
        if self.heartbeat is not None:
            frame.heartbeat.CopyFrom(self.heartbeat)
            self.heartbeat, said = None, True
        if self.draining is not None:
            frame.draining.reason = self.draining
            self.draining, said = None, True
        room = _Room()
        self._add_started(frame, room, now)
        self._add_progress(frame, room)
        self._add_results(frame, room)
        self._add_chunk(frame)
        if self.goodbye is not None and not self._payloads and not self._results.has_untold:
            frame.goodbye.reason = self.goodbye
            self.goodbye, said = None, True
        said = said or bool(frame.results or frame.chunks or frame.started or frame.progress)
        # what was ready may have been nothing but attempts that ended without having been announced
        return frame if said else None

    def _add_started(self, frame: pb.OpenSessionRequest, room: _Room, now: float) -> None:
        while self._started:
            due, key = self._started[0]
            over = not self._runs(key)
            if not over and (due > now or not room.take(0)):
                return
            self._started.popleft()
            if not over:
                frame.started.append(reference(key))

    def _add_progress(self, frame: pb.OpenSessionRequest, room: _Room) -> None:
        while self._progress:
            key, fraction, message = self._progress[0]
            if self._runs(key):
                if not room.take(len(message)):
                    return
                frame.progress.add(attempt=reference(key), fraction=fraction, message=message)
            self._progress.popleft()

    def _add_results(self, frame: pb.OpenSessionRequest, room: _Room) -> None:
        results = self._results
        while results.has_untold:
            sequence, ended = results.next_untold()
            if not self._add_result(frame, room, sequence, ended):
                return
            results.mark_told()

    def _add_result(self, frame: pb.OpenSessionRequest, room: _Room, sequence: int, ended: Ended) -> bool:
        end = ended.end
        if isinstance(end, bytes):
            size = len(end)
            if size > self._max_result_bytes:
                end = too_large(size, self._max_result_bytes)
                size = end.ByteSize()
        else:
            size = end.ByteSize()
        follows = isinstance(end, bytes) and size > CHUNK
        if not room.take(0 if follows else size):
            return False
        report = frame.results.add(sequence=sequence)
        attempt = report.attempt
        attempt.execution, attempt.call_index, attempt.attempt = ended.key
        if not isinstance(end, bytes):
            report.failure.CopyFrom(end)
        elif follows:
            report.result_size = size
            report.result_json = b""
            self._payloads.append(_Payload(ended.key, end))
        else:
            report.result_json = end
        if ended.execution_time is not None:
            report.execution_time.CopyFrom(proto_seconds(ended.execution_time))
        return True

    def _add_chunk(self, frame: pb.OpenSessionRequest) -> None:
        """One piece, in turns between the results that wait."""
        if not self._payloads:
            return
        payload = self._payloads.popleft()
        data = payload.data[payload.offset : payload.offset + CHUNK]
        frame.chunks.add(attempt=reference(payload.key), offset=payload.offset, data=data)
        payload.offset += len(data)
        if payload.offset < len(payload.data):
            self._payloads.append(payload)
