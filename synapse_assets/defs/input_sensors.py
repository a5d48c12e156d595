"""New inputs arrive: the external assets of a dataset, the sensor that watches their files, and the nightly check of all of them.

Polling (`pipeline.inputs`) only finds which content there is; here that is recorded. What is made of it belongs to `automation`.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.datasets.chain import RAW
from synapse_assets.defs.asset import OWNERS, asset, asset_key, materialized, observed_version
from synapse_assets.defs.chain import lineage_of
from synapse_assets.defs.dagster_private import read_inputs_anew
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.pipeline.inputs import UNWATCHED, content_of, made_by_others, poll_all, try_poll, watched_inputs
from synapse_assets.pipeline.report import Detail, Report, Stopwatch
from synapse_assets.schema import INPUT_FILES
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


def input_assets(dataset: Dataset, settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The external assets of a dataset, after those of other datasets that write their files. Observing them by hand checks the files at
    once."""
    inputs = lineage_of(dataset).inputs(dataset)
    watched = watched_inputs(inputs)
    specs = {
        source_input.asset: dg.AssetSpec(
            asset_key(dataset, source_input.asset),
            deps=[
                dg.AssetDep(dg.AssetKey(maker), partition_mapping=dg.AllPartitionMapping())
                for maker in made_by_others(source_input, dataset.name, settings.data_root)
            ],
            description=source_input.description,
            metadata=source_input.metadata,
            kinds=source_input.kinds,
            group_name=f"{dataset.name}_{RAW}",
            owners=OWNERS,
        )
        for source_input in inputs
    }

    unwatched = [spec for name, spec in specs.items() if name == UNWATCHED]
    if not watched:
        return [*input_file_assets(dataset), *unwatched]

    @dg.multi_observable_source_asset(
        name=f"{dataset.name}_inputs", specs=[specs[source_input.asset] for source_input in watched]
    )
    def observe_inputs() -> Iterator[dg.ObserveResult]:
        for source_input in watched:
            version, known = content_of(source_input)
            yield dg.ObserveResult(
                asset_key(dataset, source_input.asset),
                {"files": sum(map(len, known.values()))},
                data_version=dg.DataVersion(version),
            )

    return [observe_inputs, *input_file_assets(dataset), *unwatched]


def arrivals_sensor(dataset: Dataset, settings: Settings) -> dg.SensorDefinition:
    """Watches the files of a dataset. What is new, changed or gone is observed once two polls in a row found the same."""

    @dg.sensor(
        name=f"{dataset.name}_arrivals",
        minimum_interval_seconds=settings.tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks at the files of {dataset.title}. New content is observed as soon as nothing is being written any "
        "more; automation then makes what follows from it.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = json.loads(context.cursor or "{}")
        observed, notes = [], []
        for source_input in watched_inputs(lineage_of(dataset).inputs(dataset)):
            name = source_input.asset
            observed_before = observed_version(context.instance, asset_key(dataset, name))
            seen[name], version, note = try_poll(dataset.name, source_input, seen.get(name, {}), observed_before)
            if note:
                notes.append(f"{name}: {note}")
            if version is not None and version != observed_before:
                observed.append(_observation(dataset, name, version))
        for note in notes:
            context.log.info(note)
        return dg.SensorResult(
            asset_events=observed,
            cursor=json.dumps(seen, sort_keys=True),
            skip_reason=None if observed else "; ".join(notes) or "nothing new",
        )

    return arrivals


def input_file_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The nightly check of everything, as an asset of its own: when it is old, nothing has been checked."""
    lineage = lineage_of(dataset)
    watched = watched_inputs(lineage.inputs(dataset))

    @asset(
        dataset,
        "input_files",
        deps=[source_input.asset for source_input in watched],
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=74), warn_window=timedelta(hours=50)
        ),
    )
    def input_files(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every file that the dataset is read from, as it was at the last nightly check. A row is one file.

        Checks everything afresh: observes the files, and the content of every region or group of which Dagster has no record, or
        another one. So whatever was missed (a lost cursor, days without power) is found within a day.
        """
        watch = Stopwatch()
        store = installation.store(dataset.name)

        def observed(name: str) -> str | None:
            return observed_version(context.instance, asset_key(dataset, name))

        table, versions, notes = poll_all(dataset.name, watched, observed)
        for name, version in versions.items():
            context.log_event(_observation(dataset, name, version))
        read_inputs_anew(context, (asset_key(dataset, name) for name in versions))
        for note in notes:
            context.log.warning(note)
        _observe_parts(context, lineage.content(dataset), store)
        store.results(INPUT_FILES).write(table)
        content = content_key(table.select(["input", "source", "file", "content"]))
        details: dict[str, Detail] = {"notes": "; ".join(notes) or "none"}
        return materialized(context, Report(details, watch.seconds, table.num_rows, content_version=content))

    return [input_files]


def _observe_parts(
    context: dg.AssetExecutionContext,
    contents: Sequence[PartitionContent],
    store: DatasetStore,
) -> None:
    """Observes the content of every part of which Dagster has no record, or another one."""
    for content in contents:
        try:
            for observation in content.observations(store, context.instance):
                context.log_event(observation)
        except SynapseAssetsError as error:
            context.log.info(f"nothing to observe by part: {error}")


def observe_first(dataset: Dataset, instance: dg.DagsterInstance, read: Collection[dg.AssetKey]) -> None:
    """Records the content of those of a dataset's inputs in `read` of which nothing was ever recorded: what the sensor does, before a
    run by hand. What is then made of them is not out of date when the sensor looks for the first time.

    Nothing is recorded of an input that has no files or cannot be listed: what is wrong with it is said by the asset that reads it.
    """
    for source_input in watched_inputs(lineage_of(dataset).inputs(dataset)):
        key = asset_key(dataset, source_input.asset)
        if key not in read or observed_version(instance, key) is not None:
            continue
        with suppress(SynapseAssetsError):
            version, known = content_of(source_input)
            if source_input.fixed is not None or any(known.values()):
                instance.report_runless_asset_event(_observation(dataset, source_input.asset, version))


def _observation(dataset: Dataset, name: str, version: str) -> dg.AssetObservation:
    return dg.AssetObservation(asset_key(dataset, name), tags={"dagster/data_version": version})


def reconcile_job(dataset: Dataset) -> Any:
    """The nightly check, to be run by a schedule."""
    return dg.define_asset_job(
        f"{dataset.name}_reconcile",
        selection=[asset_key(dataset, "input_files")],
        description=f"Looks at all inputs of {dataset.title} anew, in case that something was missed: a lost cursor, a day without power.",
    )
