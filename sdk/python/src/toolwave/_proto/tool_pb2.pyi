# Generated from proto/toolwave/v1/tool.proto by scripts/generate.py. Do not edit.
import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EffectMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_MODE_UNSPECIFIED: _ClassVar[EffectMode]
    EFFECT_MODE_READS: _ClassVar[EffectMode]
    EFFECT_MODE_WRITES: _ClassVar[EffectMode]
EFFECT_MODE_UNSPECIFIED: EffectMode
EFFECT_MODE_READS: EffectMode
EFFECT_MODE_WRITES: EffectMode

class Tool(_message.Message):
    __slots__ = ("name", "description", "input_schema_json", "output_schema_json", "effects", "read_only", "idempotent", "honours_idempotency_key", "timeout", "max_concurrency", "max_concurrency_per_worker", "rate_per_second", "rate_burst", "max_result_bytes", "retry", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT_FIELD_NUMBER: _ClassVar[int]
    HONOURS_IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_PER_WORKER_FIELD_NUMBER: _ClassVar[int]
    RATE_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RATE_BURST_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    input_schema_json: bytes
    output_schema_json: bytes
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    read_only: bool
    idempotent: bool
    honours_idempotency_key: bool
    timeout: _duration_pb2.Duration
    max_concurrency: int
    max_concurrency_per_worker: int
    rate_per_second: float
    rate_burst: int
    max_result_bytes: int
    retry: RetryPolicy
    labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., input_schema_json: _Optional[bytes] = ..., output_schema_json: _Optional[bytes] = ..., effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ..., read_only: _Optional[bool] = ..., idempotent: _Optional[bool] = ..., honours_idempotency_key: _Optional[bool] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_concurrency: _Optional[int] = ..., max_concurrency_per_worker: _Optional[int] = ..., rate_per_second: _Optional[float] = ..., rate_burst: _Optional[int] = ..., max_result_bytes: _Optional[int] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "initial_backoff", "max_backoff", "multiplier")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    initial_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    multiplier: float
    def __init__(self, max_attempts: _Optional[int] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., multiplier: _Optional[float] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ("mode", "key_template")
    MODE_FIELD_NUMBER: _ClassVar[int]
    KEY_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    mode: EffectMode
    key_template: str
    def __init__(self, mode: _Optional[_Union[EffectMode, str]] = ..., key_template: _Optional[str] = ...) -> None: ...
