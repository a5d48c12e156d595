"""A machine as a node: its address, its token, and the command that starts Ray there."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synapse_assets import serving
from synapse_assets.cli import app
from synapse_assets.cluster import node
from synapse_assets.errors import BadInput


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "ray" / "token"))
    return tmp_path / "ray" / "token"


@pytest.fixture
def started(token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the process would have become."""
    commands: list[list[str]] = []
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setattr(serving, "become", commands.append)
    for name in ("PATH", "SYNAPSE_POSTGRES_URL", *node.environment()):
        monkeypatch.setenv(name, "postgresql://synapse:pw@db/x" if name == "SYNAPSE_POSTGRES_URL" else "0")
    return commands


def test_a_head_makes_its_token_for_its_owner_alone_and_says_what_to_copy(
    started: list[list[str]], token_file: Path
) -> None:
    result = CliRunner().invoke(app, ["node", "--head", "--address", "127.0.0.1", "--", "--num-cpus", "3"])
    assert result.exit_code == 0, result.output
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert len(token_file.read_text()) == 64
    assert f"scp -p {token_file} HOST:.ray/auth_token" in result.output
    assert token_file.read_text() not in result.output
    assert "firewall" not in result.output  # on loopback everything stays there
    (command,) = started
    assert command[:4] == [sys.executable, "-m", "ray.scripts.scripts", "start"]
    assert command[4:] == [
        *("--block", "--node-ip-address", "127.0.0.1", "--head", "--port", "6379"),
        *("--dashboard-host", "127.0.0.1", "--dashboard-port", "8265", "--num-cpus", "3"),
    ]


def test_what_runs_on_a_node_finds_its_environment(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    result = CliRunner().invoke(app, ["node", "--head", "--address", "10.0.0.1"])
    assert result.exit_code == 0
    assert "let a firewall admit" in result.output
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert os.environ["SYNAPSE_POSTGRES_URL"] == "postgresql+psycopg2://synapse:pw@db/x"
    period, timeout, failures = (
        int(os.environ[f"RAY_health_check_{name}"]) for name in ("period_ms", "timeout_ms", "failure_threshold")
    )
    assert (period + timeout) * failures < 60_000


def test_a_worker_without_the_token_is_refused(started: list[list[str]], token_file: Path) -> None:
    result = CliRunner().invoke(app, ["node", "127.0.0.1:6379"])
    assert result.exit_code == 2
    assert f"copy ~/.ray/auth_token of its head to {token_file} here" in result.stderr
    assert started == []
    token_file.parent.mkdir()
    token_file.write_text("0" * 64)
    assert CliRunner().invoke(app, ["node", "127.0.0.1"]).exit_code == 0
    assert started[0][-4:] == ["--node-ip-address", "127.0.0.1", "--address", "127.0.0.1:6379"]


@pytest.mark.parametrize("arguments", [["node"], ["node", "--head", "10.0.0.1:6379"]])
def test_a_node_is_a_head_or_joins_one(arguments: list[str], started: list[list[str]]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "give either --head" in result.stderr
    assert started == []


@pytest.mark.parametrize("text", ["", ":6379", "http://head:6379", "head:port"])
def test_what_is_no_head_is_told(text: str) -> None:
    with pytest.raises(BadInput, match=r"is no head of a cluster: give its host and port, such as 10\.0\.0\.1:6379"):
        node.head_of(text)


def test_an_address_of_the_internet_is_not_taken_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert node.address_of_this_machine("127.0.0.1") == "127.0.0.1"

    class Public(node.socket.socket):
        def connect(self, _: object) -> None: ...
        def getsockname(self) -> tuple[str, int]:
            return "8.8.4.4", 1

    monkeypatch.setattr(node.socket, "socket", Public)
    with pytest.raises(BadInput, match=r"at 8\.8\.4\.4 in the internet, where a cluster does not belong"):
        node.address_of_this_machine()
