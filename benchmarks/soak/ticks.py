"""A thousand looks of the arrivals sensor at a folder in which files come, grow, change, are renamed and go.

    python -m benchmarks.soak.ticks [ticks, default 1000]

What is observed is compared with a plain hash of the folder. The cursor goes through JSON at each tick, as the daemon keeps it.
All go through `poll`; a fifth as many again go through the sensor itself, with an instance.
"""

import argparse
import gc
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.soak.labs import quiet
from benchmarks.soak.report import Report

SEED = 5
EARLY = 100
# The clock that a file system takes the time of change from ticks every few milliseconds, looks every few seconds.
SECONDS_BETWEEN = 0.01


class Churn:
    """A folder that somebody works in. A file that is being written grows at every tick until it is whole."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random, self.number = folder, random.Random(seed), 0
        self.growing: dict[Path, int] = {}
        self.done: dict[str, int] = {}
        self._new().write_text(self._text())

    def tick(self) -> None:
        """What happens until the next look: often nothing, or else one to three things."""
        time.sleep(SECONDS_BETWEEN)
        for path in [path for path, left in self.growing.items() if not left]:
            del self.growing[path]
        for path in self.growing:
            with path.open("a") as stream:
                stream.write(self._text())
            self.growing[path] -= 1
        if self.random.random() < 0.6:
            return
        for _ in range(self.random.randint(1, 3)):
            what = self.random.choice((self.add, self.grow, self.touch, self.rewrite, self.rename, self.remove))
            self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
            what()

    def add(self) -> None:
        """A whole file appears."""
        self._new().write_text(self._text())

    def grow(self) -> None:
        """A file appears that takes several ticks to write."""
        path = self._new()
        path.write_text(self._text())
        self.growing[path] = self.random.randint(1, 5)

    def touch(self) -> None:
        """Only the time of change is another."""
        self._any().touch()

    def rewrite(self) -> None:
        """Other content of the same length, now and then the same content."""
        path = self._any()
        path.write_text(path.read_text() if self.random.random() < 0.3 else self._text())

    def rename(self) -> None:
        """Another name."""
        self._any().rename(self._new())

    def remove(self) -> None:
        """A file goes, unless it is one of the last ones."""
        if len(list(self.folder.iterdir())) - len(self.growing) > 2:
            self._any().unlink()

    def _new(self) -> Path:
        self.number += 1
        return self.folder / f"table{self.number:05d}.csv"

    def _any(self) -> Path:
        return self.random.choice(sorted({*self.folder.iterdir()} - {*self.growing}))

    def _text(self) -> str:
        return f"{self.random.random():.16f}\n" * 50

    def signature(self) -> tuple[tuple[str, int, int], ...]:
        """What can be told without opening a file."""
        return tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(self.folder.iterdir()))

    def content(self) -> str:
        """A plain hash of names and bytes."""
        plain = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            plain.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return plain.hexdigest()


class Judge:
    """Compares what is observed with what a plain hash of the still folder says."""

    def __init__(self, churn: Churn) -> None:
        self.churn = churn
        self.before: object = None
        self.last: str | None = None
        self.version_of: dict[str, str] = {}
        self.expected = self.observed = self.missed = self.surplus = self.half = self.wrong = 0

    def judge(self, version: str | None) -> None:
        """After each tick: what it observed, None if nothing."""
        still = self.churn.signature() == self.before
        self.before, content = self.churn.signature(), self.churn.content()
        due = still and content != self.last
        self.expected += due
        if version is None:
            self.missed += due
            return
        self.observed += 1
        self.surplus += not due
        self.half += any(self.churn.growing.values())
        self.last = content
        self.wrong += self.version_of.setdefault(content, version) != version
        self.wrong += list(self.version_of.values()).count(version) != 1

    def tell(self, report: Report, how: str) -> None:
        """Its figures."""
        report.figure(f"{how}: changes of content, by plain hash", self.expected)
        report.promise(f"{how}: observed", self.observed, self.expected)
        report.promise(f"{how}: missed", self.missed)
        report.promise(f"{how}: observed twice or too early", self.surplus)
        report.promise(f"{how}: files taken half", self.half)
        report.promise(f"{how}: versions that tell content wrongly", self.wrong)


def through_look(folder: Path, ticks: int, report: Report) -> None:
    """The ticks through `poll`, with memory and time."""
    import psutil

    from synapse_assets.pipeline.em.inputs import em_inputs
    from synapse_assets.pipeline.inputs import poll, watched_inputs
    from synapse_assets_tests.conftest import tiny_dataset

    churn = Churn(folder, SEED)
    judge = Judge(churn)
    dataset = tiny_dataset(folder.parent, folder)
    (watched,) = watched_inputs(em_inputs(dataset))
    process, seconds, last, cursor, early = psutil.Process(), 0.0, None, "{}", 0.0
    for number in range(1, ticks + 1):
        churn.tick()
        began = time.perf_counter()
        seen, version, _ = poll(dataset.name, watched, json.loads(cursor), last)
        cursor = json.dumps(seen, sort_keys=True)
        seconds += time.perf_counter() - began
        # As the sensor does: what was observed already is not observed again.
        judge.judge(version if version != last else None)
        last = version or last
        if number == min(EARLY, ticks):
            gc.collect()
            early = process.memory_info().rss / 2**20
    gc.collect()
    late = process.memory_info().rss / 2**20
    report.figure("what was done to the folder", ", ".join(f"{n} {what}" for what, n in sorted(churn.done.items())))
    report.figure("files at the end; bytes of the cursor", f"{len(churn.signature())}; {len(cursor):,}")
    report.figure("ms a tick", f"{1000 * seconds / ticks:.2f}")
    judge.tell(report, f"{ticks:,} ticks")
    report.figure(f"memory after {EARLY} and {ticks:,} ticks", f"{early:.1f} and {late:.1f} MB")
    report.promise("memory grows by less than 5 MB", late - early < 5, True)


def through_sensor(folder: Path, ticks: int, report: Report) -> None:
    """The same through the sensor and an instance that keeps what was observed."""
    import dagster as dg

    from synapse_assets.defs.input_sensors import arrivals_sensor
    from synapse_assets.settings import Settings
    from synapse_assets_tests.conftest import tiny_dataset

    churn = Churn(folder, SEED + 1)
    judge = Judge(churn)
    dataset = tiny_dataset(folder.parent, folder)
    sensor = arrivals_sensor(dataset, Settings(data_root=str(folder.parent), datasets=[]))
    key, cursor, seconds = dg.AssetKey(["tiny", "synapse_source"]), None, 0.0
    tick: Callable[..., dg.SensorResult] = sensor.evaluate_tick  # type: ignore[assignment]
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(ticks):
            churn.tick()
            began = time.perf_counter()
            with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                result = tick(context)
            seconds += time.perf_counter() - began
            cursor = result.cursor
            told = None
            for event in result.asset_events or ():
                assert event.asset_key == key, event
                instance.report_runless_asset_event(event)
                told = event.tags["dagster/data_version"]
            judge.judge(told)
    report.figure("ms a tick of the sensor", f"{1000 * seconds / ticks:.2f}")
    judge.tell(report, f"{ticks:,} sensor ticks")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ticks", nargs="?", type=int, default=1000)
    ticks = parser.parse_args().ticks
    quiet()
    report = Report("ticks")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("looked", "sensed"):
            (root / folder).mkdir()
        through_look(root / "looked", ticks, report)
        through_sensor(root / "sensed", max(ticks // 5, 1), report)
    report.close()


if __name__ == "__main__":
    main()
