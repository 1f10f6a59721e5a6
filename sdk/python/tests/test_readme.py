"""The README's examples run as they are written, against a cluster with the README's own worker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Coordinator, Process

README = Path(__file__).resolve().parent.parent / "README.md"
EXAMPLES: list[str] = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
WORKER = next(example for example in EXAMPLES if "weather.py" in example)
CLIENTS = [example for example in EXAMPLES if "asyncio.run" in example]
DEFAULT = "127.0.0.1:7420"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The README's worker, as `python weather.py` runs it, at a coordinator of the tests."""
    folder = tmp_path_factory.mktemp("readme")
    with Coordinator(folder) as coordinator:
        script = folder / "weather.py"
        script.write_text("import logging\nlogging.basicConfig(level='INFO')\n" + at(WORKER, coordinator.address))
        with Process([sys.executable, str(script)]) as worker:
            worker.wait_for("registered")
            yield coordinator.address


def at(example: str, address: str) -> str:
    """The example with another address than the default, which may be taken on this machine."""
    text = example.replace(DEFAULT, address)
    return text.replace("AsyncClient()", f'AsyncClient("{address}")')


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, "get_weather {'city': 'Oslo', 'temperature': 21, 'unit': 'celsius'}\ntranslate no:hello\n"),
        (1, "1 no:It is 21 degrees\n"),
        (2, "[{'city': 'Oslo', "),
    ],
)
def test_the_readmes_clients_run(address: str, tmp_path: Path, index: int, expected: str) -> None:
    script = tmp_path / "example.py"
    script.write_text(at(CLIENTS[index], address))
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env={**os.environ})
    assert run.returncode == 0 and expected in run.stdout, run.stderr + run.stdout


def test_every_example_is_one_that_is_run_or_compiles() -> None:
    assert len(CLIENTS) == 3 and len(EXAMPLES) == 5
    for example in EXAMPLES:
        compile(example, "README.md", "exec")
