"""New inputs arrive: the external assets of a dataset, the sensor that watches their files, and the nightly look at all of them.

Looking only observes: it records which content there is. What is made of it is the affair of `automation`.
"""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.defs.em import region_content
from synapse_assets.defs.inputs import UNWATCHED, Input, content_of, inputs_of, told_gone, watched_inputs
from synapse_assets.defs.metadata import OWNERS, Stopwatch, asset, observed_version
from synapse_assets.defs.morphology import group_content
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.schema import INPUT_FILES
from synapse_assets.settings import Settings
from synapse_assets.stores.rows import content_key

# Files named in a message of the sensor.
_NAMED = 5
# Between the two looks of a night.
QUIET_SECONDS = 5


def input_assets(dataset: EmDataset | MorphologyDataset) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The external assets of a dataset. Observing them by hand looks at the files at once."""
    specs = {
        one.asset: dg.AssetSpec(
            [dataset.name, one.asset],
            description=one.description,
            metadata=one.shown,
            kinds=one.kinds,
            group_name=f"{dataset.name}_1_raw",
            owners=OWNERS,
        )
        for one in inputs_of(dataset)
    }
    watched = [specs[one.asset] for one in watched_inputs(dataset)]

    @dg.multi_observable_source_asset(name=f"{dataset.name}_inputs", specs=watched)
    def observe_inputs() -> Iterator[dg.ObserveResult]:
        for one in watched_inputs(dataset):
            version, known = content_of(one)
            files = sum(map(len, known.values()))
            yield dg.ObserveResult([dataset.name, one.asset], {"files": files}, data_version=dg.DataVersion(version))

    return [observe_inputs, *input_file_assets(dataset), *(spec for name, spec in specs.items() if name == UNWATCHED)]


def arrivals_sensor(dataset: EmDataset | MorphologyDataset, settings: Settings) -> dg.SensorDefinition:
    """Watches the files of a dataset. What is new, changed or gone is observed once two looks in a row found the same."""

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
        for one in watched_inputs(dataset):
            key = dg.AssetKey([dataset.name, one.asset])
            observed_before = observed_version(context.instance, key)
            seen[one.asset], version, note = _attempt(dataset, one, seen.get(one.asset, {}), observed_before)
            if note:
                notes.append(f"{one.asset}: {note}")
            if version is not None and version != observed_before:
                observed.append(dg.AssetObservation(key, tags={"dagster/data_version": version}))
        for note in notes:
            context.log.info(note)
        return dg.SensorResult(
            asset_events=observed,
            cursor=json.dumps(seen, sort_keys=True),
            skip_reason=None if observed else "; ".join(notes) or "nothing new",
        )

    return arrivals


def look(
    dataset: EmDataset | MorphologyDataset, one: Input, seen: Mapping[str, Any], observed: str | None = None
) -> tuple[dict[str, Any], str | None, str]:
    """One look at the files of an input: what is seen now, its content version if it is new and still, and a note for a reader.

    `seen`: what the look before gave; empty the first time. `observed`: the version that is on record. Nothing is taken while a
    file changes between two looks, and nothing where all files of a source are gone, unless that is on record. Raises BadInput
    for a source that cannot be listed.
    """
    from synapse_assets.sources.listing import signatures

    if one.fixed is not None:
        return {}, one.fixed, ""
    by_source = {source.name: signatures(source) for source in one.sources}
    now = {f"{source}: {file}": said for source, files in by_source.items() for file, said in files.items()}
    known: dict[str, dict[str, Any]] = seen.get("known", {})
    taken = {f"{source}: {file}": said for source, files in known.items() for file, (said, _) in files.items()}
    if now == taken and "known" in seen:
        return {"known": known}, None, ""
    if now != seen.get("now"):
        differ = sorted(name for name in {*now, *taken} if now.get(name) != taken.get(name))
        more = f" and {len(differ) - _NAMED} more" if len(differ) > _NAMED else ""
        return {**seen, "now": now}, None, f"waits until these files are still: {', '.join(differ[:_NAMED])}{more}"
    version, found = content_of(one, known)
    gone = [source for source in one.sources if not by_source[source.name] and known.get(source.name)]
    if (gone or not now) and version != observed:
        return dict(seen), None, told_gone(dataset, one, gone or one.sources)
    return {"known": found}, version, ""


def _attempt(
    dataset: EmDataset | MorphologyDataset, one: Input, seen: Mapping[str, Any], observed: str | None = None
) -> tuple[dict[str, Any], str | None, str]:
    """A look; an input that cannot be listed is as it was, with the reason as note."""
    try:
        return look(dataset, one, seen, observed)
    except SynapseAssetsError as error:
        return dict(seen), None, str(error)


def input_file_assets(dataset: EmDataset | MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The nightly look at everything, as an asset of its own: when it is old, nobody has looked."""

    @asset(
        dataset,
        "1_raw",
        "input_files",
        INPUT_FILES,
        {"parquet"},
        deps=[[dataset.name, one.asset] for one in watched_inputs(dataset)],
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=74), warn_window=timedelta(hours=50)
        ),
    )
    def input_files(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every file that the dataset is read from, as it was at the last nightly look. A row is one file.

        Looks anew, whatever is remembered: observes the files, and the content of every region or group where Dagster has no
        record of it or another one. So what was missed (a lost cursor, days without power) is found within a day.
        """
        watch = Stopwatch()
        store = installation.store(dataset.name)
        table, notes = _look_anew(context)
        for note in notes:
            context.log.warning(note)
        content = region_content(dataset) if isinstance(dataset, EmDataset) else group_content(dataset)
        try:
            for observation in content.observations(store, context.instance):
                context.log_event(observation)
        except SynapseAssetsError as error:
            context.log.info(f"nothing to observe by part: {error}")
        store.results(INPUT_FILES).write(table)
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "dagster/row_count": table.num_rows,
                "notes": "; ".join(notes) or "none",
            },
            data_version=dg.DataVersion(content_key(table.select(["input", "source", "file", "content"]))),
        )

    def _look_anew(context: dg.AssetExecutionContext) -> tuple[pa.Table, list[str]]:
        """Observes every input whose files are still; gives the files, and notes on what could not be looked at."""
        inputs = watched_inputs(dataset)
        first = {one.asset: _attempt(dataset, one, {})[0] for one in inputs}
        time.sleep(QUIET_SECONDS if any(one.fixed is None for one in inputs) else 0)
        rows, notes = [], []
        for one in inputs:
            observed = observed_version(context.instance, dg.AssetKey([dataset.name, one.asset]))
            seen, version, note = _attempt(dataset, one, first[one.asset], observed)
            if version is not None:
                tags = {"dagster/data_version": version}
                context.log_event(dg.AssetObservation([dataset.name, one.asset], tags=tags))
            if note:
                notes.append(f"{one.asset}: {note}")
            rows += [
                {"input": one.asset, "source": source, "file": file, "signature": signature, "content": content}
                for source, files in seen.get("known", {}).items()
                for file, (signature, content) in files.items()
            ]
        return pa.Table.from_pylist(rows, schema=INPUT_FILES.arrow), notes

    return [input_files]


def reconcile_job(dataset: EmDataset | MorphologyDataset) -> Any:
    """The nightly look, to be run by a schedule."""
    return dg.define_asset_job(
        f"{dataset.name}_reconcile",
        selection=[dg.AssetKey([dataset.name, "input_files"])],
        description=f"Looks at all inputs of {dataset.title} anew, in case that something was missed: a lost cursor, a day without power.",
    )
