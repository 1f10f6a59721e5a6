# Generated from proto/toolwave/v1/execution.proto by scripts/generate.py. Do not edit.
import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from toolwave._proto import tool_pb2 as _tool_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Schedule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULE_UNSPECIFIED: _ClassVar[Schedule]
    SCHEDULE_PIPELINED_WAVES: _ClassVar[Schedule]
    SCHEDULE_BARRIER_WAVES: _ClassVar[Schedule]

class OnFailure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_FAILURE_UNSPECIFIED: _ClassVar[OnFailure]
    ON_FAILURE_CONTINUE: _ClassVar[OnFailure]
    ON_FAILURE_FAIL_FAST: _ClassVar[OnFailure]

class ResultForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESULT_FORM_UNSPECIFIED: _ClassVar[ResultForm]
    RESULT_FORM_VALUE: _ClassVar[ResultForm]
    RESULT_FORM_JSON: _ClassVar[ResultForm]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_SUCCEEDED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_REJECTED: _ClassVar[Outcome]
    OUTCOME_TIMED_OUT: _ClassVar[Outcome]
    OUTCOME_DEADLINE_EXCEEDED: _ClassVar[Outcome]
    OUTCOME_CANCELLED: _ClassVar[Outcome]
    OUTCOME_SKIPPED: _ClassVar[Outcome]
    OUTCOME_UNAVAILABLE: _ClassVar[Outcome]
    OUTCOME_UNKNOWN: _ClassVar[Outcome]

class WaitReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_REASON_UNSPECIFIED: _ClassVar[WaitReason]
    WAIT_REASON_NO_WORKER: _ClassVar[WaitReason]
    WAIT_REASON_SLOTS: _ClassVar[WaitReason]
    WAIT_REASON_COORDINATOR_LIMIT: _ClassVar[WaitReason]
    WAIT_REASON_EXECUTION_LIMIT: _ClassVar[WaitReason]
    WAIT_REASON_TENANT_LIMIT: _ClassVar[WaitReason]
    WAIT_REASON_TOOL_LIMIT: _ClassVar[WaitReason]
    WAIT_REASON_TOOL_RATE: _ClassVar[WaitReason]
    WAIT_REASON_TOOL_WORKER_LIMIT: _ClassVar[WaitReason]
    WAIT_REASON_BACKOFF: _ClassVar[WaitReason]
    WAIT_REASON_TURN: _ClassVar[WaitReason]

class EdgeOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EDGE_ORIGIN_UNSPECIFIED: _ClassVar[EdgeOrigin]
    EDGE_ORIGIN_REFERENCE: _ClassVar[EdgeOrigin]
    EDGE_ORIGIN_DEPENDS_ON: _ClassVar[EdgeOrigin]
    EDGE_ORIGIN_EFFECT: _ClassVar[EdgeOrigin]
SCHEDULE_UNSPECIFIED: Schedule
SCHEDULE_PIPELINED_WAVES: Schedule
SCHEDULE_BARRIER_WAVES: Schedule
ON_FAILURE_UNSPECIFIED: OnFailure
ON_FAILURE_CONTINUE: OnFailure
ON_FAILURE_FAIL_FAST: OnFailure
RESULT_FORM_UNSPECIFIED: ResultForm
RESULT_FORM_VALUE: ResultForm
RESULT_FORM_JSON: ResultForm
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_SUCCEEDED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_REJECTED: Outcome
OUTCOME_TIMED_OUT: Outcome
OUTCOME_DEADLINE_EXCEEDED: Outcome
OUTCOME_CANCELLED: Outcome
OUTCOME_SKIPPED: Outcome
OUTCOME_UNAVAILABLE: Outcome
OUTCOME_UNKNOWN: Outcome
WAIT_REASON_UNSPECIFIED: WaitReason
WAIT_REASON_NO_WORKER: WaitReason
WAIT_REASON_SLOTS: WaitReason
WAIT_REASON_COORDINATOR_LIMIT: WaitReason
WAIT_REASON_EXECUTION_LIMIT: WaitReason
WAIT_REASON_TENANT_LIMIT: WaitReason
WAIT_REASON_TOOL_LIMIT: WaitReason
WAIT_REASON_TOOL_RATE: WaitReason
WAIT_REASON_TOOL_WORKER_LIMIT: WaitReason
WAIT_REASON_BACKOFF: WaitReason
WAIT_REASON_TURN: WaitReason
EDGE_ORIGIN_UNSPECIFIED: EdgeOrigin
EDGE_ORIGIN_REFERENCE: EdgeOrigin
EDGE_ORIGIN_DEPENDS_ON: EdgeOrigin
EDGE_ORIGIN_EFFECT: EdgeOrigin

class ExecuteParallelRequest(_message.Message):
    __slots__ = ("calls", "max_concurrency", "max_concurrency_auto", "schedule", "on_failure", "timeout", "idempotency_key", "retry", "result_form", "max_response_bytes")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_AUTO_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    RESULT_FORM_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    max_concurrency: int
    max_concurrency_auto: bool
    schedule: Schedule
    on_failure: OnFailure
    timeout: _duration_pb2.Duration
    idempotency_key: str
    retry: _tool_pb2.RetryPolicy
    result_form: ResultForm
    max_response_bytes: int
    def __init__(self, calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., max_concurrency: _Optional[int] = ..., max_concurrency_auto: _Optional[bool] = ..., schedule: _Optional[_Union[Schedule, str]] = ..., on_failure: _Optional[_Union[OnFailure, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., retry: _Optional[_Union[_tool_pb2.RetryPolicy, _Mapping]] = ..., result_form: _Optional[_Union[ResultForm, str]] = ..., max_response_bytes: _Optional[int] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "tool_name", "parameters", "parameters_json", "depends_on", "priority", "timeout", "queue_timeout", "retry", "idempotency_key")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    id: str
    tool_name: str
    parameters: _struct_pb2.Struct
    parameters_json: bytes
    depends_on: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    timeout: _duration_pb2.Duration
    queue_timeout: _duration_pb2.Duration
    retry: _tool_pb2.RetryPolicy
    idempotency_key: str
    def __init__(self, id: _Optional[str] = ..., tool_name: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., parameters_json: _Optional[bytes] = ..., depends_on: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[_tool_pb2.RetryPolicy, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class ExecuteParallelResponse(_message.Message):
    __slots__ = ("results", "summary")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CallResult]
    summary: ExecutionSummary
    def __init__(self, results: _Optional[_Iterable[_Union[CallResult, _Mapping]]] = ..., summary: _Optional[_Union[ExecutionSummary, _Mapping]] = ...) -> None: ...

class CallResult(_message.Message):
    __slots__ = ("id", "tool_name", "success", "outcome", "result", "result_json", "error", "wave", "attempts", "queue_time", "execution_time", "omitted_result_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WAVE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    OMITTED_RESULT_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    tool_name: str
    success: bool
    outcome: Outcome
    result: _struct_pb2.Value
    result_json: bytes
    error: CallError
    wave: int
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    queue_time: _duration_pb2.Duration
    execution_time: _duration_pb2.Duration
    omitted_result_bytes: int
    def __init__(self, id: _Optional[str] = ..., tool_name: _Optional[str] = ..., success: _Optional[bool] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., result: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., result_json: _Optional[bytes] = ..., error: _Optional[_Union[CallError, _Mapping]] = ..., wave: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., queue_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., execution_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., omitted_result_bytes: _Optional[int] = ...) -> None: ...

class CallError(_message.Message):
    __slots__ = ("code", "message", "retryable", "retry_after", "details_json", "root_call_id", "may_have_run", "violations")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    DETAILS_JSON_FIELD_NUMBER: _ClassVar[int]
    ROOT_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    MAY_HAVE_RUN_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    retry_after: _duration_pb2.Duration
    details_json: bytes
    root_call_id: str
    may_have_run: bool
    violations: _containers.RepeatedCompositeFieldContainer[ParameterViolation]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., details_json: _Optional[bytes] = ..., root_call_id: _Optional[str] = ..., may_have_run: _Optional[bool] = ..., violations: _Optional[_Iterable[_Union[ParameterViolation, _Mapping]]] = ...) -> None: ...

class ParameterViolation(_message.Message):
    __slots__ = ("path", "description")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    path: str
    description: str
    def __init__(self, path: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "worker", "started_at", "ended_at", "failure", "late", "dispatched_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    DISPATCHED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    worker: str
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    failure: CallError
    late: bool
    dispatched_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., worker: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure: _Optional[_Union[CallError, _Mapping]] = ..., late: _Optional[bool] = ..., dispatched_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExecutionSummary(_message.Message):
    __slots__ = ("execution_id", "calls", "waves", "outcomes", "duration", "sequential_duration", "attempts", "analysis")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    WAVES_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENTIAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    calls: int
    waves: int
    outcomes: _containers.RepeatedCompositeFieldContainer[OutcomeCount]
    duration: _duration_pb2.Duration
    sequential_duration: _duration_pb2.Duration
    attempts: int
    analysis: ExecutionAnalysis
    def __init__(self, execution_id: _Optional[str] = ..., calls: _Optional[int] = ..., waves: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[OutcomeCount, _Mapping]]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sequential_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., attempts: _Optional[int] = ..., analysis: _Optional[_Union[ExecutionAnalysis, _Mapping]] = ...) -> None: ...

class ExecutionAnalysis(_message.Message):
    __slots__ = ("critical_path", "critical_path_execution", "waits", "retries", "retry_time", "lower_bound", "peak_in_flight", "saved_by_one_more_slot")
    CRITICAL_PATH_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_PATH_EXECUTION_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    LOWER_BOUND_FIELD_NUMBER: _ClassVar[int]
    PEAK_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SAVED_BY_ONE_MORE_SLOT_FIELD_NUMBER: _ClassVar[int]
    critical_path: _containers.RepeatedScalarFieldContainer[int]
    critical_path_execution: _duration_pb2.Duration
    waits: _containers.RepeatedCompositeFieldContainer[Wait]
    retries: int
    retry_time: _duration_pb2.Duration
    lower_bound: _duration_pb2.Duration
    peak_in_flight: int
    saved_by_one_more_slot: _duration_pb2.Duration
    def __init__(self, critical_path: _Optional[_Iterable[int]] = ..., critical_path_execution: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., waits: _Optional[_Iterable[_Union[Wait, _Mapping]]] = ..., retries: _Optional[int] = ..., retry_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lower_bound: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., peak_in_flight: _Optional[int] = ..., saved_by_one_more_slot: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ("reason", "subject", "time", "calls")
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    reason: WaitReason
    subject: str
    time: _duration_pb2.Duration
    calls: int
    def __init__(self, reason: _Optional[_Union[WaitReason, str]] = ..., subject: _Optional[str] = ..., time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., calls: _Optional[int] = ...) -> None: ...

class OutcomeCount(_message.Message):
    __slots__ = ("outcome", "count")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    count: int
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., count: _Optional[int] = ...) -> None: ...

class ExecuteParallelStreamRequest(_message.Message):
    __slots__ = ("execution",)
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    execution: ExecuteParallelRequest
    def __init__(self, execution: _Optional[_Union[ExecuteParallelRequest, _Mapping]] = ...) -> None: ...

class ExecuteParallelStreamResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ExecutionEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[ExecutionEvent, _Mapping]]] = ...) -> None: ...

class ExecutionEvent(_message.Message):
    __slots__ = ("at", "planned", "started", "progress", "retried", "result", "summary")
    AT_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RETRIED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    planned: ExecutionPlanned
    started: AttemptStarted
    progress: AttemptProgress
    retried: AttemptRetried
    result: CallEnded
    summary: ExecutionSummary
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., planned: _Optional[_Union[ExecutionPlanned, _Mapping]] = ..., started: _Optional[_Union[AttemptStarted, _Mapping]] = ..., progress: _Optional[_Union[AttemptProgress, _Mapping]] = ..., retried: _Optional[_Union[AttemptRetried, _Mapping]] = ..., result: _Optional[_Union[CallEnded, _Mapping]] = ..., summary: _Optional[_Union[ExecutionSummary, _Mapping]] = ...) -> None: ...

class ExecutionPlanned(_message.Message):
    __slots__ = ("execution_id", "waves")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    WAVES_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    waves: _containers.RepeatedCompositeFieldContainer[Wave]
    def __init__(self, execution_id: _Optional[str] = ..., waves: _Optional[_Iterable[_Union[Wave, _Mapping]]] = ...) -> None: ...

class Wave(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, calls: _Optional[_Iterable[int]] = ...) -> None: ...

class AttemptStarted(_message.Message):
    __slots__ = ("call_index", "attempt", "worker")
    CALL_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    call_index: int
    attempt: int
    worker: str
    def __init__(self, call_index: _Optional[int] = ..., attempt: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class AttemptProgress(_message.Message):
    __slots__ = ("call_index", "attempt", "fraction", "message")
    CALL_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    call_index: int
    attempt: int
    fraction: float
    message: str
    def __init__(self, call_index: _Optional[int] = ..., attempt: _Optional[int] = ..., fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class AttemptRetried(_message.Message):
    __slots__ = ("call_index", "attempt", "failure", "backoff")
    CALL_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    call_index: int
    attempt: int
    failure: CallError
    backoff: _duration_pb2.Duration
    def __init__(self, call_index: _Optional[int] = ..., attempt: _Optional[int] = ..., failure: _Optional[_Union[CallError, _Mapping]] = ..., backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CallEnded(_message.Message):
    __slots__ = ("call_index", "result")
    CALL_INDEX_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    call_index: int
    result: CallResult
    def __init__(self, call_index: _Optional[int] = ..., result: _Optional[_Union[CallResult, _Mapping]] = ...) -> None: ...

class PlanExecutionRequest(_message.Message):
    __slots__ = ("execution",)
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    execution: ExecuteParallelRequest
    def __init__(self, execution: _Optional[_Union[ExecuteParallelRequest, _Mapping]] = ...) -> None: ...

class PlanExecutionResponse(_message.Message):
    __slots__ = ("waves", "edges", "rejected", "critical_path_calls")
    WAVES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_PATH_CALLS_FIELD_NUMBER: _ClassVar[int]
    waves: _containers.RepeatedCompositeFieldContainer[Wave]
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    rejected: _containers.RepeatedCompositeFieldContainer[CallEnded]
    critical_path_calls: int
    def __init__(self, waves: _Optional[_Iterable[_Union[Wave, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ..., rejected: _Optional[_Iterable[_Union[CallEnded, _Mapping]]] = ..., critical_path_calls: _Optional[int] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("to", "origin", "detail")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    to: int
    origin: EdgeOrigin
    detail: str
    def __init__(self, to: _Optional[int] = ..., origin: _Optional[_Union[EdgeOrigin, str]] = ..., detail: _Optional[str] = ..., **kwargs) -> None: ...

class CancelExecutionRequest(_message.Message):
    __slots__ = ("execution_id", "idempotency_key")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    idempotency_key: str
    def __init__(self, execution_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CancelExecutionResponse(_message.Message):
    __slots__ = ("execution_id", "already_ended")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    ALREADY_ENDED_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    already_ended: bool
    def __init__(self, execution_id: _Optional[str] = ..., already_ended: _Optional[bool] = ...) -> None: ...

class ListToolsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListToolsResponse(_message.Message):
    __slots__ = ("tools",)
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    tools: _containers.RepeatedCompositeFieldContainer[ListedTool]
    def __init__(self, tools: _Optional[_Iterable[_Union[ListedTool, _Mapping]]] = ...) -> None: ...

class ListedTool(_message.Message):
    __slots__ = ("tool", "workers", "queued", "in_flight")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    tool: _tool_pb2.Tool
    workers: int
    queued: int
    in_flight: int
    def __init__(self, tool: _Optional[_Union[_tool_pb2.Tool, _Mapping]] = ..., workers: _Optional[int] = ..., queued: _Optional[int] = ..., in_flight: _Optional[int] = ...) -> None: ...
