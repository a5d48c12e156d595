"""The command `report`: a release as one HTML file for the supplement of a paper."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synapse_assets.cli.completion import complete_dataset
from synapse_assets.cli.selection import entry_of
from synapse_assets.settings import Settings


def report(
    dataset: Annotated[str, typer.Argument(help="Dataset by name, or its YAML file.", autocompletion=complete_dataset)],
    release: Annotated[
        str | None,
        typer.Option(help="Name of a frozen release. Default: the one that is out now.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file to write. Default: report.html beside the release.", show_default=False),
    ] = None,
) -> None:
    """Write the report of a release, one HTML file for the supplement of a paper.

    Inputs with their hashes, coverage, maps, clusters, scores with intervals, versions and how to cite; every number with the query that
    gives it. Print it to PDF from the browser.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.report import write_report
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(entry_of(settings, dataset), settings.local_root)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    written = write_report(store, loaded, release, out)
    Console(highlight=False).print(
        f"{written.sections} sections, {written.size_bytes / 1e6:.1f} MB: {written.address}",
        markup=False,
        soft_wrap=True,
    )
