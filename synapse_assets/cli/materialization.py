"""The command `materialize`: what is run in which order, and what it prints meanwhile and at the end."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import typer
from rich.console import Console
from rich.markup import escape

from synapse_assets.cli.home import prepare_home
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_LINE_EVERY_S = 30.0
# Unpartitioned, and after every other.
_LAST_WAVE = 1_000


def materialize() -> None:
    """Materialise every asset of the enabled datasets, region by region or group by group, and print where everything is."""
    console = Console(highlight=False)
    started = time.perf_counter()
    settings = Settings()
    home = prepare_home(settings)
    import dagster as dg

    from synapse_assets.datasets import load_dataset
    from synapse_assets.definitions import build_definitions
    from synapse_assets.defs.failures import failure_reason
    from synapse_assets.defs.labelling import register_due_round

    try:
        datasets = {one.name: one for one in (load_dataset(name, settings.local_root) for name in settings.datasets)}
        definitions = build_definitions(settings, datasets=list(datasets.values()))
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    failures: dict[str, str] = {}
    with dg.DagsterInstance.get() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        planned = list(waves(definitions))
        for number, (partitions, keys) in enumerate(planned, start=1):
            dataset, names = keys[0].path[0], ", ".join(key.path[-1] for key in keys)
            if dataset in failures:
                continue
            register_due_round(datasets[dataset], partitions, settings, instance)
            parts = [None] if partitions is None else partitions.get_partition_keys(dynamic_partitions_store=instance)
            for part in parts:
                where = f"{dataset} {part}" if part else dataset
                if where in failures:
                    continue
                began = time.perf_counter()
                run_id = str(uuid4())
                with _report_progress(console, f"[{number}/{len(planned)}]", where) as event:
                    instance.add_event_listener(run_id, event)
                    result = job.execute_in_process(
                        asset_selection=keys,
                        partition_key=part,
                        instance=instance,
                        raise_on_error=False,
                        run_id=run_id,
                        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    )
                mark = "[green]done[/green]" if result.success else "[red]failed[/red]"
                console.print(
                    f"[{number}/{len(planned)}] {time.perf_counter() - began:6.1f} s  {mark}  {where}: {names}",
                    soft_wrap=True,
                )
                if not result.success:
                    # A region or group that fails is left out from here on; a step for all of them ends the dataset.
                    failures[where] = failure_reason(result.all_events)
    for where, reason in failures.items():
        console.print(f"{where}: {reason}", style="red", markup=False, soft_wrap=True)
    for name in dict.fromkeys(key.path[0] for _, keys in planned for key in keys):
        _summary(console, settings, name)
    console.print(f"\nRun history: {home}   ({time.perf_counter() - started:.0f} s in all)")
    console.print("Next: [bold]make ui[/bold], then http://127.0.0.1:3000/asset-groups (lineage) and /runs (history)")
    console.print("      [bold]make explore[/bold], then http://127.0.0.1:8050: what the synapses look like")
    if failures:
        raise typer.Exit(1)


@contextmanager
def _report_progress(console: Console, number: str, where: str) -> "Iterator[Callable[[dg.EventLogEntry], None]]":
    """Prints what a run is doing, beside the spinner of a terminal or in a line every half minute; give it the run's events."""
    began = time.perf_counter()
    latest = asset = where
    ended = threading.Event()

    def print_lines() -> None:
        while not ended.wait(_LINE_EVERY_S):
            console.print(
                f"{number} {time.perf_counter() - began:6.1f} s  ...   {latest}", soft_wrap=True, markup=False
            )

    with console.status(escape(f"{number} {where} ...")) as status:

        def event(entry: "dg.EventLogEntry") -> None:
            nonlocal latest, asset
            if not entry.is_dagster_event and int(entry.level) >= logging.INFO:
                latest = f"{asset}: {entry.user_message}"
            elif entry.dagster_event is not None and entry.dagster_event.event_type_value == "STEP_START":
                latest = asset = f"{where}: {str(entry.step_key).partition('__')[2]}"
            else:
                return
            status.update(escape(f"{number} {latest} ..."))

        printer = threading.Thread(target=print_lines, daemon=True)
        if not console.is_terminal:
            printer.start()
        try:
            yield event
        finally:
            ended.set()


def waves(definitions: "dg.Definitions") -> "Iterator[tuple[dg.PartitionsDefinition | None, list[dg.AssetKey]]]":
    """Assets in an order that can be run: unpartitioned ones together, then those of a partition set, and so on; a dataset after those that
    it takes something from. What is observed of an asset is there when that was made.

    What publishes comes last: a release takes along what it does not wait for.
    """
    from synapse_assets.datasets import CHAINS, Role

    graph = definitions.resolve_asset_graph()
    publishing = {name for chain in CHAINS.values() for name in chain.names(Role.PUBLISH)}
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
        if key.path[-1] in publishing and node.partitions_def is None:
            wave = _LAST_WAVE
        keys_of_wave.setdefault((key.path[0], wave, partitions), []).append(key)
    for dataset in _in_order(taken_from):
        for keys in (keys_of_wave[at] for at in sorted(keys_of_wave) if at[0] == dataset):
            yield graph.get(keys[0]).partitions_def, keys


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
