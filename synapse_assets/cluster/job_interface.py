"""The interface of a Ray cluster over HTTP: who it is, its nodes, and the jobs that are sent there. Needs no Ray on this machine.

Ray's own client waits for an answer without end, which would stop the daemon that looks after all runs. What a job is for, and what
its end means for a run, does not belong here.
"""

import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.settings import server_of

# An interface that is busy answers late; one that hangs must not hold up its caller for long.
_ANSWER_S = 20.0
_MOST_NODES = 10_000
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
TOKEN_FILE = Path("~/.ray/auth_token")
"""Where Ray looks for the token unless RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH is set."""
PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED = "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"
"""States of a job."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that is alive, and what it has to give out: cores and graphics cards."""

    id: str
    host: str
    is_head: bool
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Job:
    """A job as the cluster tells of it.

    message: why it is in this state; of one that failed with the end of its log. kind: what failed, as Ray calls it
    (JOB_SUPERVISOR_ACTOR_DIED). node: the machine that it was started on, empty before that. exit_code: of its process, None as long as
    there is none. runtime_env: what everybody with the token may read of its environment.
    """

    id: str
    state: str
    message: str = ""
    kind: str = ""
    node: str = ""
    exit_code: int | None = None
    entrypoint: str = ""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in (STOPPED, SUCCEEDED, FAILED)


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine alone: the cluster behind it has no other node."""
    host = server_of(address)[1]
    return host in ("localhost", "[::1]") or host.startswith("127.")


def token() -> str | None:
    """The token of this machine for the cluster, from where Ray takes it; None where there is none."""
    if given := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return given
    try:
        return token_file().read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def token_file() -> Path:
    """The file that Ray reads the token from."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN_FILE).expanduser()


class JobInterface:
    """The cluster at an http(s) address.

    Every method raises Unreachable where nothing answers there, and BadInput where something else does, or the token is not accepted.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def session(self) -> str:
        """The name of the cluster, a new one each time that its head is started."""
        answer = self._ask("GET", "/api/version")
        if not isinstance(answer, dict) or not isinstance(answer.get("session_name"), str):
            raise self._no_cluster()
        return str(answer["session_name"])

    def asks_for_token(self) -> bool:
        """Whether the cluster keeps out whoever has none. One that does not runs the programs of everybody who reaches it."""
        try:
            with build_opener(ProxyHandler({})).open(f"{self.address}/api/version", timeout=_ANSWER_S):
                return False
        except HTTPError as error:
            return error.code in (_UNAUTHORIZED, _FORBIDDEN)
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error

    def nodes(self) -> list[Node]:
        """The machines that are alive, the head first."""
        answer = self._ask("GET", f"/api/v0/nodes?detail=1&limit={_MOST_NODES}")
        try:
            found = [_node(row) for row in answer["data"]["result"]["result"] if row["state"] == "ALIVE"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_cluster() from error
        return sorted(found, key=lambda node: (not node.is_head, node.host))

    def submit(
        self,
        job: str,
        entrypoint: str,
        environment: Mapping[str, str],
        labels: Mapping[str, str],
        cpus: float,
        gpus: float,
    ) -> None:
        """Sends a job: a line of shell, run on a node once that has so much free.

        Everybody with the token may read all of it. Raises Unreachable too where a job of that name was sent before.
        """
        self._ask(
            "POST",
            "/api/jobs/",
            {
                "submission_id": job,
                "entrypoint": entrypoint,
                "runtime_env": {"env_vars": dict(environment)},
                "metadata": dict(labels),
                "entrypoint_num_cpus": cpus,
                "entrypoint_num_gpus": gpus,
            },
        )

    def job(self, job: str) -> Job | None:
        """A job that was sent; None where the cluster knows none of that name, as after its head was started anew."""
        answer = self._ask("GET", f"/api/jobs/{quote(job, safe='')}", missing_ok=True)
        return None if answer is None else _job(answer)

    def jobs(self) -> "Sequence[Job]":
        """All jobs that were sent to the cluster and that it remembers."""
        return [_job(row) for row in self._ask("GET", "/api/jobs/") if row.get("submission_id")]

    def stop(self, job: str) -> bool:
        """Asks a job to end, first politely; gives whether there was anything to end."""
        answer = self._ask("POST", f"/api/jobs/{quote(job, safe='')}/stop", missing_ok=True)
        return bool(answer and answer.get("stopped"))

    def _ask(self, method: str, path: str, body: object = None, missing_ok: bool = False) -> Any:
        headers = {"Content-Type": "application/json"}
        if (own := token()) is not None:
            headers["Authorization"] = f"Bearer {own}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data, headers, method=method)  # noqa: S310 -- settings admit http(s) only
        try:
            # Never through a proxy, which would get the token.
            with build_opener(ProxyHandler({})).open(request, timeout=_ANSWER_S) as answer:
                return json.load(answer)
        except HTTPError as error:
            return self._refused(error, own is not None, missing_ok)
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        except ValueError as error:
            raise self._no_cluster() from error

    def _refused(self, error: HTTPError, has_token: bool, missing_ok: bool) -> None:
        if error.code == _UNAUTHORIZED or (error.code == _FORBIDDEN and not has_token):
            raise BadInput(
                f"the cluster at {self.address} asks for a token, and this machine has none: copy {TOKEN_FILE} of its head to "
                f"{token_file()} here, readable for you alone"
            ) from None
        if error.code == _FORBIDDEN:
            given = "RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else str(token_file())
            raise BadInput(
                f"the cluster at {self.address} refuses the token of this machine ({given}): take that of its head, {TOKEN_FILE} there"
            ) from None
        text = " ".join(error.read(2000).decode("utf-8", errors="replace").split())
        if missing_ok and error.code == _NOT_FOUND and "does not exist" in text:
            return
        if error.code == _NOT_FOUND:
            raise self._no_cluster() from None
        raise Unreachable(
            f"the cluster at {self.address} answers {error.code}: look at its dashboard, and try again. It says: {text[-300:]}"
        ) from None

    def _silent(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"no Ray cluster answers at {self.address} ({_reason(error)}): start its head with `synapse-assets node --head`, correct "
            "SYNAPSE_RAY_ADDRESS, or let this machine through the firewall to that port"
        )

    def _no_cluster(self) -> BadInput:
        return BadInput(
            f"what answers at {self.address} is no job interface of a Ray cluster: correct SYNAPSE_RAY_ADDRESS (the address of the "
            "dashboard, port 8265), or install ray[default] on its head"
        )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"nothing in {_ANSWER_S:.0f} s"
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


def _node(row: Mapping[str, Any]) -> Node:
    has = row.get("resources_total") or {}
    return Node(
        str(row["node_id"]),
        str(row["node_ip"]),
        bool(row.get("is_head_node")),
        float(has.get("CPU", 0)),
        float(has.get("GPU", 0)),
    )


def _job(row: Mapping[str, Any]) -> Job:
    agent = row.get("driver_agent_http_address") or ""
    return Job(
        str(row["submission_id"]),
        str(row["status"]),
        str(row.get("message") or ""),
        str(row.get("error_type") or ""),
        agent.partition("://")[2].rpartition(":")[0],
        row.get("driver_exit_code"),
        str(row.get("entrypoint") or ""),
        row.get("runtime_env") or {},
    )
