"""Eight regions at once through the real webserver, daemon and run queue, while the warehouse is read; and one region twice at once.

    python -m benchmarks.soak.queue

One process holds the warehouse open all the time, another opens it anew and asks for similar synapses again and again. At last
two runs of the same new region are launched at the same moment.
"""

import tempfile
import threading
import time
import traceback
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.soak.labs import duplicates, quiet, shifted, tiny_inputs
from benchmarks.soak.report import Report
from synapse_assets.query import open_warehouse
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.installation import Installed, wait_until
from synapse_assets_tests.stores.workers import SPAWN

REGIONS = ("AL_L", "AL_R", "EB", "FB", "LH_L", "LH_R", "MB_CA_L", "PB")
NEW_REGION = "NO"
APPLIED = (
    "synapses",
    "synapse_labels",
    "tile_plan",
    "tiles",
    "embeddings",
    "umap_coordinates",
    "clusters",
    "synapse_predictions",
)
PUBLISHED = ("splits", "cluster_cards", "neuron_predictions", "vector_index", "warehouse")
PATIENCE_SECONDS = 600


def hold_open(root: str, over: Event, answer: Any) -> None:
    """Asks one connection again and again; gives questions, failed ones, and whether the answer ever changed."""
    asked = failed = 0
    answers = set()
    with open_warehouse("tiny", root) as warehouse:
        while not over.is_set():
            asked += 1
            try:
                rows = warehouse.sql("select synapse_id, umap_1, umap_2 from umap_coordinates order by 1")
                answers.add(int(pd.util.hash_pandas_object(rows, index=False).sum() % 2**63))
            except Exception:
                failed += 1
                traceback.print_exc()
            time.sleep(0.2)
    answer.put(("held", asked, failed, len(answers)))


def ask_similar(root: str, over: Event, answer: Any) -> None:
    """Opens the warehouse anew and asks for similar synapses; gives questions, failed ones, and releases seen."""
    asked = failed = 0
    releases = set()
    while not over.is_set():
        asked += 1
        try:
            with open_warehouse("tiny", root) as warehouse:
                releases.add(warehouse.release["created"])
                ids = warehouse.sql("select synapse_id from synapses order by 1").synapse_id
                found = warehouse.similar(ids[asked % len(ids)], k=5)
                assert len(found) == 5
                assert set(found.synapse_id) <= set(ids)
        except Exception:
            failed += 1
            traceback.print_exc()
        time.sleep(0.5)
    answer.put(("similar", asked, failed, len(releases)))


def launch(installed: Installed, names: tuple[str, ...], region: str) -> str:
    """Presses Materialize on those assets of one region; gives the run's id."""
    answer = installed.ask(
        """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
            __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
        p={
            "selector": {
                "repositoryLocationName": "synapse_assets",
                "repositoryName": "__repository__",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": ["tiny", name]} for name in names],
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": region}]},
        },
    )["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["runId"])


def statuses(installed: Installed, runs: list[str]) -> list[str]:
    """How those runs stand."""
    query = """query($f: RunsFilter!) { runsOrError(filter: $f) {
        __typename ... on Runs { results { runId status } } ... on PythonError { message } } }"""
    found = installed.ask(query, f={"runIds": runs})["runsOrError"]
    assert found["__typename"] == "Runs", found
    how = {run["runId"]: str(run["status"]) for run in found["results"]}
    return [how[run] for run in runs]


def ended(installed: Installed, runs: list[str]) -> list[str]:
    """Waits until those runs have ended; gives how."""

    def look() -> list[str]:
        found = statuses(installed, runs)
        return found if set(found) <= {"SUCCESS", "FAILURE", "CANCELED"} else []

    return list(wait_until(f"runs {runs} have ended", look, PATIENCE_SECONDS))


def rows_of(store: DatasetStore) -> dict[str, list[tuple[str, str]]]:
    """Synapse id and region of every row of the tables that regions write, by table."""
    from synapse_assets.schema import CLUSTERS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES
    from synapse_assets.stores.rows import vectors_in_use

    columns = ["synapse_id", "brain_region"]
    found = {"synapses": store.synapses.read(None, columns), "tiles": store.tiles.read(None, columns)}
    found["embeddings"] = vectors_in_use(store).read(None, columns)
    for table in (UMAP_COORDINATES, CLUSTERS, SYNAPSE_PREDICTIONS):
        found[table.name] = store.results(table).read(columns=columns)
    return {n: list(zip(*(t.column(c).to_pylist() for c in columns), strict=True)) for n, t in found.items()}


def compare(report: Report, what: str, store: DatasetStore, points: pd.DataFrame) -> None:
    """Whether every table holds every synapse once, in its region."""
    wanted = set(zip(points["id"], points["region"], strict=True))
    found = rows_of(store)
    report.promise(f"{what}: rows lost", sum(len(wanted - set(rows)) for rows in found.values()))
    report.promise(f"{what}: rows doubled", sum(duplicates([one for one, _ in rows]) for rows in found.values()))
    report.promise(f"{what}: rows that should be gone", sum(len(set(rows) - wanted) for rows in found.values()))


def soak(installed: Installed, report: Report) -> None:
    """The runs, with what was found."""
    root = installed.environment["SYNAPSE_DATA_ROOT"]
    store = DatasetStore(root, "tiny")
    points = pd.read_csv(installed.points / "first.csv")
    over, answer = SPAWN.Event(), SPAWN.Queue()
    readers = [SPAWN.Process(target=one, args=(root, over, answer), daemon=True) for one in (hold_open, ask_similar)]
    for reader in readers:
        reader.start()
    for number, region in enumerate(REGIONS):
        points = shifted(points, region, 1, 0, number)
    points.to_csv(installed.points / "first.csv", index=False)
    began = time.perf_counter()
    installed.materialize("synapse_table", "alignment")
    regions_began = time.perf_counter()
    runs = [launch(installed, APPLIED, region) for region in REGIONS]
    most, over_runs = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over_runs.is_set():
            most = max(most, statuses(installed, runs).count("STARTED"))
            time.sleep(3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    how = ended(installed, runs)
    over_runs.set()
    watcher.join()
    regions_ended = time.perf_counter()
    installed.materialize(*PUBLISHED)
    report.promise("regions at once that succeeded", how.count("SUCCESS"), len(REGIONS))
    report.figure("seconds for the eight regions", f"{regions_ended - regions_began:.0f}")
    report.figure("seconds from the table to the release", f"{time.perf_counter() - began:.0f}")
    report.figure("runs that were seen running at once", most)
    compare(report, "eight regions", store, points)

    places = [(x, 276) for x in range(24, 24 * 9, 24)] + [(276, y) for y in range(24, 24 * 9, 24)]
    of_new = [
        {"id": f"n{i:02d}", "x": x, "y": y, "z": 4, "neuron": int(points["neuron"].max()) + 1, "region": NEW_REGION}
        for i, (x, y) in enumerate(places)
    ]
    new = pd.DataFrame(of_new).assign(nt="gaba")
    new.to_csv(installed.points / "second.csv", index=False)
    installed.materialize("synapse_table", "alignment")
    barrier, both = threading.Barrier(2), []

    def press() -> None:
        barrier.wait()
        both.append(launch(installed, APPLIED, NEW_REGION))

    pressing = [threading.Thread(target=press) for _ in range(2)]
    for one in pressing:
        one.start()
    for one in pressing:
        one.join()
    report.figure("two runs of one new region ended", dict(Counter(ended(installed, both))))
    report.promise("two runs of one new region launched", len(set(both)), 2)
    compare(report, "one region twice", store, pd.concat([points, new]))
    installed.materialize(*PUBLISHED)
    over.set()
    told = {name: rest for name, *rest in (answer.get(timeout=60) for _ in readers)}
    for reader in readers:
        reader.join()
    with open_warehouse("tiny", root) as warehouse:
        released = sorted(warehouse.sql("select synapse_id from synapse_predictions").synapse_id)
    report.promise("synapses in the last release, each once", released == sorted([*points["id"], *new["id"]]), True)
    asked, failed, answers = told["held"]
    report.figure("questions to the warehouse held open", f"{asked:,}")
    report.promise("of these failed", failed)
    report.promise("different answers it gave", answers, 1)
    asked, failed, releases = told["similar"]
    report.figure("searches meanwhile, each opening the warehouse", f"{asked:,}, {releases} releases seen")
    report.promise("searches that failed", failed)
    report.promise("the searches saw a new release", releases > 1, True)


def main() -> None:
    """Prints the figures."""
    quiet()
    report = Report("queue")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        installed = Installed(tiny_inputs(root), root / "installed", {})
        points = pd.read_csv(installed.points / "first.csv")
        points["region"] = [REGIONS[row % len(REGIONS)] for row in range(len(points))]
        points.to_csv(installed.points / "first.csv", index=False)
        installed.run("materialize")
        installed.start()
        try:
            installed.switch_sensor("automation", on=False)
            soak(installed, report)
            failed = installed.ask(
                "{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }"
            )
            report.promise("runs that failed, of all", len(failed["runsOrError"]["results"]))
        except BaseException:
            print(installed.logs())
            raise
        finally:
            installed.stop()
    report.close()


if __name__ == "__main__":
    main()
