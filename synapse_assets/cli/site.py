"""The command `export-site`: a release as a web site of plain files."""

import logging
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from synapse_assets.cli.completion import complete_dataset
from synapse_assets.cli.selection import entry_of
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    from synapse_assets.datasets import Dataset
    from synapse_assets.site.export import Exported

_INTERRUPTED = 130


def export_site(
    dataset: Annotated[str, typer.Argument(help="Dataset by name, or its YAML file.", autocompletion=complete_dataset)],
    out: Annotated[Path, typer.Argument(help="Folder for the site: a new one, an empty one, or its earlier export.")],
    release: Annotated[
        str | None,
        typer.Option(help="Name of a frozen release. Default: the one that is out now.", show_default=False),
    ] = None,
) -> None:
    """Write a release as a web site of plain files, for any static host.

    Title page, map, search, gallery, clusters and classes, worked out in the visitor's browser; and the tables as Parquet with a dictionary
    of their columns. What `publish:` in the dataset file says stands on it; columns that it leaves out are nowhere on it.

    Stopped or killed, the same command goes on from there. The folder appears when the site is whole.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.site.export import export_site as export

    settings = Settings()
    console = Console(highlight=False)
    loaded = load_dataset(entry_of(settings, dataset), settings.local_root)
    try:
        exported = export(loaded, settings.data_root, out, _shown(console), release)
    except KeyboardInterrupt:
        console.print("Stopped. What was finished stays; the same command goes on from here.", style="yellow")
        raise typer.Exit(_INTERRUPTED) from None
    _tell(console, loaded, exported)


def _shown(console: Console) -> logging.Logger:
    """A log whose messages are printed, each with the seconds since now."""
    began = time.perf_counter()

    class Printed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seconds = time.perf_counter() - began
            console.print(f"{seconds:6.1f} s  {record.getMessage()}", markup=False, soft_wrap=True)

    log = logging.Logger("export-site", logging.INFO)
    log.addHandler(Printed())
    return log


def _tell(console: Console, dataset: "Dataset", exported: "Exported") -> None:
    """Prints what was written, what was not, and how to look at it."""
    from synapse_assets.site.exported import not_exported
    from synapse_assets.site.front import SERVE

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, soft_wrap=True)

    line(f"{exported.files:,} files, {exported.bytes / 1e6:,.1f} MB: {exported.out}")
    for title, pages in exported.pages.items():
        line(f"  {title}: {', '.join(pages)}")
    line(f"  {exported.tables} tables")
    for sentence in exported.told:
        line(f"Not published, but {sentence}: add these to publish.leave_out if they tell too much", "yellow")
    missing = ", ".join(each.title for each in not_exported(dataset))
    line(f"Not exported (its page about/ says why): {missing}")
    line("Look at it here, at http://127.0.0.1:8000:")
    line(f"  {SERVE.format(out=shlex.quote(str(exported.out)))}")
