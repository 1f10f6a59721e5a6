"""TLS and tokens, with what `toolwave certs` and `toolwave token` make."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import BINARIES, Coordinator, python_worker, terminate

import toolwave
from toolwave import AsyncClient, Client, ConfigurationError, Tls, Worker, tool
from toolwave._channel import Token


def toolwave_command(*arguments: str, cwd: Path) -> str:
    return subprocess.run(
        [str(BINARIES / "toolwave"), *arguments], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


class Secured:
    """A coordinator that asks everybody who they are."""

    def __init__(self, folder: Path, coordinator: Coordinator, token_file: Path) -> None:
        self.coordinator = coordinator
        self.address = f"https://{coordinator.address}"
        self.pki = folder / "pki"
        self.token_file = token_file
        self.ca = self.pki / "ca.pem"

    def certified(self, name: str) -> Tls:
        return Tls(self.ca, self.pki / f"{name}.pem", self.pki / f"{name}.key")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    toolwave_command("certs", "pki", "--worker", "worker", "--tenant", "acme", cwd=folder)
    entry = toolwave_command(
        "token", "ci", "--tenant", "acme", "--tools", "secured_echo", "--file", "ci.token", cwd=folder
    )
    (folder / "tokens.toml").write_text(entry)
    pki = folder / "pki"
    config = f"""
[tls]
certificate = "{pki}/coordinator.pem"
key = "{pki}/coordinator.key"
client_ca = "{pki}/ca.pem"
client_certificate = "optional"
[auth]
tokens_file = "{folder}/tokens.toml"
[[auth.client_certificates]]
identity = "spiffe://toolwave/tenant/acme"
tools = ["*"]
[[worker_identities]]
identity = "spiffe://toolwave/worker/worker"
tools = ["secured_echo"]
"""
    with Coordinator(folder / "configuration", config) as coordinator:
        yield Secured(folder, coordinator, folder / "ci.token")


@tool
def secured_echo(value: int) -> int:
    """Returns its parameter."""
    return value


async def test_a_worker_with_a_certificate_serves_a_client_with_a_token(secured: Secured) -> None:
    worker = Worker(secured_echo, coordinator=secured.address, name="worker", tls=secured.certified("worker"))
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(worker.registered(), 30)
    tls = Tls(secured.ca)
    token = secured.token_file.read_text().strip()
    async with AsyncClient(secured.address, tls=tls, token_file=secured.token_file) as client:
        results = await client.execute_tools_parallel([{"tool_name": "secured_echo", "parameters": {"value": 4}}])
        assert results[0]["result"] == 4
    async with AsyncClient(secured.address, tls=tls, token=lambda: token) as client:
        assert [each.name for each in await client.list_tools()] == ["secured_echo"]
    async with AsyncClient(secured.address, tls=secured.certified("client-acme")) as client:
        assert [each.name for each in await client.list_tools()] == ["secured_echo"]

    def blocking() -> int:
        with Client(secured.address, tls=tls, token=token) as client:
            return len(client.list_tools())

    assert await asyncio.to_thread(blocking) == 1
    worker.drain()
    await asyncio.wait_for(running, 30)


async def test_who_does_not_prove_who_they_are_is_not_let_in(secured: Secured) -> None:
    tls = Tls(secured.ca)
    async with AsyncClient(secured.address, tls=tls) as client:
        with pytest.raises(toolwave.UnauthenticatedError) as caught:
            await client.list_tools()
        assert caught.value.reason == "NO_CREDENTIALS"
    async with AsyncClient(secured.address, tls=tls, token="wrong") as client:
        with pytest.raises(toolwave.UnauthenticatedError) as caught:
            await client.execute_tools_parallel([{"tool_name": "secured_echo"}])
        assert caught.value.reason == "BAD_TOKEN" and "wrong" not in str(caught.value)
    # another CA than the coordinator's
    async with AsyncClient(secured.address, token="x") as client:
        with pytest.raises(toolwave.UnavailableError):
            await client.list_tools()


async def test_a_worker_that_is_refused_says_so_once_and_tries_on(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(secured_echo, coordinator=secured.address, name="other", tls=secured.certified("worker"))
    running = asyncio.create_task(worker.run())

    async def until_told() -> None:
        while "refuses this worker" not in caplog.text:
            await asyncio.sleep(0.005)

    await asyncio.wait_for(until_told(), 30)
    assert "PERMISSION_DENIED" in caplog.text and not worker.is_registered
    worker.drain()
    await asyncio.wait_for(running, 30)


def test_files_that_cannot_be_used_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        AsyncClient("https://localhost:1", tls=Tls(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="go together"):
        Worker(secured_echo, coordinator="https://localhost:1", tls=Tls(certificate_file=tmp_path / "a.pem"))
    with pytest.raises(ConfigurationError, match="token_file"):
        AsyncClient("https://localhost:1", token_file=tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="https"):
        AsyncClient("http://localhost:1", tls=Tls())


def test_a_token_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolwave._channel.MAX_TOKEN_AGE", -1.0)
    file = tmp_path / "token"
    file.write_text("first\n")
    token = Token(None, file)
    assert token.metadata() == (("authorization", "Bearer first"),)
    file.write_text("second\n")
    assert token.metadata() == (("authorization", "Bearer second"),)
    # in the middle of a renewal the last one counts
    file.unlink()
    assert token.metadata() == (("authorization", "Bearer second"),)


def test_the_command_of_workers_speaks_tls(secured: Secured) -> None:
    tls = ("--tls-ca", str(secured.ca), "--tls-certificate", str(secured.pki / "worker.pem"))
    with python_worker(secured.address, *tls, "--tls-key", str(secured.pki / "worker.key"), name="worker") as worker:
        assert terminate(worker) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no_such_module"], "no_such_module"),
        (["json"], "defines no tools"),
        (["hosted_tools:no_such_tool"], "no_such_tool"),
        (["hosted_tools", "--name", "a b"], "name"),
        (["hosted_tools", "--coordinator", "nowhere:port"], "address"),
        (["hosted_tools", "--coordinator", "https://localhost:1", "--tls-ca", "missing.pem"], "missing.pem"),
    ],
)
def test_a_worker_that_cannot_start_says_why(arguments: list[str], problem: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "toolwave.worker", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert run.returncode == 78 and problem in run.stderr and "Traceback" not in run.stderr
