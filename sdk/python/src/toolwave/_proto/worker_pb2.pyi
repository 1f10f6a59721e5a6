# Generated from proto/toolwave/v1/worker.proto by scripts/generate.py. Do not edit.
import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from toolwave._proto import tool_pb2 as _tool_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttemptFailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTEMPT_FAILURE_KIND_UNSPECIFIED: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_REFUSED: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_TOOL_ERROR: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_BROKEN_CONTRACT: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_TIMED_OUT: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_ABORTED: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_RESULT_TOO_LARGE: _ClassVar[AttemptFailureKind]
    ATTEMPT_FAILURE_KIND_FENCED: _ClassVar[AttemptFailureKind]
ATTEMPT_FAILURE_KIND_UNSPECIFIED: AttemptFailureKind
ATTEMPT_FAILURE_KIND_REFUSED: AttemptFailureKind
ATTEMPT_FAILURE_KIND_TOOL_ERROR: AttemptFailureKind
ATTEMPT_FAILURE_KIND_BROKEN_CONTRACT: AttemptFailureKind
ATTEMPT_FAILURE_KIND_TIMED_OUT: AttemptFailureKind
ATTEMPT_FAILURE_KIND_ABORTED: AttemptFailureKind
ATTEMPT_FAILURE_KIND_RESULT_TOO_LARGE: AttemptFailureKind
ATTEMPT_FAILURE_KIND_FENCED: AttemptFailureKind

class OpenSessionRequest(_message.Message):
    __slots__ = ("register", "started", "progress", "results", "chunks", "heartbeat", "tools_changed", "draining", "goodbye", "slots_changed")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    register: Register
    started: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    progress: _containers.RepeatedCompositeFieldContainer[ProgressReport]
    results: _containers.RepeatedCompositeFieldContainer[AttemptReport]
    chunks: _containers.RepeatedCompositeFieldContainer[PayloadChunk]
    heartbeat: Heartbeat
    tools_changed: ToolsChanged
    draining: Draining
    goodbye: Goodbye
    slots_changed: SlotsChanged
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., started: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., progress: _Optional[_Iterable[_Union[ProgressReport, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[AttemptReport, _Mapping]]] = ..., chunks: _Optional[_Iterable[_Union[PayloadChunk, _Mapping]]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., tools_changed: _Optional[_Union[ToolsChanged, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ..., slots_changed: _Optional[_Union[SlotsChanged, _Mapping]] = ...) -> None: ...

class OpenSessionResponse(_message.Message):
    __slots__ = ("registered", "dispatches", "chunks", "aborts", "acknowledged_results", "heartbeat_answer", "shutdown", "set_draining", "coordinators")
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    ABORTS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_RESULTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ANSWER_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    SET_DRAINING_FIELD_NUMBER: _ClassVar[int]
    COORDINATORS_FIELD_NUMBER: _ClassVar[int]
    registered: Registered
    dispatches: _containers.RepeatedCompositeFieldContainer[Dispatch]
    chunks: _containers.RepeatedCompositeFieldContainer[PayloadChunk]
    aborts: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    acknowledged_results: int
    heartbeat_answer: int
    shutdown: Shutdown
    set_draining: SetDraining
    coordinators: Coordinators
    def __init__(self, registered: _Optional[_Union[Registered, _Mapping]] = ..., dispatches: _Optional[_Iterable[_Union[Dispatch, _Mapping]]] = ..., chunks: _Optional[_Iterable[_Union[PayloadChunk, _Mapping]]] = ..., aborts: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., acknowledged_results: _Optional[int] = ..., heartbeat_answer: _Optional[int] = ..., shutdown: _Optional[_Union[Shutdown, _Mapping]] = ..., set_draining: _Optional[_Union[SetDraining, _Mapping]] = ..., coordinators: _Optional[_Union[Coordinators, _Mapping]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("worker", "instance_id", "min_protocol", "max_protocol", "build", "slots", "labels", "tools", "coordinator_id", "in_flight", "draining", "max_message_bytes", "max_parameters_bytes", "connected_to")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    MIN_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    MAX_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_ID_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PARAMETERS_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_TO_FIELD_NUMBER: _ClassVar[int]
    worker: str
    instance_id: str
    min_protocol: int
    max_protocol: int
    build: str
    slots: int
    labels: _containers.ScalarMap[str, str]
    tools: _containers.RepeatedCompositeFieldContainer[_tool_pb2.Tool]
    coordinator_id: str
    in_flight: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    draining: bool
    max_message_bytes: int
    max_parameters_bytes: int
    connected_to: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, worker: _Optional[str] = ..., instance_id: _Optional[str] = ..., min_protocol: _Optional[int] = ..., max_protocol: _Optional[int] = ..., build: _Optional[str] = ..., slots: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., tools: _Optional[_Iterable[_Union[_tool_pb2.Tool, _Mapping]]] = ..., coordinator_id: _Optional[str] = ..., in_flight: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., draining: _Optional[bool] = ..., max_message_bytes: _Optional[int] = ..., max_parameters_bytes: _Optional[int] = ..., connected_to: _Optional[_Iterable[str]] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("coordinator_id", "session_id", "protocol", "heartbeat_interval", "self_fence", "unwanted", "max_message_bytes", "max_result_bytes")
    COORDINATOR_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    SELF_FENCE_FIELD_NUMBER: _ClassVar[int]
    UNWANTED_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_BYTES_FIELD_NUMBER: _ClassVar[int]
    coordinator_id: str
    session_id: str
    protocol: int
    heartbeat_interval: _duration_pb2.Duration
    self_fence: _duration_pb2.Duration
    unwanted: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    max_message_bytes: int
    max_result_bytes: int
    def __init__(self, coordinator_id: _Optional[str] = ..., session_id: _Optional[str] = ..., protocol: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., self_fence: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unwanted: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., max_message_bytes: _Optional[int] = ..., max_result_bytes: _Optional[int] = ...) -> None: ...

class AttemptRef(_message.Message):
    __slots__ = ("execution", "call_index", "attempt")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    CALL_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    execution: int
    call_index: int
    attempt: int
    def __init__(self, execution: _Optional[int] = ..., call_index: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class Dispatch(_message.Message):
    __slots__ = ("attempt", "tool_name", "parameters_json", "parameters_size", "timeout", "idempotency_key", "safe_to_repeat", "execution_id", "call_id", "sequence", "traceparent", "tracestate")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_SIZE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SAFE_TO_REPEAT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    tool_name: str
    parameters_json: bytes
    parameters_size: int
    timeout: _duration_pb2.Duration
    idempotency_key: str
    safe_to_repeat: bool
    execution_id: str
    call_id: str
    sequence: int
    traceparent: str
    tracestate: str
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., tool_name: _Optional[str] = ..., parameters_json: _Optional[bytes] = ..., parameters_size: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., safe_to_repeat: _Optional[bool] = ..., execution_id: _Optional[str] = ..., call_id: _Optional[str] = ..., sequence: _Optional[int] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class PayloadChunk(_message.Message):
    __slots__ = ("attempt", "offset", "data")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    offset: int
    data: bytes
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ProgressReport(_message.Message):
    __slots__ = ("attempt", "fraction", "message")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    fraction: float
    message: str
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class AttemptReport(_message.Message):
    __slots__ = ("attempt", "sequence", "result_json", "failure", "result_size", "execution_time")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    RESULT_SIZE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    sequence: int
    result_json: bytes
    failure: AttemptFailure
    result_size: int
    execution_time: _duration_pb2.Duration
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., sequence: _Optional[int] = ..., result_json: _Optional[bytes] = ..., failure: _Optional[_Union[AttemptFailure, _Mapping]] = ..., result_size: _Optional[int] = ..., execution_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AttemptFailure(_message.Message):
    __slots__ = ("kind", "code", "message", "retryable", "retry_after", "details_json")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    DETAILS_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: AttemptFailureKind
    code: str
    message: str
    retryable: bool
    retry_after: _duration_pb2.Duration
    details_json: bytes
    def __init__(self, kind: _Optional[_Union[AttemptFailureKind, str]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., details_json: _Optional[bytes] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("number", "in_flight", "dispatches_read")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DISPATCHES_READ_FIELD_NUMBER: _ClassVar[int]
    number: int
    in_flight: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    dispatches_read: int
    def __init__(self, number: _Optional[int] = ..., in_flight: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., dispatches_read: _Optional[int] = ...) -> None: ...

class ToolsChanged(_message.Message):
    __slots__ = ("tools",)
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    tools: _containers.RepeatedCompositeFieldContainer[_tool_pb2.Tool]
    def __init__(self, tools: _Optional[_Iterable[_Union[_tool_pb2.Tool, _Mapping]]] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Shutdown(_message.Message):
    __slots__ = ("reconnect_after",)
    RECONNECT_AFTER_FIELD_NUMBER: _ClassVar[int]
    reconnect_after: _duration_pb2.Duration
    def __init__(self, reconnect_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SetDraining(_message.Message):
    __slots__ = ("draining",)
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    def __init__(self, draining: _Optional[bool] = ...) -> None: ...

class SlotsChanged(_message.Message):
    __slots__ = ("slots",)
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    slots: int
    def __init__(self, slots: _Optional[int] = ...) -> None: ...

class Coordinators(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, addresses: _Optional[_Iterable[str]] = ...) -> None: ...
