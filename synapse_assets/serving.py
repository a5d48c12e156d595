"""Starts the processes of an installation: the Dagster UI with its layer of protection, code server and daemon.

The layer itself is `web.Guard`; what Dagster loads is in `definitions`. Which command starts what belongs to `cli`.
"""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml
from starlette.responses import PlainTextResponse

from synapse_assets.errors import BadInput
from synapse_assets.web import Guard, Place, end_on_signals, serve

LOCATION = "synapse_assets"
# Dagster's own defaults of `dagster-webserver`.
_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _POOL_OVERFLOW = 15_000, 3_600, 20
_LIVE_DATA_POLL_MS = 2_000
_START_S = 300
_END_S = 30


class NoMutationsByGet:
    """An ASGI layer before Dagster's GraphQL: GET answers queries, but changes nothing.

    Dagster runs mutations that stand in a URL as well, so an image on any page could start or wipe something.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See the class."""
        # At every URL: which of them lead to GraphQL belongs to Dagster's router.
        if scope["type"] == "http" and scope["method"] != "POST":
            queries = parse_qs(scope["query_string"].decode("latin-1")).get("query", [])
            if any(changes_something(query) for query in queries):
                refusal = PlainTextResponse("Mutations are sent by POST.\n", 405, {"Allow": "POST"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def changes_something(query: str) -> bool:
    """Whether a GraphQL document has, or may have, an operation other than a query; Dagster itself reports invalid documents."""
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        definitions = parse(query).definitions
    except GraphQLError:
        return False
    except RecursionError:
        # Dagster's thread may have stack for a document that is too deep here.
        return True
    return any(
        isinstance(definition, OperationDefinitionNode) and definition.operation is not OperationType.QUERY
        for definition in definitions
    )


def serve_dagster_ui(workspace: Path, place: Place, port: int) -> None:
    """The Dagster UI of the instance in DAGSTER_HOME and of a workspace file, until Ctrl-C or SIGTERM."""
    import dagster as dg
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    from synapse_assets.defs.dagster_private import served_workspace

    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _POOL_OVERFLOW)
        with served_workspace(instance, workspace, __version__) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=_LIVE_DATA_POLL_MS)
            serve(Guard(NoMutationsByGet(app), place), place.host, port)


def serve_all(home: Path, place: Place, port: int) -> None:
    """Code server, daemon and UI until Ctrl-C or SIGTERM, or until one of them ends: then all end.

    Raises BadInput if the port is taken, RuntimeError if code server or daemon ended by itself.
    """
    end_on_signals()
    _check_free(place.host, port)
    # As with `dg dev`: definitions that cannot be loaded are reported without Dagster's own lines.
    os.environ.setdefault("DAGSTER_IS_DEV_CLI", "1")
    died = threading.Event()
    with tempfile.TemporaryDirectory(prefix="synapse-assets-") as folder:
        socket_path = f"{folder}/code"
        workspace = write_workspace(home / "workspace-ui.yaml", {"socket": socket_path})
        children: list[subprocess.Popen[bytes]] = []
        ending = threading.Event()
        try:
            children.append(_start(code_server("--socket", socket_path)))
            _wait_for(socket_path, children[0])
            children.append(_start(daemon(workspace)))
            threading.Thread(target=_end_with, args=(children, ending, died), daemon=True).start()
            serve_dagster_ui(workspace, place, port)
        finally:
            ending.set()
            end(children)
            if died.is_set():
                raise RuntimeError("code server or daemon ended by itself: its messages stand above")


def code_server(*options: str) -> list[str]:
    """The command that serves the definitions; runs are started from there."""
    module = ["--module-name", "synapse_assets.definitions", "--location-name", LOCATION]
    return [sys.executable, "-m", "dagster", "code-server", "start", *options, *module]


def daemon(workspace: Path) -> list[str]:
    """The command of schedules, sensors, automation and the queue."""
    from synapse_assets.defs.dagster_private import DAEMON_MODULE

    return [sys.executable, "-m", DAEMON_MODULE, "run", "--workspace", str(workspace)]


def write_workspace(file: Path, server: Mapping[str, Any]) -> Path:
    """A workspace file that names a code server, by `host` and `port`, or by `socket`; gives its path."""
    content = {"load_from": [{"grpc_server": {**server, "location_name": LOCATION}}]}
    write_whole(file, yaml.safe_dump(content))
    return file


def write_whole(file: Path, text: str) -> None:
    """For the owner alone, and in one step: other processes of the installation may be reading it."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with open(handle, "w", encoding="utf-8") as target:
        target.write(text)
    unfinished.replace(file)


def become(command: Sequence[str]) -> None:
    """Replaces this process by one of Dagster's own commands, which ends with SIGTERM and Ctrl-C.

    A shell starts what runs in its background deaf to Ctrl-C, and Dagster does on SIGTERM what it would do on that: nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], list(command))  # noqa: S606 -- our own command with fixed arguments


def end(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ends processes, and waits until they have."""
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    # Away from the terminal, whose Ctrl-C is for the process that ends the others.
    return subprocess.Popen(command, start_new_session=True)


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(f"port {port} cannot be used ({error.strerror}): choose another with --port") from error


def _wait_for(socket_path: str, process: "subprocess.Popen[bytes]") -> None:
    started = time.monotonic()
    while time.monotonic() - started < _START_S and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(socket_path) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the code server did not start; its messages stand above")


def _end_with(children: Sequence["subprocess.Popen[bytes]"], ending: threading.Event, died: threading.Event) -> None:
    """Ends this process as soon as one of its children has ended by itself."""
    while not ending.wait(1):
        if any(child.poll() is not None for child in children):
            died.set()
            os.kill(os.getpid(), signal.SIGTERM)
            return
