"""The command `materialize`: what is run in which order, and what it prints at the end."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.console import Console

from synapse_assets.cli.cluster import check_terminal
from synapse_assets.cli.completion import complete_asset, complete_region
from synapse_assets.cli.home import open_history, prepare_home, program
from synapse_assets.cli.progress import clock, console_beside_logs, shown_progress
from synapse_assets.cli.resuming import COMMAND_TAG, Command, taken_up
from synapse_assets.cli.selection import (
    DatasetNames,
    Selection,
    check_inputs,
    check_regions,
    partitions_to_make,
    select,
)
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets.stores.files import Files

if TYPE_CHECKING:
    import dagster as dg

# Unpartitioned, and after every other.
_LAST_WAVE = 1_000
# As a shell says of a program that Ctrl-C ended.
_INTERRUPTED = 130


def materialize(
    datasets: DatasetNames = None,
    assets: Annotated[
        str | None,
        typer.Option(
            metavar="SELECTION",
            help="Which assets, in Dagster's selection syntax: 'tiles', 'tiles+' with all that is made from it, '+tiles' with all that "
            "it is made from, joined by 'and', 'or', 'not'. Default: all.",
            autocompletion=complete_asset,
            show_default=False,
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Which brain regions, with commas between them; investigation groups, plates, blocks or rounds where a dataset has "
            "those. Default: all.",
            autocompletion=complete_region,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make assets (tables, models, scores, the release), region by region or group by group, and print where everything is.

    Without arguments: everything of the enabled datasets. Each piece is a run in the history that `synapse-assets ui` shows.

    Stopped by Ctrl-C, killed, or failed in a region, the same command goes on from there: what it made and is up to date is left out.

    What reads your inputs, compares, decides or publishes is made in any case.
    """
    console = console_beside_logs()
    started = time.perf_counter()
    settings = Settings()
    home = prepare_home(settings)
    try:
        selection = select(settings, datasets or (), assets, regions)
        check_terminal(settings, selection.arguments)
        Files(settings.data_root, settings.local_root).names()  # object storage that is not reached says so at once
        with open_history(settings) as instance:
            check_regions(selection, instance, to_come=selection.keys)
            if assets is not None:
                check_inputs(selection, instance)
            with taken_up(home, selection, instance) as command:
                making = _Making(console, settings, selection, command, instance)
                making.make()
                command.finished = not making.failures
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        console.print("Stopped. What was finished stays; the same command goes on from here.", style="yellow")
        raise typer.Exit(_INTERRUPTED) from None
    for where, reason in making.failures.items():
        console.print(f"{where}: {reason}", style="red", markup=False, soft_wrap=True)
    for name in making.released:
        _summary(console, settings, name)
    console.print(f"\nRun history: {home}   ({time.perf_counter() - started:.0f} s in all)")
    console.print("Next:")
    for line in next_commands(settings, selection):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if making.failures:
        raise typer.Exit(1)


@dataclass
class _Making:
    """Makes what is selected, wave by wave. failures: why, by dataset and region; a region that failed is left out from then on, and what
    fails for all regions ends its dataset."""

    console: Console
    settings: Settings
    selection: Selection
    command: Command
    instance: "dg.DagsterInstance"
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chosen = (
            (parts, [key for key in keys if key in self.selection.keys])
            for parts, keys in waves(self.selection.definitions)
        )
        self._planned = [(partitions, keys) for partitions, keys in chosen if keys]
        self._job = self.selection.definitions.resolve_implicit_global_asset_job_def()

    @property
    def released(self) -> list[str]:
        """The datasets of which a release is made, in the order in which they are made."""
        keys = (key for _, keys in self._planned for key in keys)
        return list(dict.fromkeys(key.path[0] for key in keys if key.path[-1] in _publishing()))

    def make(self) -> None:
        """Makes it. Raises KeyboardInterrupt when it is stopped; BadInput for a region that there is not when it should be made."""
        from synapse_assets.defs.input_sensors import observe_first
        from synapse_assets.defs.labelling import register_due_round

        graph = self.selection.definitions.resolve_asset_graph()
        read = {parent for key in self.selection.keys for parent in graph.get(key).parent_keys}
        for one in self.selection.datasets.values():
            observe_first(one, self.instance, read)
        for number, (partitions, keys) in enumerate(self._planned, start=1):
            dataset = keys[0].path[0]
            if dataset in self.failures:
                continue
            register_due_round(self.selection.datasets[dataset], partitions, self.settings, self.instance)
            if partitions is not None:
                later = [key for _, keys_later in self._planned[number:] for key in keys_later]
                check_regions(self.selection, self.instance, to_come=later)
            began = time.perf_counter()
            parts = partitions_to_make(self.selection, partitions, self.instance)
            for done, part in enumerate(parts):
                regions = f"{done + 1:,} of {len(parts):,}" if len(parts) > 1 else ""
                if done and regions:
                    regions += f", {clock((time.perf_counter() - began) / done * (len(parts) - done))} to go"
                where = f"{dataset} {part}" if part else dataset
                if where not in self.failures:
                    self._make_part(f"[{number}/{len(self._planned)}]", keys, where, part, regions)

    def _make_part(self, number: str, keys: "list[dg.AssetKey]", where: str, part: str | None, regions: str) -> None:
        from synapse_assets.defs.failures import failure_reason

        began = time.perf_counter()
        to_make = self.command.still_to_make(keys, part)
        if to_make:
            result = self._run(number, to_make, where, part, regions)
            if not result.success:
                self.failures[where] = failure_reason(result.all_events)
            mark = "[green]done[/green]" if result.success else "[red]failed[/red]"
        else:
            mark = "[dim]kept[/dim]"
        names = ", ".join(key.path[-1] for key in to_make or keys)
        self.console.print(f"{number} {time.perf_counter() - began:6.1f} s  {mark}  {where}: {names}", soft_wrap=True)

    def _run(
        self, number: str, keys: "list[dg.AssetKey]", where: str, part: str | None, regions: str
    ) -> "dg.ExecuteInProcessResult":
        """Runs assets of one region. Raises KeyboardInterrupt where it was stopped: the run then is cancelled in the history."""
        from synapse_assets.defs.dagster_private import was_interrupted

        run_id = str(uuid4())
        stopped = False

        def cancel_if_interrupted(entry: "dg.EventLogEntry") -> None:
            # Asked for before the run ends, so that it ends as cancelled; a failure would be reported and tried again.
            nonlocal stopped
            if not stopped and was_interrupted(entry.dagster_event):
                stopped = True
                run = self.instance.get_run_by_id(run_id)
                if run is not None:
                    self.instance.report_run_canceling(run)

        with shown_progress(self.console, number, where, regions) as event:
            self.instance.add_event_listener(run_id, event)
            self.instance.add_event_listener(run_id, cancel_if_interrupted)
            result = self._job.execute_in_process(
                asset_selection=keys,
                partition_key=part,
                instance=self.instance,
                raise_on_error=False,
                run_id=run_id,
                tags={COMMAND_TAG: self.command.id},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        if stopped:
            raise KeyboardInterrupt
        return result


def waves(definitions: "dg.Definitions") -> "Iterator[tuple[dg.PartitionsDefinition | None, list[dg.AssetKey]]]":
    """Assets in an order that can be run: unpartitioned ones together, then those of a partition set, and so on; a dataset after those that
    it takes something from. What is observed of an asset is there when that was made.

    What publishes comes last, with what is made of a release: a release takes along what it does not wait for.
    """
    graph = definitions.resolve_asset_graph()
    last = _publishing() | _reporting()
    keys_of_wave: dict[tuple[str, int, str], list[dg.AssetKey]] = {}
    # Of every asset its wave, and the partitions that are made in it.
    made_in: dict[dg.AssetKey, tuple[int, str]] = {}
    taken_from: dict[str, set[str]] = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        taken_from.setdefault(key.path[0], set()).update(parent.path[0] for parent in node.parent_keys)
        parents = [made_in[parent] for parent in sorted(node.parent_keys) if parent in made_in]
        if not node.is_materializable:
            own = [
                made_in[parent] for parent in node.parent_keys if parent in made_in and parent.path[0] == key.path[0]
            ]
            if own:
                made_in[key] = max(own)
            continue
        # An even wave is unpartitioned, an odd one runs partition by partition.
        wave, partitions = (0, "") if node.partitions_def is None else (1, _set_of(node.partitions_def))
        for before, of_parent in parents:
            others = 2 if partitions and of_parent and partitions != of_parent else 0
            wave = max(wave, before + ((before + wave) % 2 or others))
        made_in[key] = wave, partitions
        if key.path[-1] in last and node.partitions_def is None:
            wave = _LAST_WAVE
        keys_of_wave.setdefault((key.path[0], wave, partitions), []).append(key)
    for dataset in _in_order(taken_from):
        for keys in (keys_of_wave[at] for at in sorted(keys_of_wave) if at[0] == dataset):
            yield graph.get(keys[0]).partitions_def, keys


def _publishing() -> set[str]:
    """The names of assets that build a release."""
    from synapse_assets.datasets import CHAINS, Role

    return {name for chain in CHAINS.values() for name in chain.names(Role.PUBLISH)}


def _reporting() -> set[str]:
    """The names of assets that are made of a release."""
    from synapse_assets.datasets import CHAINS, Role

    return {name for chain in CHAINS.values() for name in chain.names(Role.REPORT)}


def _set_of(partitions: "dg.PartitionsDefinition") -> str:
    """What tells a set of partitions from others of its dataset."""
    return str(getattr(partitions, "name", None) or "parts")


def _in_order(taken_from: Mapping[str, Collection[str]]) -> list[str]:
    """The names, each after those that it takes something from, else by the alphabet. Two may take from each other."""
    order: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for other in sorted(taken_from.get(name, ())):
                add(other)
            order.append(name)

    for name in sorted(taken_from):
        add(name)
    return order


def next_commands(settings: Settings, selection: Selection) -> list[str]:
    """The commands with which to look at what was made, ready to be pasted."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.stores import DatasetStore

    enabled = {*settings.datasets, *(load_dataset(name, settings.local_root).name for name in settings.datasets)}
    lines = []
    if others := [name for name in selection.arguments if name not in enabled]:
        lines.append(f"export SYNAPSE_DATASETS={','.join([*settings.datasets, *others])}")
    lines.append(f"{program()} ui         # http://127.0.0.1:3000/asset-groups: lineage; /runs: history")
    stores = (DatasetStore(settings.data_root, name, settings.local_root) for name in selection.datasets)
    if any(store.release() is not None for store in stores):
        lines.append(f"{program()} explore    # http://127.0.0.1:8050: what the synapses look like")
    return lines


def _summary(console: Console, settings: Settings, dataset: str) -> None:
    from synapse_assets.query import open_warehouse

    try:
        warehouse = open_warehouse(dataset, settings.data_root)
    except SynapseAssetsError as error:
        console.print(f"\n{dataset}: {error}", markup=False)
        return
    with warehouse:
        folder = f"{settings.data_root}/{dataset}"
        console.print(f"\n[bold]{dataset}[/bold]   {folder}")
        for name, entry in warehouse.release["tables"].items():
            console.print(f"  {name:<22}{entry['rows']:>10,} rows")
        console.print(f"  warehouse             {folder}/warehouse.duckdb")
        for name, scores in warehouse.release["scores"].items():
            scores_text = "   ".join(
                f"{key} {value if isinstance(value, str) else f'{value:.3g}'}" for key, value in scores.items()
            )
            console.print(f"  {name:<22}{scores_text}", soft_wrap=True)
