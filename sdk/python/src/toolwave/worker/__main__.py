"""`python -m toolwave.worker MODULE[:NAME] ...`: hosts the tools that modules define.

Options can be given by environment too, under the same names as those of `toolwave-worker`.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

from toolwave._channel import DEFAULT_ADDRESS, Tls
from toolwave._errors import ToolwaveError
from toolwave._tool import HostedTool, as_tool
from toolwave.worker import DEFAULT_DRAIN_TIMEOUT, DEFAULT_SLOTS, Worker

EXIT_CONFIGURATION = 78
_ENVIRONMENT = "TOOLWAVE_WORKER_"


def _arguments() -> argparse.ArgumentParser:
    def default(name: str, otherwise: str | None = None) -> str | None:
        return os.environ.get(_ENVIRONMENT + name, otherwise)

    parser = argparse.ArgumentParser(prog="python -m toolwave.worker", description="Host Python functions as tools.")
    parser.add_argument("tools", nargs="+", metavar="MODULE[:NAME]", help="all tools of a module, or one by its name")
    parser.add_argument(
        "--coordinator", default=default("COORDINATOR", DEFAULT_ADDRESS), help="one: host:port or https://…"
    )
    parser.add_argument("--name", default=default("NAME"), help="unique in the cluster")
    parser.add_argument("--slots", type=int, default=default("SLOTS", str(DEFAULT_SLOTS)), help="attempts at once")
    parser.add_argument(
        "--drain-timeout", type=float, default=default("DRAIN_TIMEOUT_SECONDS", str(DEFAULT_DRAIN_TIMEOUT))
    )
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--tls-ca", default=default("TLS_CA"), metavar="FILE")
    parser.add_argument("--tls-certificate", default=default("TLS_CERTIFICATE"), metavar="FILE")
    parser.add_argument("--tls-key", default=default("TLS_KEY"), metavar="FILE")
    parser.add_argument("--tls-server-name", default=default("TLS_SERVER_NAME"), metavar="NAME")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def load(name: str) -> list[HostedTool[..., Any]]:
    """The tools of `module`, or what `module:name` names: a tool, a function, or a list of them."""
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    if not attribute:
        found = [value for value in vars(module).values() if isinstance(value, HostedTool)]
        if not found:
            raise LookupError(f"the module {module_name!r} defines no tools; expected functions with @tool")
        return found
    value: Any = module
    for part in attribute.split("."):
        value = getattr(value, part)
    return [as_tool(each) for each in value] if isinstance(value, list | tuple) else [as_tool(value)]


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    given = _arguments().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=given.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # modules of the folder in which it is started, as with `python -m`
    sys.path.insert(0, str(Path.cwd()))
    tls = None
    if given.tls_ca or given.tls_certificate or given.tls_key or given.tls_server_name:
        tls = Tls(given.tls_ca, given.tls_certificate, given.tls_key, given.tls_server_name)
    try:
        worker = Worker(
            *(tool for name in given.tools for tool in load(name)),
            coordinator=given.coordinator,
            name=given.name,
            slots=given.slots,
            labels=dict(label.partition("=")[::2] for label in given.label),
            drain_timeout=given.drain_timeout,
            tls=tls,
        )
    except (ToolwaveError, ImportError, AttributeError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    worker.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
