"""The commands of labelling: who may label, and the answers as files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synapse_assets import serving
from synapse_assets.cli.completion import complete_dataset
from synapse_assets.cli.selection import entry_of
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

annotator = typer.Typer(no_args_is_help=True, help="Say who may label in the explorer: add, remove or list people.")
labels = typer.Typer(no_args_is_help=True, help="Bring in or take out, as CSV, what people labelled.")


@annotator.command("add")
def add_annotator(name: Annotated[str, typer.Argument(help="Name that the answers are kept under.")]) -> None:
    """Add a person, and print the token that they log in with.

    It is shown this once: to replace it, remove the name and add it again.
    """
    from synapse_assets.stores.annotators import Annotators

    settings = Settings()
    token = Annotators(Path(settings.local_root)).add(name)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"token of {name.strip()}, shown this once: {token}")
    console.print(f"log in at {settings.explorer_url}/labelling (`synapse-assets explore --labelling`)")


@annotator.command("remove")
def remove_annotator(name: Annotated[str, typer.Argument(help="Name as `annotator list` shows it.")]) -> None:
    """End the token of a person, at once. Their answers stay."""
    from synapse_assets.stores.annotators import Annotators

    Annotators(Path(Settings().local_root)).remove(name)


@annotator.command("list")
def list_annotators() -> None:
    """Print the names of all who may label, one a line."""
    from synapse_assets.stores.annotators import Annotators

    for name in Annotators(Path(Settings().local_root)).names():
        typer.echo(name)


_LABELLED = Annotated[
    str,
    typer.Argument(help="Dataset that was labelled: its name, or its YAML file.", autocompletion=complete_dataset),
]


@labels.command("export")
def export_labels(dataset: _LABELLED, file: Annotated[Path, typer.Argument(help="CSV file to write.")]) -> None:
    """Write every answer, undo and adjudication as it was given.

    The file names people: it is its owner's alone.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.labelling.spreadsheets import export_answers
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    store = DatasetStore(
        settings.data_root, load_dataset(entry_of(settings, dataset), settings.local_root).name, settings.local_root
    )
    if not file.parent.is_dir():
        raise BadInput(f"{file}: there is no folder {file.parent}; make it, or name another")
    serving.write_whole(file, export_answers(store))
    rows = store.annotation_log.count
    typer.echo(f"{rows:,} row{'' if rows == 1 else 's'}: {file}")


@labels.command("import")
def import_labels(
    dataset: _LABELLED,
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns synapse_id and answer, or those of an export.")
    ],
    annotator: Annotated[str | None, typer.Option(help="Whose answers they are, where the file does not say.")] = None,
) -> None:
    """Take answers from a CSV file: all of it, or nothing where a line is wrong.

    What is stored already adds nothing.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.labelling.spreadsheets import import_answers
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(entry_of(settings, dataset), settings.local_root)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    new = import_answers(store, loaded, file, annotator)
    typer.echo(f"{new:,} new answer{'' if new == 1 else 's'}")


@labels.command("export-sites")
def export_reviewed_sites(
    dataset: Annotated[
        str,
        typer.Argument(
            help="Dataset whose volumes were looked through: its name, or its YAML file.",
            autocompletion=complete_dataset,
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
) -> None:
    """Write the boxes that people looked through as a dataset of their own.

    The folder holds sites, masks, and a YAML that trains on them, and no names of people.
    """
    from logging import getLogger

    from synapse_assets.datasets import DetectionDataset, load_dataset
    from synapse_assets.pipeline.detection.labelling.export import DATASET_FILE, export_sites
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(entry_of(settings, dataset), settings.local_root)
    if not isinstance(loaded, DetectionDataset) or loaded.labelling is None:
        raise BadInput(f"{loaded.name}: people look through volumes of datasets with chain: detection and labelling")
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    boxes, sites = export_sites(store, loaded, folder, getLogger(__name__))
    typer.echo(f"{boxes:,} boxes with {sites:,} sites: {folder / DATASET_FILE}")
