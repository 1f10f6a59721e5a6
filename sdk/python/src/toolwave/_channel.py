"""How to reach a coordinator: address, TLS, token, and the options of gRPC that go with them. Opens nothing itself."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from toolwave._errors import ConfigurationError

DEFAULT_ADDRESS = "127.0.0.1:7420"
DEFAULT_PORT = 7420
MAX_TOKEN_AGE = 1.0
"""Seconds for which a token that was read from a file is used before the file is looked at again."""

Options = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Tls:
    """Whom to trust and what to show. Files are PEM. Without `ca_file` the CAs that gRPC comes with count."""

    ca_file: str | os.PathLike[str] | None = None
    certificate_file: str | os.PathLike[str] | None = None
    key_file: str | os.PathLike[str] | None = None
    server_name: str | None = None
    """The name to expect, if it is not the host of the address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files anew."""
        if (self.certificate_file is None) != (self.key_file is None):
            raise ConfigurationError("tls: certificate_file and key_file go together; expected both or neither")
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_file, "ca_file"),
            private_key=_read(self.key_file, "key_file"),
            certificate_chain=_read(self.certificate_file, "certificate_file"),
        )


def _read(path: str | os.PathLike[str] | None, what: str) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"tls: {what} {os.fspath(path)!r} cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class Address:
    """Where a coordinator listens."""

    target: str
    """For gRPC: `host:port`."""
    host: str
    secure: bool

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def address(text: str, tls: Tls | bool | None) -> Address:
    """`host:port`, `http://host:port` or `https://host:port`."""
    if not isinstance(text, str) or not text:
        raise ConfigurationError(f"address: {text!r} is no address; expected host:port or https://host:port")
    parts = urlsplit(text if "://" in text else f"//{text}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    wrong = (
        parts.scheme not in ("", "http", "https")
        or not parts.hostname
        or port == -1
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or parts.username is not None
        or any(character.isspace() for character in text)
    )
    if wrong:
        raise ConfigurationError(f"address: {text!r} is no address; expected host:port or https://host:port")
    if parts.scheme == "http" and tls:
        raise ConfigurationError(f"address: {text!r} is without TLS, but tls is given; expected https://host:port")
    if parts.scheme == "https" and tls is False:
        raise ConfigurationError(f"address: {text!r} is with TLS, but tls is False; expected http://host:port")
    host = str(parts.hostname)
    written = f"[{host}]" if ":" in host else host
    target = f"{written}:{DEFAULT_PORT if port is None else port}"
    return Address(target, host, secure=parts.scheme == "https" or bool(tls))


class Token:
    """A token from a text, a function, or a file that may change. Never shown."""

    def __init__(self, source: str | Callable[[], str] | None, file: str | os.PathLike[str] | None) -> None:
        if source is not None and file is not None:
            raise ConfigurationError("token and token_file are both given; expected one of them")
        self._source = source
        self._file = None if file is None else Path(file)
        self._read_at = 0.0
        self._metadata: tuple[tuple[str, str], ...] | None = None
        if source is not None or file is not None:
            self.metadata()

    @property
    def is_set(self) -> bool:
        return self._source is not None or self._file is not None

    def metadata(self) -> tuple[tuple[str, str], ...] | None:
        """What goes with a request."""
        if callable(self._source):
            return _bearer(self._source())
        if self._metadata is None or (self._file and time.monotonic() - self._read_at > MAX_TOKEN_AGE):
            self._metadata = self._renewed()
        return self._metadata

    def _renewed(self) -> tuple[tuple[str, str], ...] | None:
        if self._file is None:
            return None if self._source is None else _bearer(str(self._source))
        self._read_at = time.monotonic()
        try:
            return _bearer(self._file.read_text().strip())
        except OSError as error:
            if self._metadata is not None:
                return self._metadata
            raise ConfigurationError(f"token_file {str(self._file)!r} cannot be read: {error.strerror}") from None

    def __repr__(self) -> str:
        return "Token(set)" if self.is_set else "Token(none)"


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    if not token or not token.isascii() or any(character.isspace() or ord(character) < 32 for character in token):
        raise ConfigurationError("token: is empty, or holds characters that no token has")
    return (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True)
class Route:
    """Everything that a channel is made from; checked."""

    address: Address
    tls: Tls | None
    options: Options

    def credentials(self) -> grpc.ChannelCredentials | None:
        """None for a channel without TLS."""
        return None if self.tls is None else self.tls.credentials()


def route(text: str, tls: Tls | bool | None, max_message_bytes: int, options: Options) -> Route:
    """Checks address and TLS; the files of TLS are read once, so that what is wrong is told at once."""
    if tls is not None and not isinstance(tls, Tls | bool):
        raise ConfigurationError(f"tls: is of type {type(tls).__name__}; expected toolwave.Tls, True or None")
    where = address(text, tls)
    chosen = (tls if isinstance(tls, Tls) else Tls()) if where.secure else None
    if chosen is not None:
        chosen.credentials()
    made: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        # as toolwave's other clients: proxies of the environment are not for coordinators
        ("grpc.enable_http_proxy", 0),
        ("grpc.primary_user_agent", "toolwave-python"),
    ]
    if chosen is not None and chosen.server_name:
        made.append(("grpc.ssl_target_name_override", chosen.server_name))
    return Route(where, chosen, (*made, *options))


def check_token(where: Address, token: Token, insecure_plaintext_token: bool) -> None:
    """A token goes in plaintext to this machine only."""
    if token.is_set and not where.secure and not where.is_loopback and not insecure_plaintext_token:
        raise ConfigurationError(
            f"token: would go to {where.target} in plaintext; expected an https:// address, "
            "or insecure_plaintext_token=True"
        )
