"""What a lab is left with when a disk is full, may only be read, or when object storage or Postgres are gone for a while.

    python -m benchmarks.soak.outages [full|readonly|s3|postgres ...]

Each outage comes while an asset is being made. The run has to fail with a sentence that a person can act on; what was stored has to
be whole; and the same run again, once the outage is over, has to give what an undisturbed lab has. A small disk can be mounted by
root only, and Postgres has to be installed: what cannot be tried is said.
"""

import argparse
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from benchmarks.soak.labs import quiet, running_object_store, shifted, tiny_inputs
from benchmarks.soak.pairs import Pair
from benchmarks.soak.queue import APPLIED, PUBLISHED, compare, ended, launch, statuses
from benchmarks.soak.report import Report
from synapse_assets.defs import asset as declaring
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import REGIONS, failure_reason
from synapse_assets_tests.installation import Installed, wait_until
from synapse_assets_tests.postgres import Postgres
from synapse_assets_tests.stores.object_store import BUCKET

# One of every kind of store.
DISTURBED = ("synapse_table", "synapses", "tiles", "embeddings", "umap_model", "umap_coordinates", "warehouse")
SEED = 7
SMALL_DISK_MB = 96
SECONDS_WITHOUT_POSTGRES = 60
# What a message has to say, to be of use to the person who gets it.
TOLD = {"full": "is full: free some space and run again", "readonly": "cannot be written", "s3": "run again"}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own. Raises OSError where none can be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "none", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        raise OSError(mounted.stderr.decode().strip())
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class Failures:
    """Makes a run fail, and keeps what was told."""

    def __init__(self, pair: Pair, kind: str) -> None:
        self.pair, self.kind = pair, kind
        self.messages: list[str] = []
        self.unclear: list[str] = []
        self.finished = 0

    def run(self, name: str, region: str) -> None:
        """The run that an outage meets."""
        result = self.pair.lab.step(name, region, raises=False)
        if result.success:
            self.finished += 1
            return
        reason = failure_reason(result)
        self.messages.append(reason)
        if TOLD[self.kind] not in reason:
            self.unclear.append(reason)

    def tell(self, report: Report, what: str) -> None:
        """What a person was told, and the state afterwards."""
        report.figure(f"{what}: runs failed; ended all the same", f"{len(self.messages)}; {self.finished}")
        report.figure(f"{what}: told, for instance", self.messages[len(self.messages) // 2] if self.messages else "")
        report.promise(f"{what}: messages that do not help", self.unclear, [])
        report.promise(f"{what}: some run did fail", bool(self.messages), True)
        self.pair.tell(report, f"{what}: ")


def disks(root: Path, inputs: Path, kinds: list[str], report: Report) -> None:
    """A disk that is full, and one that may only be read."""
    with small_disk(root) as disk, dg.DagsterInstance.ephemeral() as instance:
        pair = Pair(root / "disks", inputs, instance, str(disk / "data"))
        pair.begin()
        number = 0
        if "full" in kinds:
            failures = Failures(pair, "full")
            for left in (0, 4_096, 65_536):
                number += 1

                def full(name: str, region: str, left: int = left) -> None:
                    filler = disk / "filler"
                    with filler.open("wb") as stream:
                        for _ in range((shutil.disk_usage(disk).free - left) // 4096):
                            stream.write(b"x" * 4096)
                    failures.run(name, region)
                    filler.unlink()

                pair.round(number, DISTURBED, full)
            failures.tell(report, "disk full")
        if "readonly" in kinds:
            failures = Failures(pair, "readonly")

            def readonly(name: str, region: str) -> None:
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
                failures.run(name, region)
                subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)

            pair.round(number + 1, DISTURBED, readonly)
            failures.tell(report, "read-only disk")


def object_storage(root: Path, inputs: Path, report: Report) -> None:
    """Object storage that answers 503 from some write on, until the run has failed."""
    # Copies and caches of what lies at an address go into the home folder.
    os.environ["HOME"] = str(root)
    # A run waits minutes for a server that does not answer; here it is known that it will not.
    declaring.RETRY_SECONDS = 0.05
    with running_object_store() as storage, dg.DagsterInstance.ephemeral() as instance:
        pair = Pair(root / "s3", inputs, instance, f"s3://{BUCKET}/soak")
        pair.begin()
        failures = Failures(pair, "s3")
        draw = random.Random(SEED)

        def down(name: str, region: str) -> None:
            writes, first = itertools.count(), draw.randrange(4)
            gone = False

            def refuses(method: str, path: str) -> bool:
                nonlocal gone
                gone = gone or (method in ("PUT", "POST") and next(writes) >= first)
                return gone

            with storage.down(refuses):
                failures.run(name, region)

        for number in (1, 2):
            pair.round(number, DISTURBED, down)
        failures.tell(report, "storage down")


def postgres_gone(root: Path, inputs: Path, report: Report) -> None:
    """Postgres is gone for a minute under a running installation, with a run in the middle of its work."""
    server = Postgres(root / "postgres")
    server.start()
    installed = Installed(inputs, root / "installed", {"SYNAPSE_POSTGRES_URL": server.url})
    try:
        installed.run("materialize")
        installed.start()
        installed.switch_sensor("automation", on=False)
        store = DatasetStore(installed.environment["SYNAPSE_DATA_ROOT"], "tiny")
        points = pd.read_csv(installed.points / "first.csv")
        for number, region in enumerate(REGIONS):
            points = shifted(points, region, 1, 0, number)
        points.to_csv(installed.points / "first.csv", index=False)
        installed.materialize("synapse_table", "alignment")
        run = launch(installed, APPLIED, REGIONS[0])
        wait_until("the run works", lambda: statuses(installed, [run]) == ["STARTED"], 180)
        time.sleep(1)
        crash(server)
        stopped = time.monotonic()
        time.sleep(SECONDS_WITHOUT_POSTGRES / 2)
        told = "an answer"
        try:
            statuses(installed, [run])
        except (AssertionError, urllib.error.URLError, OSError) as error:
            body = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            text = f"{error} {body}".replace("\\n", " ")
            found = re.search(r"connection to server[^\"]{0,200}", text)
            told = found[0] if found else text[:200]
        report.figure("Postgres gone: told by the webserver", told)
        time.sleep(max(0.0, SECONDS_WITHOUT_POSTGRES - (time.monotonic() - stopped)))
        alive = sum(process.poll() is None for process in installed.processes)
        report.promise("Postgres gone: of three processes running on", alive, 3)
        server.start()
        back = time.monotonic()
        wait_until("the graph is served again", installed._graph_is_served, 120)
        report.figure(
            "Postgres gone: seconds gone; until served again", f"{back - stopped:.0f}; {time.monotonic() - back:.1f}"
        )
        how = ended(installed, [run])
        report.figure(
            "Postgres gone: the run in the middle", f"{how[0]}, {time.monotonic() - back:.0f} s after it was back"
        )
        again, refused = zip(*(pressed(installed, region) for region in REGIONS), strict=True)
        report.figure("Postgres gone: first presses that were refused", sum(refused))
        report.promise(
            "Postgres gone: later runs that succeeded", ended(installed, list(again)).count("SUCCESS"), len(REGIONS)
        )
        installed.materialize(*PUBLISHED)
        compare(report, "Postgres gone", store, points)
    except BaseException:
        print(installed.logs())
        raise
    finally:
        installed.stop()
        crash(server)


def pressed(installed: Installed, region: str) -> tuple[str, int]:
    """Presses Materialize until it is taken; gives the run and how often it was refused.

    The webserver keeps connections to its database. That one is dead is found out when it is used, once for each.
    """
    for refused in range(10):
        try:
            return launch(installed, APPLIED, region), refused
        except urllib.error.HTTPError:
            continue
    raise AssertionError("refused ten times")


def crash(server: Postgres) -> None:
    """Ends it without a word to its clients; asked to stop, it would wait until they have gone."""
    if server._process is not None:
        server._process.send_signal(signal.SIGQUIT)
        server.stop()


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = ["full", "readonly", "s3", "postgres"]
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(every)}; all of them unless named")
    kinds = parser.parse_args().kinds or every
    if not set(kinds) <= set(every):
        parser.error(f"there are {', '.join(every)}")
    quiet()
    report = Report("outages")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        inputs = tiny_inputs(root)
        if {"full", "readonly"} & set(kinds):
            try:
                disks(root, inputs, kinds, report)
            except OSError as error:
                report.figure("disk full, read-only disk", f"not tried: {error}")
        if "s3" in kinds:
            try:
                object_storage(root, inputs, report)
            except pytest.skip.Exception as reason:
                report.figure("storage down", f"not tried: {reason}")
        if "postgres" in kinds:
            try:
                postgres_gone(root, inputs, report)
            except pytest.skip.Exception as reason:
                report.figure("Postgres gone", f"not tried: {reason}")
    report.close()


if __name__ == "__main__":
    main()
