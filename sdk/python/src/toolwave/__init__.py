"""toolwave for Python: run an agent's tool calls in parallel, and host tools for it.

`AsyncClient` and `Client` run calls; `Batcher` makes one execution of many calls; `tool`, `serve` and `Worker` host
functions as tools.
"""

from toolwave._async_client import AsyncClient
from toolwave._batcher import Batcher
from toolwave._channel import Tls
from toolwave._client import Client
from toolwave._context import Context
from toolwave._errors import (
    AlreadyExistsError,
    CancelledError,
    ConfigurationError,
    DeadlineExceededError,
    FieldViolation,
    InvalidRequestError,
    NotFoundError,
    ParameterError,
    PermissionDeniedError,
    QuotaViolation,
    ResourceExhaustedError,
    RpcError,
    ToolDefinitionError,
    ToolError,
    ToolwaveError,
    UnauthenticatedError,
    UnavailableError,
    WorkerError,
)
from toolwave._tool import HostedTool, reads, tool, writes
from toolwave._types import (
    Analysis,
    Attempt,
    CallFailure,
    Cancellation,
    Edge,
    Effect,
    Ended,
    Event,
    Execution,
    Plan,
    Planned,
    Progressed,
    Resubmission,
    Retried,
    RetryPolicy,
    Started,
    Summary,
    Tool,
    ToolCall,
    ToolResult,
    Violation,
    Wait,
)
from toolwave.worker import Worker, serve

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "Analysis",
    "AsyncClient",
    "Attempt",
    "Batcher",
    "CallFailure",
    "Cancellation",
    "CancelledError",
    "Client",
    "ConfigurationError",
    "Context",
    "DeadlineExceededError",
    "Edge",
    "Effect",
    "Ended",
    "Event",
    "Execution",
    "FieldViolation",
    "HostedTool",
    "InvalidRequestError",
    "NotFoundError",
    "ParameterError",
    "PermissionDeniedError",
    "Plan",
    "Planned",
    "Progressed",
    "QuotaViolation",
    "ResourceExhaustedError",
    "Resubmission",
    "Retried",
    "RetryPolicy",
    "RpcError",
    "Started",
    "Summary",
    "Tls",
    "Tool",
    "ToolCall",
    "ToolDefinitionError",
    "ToolError",
    "ToolResult",
    "ToolwaveError",
    "UnauthenticatedError",
    "UnavailableError",
    "Violation",
    "Wait",
    "Worker",
    "WorkerError",
    "reads",
    "serve",
    "tool",
    "writes",
    "__version__",
]
