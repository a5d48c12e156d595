"""An installation whose runs go to a real Ray cluster: they give what one machine gives, keep secrets, and fail in words.

`test_launcher` carries these tests out in a network of their own: Ray opens ports on every interface that there is.
"""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.datasets import load_dataset
from synapse_assets.definitions import build_definitions
from synapse_assets.pipeline.em.precision import precision_here
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets.vision.encoder import Encoder
from synapse_assets.volumes import decode_tiles
from synapse_assets_tests.cluster.head import Head, running_head
from synapse_assets_tests.installation import Installed, wait_until
from synapse_assets_tests.postgres import running_postgres
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore, object_store  # noqa: F401

REGION = "EB"
TABLE, TILES = ("synapse_table", "alignment"), ("synapses", "tile_plan", "tiles")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
SECRETS = {"AWS_SECRET_ACCESS_KEY": "aws-secret-7f3a", "CAVE_TOKEN": "cave-secret-91bd"}
PASSWORD, WEBHOOK_SECRET = "history-secret-5c0e", "webhook-secret-e2d8"


@dataclass
class Lab:
    """A cluster, an installation that sends its runs there, and what it posted to its webhook."""

    head: Head
    installed: Installed
    storage: ObjectStore
    posted: list[str] = field(default_factory=list)

    @contextmanager
    def held(self, *names: str) -> Iterator[str]:
        """A run of those assets that has started, and gets no answer from the storage before the end of the block."""
        run = self.installed.launch(*names, region=REGION)
        wait_until("it is sent", lambda: self.head.interface.job(f"dagster-run-{run}"), 60, self.installed.logs)
        with self.storage._turn:
            self.until(run, "STARTED")
            yield run

    def cancel(self, run: str, policy: str = "SAFE_TERMINATE") -> None:
        """Presses Terminate; of a run that has not started the UI offers to mark it only."""
        query = """mutation($run: String!, $policy: TerminateRunPolicy) {
            terminateRun(runId: $run, terminatePolicy: $policy) { __typename } }"""
        answer = self.installed.ask(query, run=run, policy=policy)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess"

    def until(self, run: str, *states: str, seconds: float = 300) -> str:
        """Waits until a run is in one of the states, and gives it; fails where it has ended in another."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

        def state() -> str | None:
            found = str(self.installed.ask(query, id=run)["runOrError"]["status"])
            assert found in states or found not in ENDED, (
                f"{run}: {found}: {self.head.interface.job(f'dagster-run-{run}')}"
            )
            return found if found in states else None

        return str(wait_until(f"{run} is {states}", state, seconds, self.installed.logs))

    def told(self, run: str) -> str:
        """Why a run failed, as the history says."""
        query = """query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events {
            ... on RunFailureEvent { message } } } } } }"""
        events = self.installed.ask(query, id=run)["runOrError"]["eventConnection"]["events"]
        (message,) = [event["message"] for event in events if "message" in event]
        return str(message)

    def processes_of(self, run: str) -> list[int]:
        """The processes that carry out a run on the node."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if entry.name.isdigit() and b"synapse_assets.cluster.run" in command and run.encode() in command:
                found.append(int(entry.name))
        return found


@pytest.fixture(scope="module")
def lab(
    object_store: ObjectStore,  # noqa: F811
    tiny_inputs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    """It runs, and nothing is made yet; automation is off. An apostrophe stands in every path."""
    pytest.importorskip("dagster_ray", reason="dagster-ray is not installed")
    folder = tmp_path_factory.mktemp("lab")
    (folder / "head").mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(folder / "postgres"))
        posted: list[str] = []
        webhook = stack.enter_context(posting_to(posted))
        environment = {
            **SECRETS,
            "SYNAPSE_DATA_ROOT": f"s3://{BUCKET}/cluster/data",
            "SYNAPSE_POSTGRES_URL": postgres.replace("//synapse@", f"//synapse:{PASSWORD}@"),
        }
        node = {**environment, "SYNAPSE_LOCAL_ROOT": str(folder / "node")}
        head = stack.enter_context(running_head(folder / "head", node))
        local = str(folder / "lab's" / "local")
        own = {
            "SYNAPSE_RAY_PART_TILES": "8",
            "SYNAPSE_LOCAL_ROOT": local,
            "SYNAPSE_WEBHOOK_URL": f"{webhook}/{WEBHOOK_SECRET}",
            **head.environment,
        }
        installed = Installed(tiny_inputs, folder / "lab's", {**environment, **own})
        stack.callback(installed.stop)
        installed.start()
        switch_off_automation(installed)
        yield Lab(head, installed, object_store, posted)


def switch_off_automation(installed: Installed) -> None:
    """A tick that is under way when it is switched off switches it on again at its end."""
    query = (
        "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { status } } } }"
    )
    location = {"repositoryLocationName": "synapse_assets", "repositoryName": "__repository__"}

    def stays_off() -> bool:
        installed.switch_sensor("automation", on=False)
        installed.until_idle()
        state = installed.ask(query, s={**location, "sensorName": "automation"})["sensorOrError"]["sensorState"]
        return bool(state["status"] == "STOPPED")

    wait_until("automation is off", stays_off, 120, installed.logs)


@contextmanager
def posting_to(posted: list[str]) -> Iterator[str]:
    """The address of a webhook that keeps the texts it gets."""

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def made_here(lab: Lab, folder: Path) -> DatasetStore:
    """The same points, made in this process without a cluster."""
    file = lab.installed.environment["SYNAPSE_DATASETS"]
    settings = Settings(data_root=str(folder), local_root=str(folder), datasets=[file], device="cpu", ray_address=None)
    dataset = load_dataset(file, settings.local_root)
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        for names, region in ((TABLE, None), (TILES, REGION)):
            keys = [dg.AssetKey(["tiny", name]) for name in names]
            job.execute_in_process(asset_selection=keys, partition_key=region, instance=instance)
    return DatasetStore(settings.data_root, dataset.name, settings.local_root)


def test_a_killed_run_is_told_and_made_once_more_and_gives_what_one_machine_gives(lab: Lab, tmp_path: Path) -> None:
    lab.until(lab.installed.launch(*TABLE), "SUCCESS")
    with lab.held(*TILES) as run:
        (process,) = lab.processes_of(run)
        os.kill(process, signal.SIGKILL)
    lab.until(run, "FAILURE")
    told = lab.told(run)
    assert re.fullmatch(r"the process of this run was killed on [\d.]+, as it is for want of memory: [^\n{}]*", told)
    wait_until("it is posted", lambda: any(told in text for text in lab.posted), 60, lambda: str(lab.posted))
    again = wait_until("it is tried again", lambda: retries_of(lab, run), 60)
    lab.until(again, "SUCCESS")
    lab.until(lab.installed.launch("encoder"), "SUCCESS")
    lab.until(lab.installed.launch("embeddings", region=REGION), "SUCCESS")
    store = DatasetStore(f"s3://{BUCKET}/cluster/data", "tiny", str(tmp_path / "copy"))
    here = made_here(lab, tmp_path / "here")
    for theirs, ours in ((store.synapses, here.synapses), (store.tiles, here.tiles)):
        rows = theirs.read(REGION, theirs.table.names)
        assert rows.num_rows == 24
        assert rows.equals(ours.read(REGION, ours.table.names))
    vectors = vector_matrix(vectors_in_use(store).read(REGION, ["vector"]))
    # To the last bit: another number of threads adds up in another order.
    np.testing.assert_array_max_ulp(vectors.astype(np.float16), embedded_here(store, here), maxulp=1)
    files = store.tiles.lance().get_fragments()  # type: ignore[union-attr]
    assert [file.count_rows() for file in files] == [8, 8, 8], "the tiles were cut in parts"
    logs = [key for key in lab.storage.keys(f"s3://{BUCKET}/cluster/data/.logs") if again in key]
    assert logs, "what steps print is kept beside the data"


def embedded_here(store: DatasetStore, here: DatasetStore) -> npt.NDArray[np.float16]:
    """What the encoder of one store makes of the region's tiles in another, by the order of their ids, as it is stored."""
    models = store.models("encoder")
    model_id = model_in_use(models, "nothing")
    use, remark = precision_here(models, model_id, True, "cpu", lambda: True)
    assert not remark, "its first use is recorded, and can be had here"
    tiles = decode_tiles(here.tiles.read(REGION, ["image"]).column("image").combine_chunks())
    return Encoder.load(models.path(model_id)).embed(tiles, "cpu", use.precision).astype(np.float16)


def retries_of(lab: Lab, run: str) -> str | None:
    runs = lab.installed.ask("{ runsOrError { ... on Runs { results { runId parentRunId } } } }")["runsOrError"][
        "results"
    ]
    return next((str(one["runId"]) for one in runs if one["parentRunId"] == run), None)


def test_whoever_reads_the_jobs_finds_no_secret(lab: Lab) -> None:
    jobs = lab.head.interface.jobs()
    assert len(jobs) >= 2
    token = lab.head.token_file.read_text()
    for job in jobs:
        read = json.dumps([job.entrypoint, job.runtime_env, job.message])
        assert not [secret for secret in (*SECRETS.values(), PASSWORD, WEBHOOK_SECRET, token) if secret in read]
        assert {name for name in job.runtime_env["env_vars"] if not name.startswith("SYNAPSE_")} == set()
        assert "SYNAPSE_POSTGRES_URL" not in job.runtime_env["env_vars"]
        assert job.runtime_env["env_vars"]["SYNAPSE_DATA_ROOT"] == f"s3://{BUCKET}/cluster/data"


def test_a_job_that_dies_before_its_run_began_fails_it_with_a_sentence(lab: Lab) -> None:
    file = Path(lab.installed.environment["SYNAPSE_DATASETS"])
    away = file.rename(file.with_suffix(".away"))
    try:
        run = lab.installed.launch("synapses", region=REGION)
        lab.until(run, "FAILURE", seconds=90)
    finally:
        away.rename(file)
    told = lab.told(run)
    assert "tiny.yaml" in told
    assert told.startswith("on the node ")
    assert "have to be the same on every node" in told
    assert "\n" not in told
    again = wait_until("it is tried again", lambda: retries_of(lab, run), 60)
    lab.until(again, "SUCCESS")


def test_cancelling_ends_the_job_and_the_run(lab: Lab) -> None:
    with lab.held("synapses") as run:
        lab.cancel(run)
    lab.until(run, "CANCELED")
    wait_until("the process has ended", lambda: not lab.processes_of(run), 60)


def test_a_run_that_waits_for_cores_can_be_cancelled(lab: Lab) -> None:
    lab.head.interface.submit("busy", "sleep 600", {}, {}, 2, 0)
    wait_until("all cores are taken", lambda: lab.head.interface.job("busy").state == "RUNNING", 60)  # type: ignore[union-attr]
    run = lab.installed.launch("synapses", region=REGION)
    job = f"dagster-run-{run}"
    wait_until("it waits", lambda: lab.head.interface.job(job), 60)
    lab.cancel(run, "MARK_AS_CANCELED_IMMEDIATELY")
    lab.until(run, "CANCELED", seconds=20)
    assert lab.head.interface.stop("busy")
