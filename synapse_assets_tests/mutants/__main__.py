"""Do the tests see small changes? `make mutants` makes 60 changes that a reviewer fears, one at a time, and tells which went unnoticed.

The changes are drawn at random, the same number from each domain room; equal seeds draw equal changes from equal code. Each is made in a
copy of the repository in a temporary folder, so that a killed run leaves nothing changed, and tried with the test files of its
module (`nearest.py`), which have to pass there unchanged first. A test that fails or does not end notices it. A change with which
the tests cannot even be collected, or a call lacks an argument that it must have, says nothing: another one of the room is drawn.

At most half an hour on two cores; what was not reached by then is told. Ends with 1 if more than one change in five went unnoticed.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from synapse_assets_tests.mutants.changes import Change, changes, drawn
from synapse_assets_tests.mutants.nearest import nearest_tests

PACKAGE = "synapse_assets"
ROOMS = ("sources", "datasets", "stores", "volumes", "vision", "analysis", "query")
WORKERS = 2
BUDGET_SECONDS = 1800
# Of the test files of a module without a mirror, the nearest ones that run within this time.
FILES_SECONDS = 60
# What an unchanged run may be exceeded by before a changed one counts as endless.
PATIENCE_FACTOR, PATIENCE_SECONDS = 3, 20
MOST_UNNOTICED = 1 / 5

NOTICED, UNNOTICED, SAYS_NOTHING, NOT_TRIED = "noticed", "UNNOTICED", "says nothing", "not tried"
# What pytest ends with where it could not ask the tests.
_NOT_ASKED = (2, 3, 4, 5)
_CANNOT_RUN = re.compile(r"^E +TypeError: .*(missing \d+ required|unsupported operand|bad operand)", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What became of a change, and the test files that were run."""

    change: Change
    verdict: str
    files: Sequence[Path]
    seconds: float
    why: str = ""

    def __str__(self) -> str:
        files = ", ".join(file.name for file in self.files) or "no test file"
        why = f": {self.why}" if self.why else ""
        return (
            f"{self.verdict:13s} {self.change.module}:{self.change.line}  [{self.change.kind}]  {self.change}"
            f"  ({self.seconds:.0f} s, {files}{why})"
        )


def sample(root: Path, rooms: Sequence[str], seed: int, package: str = PACKAGE) -> dict[str, Iterator[Change]]:
    """The changes of each room in the order in which they are tried."""
    return {
        room: drawn(
            [
                change
                for path in sorted((root / package / room).rglob("*.py"))
                for change in changes(path.relative_to(root), path.read_text(encoding="utf-8"))
            ],
            f"{seed} {room}",
        )
        for room in rooms
    }


@dataclass
class Trial:
    """The repository `root`, two copies of it, and how long the test files take in them unchanged."""

    root: Path
    scratch: Path
    budget_seconds: float
    seconds: dict[Path, float] = field(default_factory=dict)
    failing: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.end = 0.0
        self.measuring: dict[Path, threading.Lock] = {}
        self.running: set[subprocess.Popen[str]] = set()
        self.idle: deque[Path] = deque()
        for number in range(WORKERS):
            copy = self.scratch / f"copy{number}"
            left_out = shutil.ignore_patterns(".*", "__pycache__", "data", "dist", "*.egg-info")
            shutil.copytree(self.root, copy, ignore=left_out)
            self.idle.append(copy)

    def run(self, rooms: dict[str, Iterator[Change]], count: int) -> Iterator[Result]:
        """Tries `count` changes, room by room in turn, and gives each result as it is known."""
        quota = {room: count // len(rooms) + (number < count % len(rooms)) for number, room in enumerate(rooms)}
        waiting = deque(room for turn in range(max(quota.values())) for room in rooms if turn < quota[room])
        at_work: dict[Future[Result], str] = {}
        self.end = time.monotonic() + self.budget_seconds
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                while waiting or at_work:
                    while waiting and len(at_work) < WORKERS:
                        room = waiting.popleft()
                        if (change := next(rooms[room], None)) is not None:
                            at_work[pool.submit(self._tried, change, change.source())] = room
                    for done in wait(at_work, return_when=FIRST_COMPLETED).done:
                        room, result = at_work.pop(done), done.result()
                        if result.verdict == SAYS_NOTHING:
                            waiting.appendleft(room)
                        yield result
            finally:
                self.end = time.monotonic()
                for process in [*self.running]:
                    _end(process)

    def _tried(self, change: Change, source: str) -> Result:
        near = nearest_tests(self.root, change.module)
        copy = self.idle.popleft()
        began = time.monotonic()
        try:
            files = self._measured(copy, near)
            if near and not files:
                why = next((self.failing[file] for file in near if file in self.failing), "out of time")
                return Result(change, NOT_TRIED, files, time.monotonic() - began, why)
            began = time.monotonic()
            (copy / change.module).write_text(source, encoding="utf-8")
            unchanged_seconds = sum(self.seconds[file] for file in files)
            most_seconds = PATIENCE_FACTOR * unchanged_seconds + PATIENCE_SECONDS
            code, output = self._pytest(copy, files, most_seconds) if files else (0, "")
            verdict, why = self._verdict(code, output)
            return Result(change, verdict, files, time.monotonic() - began, why)
        finally:
            # With the old time of change, for which the compiled module stands.
            shutil.copy2(self.root / change.module, copy / change.module)
            self.idle.append(copy)

    def _verdict(self, code: int | None, output: str) -> tuple[str, str]:
        if code == 0:
            return UNNOTICED, ""
        if code is None:
            return (NOTICED, "did not end") if time.monotonic() < self.end else (NOT_TRIED, "out of time")
        first = re.search(r"^(FAILED|ERROR) \S+::(\S+)", output, re.MULTILINE)
        if code in _NOT_ASKED or _CANNOT_RUN.search(output):
            return SAYS_NOTHING, ""
        return NOTICED, first[2] if first else f"ended with {code}"

    def _measured(self, copy: Path, files: Sequence[Path]) -> list[Path]:
        """The nearest of the files that pass unchanged, as many as the time allows, the quickest first."""
        chosen: list[Path] = []
        for file in files:
            with self.measuring.setdefault(file, threading.Lock()):
                if file not in self.seconds and file not in self.failing:
                    began = time.monotonic()
                    code, output = self._pytest(copy, [file], self.budget_seconds)
                    if code == 0:
                        self.seconds[file] = time.monotonic() - began
                    elif time.monotonic() < self.end:
                        self.failing[file] = f"{file} fails without a change: {output[-2000:]}"
            if file in self.seconds:
                chosen.append(file)
            if sum(self.seconds[one] for one in chosen) >= FILES_SECONDS:
                break
        return sorted(chosen, key=lambda one: self.seconds[one])

    def _pytest(self, copy: Path, files: Sequence[Path], seconds: float) -> tuple[int | None, str]:
        """The exit status and what was printed. None if it took longer, or the time of all is up."""
        left = self.end - time.monotonic()
        if left <= 0:
            return None, ""
        temporary = copy.with_name(f"{copy.name}_tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {
            **os.environ,
            **dict.fromkeys(threads, "1"),
            "PYTHONPATH": str(copy),
            "NUMBA_CACHE_DIR": str(self.scratch / "numba"),
            "TMPDIR": str(temporary),
        }
        command = [sys.executable, "-m", "pytest", "-x", "-n", "0", *map(str, files)]
        process = subprocess.Popen(
            command, cwd=copy, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.running.add(process)
        try:
            output, _ = process.communicate(timeout=min(seconds, left))
            return process.returncode, output
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            _end(process)
            self.running.discard(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a run and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Prints each change as it is tried, then the figures and what went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="other seeds draw other changes")
    parser.add_argument("--count", type=int, default=60, help="how many changes at most")
    arguments = parser.parse_args()
    root = Path(__file__).parents[2]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants_") as scratch:
        trial = Trial(root, Path(scratch), BUDGET_SECONDS)
        results = []
        for result in trial.run(sample(root, ROOMS, arguments.seed), arguments.count):
            results.append(result)
            print(f"{time.monotonic() - began:5.0f} s  {result}", flush=True)
    sys.exit(_told(results, time.monotonic() - began))


def _told(results: Sequence[Result], seconds: float) -> bool:
    """Prints the figures. Whether more went unnoticed than may, or nothing was tried."""
    by_room = {room: Counter(one.verdict for one in results if one.change.module.parts[1] == room) for room in ROOMS}
    print(f"\n{'room':9s} {'noticed':>9s} {'unnoticed':>9s} {'not tried':>9s} {'says nothing':>12s}")
    for room, verdicts in by_room.items():
        print(
            f"{room:9s} {verdicts[NOTICED]:9d} {verdicts[UNNOTICED]:9d} {verdicts[NOT_TRIED]:9d} {verdicts[SAYS_NOTHING]:12d}"
        )
    unnoticed = [one for one in results if one.verdict == UNNOTICED]
    judged = len(unnoticed) + sum(one.verdict == NOTICED for one in results)
    print(
        "\n".join(["\nUnnoticed, each to be looked at:", *map(str, unnoticed)] if unnoticed else ["\nAll were noticed"])
    )
    print(f"{len(unnoticed)} of {judged} went unnoticed, at most one in five may; {seconds:.0f} s")
    return not judged or len(unnoticed) > MOST_UNNOTICED * judged


if __name__ == "__main__":
    main()
