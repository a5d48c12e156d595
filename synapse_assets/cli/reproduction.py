"""The command `reproduce`: a dataset from published tables that anybody can make again, and what everybody should see of it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from synapse_assets.cli.cluster import refuse_local_inputs
from synapse_assets.cli.completion import complete_dataset
from synapse_assets.cli.home import open_history, prepare_home
from synapse_assets.cli.materialization import materialize
from synapse_assets.cli.selection import select
from synapse_assets.cli.status import collect_status
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    from synapse_assets.datasets import EmDataset, PublishedFile, PublishedSubset
    from synapse_assets.pipeline.em.published_subset import Cost
    from synapse_assets.pipeline.em.reproduction import Number

# What is said of a number that everybody should see, and in which colour.
_MARKS = {True: ("as expected", "green"), False: ("differs", "red"), None: ("not assessed", "yellow")}


def reproduce(
    dataset: Annotated[
        str,
        typer.Argument(help="A dataset with `subset`: its name, or its YAML file.", autocompletion=complete_dataset),
    ] = "fafb_10k",
    yes: Annotated[bool, typer.Option("--yes", help="Start without being asked.")] = False,
) -> None:
    """Make a dataset of a real brain that anybody can make again: from public tables to scores, map and report.

    It says first what is fetched from where, how large that is, how long it takes and what is cited, and asks before it starts. Stopped
    at any point, the same command goes on from there. At the end it compares what came out with what everybody should see.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.em.published_subset import cost_of, make_sites
    from synapse_assets.pipeline.em.reproduction import write_reproduction
    from synapse_assets.report import write_report
    from synapse_assets.stores import DatasetStore

    settings, console = Settings(), Console(highlight=False)
    loaded: EmDataset = load_dataset(dataset, settings.local_root)  # type: ignore[assignment]
    subset: PublishedSubset | None = getattr(loaded, "subset", None)
    if subset is None:
        raise BadInput(
            f"{loaded.name} says of no published tables what is taken from them (subset in its file): try fafb_10k"
        )
    refuse_local_inputs([dataset], settings)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    _state(console, loaded, subset, cost_of(store, loaded, subset))
    if not yes and not _confirmed(dataset):
        console.print("Nothing was fetched.")
        return
    with _shown_progress(console) as progress:
        record = make_sites(store, loaded, subset, progress, lambda line: console.print(line, markup=False))
    console.print(f"{record['sites']:,} sites chosen, SHA-256 of their table {record['sha256']}", soft_wrap=True)
    try:
        materialize([dataset])
    except typer.Exit as stopped:
        # A region that failed stops no other: what there is of a release is compared all the same.
        if stopped.exit_code != 1 or store.release() is None:
            raise
    numbers = write_reproduction(store, loaded, subset, record, _failures(settings, dataset))
    _compare(console, numbers)
    report = write_report(store, loaded)
    console.print(f"Report: {report.address}", markup=False, soft_wrap=True)
    console.print(
        f"Page: {settings.explorer_url}/{loaded.name} (SYNAPSE_DATASETS={dataset} synapse-assets explore)",
        soft_wrap=True,
    )
    if any(number.holds is False for number in numbers):
        raise typer.Exit(1)


def _confirmed(dataset: str) -> bool:
    """Whether the person says yes. Raises BadInput where nobody can be asked."""
    if not sys.stdin.isatty():
        raise BadInput(f"nobody can be asked here whether to start: `synapse-assets reproduce {dataset} --yes` starts")
    return typer.confirm("Start?")


def _state(console: Console, dataset: "EmDataset", subset: "PublishedSubset", cost: "Cost") -> None:
    """Prints what is fetched, how large it is, how long it takes, under which licences, and what is cited."""
    from synapse_assets.sources.web import shown_address

    def line(label: str, text: str) -> None:
        console.print(f"[bold]{label:<10}[/bold]", end="")
        console.print(text, markup=False, soft_wrap=True)

    console.print(f"[bold]{dataset.title}[/bold]")
    console.print(dataset.description, markup=False)
    for file, left in cost.downloads:
        digests = [name for name, value in (("SHA-256", file.sha256), ("MD5", file.md5)) if value is not None]
        checked = (
            f"checked by {' and '.join(digests)}" if digests else "no checksum is known: its size alone is checked"
        )
        line("to fetch", f"{left / 1e9:6.3g} GB  {Path(file.path).name}, {checked}, from {shown_address(file.url)}")
    for spec in dataset.volumes.values():
        about = "" if cost.tile_gb_is_exact else ", about, for as many places at random"
        line(
            "",
            f"{cost.tile_gb:6.3g} GB  parts of the volume for {subset.sites:,} tiles{about}, from {shown_address(spec.url)}",
        )
    parts = ", ".join(f"{part} {value:.2g}" for part, value in cost.hours.items())
    line("hours", f"about {sum(cost.hours.values()):.2g}: {parts}")
    line(
        "",
        "(assumed: tables at 10 MB/s, tiles at 50 MB/s; measured on two cores without a GPU: the choice and everything else)",
    )
    line("disk", f"{cost.disk_gb:.3g} GB of {cost.free_gb:.3g} GB that are free")
    for file in subset.downloads:
        line("licence", f"{Path(file.path).name}: {file.licence}. Cite: {file.cite}")


@contextmanager
def _shown_progress(console: Console) -> "Iterator[Callable[[PublishedFile, int], None]]":
    """A bar a file in a terminal, with rate and remaining time; lines elsewhere."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from synapse_assets.pipeline.report import progress_logger

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    lines: dict[str, Callable[[int], None]] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, object] = {}

        def progress(file: "PublishedFile", size: int) -> None:
            name = Path(file.path).name
            if console.is_terminal:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=file.bytes, completed=size)
                bars.update(tasks[name], completed=size)  # type: ignore[arg-type]
            else:
                if name not in lines:
                    lines[name] = progress_logger(
                        lambda line: console.print(line, markup=False), f"{name}, bytes", file.bytes
                    )
                lines[name](size)

        yield progress


def _failures(settings: Settings, dataset: str) -> list[str]:
    """The dataset's assets whose last run failed, and the checks that failed, but those that only warn."""
    home = prepare_home(settings, sends_runs=False)
    selection = select(settings, [dataset])
    with open_history(settings) as instance:
        assets = collect_status(selection, settings, instance, home).assets
    runs = [asset.asset for asset in assets if asset.failed]
    checks = {f"{asset.asset} {check.name}" for asset in assets for check in asset.checks if check.severity == "ERROR"}
    return [*runs, *sorted(checks)]


def _compare(console: Console, numbers: "Sequence[Number]") -> None:
    """Prints what everybody should see beside what this run gave, and then what only this run can tell."""
    from synapse_assets.pipeline.em.reproduction import ORIENTATION

    def line(mark: str, style: str, text: str, note: str) -> None:
        console.print(f"  [{style}]{mark:<12}[/{style}]", end="")
        console.print(f"{text} ({note})" if note else text, markup=False, soft_wrap=True)

    console.print("\n[bold]What everybody should see[/bold]")
    for number in numbers:
        if number.expected:
            mark, style = _MARKS[number.holds]
            beside = "" if number.yours == number.expected else f"; expected: {number.expected}"
            line(mark, style, f"{number.name}: {number.yours}{beside}", number.note)
    console.print("[bold]What only your run can tell[/bold]")
    for number in numbers:
        if not number.expected:
            line("", "dim", f"{number.name}: {number.yours}", number.note)
    console.print(f"{ORIENTATION}\n", markup=False, soft_wrap=True)
