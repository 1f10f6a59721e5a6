"""What is generated from the .proto files is fresh, and asks for no particular version of protobuf."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def test_the_generated_messages_are_those_of_the_proto_files() -> None:
    told = subprocess.run(
        [sys.executable, str(PROJECT / "scripts" / "generate.py"), "--check"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr


def test_the_generated_messages_check_no_version() -> None:
    for file in (PROJECT / "src" / "toolwave" / "_proto").glob("*.py"):
        assert "runtime_version" not in file.read_text(), file
