"""This machine as a node of a Ray cluster: the command that makes it one, and the environment that it needs.

Ray listens on every interface of a machine unless it is told otherwise, lets everybody in, and waits seven minutes for a node that fell
silent. Here it is told otherwise.
"""

import ipaddress
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from synapse_assets.cluster.job_interface import TOKEN_FILE, token, token_file
from synapse_assets.errors import BadInput

HEAD_PORT = 6379
DASHBOARD_PORT = 8265
INSTALL = "pip install 'synapse-assets[ray]'"
LISTENS = (
    "Ray opens ports of its own besides, some of them on every interface of this machine: let a firewall admit the nodes and the machine "
    "that sends the runs, and nobody else. The token keeps others out, but nothing is encrypted."
)
"""What whoever starts a node has to know."""
# A node that fell silent is given up after about half a minute: a probe every 3 s, three of which fail after 5 s each, and
# connections that nothing comes through are closed after 25 s.
_GIVEN_UP_SOON = {
    "RAY_grpc_client_keepalive_time_ms": "15000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}
# A run waits for free cores as long as it takes, and gets a minute to end well when it is cancelled.
_JOBS = {"RAY_JOB_START_TIMEOUT_SECONDS": str(30 * 24 * 3600), "RAY_JOB_STOP_WAIT_TIME_S": "60"}
_TOKEN_BYTES = 32


def environment() -> dict[str, str]:
    """What Ray's processes on every node, and whatever connects to them, need in their environment: set these before Ray is imported."""
    return {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", **_GIVEN_UP_SOON, **_JOBS}


def head_command(address: str, options: Sequence[str] = ()) -> list[str]:
    """The command that starts the head of a new cluster at an address of this machine. options: more of `ray start`."""
    dashboard = ["--dashboard-host", address, "--dashboard-port", str(DASHBOARD_PORT)]
    return [*_start(address), "--head", "--port", str(HEAD_PORT), *dashboard, *options]


def worker_command(head: str, address: str, options: Sequence[str] = ()) -> list[str]:
    """The command that joins the cluster whose head is at HOST:PORT."""
    return [*_start(address), "--address", head, *options]


def _start(address: str) -> list[str]:
    if find_spec("ray") is None:
        raise BadInput(f"Ray is not installed in this environment: {INSTALL}")
    return [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address", address]


def path_with_this_environment() -> str:
    """PATH with the programs of this Python first: a job finds the packages of the node that it runs on."""
    own = str(Path(sys.executable).parent)
    others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != own]
    return os.pathsep.join([own, *others])


def head_of(text: str) -> tuple[str, str]:
    """Host and HOST:PORT of a head, of HOST or HOST:PORT. Raises BadInput for what is neither."""
    host, _, port = text.partition(":")
    if not host or "/" in text or not (port or str(HEAD_PORT)).isdigit():
        raise BadInput(f"{text!r} is no head of a cluster: give its host and port, such as 10.0.0.1:{HEAD_PORT}")
    return host, f"{host}:{port or HEAD_PORT}"


def address_of_this_machine(towards: str | None = None) -> str:
    """The address that the network knows this machine by, or by which it reaches the host `towards`; 127.0.0.1 where it has no network.

    Raises BadInput where it is one of the internet, and for a host that cannot be found.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting such a socket only chooses the route.
            probe.connect((towards or "10.255.255.255", 9))
            found = str(probe.getsockname()[0])
        except socket.gaierror as error:
            raise BadInput(
                f"there is no machine {towards!r}: correct the head's name, or give its IP address"
            ) from error
        except OSError as error:
            if towards is not None:
                raise BadInput(f"this machine has no route to {towards}: {error.strerror}") from error
            found = "127.0.0.1"
    if not ipaddress.ip_address(found).is_private:
        raise BadInput(
            f"this machine is at {found} in the internet, where a cluster does not belong: give an address of a private network with "
            "--address, or that one if a firewall keeps all others out"
        )
    return found


def prepare_token(is_head: bool) -> Path | None:
    """Sees to the token of this machine, and gives the file if one was made: on a head that had none.

    Raises BadInput for another node without one.
    """
    file = token_file()
    if token() is not None:
        with suppress(OSError):
            file.chmod(0o600)
        return None
    if not is_head:
        raise BadInput(
            f"this machine has no token for the cluster: copy {TOKEN_FILE} of its head to {file} here, readable for you alone, then start "
            "the node again"
        )
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_hex(_TOKEN_BYTES))
    except OSError as error:
        raise BadInput(f"the token of the cluster cannot be written to {file}: {error.strerror}") from error
    return file
