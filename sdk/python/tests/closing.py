"""A server that speaks as much of HTTP/2 as it takes to close a connection in order: GOAWAY says what it has seen."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType

HEADERS, SETTINGS, GOAWAY = 1, 4, 7
ACK = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Closing:
    """Takes connections until a request comes; then it listens no more, and closes. `requests` came, at `address`.

    With `seen` it says that the request may have been acted upon, else that it certainly was not.
    """

    def __init__(self, seen: bool) -> None:
        self._seen = seen
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._start(self._listen)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            reader = connection.makefile("rb")
            assert reader.read(len(PREFACE)) == PREFACE
            connection.sendall(frame(SETTINGS))
            while head := reader.read(9):
                length = int.from_bytes(head[:3], "big")
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                reader.read(length)
                if kind == SETTINGS and not flags & ACK:
                    connection.sendall(frame(SETTINGS, ACK))
                if kind == HEADERS:
                    self.requests += 1
                    self._leave(connection, stream if self._seen else 0)
                    return
        except OSError:
            pass

    def _leave(self, connection: socket.socket, last_stream: int) -> None:
        # first, so that no other connection comes of it
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        connection.sendall(frame(GOAWAY, payload=struct.pack(">II", last_stream, 0)))
        connection.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Closing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(30)


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    """Of the connection as a whole."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + payload
