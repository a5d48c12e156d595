"""A whole installation in processes of its own: code server, webserver and daemon, and what a person does in the browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from synapse_assets_tests.conftest import tiny_dataset

COMMAND = str(Path(sys.executable).with_name("synapse-assets"))
# Far more than a busy machine needs.
PATIENCE_SECONDS = 420


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    what: str, done: Callable[[], Any], seconds: float = PATIENCE_SECONDS, log: Callable[[], str] = str
) -> Any:
    """What `done` gives as soon as it is true. Fails with `what` after so many seconds, and with what `log` gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := done():
            return found
        time.sleep(0.5)
    raise AssertionError(f"after {seconds:.0f} s still not: {what}\n{log()}")


def from_wheel(folder: Path) -> str:
    """The command `synapse-assets` of a wheel of this repository, in an environment that sees the packages of this one, but not
    the source tree."""
    project, environment = Path(__file__).parents[1], folder / "environment"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=project, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    packages = next((environment / "lib").glob("python*/site-packages"))
    # Of a folder named here the .pth files are not read, and one of them names the source tree.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    python = str(environment / "bin" / "python")
    wheel = str(next(folder.glob("*.whl")))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", wheel], check=True)
    where = subprocess.run(
        [python, "-c", "import synapse_assets; print(synapse_assets.__file__)"],
        cwd=folder, env=without_source(os.environ), check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert Path(where).is_relative_to(environment)
    return str(environment / "bin" / "synapse-assets")


def without_source(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that shall not see the source tree."""
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}


class Installed:
    """The tiny dataset in a data root of its own. Its points are all tables in the folder `points`."""

    def __init__(self, inputs: Path, root: Path, environment: dict[str, str], command: str = COMMAND) -> None:
        self.command = command
        self.root, self.points = root, root / "points"
        self.points.mkdir(parents=True)
        shutil.copy(inputs / "points.csv", self.points / "first.csv")
        dataset = root / "tiny.yaml"
        dataset.write_text(yaml.safe_dump(tiny_dataset(inputs, self.points).model_dump(mode="json", exclude_none=True)))
        # What the clock starts does not begin in the middle of a test.
        later = f"{datetime.now(UTC) + timedelta(hours=12):%M %H * * *}"
        self.environment = {
            **(os.environ if command == COMMAND else without_source(os.environ)),
            "SYNAPSE_DATA_ROOT": str(root / "data"),
            "SYNAPSE_LOCAL_ROOT": str(root / "data"),
            "SYNAPSE_DATASETS": str(dataset),
            "SYNAPSE_DEVICE": "cpu",
            "SYNAPSE_TICK_SECONDS": "3",
            **dict.fromkeys(("SYNAPSE_NIGHTLY_CRON", "SYNAPSE_WEEKLY_CRON", "SYNAPSE_UPKEEP_CRON"), later),
            **environment,
        }
        self.environment["DAGSTER_HOME"] = self.home = f"{self.environment['SYNAPSE_LOCAL_ROOT']}/.dagster"
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def on_object_storage(self) -> bool:
        """Whether the data lies at an address."""
        return "://" in self.environment["SYNAPSE_DATA_ROOT"]

    def run(self, *arguments: str) -> str:
        """One command of `synapse-assets`; gives what it prints."""
        done = subprocess.run(
            [self.command, *arguments], env=self.environment, cwd=self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Starts the three processes, and waits until the browser could load the graph."""
        code = free_port()
        for part, port in (("code", code), ("webserver", self.port), ("daemon", None)):
            options = [] if port is None else ["--port", str(port)]
            log = (self.root / f"{part}.log").open("ab")
            command = [self.command, "serve", part, "--code", f"127.0.0.1:{code}", *options]
            self.processes.append(
                subprocess.Popen(
                    command, env=self.environment, cwd=self.root, stdout=log, stderr=log, start_new_session=True
                )
            )
            if part == "code":
                wait_until("the code is served", lambda: _listens(code), log=self.logs)
        wait_until("the graph is served", self._graph_is_served, log=self.logs)

    def _graph_is_served(self) -> bool:
        for process in self.processes:
            assert process.poll() is None, self.logs()
        try:
            return bool(self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"])
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self) -> None:
        """Ends all processes, with those that they started."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes.clear()

    def logs(self) -> str:
        """The end of what the processes wrote."""
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.root.glob("*.log")))

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The webserver's answer to a GraphQL query, as the browser gets it."""
        content = json.dumps({"query": query, "variables": variables}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(address, content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        assert "errors" not in found, found
        return found["data"]

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's own history of the installation."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", self.home)
            address = self.environment.get("SYNAPSE_POSTGRES_URL", "")
            patch.setenv("SYNAPSE_POSTGRES_URL", address.replace("postgresql://", "postgresql+psycopg2://"))
            with dg.DagsterInstance.from_config(self.home) as instance:
                yield instance

    def materializations(self) -> dict[tuple[str, str], int]:
        """How often each asset (and region) was materialised."""
        query = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) {
            ... on Asset { assetMaterializations(limit: 1000) { partition } } } }"""
        counts: dict[tuple[str, str], int] = {}
        for node in self.ask("{ assetNodes { assetKey { path } isMaterializable } }")["assetNodes"]:
            if node["isMaterializable"]:
                found = self.ask(query, key={"path": node["assetKey"]["path"]})["assetOrError"]
                for event in found.get("assetMaterializations", []):
                    place = (node["assetKey"]["path"][-1], event["partition"] or "")
                    counts[place] = counts.get(place, 0) + 1
        return counts

    def launch(self, *names: str, region: str | None = None) -> str:
        """Presses Materialize on those assets, perhaps of a region, as one run; gives the run."""
        selector = {
            "repositoryLocationName": "synapse_assets",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": ["tiny", name]} for name in names],
        }
        tags = [{"key": "dagster/partition", "value": region}] if region else []
        answer = self.ask(
            """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
                __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            p={"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}},
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def materialize(self, *names: str, regions: tuple[str, ...] = ()) -> None:
        """Presses Materialize on those assets, for those regions, and waits until all of it has succeeded."""
        keys = [{"path": ["tiny", name]} for name in names]
        if regions:
            answer = self.ask(
                """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
                    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
                p={"assetSelection": keys, "partitionNames": list(regions)},
            )["launchPartitionBackfill"]
            assert answer["__typename"] == "LaunchBackfillSuccess", answer
            query = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
            look = lambda: self.ask(query, id=answer["backfillId"])["partitionBackfillOrError"]["status"]  # noqa: E731
            good, bad = "COMPLETED_SUCCESS", ("COMPLETED_FAILED", "FAILED", "CANCELED")
        else:
            run = self.launch(*names)
            query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
            look = lambda: self.ask(query, id=run)["runOrError"]["status"]  # noqa: E731
            good, bad = "SUCCESS", ("FAILURE", "CANCELED")

        def ended() -> bool:
            status = look()
            assert status not in bad, f"{names} {regions}: {status}\n{self.logs()}"
            return bool(status == good)

        wait_until(f"{names} {regions} are materialised", ended)

    def until_idle(self) -> None:
        """Waits until nothing is queued or running, nor asked for by a tick that had begun before a sensor was switched off."""
        query = """{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, MANAGED, STARTING, STARTED, CANCELING]}) {
            ... on Runs { count } } }"""
        quiet = 0

        def is_quiet() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if self.ask(query)["runsOrError"]["count"] == 0 else 0
            # At half a second each: longer than the ticks of these installations are apart.
            return quiet > 10

        wait_until("nothing is queued or running", is_quiet)

    def switch_sensor(self, name: str, on: bool) -> None:
        """Turns a sensor on or off, as the switch on its page does."""
        selector = {"repositoryLocationName": "synapse_assets", "repositoryName": "__repository__", "sensorName": name}
        if on:
            self.ask("mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }", s=selector)
            return
        found = self.ask(
            "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { id } } } }",
            s=selector,
        )["sensorOrError"]
        self.ask("mutation($id: String!) { stopSensor(id: $id) { __typename } }", id=found["sensorState"]["id"])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
