"""Thirty-two machines commit to one table on object storage at the same moment; six of them are killed, and come again.

    python -m benchmarks.soak.writers

Each has a region of its own and one synapse that all of them have. One is killed at its turn before it has committed, one after, four
anywhere. Who was killed is started once more with the parts that it had written, as a run that is retried is.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from benchmarks.soak.labs import running_object_store
from benchmarks.soak.report import Report
from synapse_assets.stores import DatasetStore, region_table
from synapse_assets.stores.commit_queue import SUFFIX
from synapse_assets.stores.commits import WrittenPart
from synapse_assets_tests.stores.object_store import ObjectStore
from synapse_assets_tests.stores.samples import synapses

WRITERS, ROWS = 32, 200
KILLED_AT_TURN = {5: "before", 11: "after"}
KILLED_ANYWHERE = 4
SHARED = "wanted-by-all"
# A holder of the turn is taken for dead after 24 s, and looked for every 5 s.
LONGEST_PAUSE_SECONDS = 45.0
PATIENCE_SECONDS = 900.0


def region_of(writer: int) -> str:
    """Name of a writer's region."""
    return f"R{writer:02d}"


def ids_of(writer: int) -> list[str]:
    """The synapses that it writes."""
    return [SHARED, *(f"{region_of(writer)}-{row:03d}" for row in range(ROWS))]


def write(uri: str, folder: Path, writer: int) -> None:
    """One machine: writes its part, or reads what it wrote before, waits for all others, commits, and notes when."""
    table = DatasetStore(uri, "sample", str(folder / "local")).synapses
    region, receipt = region_of(writer), folder / f"{writer}.receipt"
    moment = os.environ.get("KILLED_AT_TURN", "")
    attempts = 0
    replace_rows = region_table.replace_rows

    def counted(*given: object) -> int:
        nonlocal attempts
        attempts += 1
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        version = replace_rows(*given)  # type: ignore[arg-type]
        if moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return version

    region_table.replace_rows = counted  # type: ignore[assignment]
    if not receipt.exists():
        part = table.write_part(region, synapses(region, ids_of(writer)))
        aside = receipt.with_suffix(".aside")
        aside.write_text(part.to_json())
        aside.rename(receipt)
    while not (folder / "begin").exists():
        time.sleep(0.05)
    began = time.time()
    table.commit(region, [WrittenPart.from_json(receipt.read_text())], [])
    (folder / f"{writer}.done").write_text(f"{began} {time.time()} {attempts}")


def started(uri: str, folder: Path, writer: int, storage: ObjectStore, moment: str = "") -> "subprocess.Popen[bytes]":
    """That machine as a process."""
    environment = {**os.environ, **storage.environment, "KILLED_AT_TURN": moment, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.soak.writers", uri, str(folder), str(writer)]
    return subprocess.Popen(command, env=environment)


def main() -> None:
    """Starts them, kills some, and reads what the table holds at the end."""
    report = Report("writers")
    with tempfile.TemporaryDirectory() as name, running_object_store() as storage:
        folder = Path(name)
        table = storage.store(folder).synapses
        uri = table.uri.split("/sample/")[0]
        table.replace_region("before", synapses("before", ["before-0"]), [])
        running = {
            writer: started(uri, folder, writer, storage, KILLED_AT_TURN.get(writer, "")) for writer in range(WRITERS)
        }
        until("every part is written", lambda: len(list(folder.glob("*.receipt"))) == WRITERS)
        (folder / "begin").touch()
        began = time.time()
        chosen = random.Random(0)
        failed = restarts = 0
        moments = sorted(began + chosen.uniform(0, 40) for _ in range(KILLED_ANYWHERE))
        while running and time.time() < began + PATIENCE_SECONDS:
            if moments and time.time() > moments[0]:
                moments.pop(0)
                running[chosen.choice([*running])].kill()
            for writer, process in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                del running[writer]
                if code == -signal.SIGKILL:
                    restarts += 1
                    running[writer] = started(uri, folder, writer, storage)
                elif code:
                    failed += 1
            time.sleep(0.1)
        for process in running.values():
            process.kill()
        ends = [(folder / f"{writer}.done") for writer in range(WRITERS)]
        told = sorted(tuple(map(float, end.read_text().split())) for end in ends if end.exists())
        rows = table.read(None, ["synapse_id", "brain_region"]).to_pydict()
        report_on(report, rows, told, began)
        report.promise("writers that failed", failed + len(running))
        report.figure("killed and started again", restarts)
        left = [key for key in storage.keys(table.uri + SUFFIX) if not key.endswith(".alive")]
        report.figure("tickets left in the queue", len(left))
    report.close()


def report_on(report: Report, rows: dict[str, list[str]], told: list[tuple[float, ...]], began: float) -> None:
    """What was lost or doubled, and how long anybody stood still."""
    ids = rows["synapse_id"]
    wanted = {identity for writer in range(WRITERS) for identity in ids_of(writer)} | {"before-0"}
    regions = dict(zip(ids, rows["brain_region"], strict=True))
    report.promise("rows lost", len(wanted - set(ids)))
    report.promise("rows doubled", len(ids) - len(set(ids)))
    report.promise("rows of nobody", len(set(ids) - wanted))
    misplaced = [one for one, region in regions.items() if one not in (SHARED, "before-0") and one[:3] != region]
    report.promise("rows in another region", len(misplaced))
    ends = sorted([began, *(end for _, end, _ in told)])
    pauses = [after - before for before, after in pairwise(ends)]
    report.figure("from the first commit to the last, seconds", f"{ends[-1] - began:.0f}")
    report.figure("attempts of a commit: mean, most", attempts_of(told))
    report.figure("longest pause between commits, seconds", f"{max(pauses):.1f}")
    report.promise(f"pauses above {LONGEST_PAUSE_SECONDS:.0f} s", sum(one > LONGEST_PAUSE_SECONDS for one in pauses))


def attempts_of(told: list[tuple[float, ...]]) -> str:
    """How often they tried: mean and most."""
    attempts = [tried for _, _, tried in told]
    return f"{sum(attempts) / max(1, len(attempts)):.2f}, {max(attempts, default=0):.0f}"


def until(what: str, holds: Callable[[], bool]) -> None:
    """Waits for it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
