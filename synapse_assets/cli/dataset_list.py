"""The command `datasets`: which there are, what each needs before it can run, and what is stored of it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from synapse_assets.cli.completion import complete_dataset
from synapse_assets.cli.home import program
from synapse_assets.cli.selection import entry_of
from synapse_assets.datasets import Dataset, chain_of, load_dataset, packaged_datasets
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets.sources.needs import Needs, State, needs_of
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files

# Where no terminal says how wide it is: lines stay whole, for grep.
_WIDE = 400
_NAMES_SHOWN = 12
# A narrower terminal has no room for titles beside the names of variables, which are there to be copied.
_WITH_TITLES = 130


def datasets(
    name: Annotated[
        str | None,
        typer.Argument(help="One to show in detail: its name, or its YAML file.", autocompletion=complete_dataset),
    ] = None,
) -> None:
    """List the datasets: what each is, what it needs, and what is stored of it.

    With the name of one: its files, volumes, tiles and regions, and the commands to run next.
    """
    settings = Settings()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    if name is None:
        _list(console, settings)
    else:
        _show(console, settings, name)


def _list(console: Console, settings: Settings) -> None:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    is_wide = console.width >= _WITH_TITLES
    for title in ("", "dataset", "chain", "needs", "stored", *(["title"] if is_wide else [])):
        table.add_column(title, no_wrap=title in ("", "dataset", "chain", "title"), overflow="fold")
    try:
        stored = Files(settings.data_root, settings.local_root).names()
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        stored = []
    for name in dict.fromkeys([*settings.datasets, *packaged_datasets()]):
        mark = "on" if name in settings.datasets else ""
        try:
            dataset = load_dataset(name, settings.local_root, keep_unset=True)
            needs = needs_of(name, dataset, settings.local_root)
            is_stored = dataset.name in stored
            kept = ", ".join(_stored(settings, dataset)) if is_stored else "nothing"
            row = (dataset.name, dataset.chain, ", ".join(needs.in_words()), kept, dataset.title)
        except SynapseAssetsError as error:
            row = (name, "?", f"cannot be read: {' '.join(str(error).split())}", "", "")
        style = "" if mark else "dim"
        table.add_row(mark, *map(escape, row[: 5 if is_wide else 4]), style=style)
    console.print(table)
    console.print("\non: named in SYNAPSE_DATASETS, so that every command and the UI have it.", soft_wrap=True)
    console.print("One in detail, and what to run next: [bold]synapse-assets datasets NAME[/bold]", soft_wrap=True)


def _stored(settings: Settings, dataset: Dataset) -> list[str]:
    """What is stored of a dataset, in a few words; empty for nothing."""
    store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
    part = chain_of(dataset).part.replace("_", " ")
    parts, release = store.stored_parts(chain_of(dataset).part), store.release()
    words = [f"{len(parts)} {part}{'' if len(parts) == 1 else 's'}"] if parts else []
    if release is not None:
        words.append(f"released {str(release['created'])[:16].replace('T', ' ')}")
    return words or ["inputs only"]


def _show(console: Console, settings: Settings, name: str) -> None:
    entry = entry_of(settings, name)
    dataset = load_dataset(entry, settings.local_root, keep_unset=True)
    needs = needs_of(entry, dataset, settings.local_root)
    console.print(f"[bold]{escape(dataset.name)}[/bold]  {escape(dataset.title)}")
    console.print(dataset.description.strip(), markup=False, soft_wrap=not console.is_terminal)
    console.print()
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for label, text in _facts(settings, dataset, entry in settings.datasets):
        facts.add_row(label, escape(text))
    for variable in needs.variables:
        facts.add_row("variable", f"{variable}: {'[yellow]not set[/yellow]' if variable in needs.unset else 'set'}")
    console.print(facts)
    files = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    files.add_column("field")
    files.add_column("path or address", overflow="fold")
    files.add_column("")
    fields: dict[tuple[str, State], list[str]] = {}
    for place, state in needs.places:
        # As it stands in the file: what a variable holds may be a secret, where it is no path.
        shown = place.address if state is State.MISSING else place.written
        fields.setdefault((shown, state), []).append(place.where)
    for (shown, state), where in fields.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        files.add_row(*map(escape, (where[0] + more, shown)), _STYLES.get(state, "{}").format(state.value))
    console.print()
    console.print(files)
    console.print("\n[bold]next[/bold]")
    for line in _next(settings, entry, dataset, needs):
        console.print(f"  {line}", markup=False, soft_wrap=True)


_STYLES = {State.MISSING: "[red]{}[/red]", State.UNSET: "[yellow]{}[/yellow]"}


def _facts(settings: Settings, dataset: Dataset, is_on: bool) -> list[tuple[str, str]]:
    """What a dataset is, as label and text, from its model."""
    chain = chain_of(dataset)
    facts = [
        (
            "chain",
            f"{dataset.chain}: {len(chain.assets_of(dataset))} assets; pages: {_names(list(chain.pages_of(dataset).values()))}",
        )
    ]
    facts.append(("on", "yes" if is_on else "no"))
    for name, volume in dataset.tile_volumes.items():
        size = " x ".join(f"{side:g}" for side in volume.voxel_size_nm)
        ceiling = f", at most {volume.download_ceiling_gb:g} GB fetched a run" if "://" in volume.url else ""
        facts.append(("volume", f"{name}: {volume.kind}, voxels of {size} nm{ceiling}"))
    with suppress(BadInput):
        tile = dataset.tile_spec
        width = tile.size_px * dataset.tile_pixel_nm
        depths = sorted({tile.sections * volume.voxel_size_nm[2] for volume in dataset.tile_volumes.values()})
        deep = f", {depths[0]:g} nm deep" if depths else ""
        sections = f" in {tile.sections} sections" if depths else ""
        facts.append(("tile", f"{tile.size_px} x {tile.size_px} px{sections}: {width:g} nm wide{deep}"))
    with suppress(BadInput):
        held_out = ", ".join(getattr(dataset, "grouping", [dataset.group_column]))
        facts.append(("classes", f"{dataset.target_name}; tested with groups held out: {held_out}"))
    store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
    parts = dataset.parts or store.stored_parts(chain.part)
    found = _names(parts) if parts else "known once the inputs are read"
    facts.append((chain.part.replace("_", " ") + "s", found))
    kept = _stored(settings, dataset) if store.folder.names() else ["nothing"]
    facts.append(("stored", f"{', '.join(kept)}, in {store.folder.root}"))
    return facts


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _next(settings: Settings, name: str, dataset: Dataset, needs: Needs) -> list[str]:
    """The commands to run next, ready to be pasted."""
    lines = [f"export {variable}=...    # see above" for variable in needs.unset]
    if needs.missing:
        lines.append(f"# put {', '.join(sorted({Path(place.written).name for place in needs.missing}))} there")
    if name not in settings.datasets:
        lines.append(f"export SYNAPSE_DATASETS={','.join([*settings.datasets, name])}    # for the UI and the explorer")
    released = DatasetStore(settings.data_root, dataset.name, settings.local_root).release() is not None
    command = "materialize" if getattr(dataset, "subset", None) is None else "reproduce"
    lines.append(f"{program()} {command} {name}{'    # what is out of date is made again' if released else ''}")
    if released:
        lines.append(f"{program()} explore")
    return lines
