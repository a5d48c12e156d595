"""What is shown of a run while it is at work: a bar with count, rate and remaining time in a terminal, lines elsewhere.

What a run makes, and what is printed when it ended, does not belong here.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from synapse_assets.pipeline.report import Progress, progress_watched

if TYPE_CHECKING:
    from dagster import EventLogEntry

_LINE_EVERY_S = 30.0
_BAR_WIDTH = 28


def console_beside_logs() -> Console:
    """A console that is not cut off while a step is at work: Dagster then keeps in the step's log what goes to standard output."""
    try:
        own = os.dup(sys.stdout.fileno())
    except OSError:
        # Standard output that is no file of the system, such as that of a notebook.
        return Console(highlight=False)
    sys.stdout.flush()
    return Console(file=os.fdopen(own, "w", encoding=sys.stdout.encoding, buffering=1), highlight=False)


@contextmanager
def shown_progress(
    console: Console, number: str, where: str, regions: str = ""
) -> "Iterator[Callable[[EventLogEntry], None]]":
    """Shows what a run is doing, in a terminal or in a line every half minute. Gives what takes the run's events.

    number: of the wave that the run belongs to. where: dataset and region. regions: how far the wave is with its regions.
    """
    display = _Display(number, where, regions)
    ended = threading.Event()
    began = time.perf_counter()

    def print_lines() -> None:
        while not ended.wait(_LINE_EVERY_S):
            seconds = time.perf_counter() - began
            console.print(f"{number} {seconds:6.1f} s  ...   {display.latest}", soft_wrap=True, markup=False)

    if not console.is_terminal:
        threading.Thread(target=print_lines, daemon=True).start()
    try:
        with progress_watched(display.count):
            if console.is_terminal:
                with Live(display.rows, console=console, transient=True):
                    yield display.event
            else:
                yield display.event
    finally:
        ended.set()


class _Display:
    """Two rows: the run with the asset that it makes, and what its step counts. latest: what it does, in words."""

    def __init__(self, number: str, where: str, regions: str) -> None:
        self.latest = self._asset = self._where = where
        # Steps begin their messages with the region, which stands in every row already.
        self._region = f"{where.partition(' ')[2]}: "
        self._number = number
        self._what: str | None = None
        self._regions = f"   [dim]{escape(regions)}[/dim]" if regions else ""
        self._run = Bars(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._step = Bars(TextColumn("  {task.description}"), BarColumn(_BAR_WIDTH), _Figures())
        self._run_row = self._run.add_task(self._title(where), total=None)
        self._step_row = self._step.add_task("", total=None, visible=False)
        self.rows = Group(self._run, self._step)

    def _title(self, text: str) -> str:
        return f"{escape(self._number)} {escape(text)}{self._regions}"

    def event(self, entry: "EventLogEntry") -> None:
        """Takes an event of the run: a step that begins, or what it logs."""
        if not entry.is_dagster_event and int(entry.level) >= logging.INFO:
            self.latest = f"{self._asset}: {entry.user_message.removeprefix(self._region)}"
            if self._what is None:
                self._run.update(self._run_row, description=self._title(self.latest))
        elif entry.dagster_event is not None and entry.dagster_event.event_type_value == "STEP_START":
            self.latest = self._asset = f"{self._where}: {str(entry.step_key).partition('__')[2]}"
            self._what = None
            self._run.update(self._run_row, description=self._title(self._asset))
            self._step.update(self._step_row, visible=False)

    def count(self, progress: Progress) -> None:
        """Takes what a step has counted."""
        what, of_total = progress.what.removeprefix(self._region), f" of {progress.total:,}" if progress.total else ""
        self.latest = f"{self._asset}: {what}: {progress.done:,}{of_total}"
        if progress.what != self._what:
            self._what = progress.what
            self._run.update(self._run_row, description=self._title(self._asset))
            self._step.reset(self._step_row, total=progress.total, description=escape(what), visible=True)
        self._step.update(self._step_row, completed=progress.done)


class _Figures(ProgressColumn):
    """Count, rate and remaining time, by the mean rate since the count began."""

    def render(self, task: Task) -> Text:
        rate = task.completed / task.elapsed if task.elapsed else 0.0
        figures = f"{task.completed:,.0f}" if task.total is None else f"{task.completed:,.0f} of {task.total:,.0f}"
        if rate:
            figures += f"   {rate:,.0f}/s" if rate >= 10 else f"   {rate:.2g}/s"
            if task.total is not None:
                figures += f"   {clock((task.total - task.completed) / rate)} left"
        return Text(figures)


def clock(seconds: float) -> str:
    """A duration as hours, minutes and seconds: 1:02:03, 0:07."""
    text = str(timedelta(seconds=round(seconds)))
    return text.removeprefix("0:").removeprefix("0") if text.startswith("0:0") else text.removeprefix("0:")
