"""What a step reports: rows, seconds, details for the UI, checks and the content version. How they are shown belongs to `defs`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

_SECONDS_BETWEEN_LOG_LINES = 10.0


@dataclass(frozen=True)
class Markdown:
    """A text with tables and lists."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG image, below a text where there is one."""

    png: bytes
    caption: str
    text: str = ""


@dataclass(frozen=True)
class Json:
    """Nested plain values."""

    value: Any


@dataclass(frozen=True)
class Link:
    """A URL that a browser opens."""

    url: str


@dataclass(frozen=True)
class StoredAt:
    """A path or address of something stored."""

    path: str


Detail: TypeAlias = Markdown | Picture | Json | Link | StoredAt | str | int | float | bool | None


@dataclass(frozen=True)
class Check:
    """The outcome of one check; with `warn` a failure blocks nothing."""

    name: str
    passed: bool
    description: str
    warn: bool = False
    numbers: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a step did.

    details: what the UI shows, by name. rows: those of the table that was made, and how many of them were computed now; None
    for a model. content_version: changes exactly when what was made has other content; None where nothing depends on it.
    """

    details: Mapping[str, Detail]
    seconds: float
    rows: int | None = None
    computed_rows: int | None = None
    content_version: str | None = None
    checks: Sequence[Check] = ()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; None is an empty cell."""
    titles, *lines = (f"| {' | '.join('' if cell is None else str(cell) for cell in line)} |" for line in (head, *rows))
    return "\n".join([titles, "|" + "---|" * len(head), *lines])


@dataclass(frozen=True)
class Progress:
    """How far a step is with something that it counts: `done` of `total`, which is None where it cannot be known."""

    what: str
    done: int
    total: int | None


_progress_watcher: ContextVar[Callable[[Progress], None] | None] = ContextVar("progress_watcher", default=None)


@contextmanager
def progress_watched(watcher: Callable[[Progress], None]) -> Iterator[None]:
    """Meanwhile `watcher` gets what steps in this thread report of their progress, as often as they count."""
    token = _progress_watcher.set(watcher)
    try:
        yield
    finally:
        _progress_watcher.reset(token)


def report_progress(what: str, done: int, total: int | None) -> None:
    """Tells whoever watches how far a step is; the log is another matter."""
    if (watcher := _progress_watcher.get()) is not None:
        watcher(Progress(what, done, total))


def progress_logger(log: Callable[[str], None], what: str, total: int | None = None) -> Callable[[int], None]:
    """A function to call with the rows done so far; it tells who watches, and logs the rate, at most every ten seconds.

    With a `total` it logs the remaining time too, and the end.
    """
    start = time.perf_counter()
    last = start

    def report(done: int) -> None:
        nonlocal last
        report_progress(what, done, total)
        now = time.perf_counter()
        finished = total is not None and done >= total
        if done <= 0 or (now - last < _SECONDS_BETWEEN_LOG_LINES and not finished):
            return
        last = now
        rate = done / max(now - start, 1e-9)
        rate_text = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        if total is None:
            log(f"{what}: {done:,} ({rate_text} per second)")
        else:
            log(f"{what}: {done:,} of {total:,} ({rate_text} per second, {(total - done) / rate:,.0f} s to go)")

    return report
