"""New inputs arrive: the external assets of a dataset, the sensor that watches their files, and the nightly look at all of them.

Looking only observes: it records which content there is. What is made of it is the affair of `automation`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.defs.em import region_content
from synapse_assets.defs.metadata import OWNERS, Stopwatch, asset, observed_version
from synapse_assets.defs.morphology import group_content
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import INPUT_FILES, BadInput
from synapse_assets.settings import Settings
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key

# The volumes are not looked into. That they are other ones shows in the code version of what is made from them.
UNWATCHED = "em_volume"
# Files named in a message of the sensor.
_NAMED = 5
# Between the two looks of a night.
QUIET_SECONDS = 5


@dataclass(frozen=True)
class Input:
    """An external asset and the sources whose files it stands for; `fixed` is its content version where no file is watched."""

    asset: str
    description: str
    kinds: set[str]
    shown: dict[str, str]
    sources: Sequence[Any] = ()
    fixed: str | None = None


def inputs_of(dataset: EmDataset | MorphologyDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    from synapse_assets.sources.workbooks import shown_address

    drawn = {"drawn": dataset.generate, "seed": dataset.seed}
    fixed = None if dataset.generate is None else fingerprint(drawn, {})
    if not isinstance(dataset, EmDataset):
        text = f"Workbooks of {dataset.title}, as the lab holds them. Read by `synapses`.\n\n{dataset.description}"
        shown = {book.name: shown_address(book.path) for book in dataset.workbooks}
        return [Input("synapse_workbooks", text, {"excel"}, shown, dataset.workbooks, fixed)]
    text = (
        f"Synapse tables of {dataset.title}, as the lab holds them. Read by `synapse_table`.\n\n{dataset.description}"
    )
    found = [Input("synapse_source", text, {"file"}, _addresses(dataset.sources), dataset.sources, fixed)]
    text = f"Electron-microscopy volume of {dataset.title}: 8-bit grey values. Tiles are cut from it."
    shown = {name: spec.url for name, spec in dataset.volumes.items()}
    shown["voxel_size_nm"] = str(next(iter(dataset.volumes.values())).voxel_size_nm)
    found.append(Input(UNWATCHED, text, {"file"}, shown))
    if dataset.neurons:
        text = f"Tables of the neurons of {dataset.title}: known classes, hemilineages, cell types. Read by `neurons`."
        found.append(Input("neuron_source", text, {"file"}, _addresses(dataset.neurons), dataset.neurons, fixed))
    return found


def watched_inputs(dataset: EmDataset | MorphologyDataset) -> list[Input]:
    """Those of the inputs whose content can be told."""
    return [one for one in inputs_of(dataset) if one.asset != UNWATCHED]


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


def content_of(one: Input, known: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Content version of an input now, and what is known of its files by source, to be given back the next time."""
    from synapse_assets.sources.listing import content_version

    if one.fixed is not None:
        return one.fixed, {}
    found = {source.name: content_version(source, (known or {}).get(source.name)) for source in one.sources}
    return fingerprint({}, {name: version for name, (version, _) in found.items()}), {
        name: files for name, (_, files) in found.items()
    }


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
            seen[one.asset], version, note = _attempt(one, seen.get(one.asset, {}))
            if note:
                notes.append(f"{one.asset}: {note}")
            if version is not None and version != observed_version(context.instance, key):
                observed.append(dg.AssetObservation(key, tags={"dagster/data_version": version}))
        for note in notes:
            context.log.info(note)
        return dg.SensorResult(
            asset_events=observed,
            cursor=json.dumps(seen, sort_keys=True),
            skip_reason=None if observed else "; ".join(notes) or "nothing new",
        )

    return arrivals


def look(one: Input, seen: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str]:
    """One look at the files of an input: what is seen now, its content version if it is new and still, and a note for a reader.

    `seen`: what the look before gave; empty the first time. Nothing is taken while a file changes between two looks, and
    nothing where no file is left. Raises BadInput for a source that cannot be listed.
    """
    from synapse_assets.sources.listing import signatures

    if one.fixed is not None:
        return {}, one.fixed, ""
    now = {f"{source.name}: {file}": said for source in one.sources for file, said in signatures(source).items()}
    known: dict[str, dict[str, Any]] = seen.get("known", {})
    taken = {f"{source}: {file}": said for source, files in known.items() for file, (said, _) in files.items()}
    if now == taken and "known" in seen:
        return {"known": known}, None, ""
    if now != seen.get("now"):
        differ = sorted(name for name in {*now, *taken} if now.get(name) != taken.get(name))
        more = f" and {len(differ) - _NAMED} more" if len(differ) > _NAMED else ""
        return {**seen, "now": now}, None, f"waits until these files are still: {', '.join(differ[:_NAMED])}{more}"
    if not now:
        told = "there is no file; is a drive not mounted? If that is meant, materialise what reads them by hand"
        return dict(seen), None, told
    version, known = content_of(one, known)
    return {"known": known}, version, ""


def _attempt(one: Input, seen: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str]:
    """A look; an input that cannot be listed is as it was, with the reason as note."""
    try:
        return look(one, seen)
    except BadInput as error:
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
        except BadInput as error:
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
        first = {one.asset: _attempt(one, {})[0] for one in inputs}
        time.sleep(QUIET_SECONDS if any(one.fixed is None for one in inputs) else 0)
        rows, notes = [], []
        for one in inputs:
            seen, version, note = _attempt(one, first[one.asset])
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


def _addresses(sources: Sequence[Any]) -> dict[str, str]:
    from synapse_assets.sources import source_files

    return {source.name: ", ".join(source_files(source)) for source in sources}
