"""Rounds of labelling: the external asset of what people answer, `annotations`, and the sensor that opens rounds and records answers.

What people are asked, and what follows from their answers, is declared by the chains.
"""

import json
import time

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.asset import asset, asset_key, materialized
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.partitions import rounds_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.labelling import annotations as steps
from synapse_assets.pipeline.labelling.rounds import is_done, next_round
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

ANNOTATION_LOG = "annotation_log"
"""The external asset: the answers of each round as the pages store them."""
QUIET_MINUTES = 10.0
"""Answers of a round that is not done count once nobody has answered in it for so long."""


def log_content(dataset: Dataset) -> PartitionContent:
    """What the log of answers holds of each round, or other batch that people answered."""
    rounds = str(rounds_of(dataset).name)

    def find_rounds(store: DatasetStore, instance: dg.DagsterInstance) -> list[str]:
        answered = sorted(store.annotation_log.rounds())
        instance.add_dynamic_partitions(rounds, answered)
        return sorted({*answered, *instance.get_dynamic_partitions(rounds)})

    def content_of(store: DatasetStore, round: str) -> dict[str, tuple[str, int]]:
        version = steps.log_version(store, round)
        return {ANNOTATION_LOG: (version, store.annotation_log.rows(round).num_rows)}

    text = (
        f"What people answered about {dataset.title} in each round, as the explorer stored it, row by row. Read by `annotations`. The "
        f"sensor `{dataset.name}_labelling` observes it once a round is done, or nobody has answered for {QUIET_MINUTES:g} minutes"
    )
    return PartitionContent(dataset, None, {ANNOTATION_LOG: text}, find_rounds, content_of, counts="answers")


def annotation_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """What people answer, and `annotations`."""

    @asset(dataset, "annotations", deps=[ANNOTATION_LOG])
    def annotations(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What people answered in one round, or other batch. A row is one answer, undo or adjudication, as it was given.

        Names people, and has what they noted: it is never part of a release.
        """
        return materialized(context, steps.read_round(installation.store(dataset.name), context.partition_key))

    return [log_content(dataset).assets(), annotations]


def due_round(store: DatasetStore, dataset: Dataset, instance: dg.DagsterInstance) -> str | None:
    """The round that is due and that Dagster does not know yet; None where none is."""
    due = next_round(store, dataset)
    known = due is None or instance.has_dynamic_partition(str(rounds_of(dataset).name), due)
    return None if known else due


def register_due_round(
    dataset: Dataset, partitions: dg.PartitionsDefinition | None, settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Where `partitions` are the rounds of a dataset, registers the one that is due: what the sensor does, before a run by hand."""
    rounds = rounds_of(dataset)
    if partitions != rounds:
        return
    store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
    if (due := due_round(store, dataset, instance)) is not None:
        instance.add_dynamic_partitions(str(rounds.name), [due])


def labelling_sensor(dataset: Dataset, settings: Settings) -> dg.SensorDefinition:
    """Records what people answered once they pause, and opens the next round when the last one is done."""

    @dg.sensor(
        name=f"{dataset.name}_labelling",
        minimum_interval_seconds=settings.tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks at what people answered about {dataset.title}. Answers are observed when a round is done, or nobody has "
        f"answered in it for {QUIET_MINUTES:g} minutes; automation then makes what follows. Opens the next round when one is due.",
    )
    def labelling(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        registered = context.instance.get_dynamic_partitions(str(rounds_of(dataset).name))
        now = {**dict.fromkeys(registered, steps.NO_ANSWERS), **store.annotation_log.rounds()}
        changed = {name: version for name, version in now.items() if seen.get(name) != version}
        known = {name: version for name, version in changed.items() if is_settled(store, dataset, name)}
        if (due := due_round(store, dataset, context.instance)) is not None:
            known[due] = steps.NO_ANSWERS
        waiting = ", ".join(sorted(set(changed) - set(known)))
        return dg.SensorResult(
            asset_events=[_observation(dataset, name, version) for name, version in known.items()],
            dynamic_partitions_requests=[rounds_of(dataset).build_add_request(sorted(known))] if known else [],
            cursor=json.dumps({**seen, **known}, sort_keys=True),
            skip_reason=None if known else f"answers are being given in {waiting}" if waiting else "nothing new",
        )

    return labelling


def is_settled(store: DatasetStore, dataset: Dataset, round: str) -> bool:
    """Whether the answers of a round count now: it is done, or nobody has answered in it for `QUIET_MINUTES`."""
    given = store.annotation_log.rows(round).column("given_at")
    if not len(given) or is_done(store, dataset, round):
        return True
    return time.time() - given[-1].as_py().timestamp() >= 60 * QUIET_MINUTES


def _observation(dataset: Dataset, round: str, version: str) -> dg.AssetObservation:
    tags = {"dagster/data_version": version}
    return dg.AssetObservation(asset_key(dataset, ANNOTATION_LOG), partition=round, tags=tags)
