"""A region made in 30 parts on two nodes of a Ray cluster, while a node, the cable between them, or the process that ordered it is lost.

    python -m benchmarks.soak.cluster [synapses, default 1800]

The nodes are started as a person does, `synapse-assets node`, with a token, each in a network of its own (see `machines`), and the data
lies on object storage. After every loss the tables have to equal, to the bit, those of one process without Ray. The undisturbed run is
what `synapse-assets plan` is checked against: chunks, by the requests that the volume's server got; and time, from the beginning of the
first part to the end of the last commit. The start of the cluster and of the processes of its nodes lies before that, in `plan` too.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from benchmarks.soak.labs import duplicates, quiet
from benchmarks.soak.machines import HERE, THERE, Machines, apart, calling, patched
from benchmarks.soak.report import Report
from benchmarks.tiles import _write
from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.alignment import examine_sources
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.encoder import fit_encoder
from synapse_assets.pipeline.em.planning import forecast as sums
from synapse_assets.pipeline.em.planning.forecast import Machines as Planned
from synapse_assets.pipeline.em.planning.forecast import forecast
from synapse_assets.pipeline.em.planning.rates import GivenRates, Rates, find_rates
from synapse_assets.pipeline.em.planning.workload import Workload, count_work
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.stores import DatasetStore
from synapse_assets.vision.encoder import Encoder
from synapse_assets_tests.cluster.harness import REGION, made
from synapse_assets_tests.installation import wait_until
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore
from synapse_assets_tests.volumes.faulty_server import FaultyServer

PARTS = 30
SYNAPSES = 1800
SIDE_PX, SECTIONS, CHUNK = 1024, 64, (64, 64, 64)
PATIENCE_S = 900
# What is promised of a node that fell silent.
GIVEN_UP_S = 60
# A forecast is of use within this factor.
WITHIN = 1.5
# Time is judged only on a machine whose cores nobody else uses. The idle cluster takes some.
IDLE = 0.75
PREPARED = "prepared"
INSIDE = "--on-machines-of-its-own"
LOG = logging.getLogger("cluster")


def spread_dataset(folder: Path, url: str, synapses: int) -> EmDataset:
    """Random points in a drawn volume that is written to `folder` and served at `url`."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.standard_normal((SIDE_PX, SIDE_PX), dtype=np.float32), 9, mode="wrap")
    ridges = 160 - 100 * np.exp(-np.square(smooth / smooth.std() * 4))
    drift = [np.roll(ridges, 3 * number, axis=1) for number in range(SECTIONS)]
    grain = 14 * rng.standard_normal((SECTIONS, SIDE_PX, SIDE_PX), dtype=np.float32)
    _write(folder / "volume", np.clip(np.stack(drift) + grain, 0, 255).astype(np.uint8), "jpeg", CHUNK)
    x, y, z = rng.integers((96, 96, 1), (SIDE_PX - 96, SIDE_PX - 96, SECTIONS - 2), (synapses, 3)).T
    ids = [f"s{row:06d}" for row in range(synapses)]
    pd.DataFrame({"id": ids, "x": x, "y": y, "z": z, "neuron": 1, "region": REGION}).to_csv(
        folder / "points.csv", index=False
    )
    columns = {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region"}
    source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.csv"), "units": "voxel"}
    return EmDataset.model_validate(
        {
            "name": "spread",
            "title": "Spread",
            "description": "Random points in a drawn volume, made on a cluster.",
            "volumes": {"em": {"kind": "precomputed", "url": url, "voxel_size_nm": [4, 4, 40]}},
            "sources": [{**source, "columns": columns}],
            "grouping": ["neuron_id"],
            "tile": {"size_px": 160, "sections": 3},
            "accept_alignment": True,
        }
    )


def prepared(store: DatasetStore, dataset: EmDataset) -> DatasetStore:
    """The store with the synapses of the region, ready for their tiles."""
    read_synapse_tables(store, dataset, [], LOG)
    examine_sources(store, dataset, LOG)
    store_region_synapses(store, dataset, REGION)
    return store


@dataclass
class Execution:
    """One time that a part was carried out, or was begun. Times in seconds since 1970."""

    ids: tuple[str, ...]
    node: str
    began: float
    ended: float | None = None
    core_s: float = 0.0


class Run:
    """A run that makes the region, as a process of its own."""

    def __init__(self, site: "Site", store: DatasetStore, address: str, name: str) -> None:
        self.store, self.name = store, name
        self._witness, self._said, self._log = (site.folder / f"{name}.{end}" for end in ("parts", "json", "log"))
        files = [str(self._witness), str(self._said)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                calling("driver", str(site.folder), address, str(site.part_tiles), *files),
                env={**os.environ, **site.machines.environment},
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def executions(self) -> list[Execution]:
        """All so far, in the order in which they began."""
        found: dict[str, Execution] = {}
        for line in self._witness.read_text().splitlines() if self._witness.exists() else ():
            told = json.loads(line)
            if "ids" in told:
                found[told["execution"]] = Execution(tuple(told["ids"]), told["node"], told["began"])
            else:
                found[told["execution"]].ended, found[told["execution"]].core_s = told["ended"], told["core_s"]
        return list(found.values())

    def until_a_third_is_done(self) -> None:
        """Waits until so many parts have ended, and one is under way on the second machine."""

        def look() -> bool:
            assert self.process.poll() is None, self.log()
            now = self.executions
            under_way = any(one.node == THERE and one.ended is None for one in now)
            return under_way and sum(one.ended is not None for one in now) >= PARTS // 3

        end = time.monotonic() + PATIENCE_S
        while not look():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def ended(self) -> dict[str, Any]:
        """Waits for its end; gives what it says."""
        code = self.process.wait(PATIENCE_S)
        assert code == 0, self.log()
        told: dict[str, Any] = json.loads(self._said.read_text(encoding="utf-8"))
        return told

    def again_after(self, lost: Sequence[Execution], moment: float) -> list[float]:
        """Seconds from `moment` until each of the lost parts was begun again on the first machine; fewer as long as some are not."""
        now = [one for one in self.executions if one.node == HERE and one.began > moment]
        begun = [[one.began - moment for one in now if one.ids == part.ids] for part in lost]
        return [min(times) for times in begun if times]

    def log(self) -> str:
        """The end of what it logged."""
        return self._log.read_text()[-4000:]


@dataclass
class Site:
    """The machines, what is to be made on them, and how it has to be."""

    folder: Path
    machines: Machines
    dataset: EmDataset
    synapses: int
    alone: DatasetStore
    report: Report

    @property
    def part_tiles(self) -> int:
        """Tiles of a part."""
        return -(-self.synapses // PARTS)

    def prepare(self) -> None:
        """Puts the synapses and the encoder onto the object storage, where `store` copies them from."""
        store = DatasetStore(f"s3://{BUCKET}/{PREPARED}/data", self.dataset.name, str(self.folder / "local"))
        models, wanted = prepared(store, self.dataset).models("encoder"), self.alone.models("encoder")
        name = str(wanted.current)
        models.save(name, Encoder.load(wanted.path(name)).save, wanted.provenance(name))
        models.promote(name)

    def store(self, name: str) -> tuple[DatasetStore, str]:
        """A new data root on the object storage with the synapses and the encoder, and its address."""
        import boto3  # type: ignore[import-untyped]

        client = boto3.client("s3")
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREPARED}/"):
            for key in (one["Key"] for one in page["Contents"]):
                source = {"Bucket": BUCKET, "Key": key}
                client.copy_object(Bucket=BUCKET, CopySource=source, Key=name + key.removeprefix(PREPARED))
        address = f"s3://{BUCKET}/{name}/data"
        return DatasetStore(address, self.dataset.name, str(self.folder / "local")), address

    def run(self, name: str) -> Run:
        """A run on a data root of its own."""
        return Run(self, *self.store(name), name)

    def compare(self, what: str, store: DatasetStore) -> None:
        """Whether the tables hold every synapse once, and are those of one process without Ray."""
        wanted = set(self.alone.synapses.read(REGION, ["synapse_id"]).column(0).to_pylist())
        here, there = made(store), made(self.alone)
        ids = [table.column("synapse_id").to_pylist() for table in here]
        self.report.promise(f"{what}: rows lost", sum(len(wanted - set(found)) for found in ids))
        self.report.promise(f"{what}: rows doubled", sum(duplicates(found) for found in ids))
        equal = [one.equals(other) for one, other in zip(here, there, strict=True)]
        self.report.promise(f"{what}: equal to the bit", equal, [True, True])

    def retried(self, what: str, run: Run, lost: Sequence[Execution], moment: float) -> None:
        """Whether the parts that were lost at that moment were begun again soon."""
        again = run.again_after(lost, moment)
        self.report.figure(f"{what}: parts under way there", len(lost))
        self.report.promise(f"{what}: not carried out again", len(lost) - len(again))
        longest = max(again, default=0.0)
        self.report.figure(f"{what}: begun again after, seconds", f"{longest:.0f}")
        self.report.promise(f"{what}: within {GIVEN_UP_S} s", longest <= GIVEN_UP_S, True)


def idle_share(seconds: float = 3.0) -> float:
    """Which share of this machine's cores nobody uses now."""

    def ticks() -> np.ndarray:
        return np.array(Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9], dtype=float)

    before = ticks()
    time.sleep(seconds)
    passed = ticks() - before
    # Columns idle and iowait.
    return float(passed[3:5].sum() / passed.sum())


def undisturbed(site: Site, work: Workload, rates: Rates, server: FaultyServer) -> None:
    """A run to which nothing happens, against what is foretold of it."""
    report = site.report
    store, address = site.store("undisturbed")
    idle = idle_share()
    server.requests.clear()
    run = Run(site, store, address, "undisturbed")
    told = run.ended()
    done = run.executions
    requests = sum(map(len, server.requests.values()))
    window = told["ended"] - min(one.began for one in done)
    in_parts = max(one.ended or 0.0 for one in done) - min(one.began for one in done)
    found = forecast(work, rates, Planned(2, on_ray=True, runs=1))
    [stage] = [one for one in found.stages if one.name == "tiles and embeddings"]
    core_s = sum(one.core_s for one in done)
    foretold_core_s = sums.decode_s(work, rates, on_ray=True) + sums.encode_s(work, rates) + sums.embed_s(work, rates)
    nodes = [sum(one.node == node for one in done) for node in (HERE, THERE)]
    report.figure("parts, on each node", f"{len(done)}: {nodes[0]} and {nodes[1]}")
    report.promise("parts foretold", work.parts, len(done))
    report.promise("chunks foretold, by requests for them", work.in_parts.decoded_chunks, requests)
    report.figure("seconds from the order to the first part", f"{told['start_s']:.1f}")
    times = window / stage.seconds
    taken = f"{window:.1f}, {in_parts:.1f} of them parts; foretold {stage.seconds:.1f} ({stage.bottleneck})"
    report.figure("seconds from the first part to the commit", f"{taken}; {times:.2f} times")
    if idle >= IDLE:
        report.promise(f"seconds within {WITHIN} times", times <= WITHIN, True)
    else:
        report.figure("these seconds are not judged", f"other programs take {1 - idle:.0%} of the cores")
    times = core_s / foretold_core_s
    report.figure("core-seconds of the parts", f"{core_s:.1f}, foretold {foretold_core_s:.1f}; {times:.2f} times")
    report.promise(f"core-seconds within {WITHIN} times", 1 / WITHIN <= times <= WITHIN, True)
    report.promise("checks that failed", told["failed_checks"], [])
    site.compare("undisturbed", store)


def node_killed(site: Site) -> None:
    """SIGKILL of all processes of the second machine."""
    run = site.run("node-killed")
    run.until_a_third_is_done()
    moment = time.time()
    site.machines.kill_second()
    lost = [one for one in run.executions if one.node == THERE and one.ended is None]
    run.ended()
    site.report.figure("node killed: seconds until the run ended", f"{time.time() - moment:.0f}")
    site.retried("node killed", run, lost, moment)
    site.compare("node killed", run.store)


def cable_cut(site: Site) -> None:
    """The cable is out until its node has been given up, and comes back while that node still believes to be one."""
    site.machines.start_second()
    run = site.run("cable-cut")
    run.until_a_third_is_done()
    moment = time.time()
    site.machines.cut()
    lost = [one for one in run.executions if one.node == THERE and one.ended is None]
    _wait("all are begun again", lambda: len(run.again_after(lost, moment)) == len(lost), run)
    site.machines.mend()
    run.ended()
    site.report.figure("cable cut: seconds until the run ended", f"{time.time() - moment:.0f}")
    site.retried("cable cut", run, lost, moment)
    left = wait_until("the second machine has left", lambda: not site.machines.processes_there(), PATIENCE_S)
    site.report.promise("cable cut: the node left when told", left, True)
    late = [one for one in run.executions if one.node == THERE and (one.ended or 0) > moment]
    site.report.figure("cable cut: parts that it finished meanwhile", len(late))
    site.compare("cable back", run.store)
    again = [
        cut_tiles(run.store, site.dataset, REGION, LOG),
        embed_region(run.store, REGION, "cpu", LOG),
    ]
    site.report.promise("cable back: rows that another run makes", [one.computed_rows for one in again], [0, 0])


def driver_killed(site: Site) -> None:
    """SIGKILL of the process that ordered the parts; then a run of the same."""
    site.machines.start_second()
    first = site.run("driver-killed")
    first.until_a_third_is_done()
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    # Ray ends what belonged to it.
    time.sleep(5)
    done = {synapse for one in first.executions if one.ended is not None for synapse in one.ids}
    under_way = sum(one.ended is None for one in first.executions)
    address = f"s3://{BUCKET}/driver-killed/data"
    second = Run(site, first.store, address, "driver-again")
    told = second.ended()
    again = {synapse for one in second.executions for synapse in one.ids}
    report = site.report
    report.figure("driver killed: synapses done, parts under way", f"{len(done):,} of {site.synapses:,}, {under_way}")
    resumed, computed = told["resumed"][0], told["computed"][0]
    report.figure("driver killed: next run took over, and made", f"{resumed:,}, {computed:,}")
    report.promise("driver killed: together", resumed + computed, site.synapses)
    report.promise("driver killed: made again though done", len(done & again))
    # A part may be killed after its receipt, and before it tells.
    report.promise("driver killed: all that was done was taken over", len(done) <= resumed, True)
    site.compare("driver killed", second.store)


def _wait(what: str, done: Callable[[], bool], run: Run) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert run.process.poll() is None, f"ended before {what}\n{run.log()}"
        assert time.monotonic() < end, f"still not: {what}\n{run.log()}"
        time.sleep(0.2)


def soak(folder: Path, synapses: int, report: Report) -> None:
    """All of it, on machines of its own."""
    import boto3

    began = time.perf_counter()

    def lap(what: str) -> None:
        nonlocal began
        report.figure(f"seconds for {what}", f"{time.perf_counter() - began:.0f}")
        began = time.perf_counter()

    machines = Machines(folder)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    storage, server = ObjectStore(HERE), FaultyServer(folder, HERE)
    for one in (storage.server, server):
        threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()
    with patched({**machines.environment, **storage.environment}):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        dataset = spread_dataset(folder, server.url, synapses)
        (folder / "dataset.json").write_text(dataset.model_dump_json())
        alone = prepared(DatasetStore(str(folder / "alone"), dataset.name), dataset)
        site = Site(folder, machines, dataset, synapses, alone, report)
        cut_tiles(alone, dataset, REGION, LOG)
        fit_encoder(alone, dataset, "cpu", LOG)
        embed_region(alone, REGION, "cpu", LOG)
        lap("one process without Ray")
        work = count_work(alone, dataset, None, site.part_tiles)
        # One core of a node for parts, and one of the two nodes' three is the run's.
        rates = find_rates(alone, dataset, work, "cpu", GivenRates(cores=1.5))
        site.prepare()
        lap("the rates and the object storage")
        machines.start_head()
        machines.start_second()
        lap("the cluster")
        try:
            undisturbed(site, work, rates, server)
            lap("the undisturbed run")
            for loss in (node_killed, cable_cut, driver_killed):
                loss(site)
                lap(loss.__name__.replace("_", " "))
        except BaseException:
            print(machines.logs())
            raise


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("synapses", nargs="?", type=int, default=SYNAPSES)
    parser.add_argument(INSIDE, action="store_true", dest="inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    report = Report("cluster")
    if arguments.inside:
        quiet()
        with tempfile.TemporaryDirectory() as name:
            soak(Path(name), arguments.synapses, report)
        report.close()
    lacking = [name for name in ("ray", "moto") if find_spec(name) is None]
    command = apart(sys.executable, "-m", "benchmarks.soak.cluster", str(arguments.synapses), INSIDE)
    if lacking or command is None:
        why = f"{lacking} not installed" if lacking else "only root may make machines of its own here"
        report.figure("nodes, drivers and cables lost", f"not tried: {why}")
        report.close()
    sys.exit(subprocess.run(command or [], check=False).returncode)


if __name__ == "__main__":
    main()
