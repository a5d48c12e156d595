"""Fifty SIGKILLs at random moments, each followed by a run of the same asset, while another process reads every table.

    python -m benchmarks.soak.kills [kills, default 50] [seconds, default 900]

In every round the points of one region change: all lie elsewhere, one goes, one comes. Then the assets of the chain are made
again in their order. Those in `KILLED` run through Dagster in a process of their own that is killed at a random fraction of
the time that an undisturbed run took, counted from the beginning of the asset's body; the same asset is then run again. A
second lab takes the same changes undisturbed, and after every kill the two are compared row by row. A run that ended before it
was to be killed does not count as a kill.
"""

import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.soak.labs import PARTITIONS, SoakLab, contents, duplicates, quiet, tiny_inputs
from benchmarks.soak.pairs import Pair, keys
from benchmarks.soak.report import Report
from synapse_assets.datasets import EmDataset
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import REGIONS

KILLED = (
    "synapse_table",
    "tiles",
    "encoder",
    "embeddings",
    "umap_model",
    "synapse_classifier",
    "umap_coordinates",
    "warehouse",
)
SEED = 11
MOST_ROUNDS = 14
TRAINING_STEPS = 10
# Lance names forkserver as one of the two ways to start a process; it starts with everything imported.
SERVER = multiprocessing.get_context("forkserver")
SPAWN = multiprocessing.get_context("spawn")


def _in_small_batches() -> None:
    """Several pieces are staged for a region of 24 synapses."""
    from synapse_assets.pipeline.em import embeddings
    from synapse_assets.volumes import volume

    volume._BATCH_TILES = 4
    embeddings.READ_ROWS = 4


def run_one(dataset: EmDataset, root: str, orders: Connection) -> None:
    """Waits for an order (asset, region), runs it, and tells when its body begins and when the run has ended."""
    from synapse_assets.defs.resources import Installation

    quiet()
    _in_small_batches()
    opened = Installation.store
    told = False

    def store(self: Installation, name: str) -> DatasetStore:
        nonlocal told
        if not told:
            told = True
            orders.send("began")
        return opened(self, name)

    Installation.store = store  # type: ignore[method-assign]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PARTITIONS, list(REGIONS))
        lab = SoakLab(dataset, root, instance)
        orders.send("ready")
        asset, region = orders.recv()
        result = lab.step(asset, region, raises=False)
        orders.send("ended" if result.success else "failed")


class Runner:
    """A process that stands ready for one run."""

    def __init__(self, dataset: EmDataset, root: str) -> None:
        self.pipe, theirs = SERVER.Pipe()
        self.process: BaseProcess = SERVER.Process(target=run_one, args=(dataset, root, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def _told(self, what: str, seconds: float) -> bool:
        if not self.pipe.poll(seconds):
            return False
        said = self.pipe.recv()
        assert said == what, said
        return True

    def begin(self, asset: str, region: str) -> None:
        """Starts the run; comes back when the body of the asset begins."""
        assert self._told("ready", 120)
        self.pipe.send((asset, region))
        assert self._told("began", 60)

    def seconds(self, asset: str, region: str) -> float:
        """How long an undisturbed run takes."""
        self.begin(asset, region)
        began = time.perf_counter()
        assert self._told("ended", 300)
        spent = time.perf_counter() - began
        self.process.join()
        return spent

    def killed(self, asset: str, region: str, after_seconds: float) -> bool:
        """Whether the run was still going on when it was killed."""
        self.begin(asset, region)
        if self._told("ended", after_seconds):
            self.process.join()
            return False
        os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join()
        try:
            # It may have ended between the two lines above; then that still lies in the pipe.
            return self.pipe.recv() != "ended"
        except EOFError:
            return True

    def dismiss(self) -> None:
        """Ends a process that was not needed."""
        self.process.kill()
        self.process.join()


def keep_reading(root: str, dataset: str, over: Event, answer: Any) -> None:
    """Reads every table again and again, and asks for similar synapses; gives moments, unreadable ones, doubled rows, first error."""
    from synapse_assets.query import open_warehouse

    quiet()
    store = DatasetStore(root, dataset)
    passes = tables = unreadable = doubled = 0
    first = ""
    while not over.is_set():
        passes += 1
        try:
            found = contents(store)
            tables += len(found)
            doubled += sum(duplicates(keys(table)) for table in found.values())
            with open_warehouse(dataset, root) as warehouse:
                one = warehouse.sql("select synapse_id from synapses order by 1").synapse_id[passes % 72]
                assert len(warehouse.similar(one, k=5)) == 5
        except Exception:
            unreadable += 1
            first = first or traceback.format_exc()
        time.sleep(0.2)
    answer.put((passes, tables, unreadable, doubled, first))


class Killing:
    """A pair of labs in one of which runs are killed, and a process that stands ready for the next run."""

    def __init__(self, pair: Pair, most: int, most_seconds: float) -> None:
        self.pair, self.most = pair, most
        self.random = random.Random(SEED)
        self.kills: dict[str, int] = dict.fromkeys(KILLED, 0)
        self.seconds: dict[str, float] = {}
        self.end = time.perf_counter() + most_seconds
        self.late = 0
        self.runner: Runner | None = None

    @property
    def enough(self) -> bool:
        """Whether there were as many kills as are wanted, or there is no time for more."""
        return sum(self.kills.values()) >= self.most or time.perf_counter() > self.end

    def ready(self) -> "Runner":
        """The runner that stands ready; the next one is started at once."""
        now, self.runner = self.runner or self._new(), self._new()
        return now

    def _new(self) -> "Runner":
        return Runner(self.pair.dataset, str(self.pair.lab.root))

    def measure(self, name: str, region: str) -> None:
        """How long an undisturbed run takes."""
        self.seconds[name] = self.ready().seconds(name, region)

    def kill(self, name: str, region: str) -> None:
        """Runs the asset and kills it somewhere in its work, unless there were kills enough."""
        if self.enough:
            return
        if self.ready().killed(name, region, self.random.uniform(0, 1) * self.seconds[name]):
            self.kills[name] += 1
        else:
            self.late += 1


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=50)
    parser.add_argument("seconds", nargs="?", type=int, default=900, help="after which no more runs are killed")
    most, most_seconds = vars(parser.parse_args()).values()
    quiet()
    report = Report("kills")
    SERVER.set_forkserver_preload(["benchmarks.soak.imported"])
    with tempfile.TemporaryDirectory() as name, dg.DagsterInstance.ephemeral() as instance:
        root = Path(name)
        encoder = {"origin": "self_supervised", "training_steps": TRAINING_STEPS}
        pair = Pair(root / "pair", tiny_inputs(root), instance, str(root / "killed"), encoder=encoder)
        killing = Killing(pair, most, most_seconds)
        killing.runner = killing._new()
        began = time.perf_counter()
        pair.begin()
        report.figure("seconds to make everything once", f"{time.perf_counter() - began:.0f}")
        began = time.perf_counter()
        over, answer = SPAWN.Event(), SPAWN.Queue()
        reader = SPAWN.Process(target=keep_reading, args=(str(pair.lab.root), "tiny", over, answer), daemon=True)
        reader.start()
        pair.round(0, KILLED, killing.measure)
        for number in range(1, MOST_ROUNDS):
            if not killing.enough:
                pair.round(number, KILLED, killing.kill)
                print(f"  round {number}: {sum(killing.kills.values())} kills so far", flush=True)
        over.set()
        passes, tables, unreadable, doubled, first = answer.get(timeout=120)
        reader.join()
        killing.runner.dismiss()
        if first:
            print(first)
        report.promise("kills, all in the middle of a run", sum(killing.kills.values()), most)
        report.figure("by asset", ", ".join(f"{asset} {count}" for asset, count in killing.kills.items()))
        report.figure("runs that ended before they could be killed", killing.late)
        undisturbed = ", ".join(f"{asset} {second:.2f}" for asset, second in killing.seconds.items())
        report.figure("seconds of an undisturbed run", undisturbed)
        pair.tell(report)
        report.figure("meanwhile, by another process", f"{passes:,} looks at all tables, {tables:,} tables read")
        report.promise("moments in which something was unreadable", unreadable)
        report.promise("rows doubled in a reader's eyes", doubled)
        report.figure("seconds", f"{time.perf_counter() - began:.0f}")
    report.close()


if __name__ == "__main__":
    main()
