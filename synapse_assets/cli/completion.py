"""What a shell completes: names of datasets, of their assets, models and regions. Silent whatever is wrong, and without Dagster.

Each is given to an argument or option as its `autocompletion`. Installing completion in a shell is Typer's `--install-completion`.
"""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from synapse_assets.datasets import Dataset, chain_of, load_dataset, packaged_datasets
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

# What stands before the last name of a selection (`+tiles`, `synapses or tiles`) or of a list with commas.
_BEFORE_NAME = re.compile(r"^.*[\s,+*()\"':/]", re.DOTALL)
_Found = list[tuple[str, str]]


def _silent(complete: Callable[..., _Found]) -> Callable[..., _Found]:
    """A message in the middle of a line that somebody types helps nobody: the command itself says what is wrong."""

    @wraps(complete)
    def completed(*given: Any, **named: Any) -> _Found:
        try:
            return complete(*given, **named)
        except Exception:
            return []

    return completed


@_silent
def complete_dataset(incomplete: str) -> _Found:
    """Datasets by name, those that are on first; with their titles."""
    settings = Settings()
    names = dict.fromkeys([*settings.datasets, *packaged_datasets()])
    return [(name, _title(name, settings)) for name in names if name.startswith(incomplete)]


@_silent
def complete_asset(ctx: typer.Context, incomplete: str) -> _Found:
    """Assets of the datasets named on the line, of all that are on where there is none; the last name of a selection is completed."""
    assets = {facts.name: facts.stage for dataset in _named(ctx) for facts in chain_of(dataset).assets_of(dataset)}
    return _completed(incomplete, assets)


@_silent
def complete_model(ctx: typer.Context, incomplete: str) -> _Found:
    """Models that can be promoted of the dataset named on the line."""
    return _completed(
        incomplete, {name: "" for dataset in _named(ctx) for name in chain_of(dataset).models_of(dataset)}
    )


@_silent
def complete_region(ctx: typer.Context, incomplete: str) -> _Found:
    """Regions, or other parts, that something is stored of; the last name of a list with commas is completed."""
    settings = Settings()
    parts: dict[str, str] = {}
    for dataset in _named(ctx):
        store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
        parts |= dict.fromkeys(dataset.parts or store.stored_parts(chain_of(dataset).part), dataset.name)
    return _completed(incomplete, parts)


def _completed(incomplete: str, names: dict[str, str]) -> _Found:
    before = match[0] if (match := _BEFORE_NAME.match(incomplete)) else ""
    return [(before + name, help_text) for name, help_text in names.items() if (before + name).startswith(incomplete)]


def _named(ctx: typer.Context) -> Iterator[Dataset]:
    """The datasets on the line so far, or those that are on."""
    settings = Settings()
    given = ctx.params.get("datasets") or ctx.params.get("dataset") or settings.datasets
    for name in [given] if isinstance(given, str) else given:
        yield load_dataset(name, settings.local_root, keep_unset=True)


def _title(name: str, settings: Settings) -> str:
    """What a dataset is called; its file's name where it cannot be read."""
    try:
        return load_dataset(name, settings.local_root, keep_unset=True).title
    except Exception:
        return Path(name).name
