"""The whole thing as a lab runs it: real webserver and daemon, new files arrive, a person presses Materialize.

On one machine with nothing but files, from a wheel, away from the source tree; in `make soak` once more with Postgres for Dagster's
history and S3 for the data.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pandas as pd
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from synapse_assets import __version__
from synapse_assets.query import open_warehouse
from synapse_assets_tests.conftest import FIRST_NEURON
from synapse_assets_tests.foreign import ForeignSite, foreign_browser, opened
from synapse_assets_tests.installation import Installed, free_port, from_wheel, wait_until
from synapse_assets_tests.postgres import running_postgres
from synapse_assets_tests.stores.object_store import BUCKET, object_store

__all__ = ["object_store"]  # a fixture

APPLIED = ("synapses", "tiles", "embeddings", "umap_coordinates", "clusters", "synapse_predictions")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command of an installed wheel."""
    return from_wheel(tmp_path_factory.mktemp("wheel"))


IN_SOAK = pytest.mark.skipif("SYNAPSE_SOAK_REPORT" not in os.environ, reason="part of make soak: it takes minutes")


@pytest.fixture(params=["files", pytest.param("postgres and s3", marks=IN_SOAK)], scope="module")
def installed(
    request: pytest.FixtureRequest, tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """A running installation in which everything was made once."""
    root = tmp_path_factory.mktemp("installed")
    if request.param == "files":
        wheel = request.getfixturevalue("wheel")
        yield from _running(Installed(tiny_inputs, root, {}, wheel))
        return
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed")
    request.getfixturevalue("object_store")
    with running_postgres(root / "postgres") as postgres:
        environment = {
            "SYNAPSE_DATA_ROOT": f"s3://{BUCKET}/installed",
            "SYNAPSE_POSTGRES_URL": postgres,
        }
        yield from _running(Installed(tiny_inputs, root, environment))


def _running(installed: Installed) -> Iterator[Installed]:
    installed.run("materialize")
    installed.start()
    try:
        yield installed
    finally:
        installed.stop()


def arrive(installed: Installed, name: str, prefix: str, regions: tuple[str, str]) -> set[str]:
    """A file of twelve new synapses in two regions appears; gives their ids."""
    places = [(x, 276) for x in range(24, 24 * 7, 24)] + [(276, y) for y in range(24, 24 * 7, 24)]
    shift = 0 if prefix == "n" else 3
    rows = []
    for i, (x, y) in enumerate(places):
        place = {"x": x + shift, "y": y, "z": 4, "region": regions[i % 2]}
        rows.append({"id": f"{prefix}{i:02d}", **place, "neuron": FIRST_NEURON + 50 + i // 3, "nt": "gaba"})
    pd.DataFrame(rows).to_csv(installed.points / name, index=False)
    return {str(row["id"]) for row in rows}


def released(installed: Installed, ids: set[str]) -> bool:
    """Whether the warehouse holds all of these synapses, in every table."""
    with open_warehouse("tiny", installed.environment["SYNAPSE_DATA_ROOT"]) as warehouse:
        for table in ("synapses", "umap_coordinates", "clusters", "synapse_predictions"):
            if not ids <= set(warehouse.sql(f"select synapse_id from {table}").synapse_id):  # noqa: S608
                return False
    return True


@dataclass(frozen=True)
class EndedUi:
    """A UI that was asked to end: the shell that it was started in the background of, all processes, what they wrote, its port."""

    shell: psutil.Popen
    started: list[psutil.Process]
    log: Path
    port: int

    def answers(self) -> bool:
        """Whether it is there; fails as soon as one of the two commands has ended."""
        assert len(self.shell.children()) == 2, self.log.read_text()
        return self.is_reached()

    def is_reached(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/server_info", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def ended_ui(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Iterator[EndedUi]:
    """Started in the background of a shell, which makes it deaf to Ctrl-C, and ended with SIGTERM; a code server likewise."""
    root = tmp_path_factory.mktemp("ended")
    # No look falls into the end: Dagster writes a traceback where it is stopped while it submits a run.
    installed = Installed(tiny_inputs, root / "ui", {"SYNAPSE_TICK_SECONDS": "600"}, wheel)
    log = root / "log"
    command = f"{wheel} ui --port {installed.port} & {wheel} serve code --port {free_port()} & wait"
    with log.open("wb") as stream:
        shell = psutil.Popen(
            ["sh", "-c", command], env=installed.environment, cwd=installed.root, stdout=stream, stderr=stream
        )
    ui = EndedUi(shell, [], log, installed.port)
    try:
        wait_until("both have begun", lambda: len(shell.children()) == 2, log=log.read_text)
        wait_until("the UI answers", ui.answers, log=log.read_text)
        again = subprocess.run(
            [wheel, "ui", "--port", str(installed.port)], env=installed.environment, capture_output=True, check=False
        )
        assert again.returncode == 2
        assert b"choose another with --port" in again.stderr
        ui.started.extend(shell.children(recursive=True))
        assert len(ui.started) >= 4
        for process in shell.children():
            process.terminate()
        yield ui
    finally:
        for process in [*ui.started, *(shell.children(recursive=True) if shell.is_running() else []), shell]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.mark.timeout(600)
def test_a_ui_is_asked_to_end(ended_ui: EndedUi) -> None:
    """Here, so that nothing waits for its end: see the last test of this file."""
    assert ended_ui.started


@pytest.mark.timeout(900)
def test_new_synapses_arrive_and_a_person_presses_materialize(installed: Installed) -> None:
    before = installed.materializations()
    assert before["tiles", "EB"] == 1
    ids = arrive(installed, "second.csv", "n", ("EB", "FB"))
    wait_until("the new synapses are in the warehouse", lambda: released(installed, ids))
    after = installed.materializations()
    for name in APPLIED:
        assert after[name, "EB"] == before[name, "EB"] + 1, name
        assert after[name, "FB"] == 1, name
        for region in ("AL_L", "LH_L"):
            assert after[name, region] == before[name, region], f"{name} of {region} was touched"
    assert after["encoder", ""] == before["encoder", ""]

    failed = installed.ask("{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }")
    assert failed["runsOrError"]["results"] == []
    if installed.on_object_storage:
        return
    # The same by hand: automation is switched off, and a person presses the buttons.
    installed.switch_sensor("automation", on=False)
    installed.until_idle()
    after = installed.materializations()
    more = arrive(installed, "third.csv", "m", ("MB_CA_L", "MB_CA_L"))
    installed.materialize("synapse_table", "alignment")
    chain = (
        "synapses",
        "synapse_labels",
        "tile_plan",
        "tiles",
        "embeddings",
        "umap_coordinates",
        "clusters",
        "synapse_predictions",
    )
    installed.materialize(*chain, regions=("MB_CA_L",))
    installed.materialize("splits", "cluster_cards", "neuron_predictions", "warehouse")
    assert released(installed, ids | more)
    by_hand = installed.materializations()
    for name in APPLIED:
        assert by_hand[name, "EB"] == after[name, "EB"]
        assert by_hand[name, "MB_CA_L"] == 1


WIPE = """mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["tiny", "tiles"]}}]) { __typename } }"""
START = """mutation { launchPipelineExecution(executionParams: {mode: "default", runConfigData: {}, selector: {
    repositoryLocationName: "synapse_assets", repositoryName: "__repository__", pipelineName: "__ASSET_JOB",
    assetSelection: [{path: ["tiny", "drift"]}]}}) { __typename } }"""


@pytest.mark.timeout(300)
def test_other_web_pages_change_nothing_in_the_ui(installed: Installed) -> None:
    """The Dagster UI is asked by a foreign page in a real browser, by crafted requests, and by the person it is for."""
    if installed.on_object_storage:
        pytest.skip("the webserver is the same")
    url = f"http://127.0.0.1:{installed.port}"
    installed.switch_sensor("automation", on=False)
    installed.until_idle()

    def state() -> tuple[dict[tuple[str, str], int], int]:
        runs = installed.ask("{ runsOrError { ... on Runs { count } } }")["runsOrError"]["count"]
        return installed.materializations(), runs

    before = state()
    assert before[0]["tiles", "EB"] >= 1
    for mutation in (
        WIPE,
        START,
        f"query Q {{ version }} {WIPE}",
        f"query Q {{ version }} fragment F on Query {'{ a ' * 900}{'} ' * 900} {START}",
        "subscription { capturedLogs(logKey: []) { stdout } }",
    ):
        for method in ("GET", "HEAD", "PUT"):
            answer = httpx.request(
                method, f"{url}/graphql", params={"query": mutation, "operationName": "Q"}, timeout=30
            )
            assert answer.status_code in (400, 403, 405), (method, mutation)
    for path in ("/graphql%0A", "/%67raphql", "/graphql/", "//graphql", "/graphql%0a%0a", "/anything"):
        assert httpx.get(url + path, params={"query": WIPE}, timeout=30).status_code == 405, path
    assert httpx.get(f"{url}/graphql", params={"query": "{ version }"}, timeout=30).json()["data"]["version"]
    assert httpx.get(f"{url}/graphql", params={"query": "{ version"}, timeout=30).status_code == 400
    assert httpx.post(f"{url}/graphql", json={"query": "{ version }"}, timeout=30).status_code == 200, (
        "a script's question"
    )
    for headers in (
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.test"},
    ):
        for kind in ("application/json", "application/graphql", "text/plain"):
            sent = {"Content-Type": kind, **headers}
            content = json.dumps({"query": WIPE}) if kind == "application/json" else WIPE
            found = httpx.post(f"{url}/graphql", params={"query": WIPE}, content=content, headers=sent, timeout=30)
            assert found.status_code in (400, 403)
        report = httpx.post(f"{url}/report_asset_materialization/tiny/tiles?partition=EB", headers=headers, timeout=30)
        assert report.status_code in (400, 403)
    for origin in ("http://evil.test", "null", None):
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://127.0.0.1:{installed.port}/graphql", subprotocols=["graphql-ws"], origin=origin)  # type: ignore[list-item, arg-type]
    connect(f"ws://127.0.0.1:{installed.port}/graphql", subprotocols=["graphql-ws"], origin=url).close()  # type: ignore[list-item, arg-type]

    site = ForeignSite()
    with foreign_browser() as browser:
        visitor = browser.new_page()
        address = f"{url}/graphql?query={quote(WIPE)}"
        opened(
            visitor,
            site,
            f"""<img src="{address}"><script src="{address}"></script><iframe src="{url}/assets/tiny/tiles"></iframe>
            <form id=form method=post action="{address}" enctype="text/plain" target=other><input name=x></form>
            <script>document.getElementById("form").submit();
            fetch("{url}/graphql", {{method: "POST", mode: "no-cors", body: {json.dumps(json.dumps({"query": WIPE}))}}}).catch(() => 0);
            </script><a href="{address}">see</a>""",
        )
        visitor.wait_for_timeout(1_000)
        visitor.get_by_text("see").click()
        visitor.wait_for_timeout(1_000)
        # A name that points here.
        answer = visitor.goto(f"http://evil.test:{installed.port}/assets")
        assert answer is not None
        assert answer.status == 400
        assert state() == before

        # The person it is for presses Materialize; nothing in the UI fails.
        errors: list[str] = []
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda found: errors.append(f"{found.status} {found.url}") if found.status >= 400 else None)
        page.goto(f"{url}/assets/tiny/drift")
        page.get_by_role("button", name="Materialize").first.click(timeout=60_000)
        wait_until("it was made once more", lambda: state()[0]["drift", ""] == before[0]["drift", ""] + 1, 120)
        page.close()
    site.stop()
    assert errors == []


def test_what_was_made_is_explored(installed: Installed) -> None:
    port = free_port()
    assert installed.run("--version") == f"synapse-assets {__version__}\n"
    with (installed.root / "explorer.log").open("wb") as log:
        explorer = psutil.Popen(
            [installed.command, "explore", "--port", str(port)],
            env=installed.environment, cwd=installed.root, stdout=log, stderr=log,
        )  # fmt: skip
    try:

        def start() -> str:
            assert explorer.poll() is None, installed.logs()
            with suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{port}/", timeout=60).raise_for_status().text
            return ""

        assert "tiny" in wait_until("the explorer answers", start, 120)
        assert httpx.get(f"http://127.0.0.1:{port}/tiny/gallery", timeout=60).status_code == 200
        explorer.terminate()
        assert explorer.wait(30) == 0
    finally:
        with suppress(psutil.NoSuchProcess):
            explorer.kill()


@pytest.mark.timeout(300)
def test_the_ui_ends_with_all_that_it_started(ended_ui: EndedUi) -> None:
    # Dagster's innermost process, which loads the definitions, ends half a minute after the last sign of life.
    _, alive = psutil.wait_procs(ended_ui.started, 90)
    assert alive == []
    assert ended_ui.shell.wait(10) == 0
    assert not ended_ui.is_reached()
    assert b"Traceback" not in ended_ui.log.read_bytes()
