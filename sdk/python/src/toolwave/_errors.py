"""Every error that the package raises, and how the status of an RPC becomes one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2


class ToolwaveError(Exception):
    """The root of all errors of this package."""


class ConfigurationError(ToolwaveError, ValueError):
    """An address, a token, a certificate or an option that cannot be used."""


class ParameterError(ToolwaveError, ValueError):
    """A call that cannot be sent as it is. `path` says where: `calls[2].parameters.items[0]`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class ToolDefinitionError(ToolwaveError, TypeError):
    """A function that cannot be hosted as a tool as it is."""


class WorkerError(ToolwaveError):
    """A worker that cannot go on."""


@dataclass(frozen=True)
class FieldViolation:
    """One thing that is wrong with a request. `field` is a path such as `calls[1].depends_on[0]`."""

    field: str
    reason: str
    description: str


@dataclass(frozen=True)
class QuotaViolation:
    """A limit that the request ran into."""

    subject: str
    description: str


class RpcError(ToolwaveError):
    """The coordinator refused a request as a whole, or could not be reached."""

    def __init__(
        self,
        status: str,
        message: str,
        *,
        reason: str | None = None,
        violations: Iterable[FieldViolation] = (),
        retry_after: float | None = None,
        quota: Iterable[QuotaViolation] = (),
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        """The gRPC status, such as INVALID_ARGUMENT."""
        self.message = message
        self.reason = reason
        """Toolwave's own word, such as DEPENDENCY_CYCLE; None where the status came from elsewhere."""
        self.violations = list(violations)
        self.retry_after = retry_after
        """Seconds to wait before the next try, where another try makes sense."""
        self.quota = list(quota)
        self.metadata = metadata or {}
        self._was_not_sent = False

    def __str__(self) -> str:
        head = self.status if self.reason is None else f"{self.status} {self.reason}"
        return f"{head}: {self.message}"


class InvalidRequestError(RpcError):
    """The request is wrong; `violations` lists everything. Nothing has run."""


class UnauthenticatedError(RpcError):
    """The coordinator asks who the client is, and what was shown does not tell."""


class PermissionDeniedError(RpcError):
    """It is known who asks, and they may not."""


class NotFoundError(RpcError):
    """No such execution."""


class AlreadyExistsError(RpcError):
    """The idempotency key belongs to another request."""


class ResourceExhaustedError(RpcError):
    """A limit is reached; try again after `retry_after`. Nothing has run."""


class UnavailableError(RpcError):
    """The coordinator cannot be reached, or is about to stop."""


class DeadlineExceededError(RpcError):
    """The RPC's deadline passed before there was an answer."""


class CancelledError(RpcError):
    """The RPC was cancelled, here or on the way."""


_BY_STATUS: dict[str, type[RpcError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": CancelledError,
}
_DETAILS = "grpc-status-details-bin"
_NO_CONNECTION = ("connections to all backends failing", "failed to connect to all addresses")
"""How grpc's message begins where it has no connection that a request could be sent over."""


def from_status(code: grpc.StatusCode, message: str | None, trailers: Any) -> RpcError:
    """The error of an RPC that failed, with what its details say."""
    status = code.name
    reason: str | None = None
    metadata: dict[str, str] = {}
    violations: list[FieldViolation] = []
    quota: list[QuotaViolation] = []
    retry_after: float | None = None
    for detail in _details(trailers):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason, metadata = detail.reason, dict(detail.metadata)
        elif isinstance(detail, error_details_pb2.BadRequest):
            violations = [_violation(violation) for violation in detail.field_violations]
        elif isinstance(detail, error_details_pb2.QuotaFailure):
            quota = [QuotaViolation(violation.subject, violation.description) for violation in detail.violations]
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9
    return _BY_STATUS.get(status, RpcError)(
        status,
        message or "",
        reason=reason,
        violations=violations,
        retry_after=retry_after,
        quota=quota,
        metadata=metadata,
    )


def _violation(violation: error_details_pb2.BadRequest.FieldViolation) -> FieldViolation:
    # toolwave begins the description with the violation's reason
    first, colon, rest = violation.description.partition(":")
    if colon and first.isupper() and " " not in first:
        return FieldViolation(violation.field, first, rest.strip())
    return FieldViolation(violation.field, "", violation.description)


def _details(trailers: Any) -> Iterable[Any]:
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.QuotaFailure,
        error_details_pb2.RetryInfo,
    )
    for key, value in trailers or ():
        if key != _DETAILS:
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            continue
        for packed in status.details:
            for kind in kinds:
                message = kind()
                if packed.Is(message.DESCRIPTOR) and packed.Unpack(message):
                    yield message


def from_rpc(error: grpc.RpcError) -> RpcError:
    """The same, from what grpc raises: its blocking and its asynchronous errors have these methods both."""
    known: Any = error
    trailers = known.trailing_metadata()
    made = from_status(known.code(), known.details(), trailers)
    # Of a server's own status there would be trailers. What grpc had sent before, and no server has seen (HTTP/2 says
    # so of a connection that closes in order), it sends again by itself: its last word is of the whole request.
    made._was_not_sent = not trailers and made.status == "UNAVAILABLE" and made.message.startswith(_NO_CONNECTION)
    return made


class ToolError(Exception):
    """Raised by a tool: its call ends as FAILED with this code, or is tried again when `retryable`."""

    def __init__(
        self,
        code: str = "TOOL_ERROR",
        message: str = "",
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = details
