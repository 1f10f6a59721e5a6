"""Which coordinator is asked, and what is sent again to another when one does not answer. Sends nothing itself.

What was certainly not accepted is always sent again, what may have run only where the caller has said that it may.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from toolwave._channel import Options
from toolwave._errors import ConfigurationError, ResourceExhaustedError, RpcError, UnavailableError
from toolwave._proto import execution_pb2 as pb
from toolwave._types import Resubmission

log = logging.getLogger("toolwave.client")

Resubmit = Literal["never", "keyed", "always"]
PATIENCE = 30.0
"""Seconds for which a request looks for one of several coordinators that takes it, unless told otherwise."""
CONNECT_TIMEOUT = 5.0
OPTIONS = (
    # a name with several addresses is several coordinators, and one that is back is found soon, whoever missed it last
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
)
BACKOFF = 0.2
LONGEST_BACKOFF = 5.0


def options(addresses: str, patience: float | None, resubmit: Resubmit) -> tuple[tuple[str, Any], ...]:
    """Of channels of a client that may ask more than once."""
    once = len(split(addresses)) == 1 and patience is None and resubmit == "never"
    return () if once else OPTIONS


def split(addresses: str) -> list[str]:
    """Addresses with commas between them."""
    return [address.strip() for address in addresses.split(",")] if isinstance(addresses, str) else [addresses]


class Turns:
    """Which of several coordinators is asked: the same as long as it answers. Shared by all requests of a client."""

    def __init__(
        self, addresses: list[str], patience: float | None, resubmit: Resubmit, channel_options: Options = ()
    ) -> None:
        if resubmit not in ("never", "keyed", "always"):
            raise ConfigurationError(f"resubmit: {resubmit!r} is not allowed; expected never, keyed or always")
        self.addresses = addresses
        self.resubmit = resubmit
        self.grpc_retries = any(name == "grpc.service_config" for name, _ in channel_options)
        """The caller may have told grpc to send again what has run: its errors are of the last try only."""
        self._patience = patience
        self._current = random.randrange(len(addresses))
        self._resting: dict[int, float] = {}

    @property
    def is_once(self) -> bool:
        """One coordinator is asked, once."""
        return len(self.addresses) == 1 and self._patience is None and self.resubmit == "never"

    @property
    def patience(self) -> float:
        return PATIENCE if self._patience is None else self._patience

    @property
    def current(self) -> int:
        """The one that was asked last."""
        return self._current

    def pick(self) -> int:
        """The one that was asked last; when it rests, the next that does not, or that may be asked soonest."""
        now = time.monotonic()
        count = len(self.addresses)
        order = [(self._current + step) % count for step in range(count)]
        self._current = min(order, key=lambda way: max(0.0, self._resting.get(way, 0.0) - now))
        return self._current

    def rest(self, way: int, seconds: float) -> None:
        """Not this one for a while, if there are others."""
        self._resting[way] = time.monotonic() + seconds

    def wait(self) -> float:
        """Seconds until one does not rest."""
        now = time.monotonic()
        return max(0.0, min(self._resting.get(way, 0.0) for way in range(len(self.addresses))) - now)

    def may_repeat(self, request: pb.ExecuteParallelRequest) -> bool:
        """The caller has said that it may run twice."""
        if self.resubmit == "keyed":
            return all(call.idempotency_key for call in request.calls)
        return self.resubmit == "always"


@dataclass
class Carrying:
    """One request on its way to some coordinator."""

    turns: Turns
    repeatable: bool
    deadline: float | None
    """Of `time.monotonic()`: the caller does not wait beyond."""
    resubmissions: list[Resubmission] = field(default_factory=list)
    _uncertain: RpcError | None = None
    _backoff: float = BACKOFF

    def __post_init__(self) -> None:
        give_up = time.monotonic() + self.turns.patience
        self._give_up = give_up if self.deadline is None else min(give_up, self.deadline)

    def missed(self, way: int, error: RpcError, *, sent: bool = True) -> float:
        """Seconds to wait before another is asked. Raises what the caller gets, where none may be."""
        may_have_run = sent and _may_have_run(error, self.turns.grpc_retries)
        if not may_have_run and not _was_not_taken(error):
            raise self._uncertain or error
        self.turns.rest(way, self._backoff if error.retry_after is None else error.retry_after)
        if may_have_run and not self.repeatable:
            raise self._uncertain or error
        address = self.turns.addresses[way]
        self.resubmissions.append(Resubmission(address, str(error), may_have_run))
        log.warning("execution submitted to another coordinator: %s did not take it: %s", address, error)
        if may_have_run:
            # stays so, whatever is said of it later
            self._uncertain = error
        wait = self.turns.wait()
        if wait > 0:
            wait = max(wait, self._backoff * random.uniform(0.5, 1.5))
            self._backoff = min(2 * self._backoff, LONGEST_BACKOFF)
        if time.monotonic() + wait >= self._give_up:
            raise self._uncertain or error
        return wait

    def in_time(self, request: pb.ExecuteParallelRequest) -> None:
        """Leaves the execution what is left of its time."""
        if self.deadline is not None:
            request.timeout.FromNanoseconds(max(1_000_000, int((self.deadline - time.monotonic()) * 1e9)))


def carrying(turns: Turns, request: object) -> Carrying:
    """What only reads may be repeated; an execution where its caller says so."""
    if not isinstance(request, pb.ExecuteParallelRequest):
        return Carrying(turns, repeatable=True, deadline=None)
    deadline = None
    if request.HasField("timeout"):
        deadline = time.monotonic() + request.timeout.ToNanoseconds() / 1e9
    return Carrying(turns, turns.may_repeat(request), deadline)


def unreachable(address: str) -> UnavailableError:
    """No connection came about, so that nothing was sent."""
    return UnavailableError("UNAVAILABLE", f"no coordinator at {address}")


def _may_have_run(error: RpcError, grpc_retries: bool) -> bool:
    if error._was_not_sent and not grpc_retries:
        return False
    # without a reason of the coordinator's it was the connection that broke
    return isinstance(error, UnavailableError) and error.reason in (None, "COORDINATOR_STOPPED")


def _was_not_taken(error: RpcError) -> bool:
    if isinstance(error, UnavailableError):
        return True
    return isinstance(error, ResourceExhaustedError) and error.reason is not None and error.retry_after is not None
