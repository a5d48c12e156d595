"""What a command line selects: datasets, assets in Dagster's selection syntax, and regions, all checked before anything runs.

In which order it is run, and what is skipped, does not belong here.
"""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from synapse_assets.cli.completion import complete_dataset
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster import AssetKey, DagsterInstance

    from synapse_assets.datasets import Dataset

DatasetNames: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        help="Datasets, by name or YAML file. Default: those of SYNAPSE_DATASETS.",
        autocompletion=complete_dataset,
        show_default=False,
    ),
]
"""The argument of a command that works on several datasets."""
# Names in a message, before "...".
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Selection:
    """What a command works on.

    datasets: those that were named, or else the enabled ones. definitions: of these and of the enabled ones. keys: the assets that are
    made. regions: partitions, or None for all that there are. words: the arguments that say the same.
    """

    datasets: "Mapping[str, Dataset]"
    definitions: "dg.Definitions"
    keys: "frozenset[AssetKey]"
    regions: tuple[str, ...] | None
    assets: str | None
    arguments: tuple[str, ...]

    def command(self, assets: str) -> str:
        """The command line that makes `assets` of the same datasets, ready to be pasted."""
        return shlex.join(["synapse-assets", "materialize", *self.arguments, "--assets", assets])


def entry_of(settings: Settings, name: str) -> str:
    """What SYNAPSE_DATASETS says of the dataset of that name, where it is on by its YAML file; else the name itself."""
    from synapse_assets.datasets import load_dataset, packaged_datasets

    for entry in settings.datasets:
        with suppress(SynapseAssetsError):
            if (
                name not in packaged_datasets()
                and load_dataset(entry, settings.local_root, keep_unset=True).name == name
            ):
                return entry
    return name


def select(
    settings: Settings, datasets: Sequence[str] = (), assets: str | None = None, regions: str | None = None
) -> Selection:
    """What the arguments of a command select. Raises BadInput for a name that there is not, with those that are alike."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.definitions import build_definitions

    enabled = {one.name: one for one in (load_dataset(name, settings.local_root) for name in settings.datasets)}
    named = [enabled.get(name) or load_dataset(name, settings.local_root) for name in datasets]
    chosen = {one.name: one for one in named} or enabled
    definitions = build_definitions(settings, datasets=list({**enabled, **chosen}.values()))
    keys = select_assets(definitions, chosen, assets)
    names = None if regions is None else tuple(name.strip() for name in regions.split(",") if name.strip())
    if names == ():
        raise BadInput("--regions names no region: give some with commas between them, such as --regions EB,AL_L")
    return Selection(chosen, definitions, keys, names, assets, tuple(datasets))


def select_assets(
    definitions: "dg.Definitions", datasets: "Mapping[str, Dataset]", selection: str | None
) -> "frozenset[AssetKey]":
    """The assets that a selection in Dagster's syntax names, of these datasets and such as are made here.

    A name without a dataset stands for the asset of that name in each of them.
    """
    from synapse_assets.defs.dagster_private import asset_names_replaced, parsed_selection

    graph = definitions.resolve_asset_graph()
    own = {key for key in graph.get_all_asset_keys() if key.path[0] in datasets}
    made = frozenset(key for key in own if graph.get(key).is_materializable)
    if selection is None:
        return made

    def with_dataset(name: str) -> str:
        pattern = name if "/" in name else f"*/{name}"
        if own.isdisjoint(parsed_selection(f'key:"{pattern}"').resolve(graph)):
            raise BadInput(f"--assets: {_no_asset(name, own, datasets)}")
        return pattern

    try:
        selected = parsed_selection(asset_names_replaced(selection, with_dataset)).resolve(graph)
    except BadInput:
        raise
    except (ValueError, NotImplementedError) as error:
        raise BadInput(
            f"--assets: '{selection}' cannot be read as a selection: give names of assets, such as 'tiles', with a + before or after "
            "them for all that they are made from or that is made from them, joined by 'and', 'or', 'not': "
            "'tiles+ and not group:sample_8_publish'"
        ) from error
    if chosen := made & selected:
        return chosen
    if outside := sorted(own & selected):
        names = ", ".join(key.to_user_string() for key in outside)
        raise BadInput(f"--assets: '{selection}' selects only what is read and not made here: {names}")
    groups = sorted({str(graph.get(key).group_name) for key in made})
    raise BadInput(
        f"--assets: '{selection}' selects no asset of {', '.join(datasets)}. Their groups: {', '.join(groups)}"
    )


def _no_asset(name: str, keys: "Collection[AssetKey]", datasets: Iterable[str]) -> str:
    known = {key.to_user_string() if "/" in name else key.path[-1] for key in keys}
    return f"there is no asset '{name}' in {', '.join(datasets)}; {_alike(name, known)}"


def _alike(name: str, known: Collection[str]) -> str:
    """Which name was probably meant, or else which there are."""
    if close := get_close_matches(name, known, 3):
        return f"did you mean {' or '.join(close)}?"
    names = sorted(known)
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return f"there are {', '.join(names[:_NAMES_SHOWN])}{more}"


def partitions_to_make(
    selection: Selection, partitions: "dg.PartitionsDefinition | None", instance: "DagsterInstance"
) -> list[str | None]:
    """The partitions of one set that are to be made now; [None] for what has none."""
    if partitions is None:
        return [None]
    known = partitions.get_partition_keys(dynamic_partitions_store=instance)
    return [name for name in known if selection.regions is None or name in selection.regions]


def check_regions(selection: Selection, instance: "DagsterInstance", to_come: "Collection[AssetKey]" = ()) -> None:
    """Raises BadInput for a region that is named and not registered, unless one of the assets `to_come` may register it."""
    if selection.regions is None:
        return
    graph = selection.definitions.resolve_asset_graph()
    sets = {node.partitions_def for node in map(graph.get, selection.keys) if node.partitions_def is not None}
    if not sets:
        raise BadInput("--regions: nothing that is selected is made region by region: leave --regions out")
    known = {name for one in sets for name in one.get_partition_keys(dynamic_partitions_store=instance)}
    unknown = [name for name in selection.regions if name not in known]
    makers = _registering(selection)
    if not unknown or not makers.isdisjoint(to_come):
        return
    if not known and makers:
        names = " and ".join(sorted(key.path[-1] for key in makers))
        first = selection.command(" or ".join(f"+{key.path[-1]}" for key in sorted(makers)))
        raise BadInput(f"--regions: no region is known before {names} was made; run this first: {first}")
    raise BadInput(f"--regions: there is no '{unknown[0]}'; {_alike(unknown[0], known)}")


def _registering(selection: Selection) -> "set[AssetKey]":
    """The assets that say which regions there are: what is observed region by region is observed of them."""
    graph = selection.definitions.resolve_asset_graph()
    observed = (
        node
        for node in map(graph.get, graph.get_all_asset_keys())
        if node.key.path[0] in selection.datasets and node.is_partitioned and not node.is_materializable
    )
    return {key for node in observed for key in node.parent_keys if graph.get(key).is_materializable}


def check_inputs(selection: Selection, instance: "DagsterInstance") -> None:
    """Raises BadInput where something that is selected is made from what was never made and is not selected.

    What is made of the whole dataset needs at least one region of what it is made from.
    """
    graph = selection.definitions.resolve_asset_graph()
    for key in (key for key in graph.toposorted_asset_keys if key in selection.keys):
        partitions = graph.get(key).partitions_def
        parts = {part for part in partitions_to_make(selection, partitions, instance) if part is not None}
        for parent in sorted(_made_from(selection, key) - selection.keys):
            made_of = graph.get(parent).partitions_def
            made = instance.get_materialized_partitions(parent) if made_of else set()
            missing = parts - made if made_of is not None and made_of == partitions else set()
            if missing or not (made or instance.get_latest_materialization_event(parent)):
                _refuse(selection, key, parent, missing, parts - missing)


def _made_from(selection: Selection, key: "AssetKey") -> "set[AssetKey]":
    """The assets of its own dataset that an asset is made from; for what is only observed, those that it is observed of."""
    graph = selection.definitions.resolve_asset_graph()
    makers: set[AssetKey] = set()
    for parent in graph.get(key).parent_keys:
        makers |= {parent} if graph.get(parent).is_materializable else set(graph.get(parent).parent_keys)
    return {parent for parent in makers if parent.path[0] == key.path[0] and graph.get(parent).is_materializable}


def _refuse(
    selection: Selection, key: "AssetKey", parent: "AssetKey", missing: Collection[str], others: Collection[str]
) -> None:
    where = f" for {', '.join(sorted(missing))}" if missing and others else ""
    simple = str(selection.assets).replace("_", "").isalnum()
    upstream = selection.command(f"+{selection.assets}" if simple else f"+({selection.assets})")
    regions = "" if selection.regions is None else f" --regions {shlex.quote(','.join(selection.regions))}"
    remedy = f"this makes it too: {upstream}{regions}"
    if where:
        remedy += f"\nor leave {', '.join(sorted(missing))} out: --regions {shlex.quote(','.join(sorted(others)))}"
    raise BadInput(f"{key.to_user_string()} is made from {parent.path[-1]}, which was never made{where}; {remedy}")
