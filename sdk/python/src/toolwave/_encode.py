"""What tools return, as JSON: dataclasses, enums, dates and the like beside what JSON knows."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

from toolwave._json import encoder


def default(value: Any) -> Any:
    """One level of what JSON does not know; TypeError where there is no way."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(mode="json")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


encode_result = encoder(default)


def plain(value: Any) -> Any:
    """The value as JSON reads it back; TypeError or ValueError where there is no JSON for it."""
    return json.loads(encode_result(value))
