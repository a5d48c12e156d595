"""Maintenance of what a year leaves behind: the jobs `upkeep` (tables, versions, run history) and `<dataset>_release`.

What is done to stored tables belongs to `stores`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.dagster_private import events_made_from
from synapse_assets.defs.resources import Installation

# Finished runs are kept this long, and longer where they hold the latest record of an asset.
KEEP_RUNS = timedelta(days=90)
_RUNS_AT_ONCE = 500
_Fetch: TypeAlias = Callable[..., dg.EventRecordsResult]


def upkeep_job(datasets: Sequence[Dataset], checks: Collection[dg.AssetCheckKey]) -> dg.JobDefinition:
    """Compacts the tables of all datasets, removes what nothing needs any more, and old run history. Run weekly.

    `checks`: all there are; the last result of each is kept.
    """

    @dg.op(pool="upkeep")
    def look_after_tables(context: dg.OpExecutionContext, installation: Installation) -> None:
        """Compacts tables; removes old versions, vectors and models that no release needs, and unfinished work of long ago."""
        from synapse_assets.stores.maintenance import maintain

        for dataset in datasets:
            done = maintain(installation.store(dataset.name))
            context.log.info(f"{dataset.name}: {', '.join(f'{name} {number:,}' for name, number in done.items())}")

    @dg.op
    def look_after_history(context: dg.OpExecutionContext) -> None:
        """Removes old runs with their events, except those that hold the latest event of an asset, a region or a check."""
        context.log.info(f"{prune_runs(context.instance, KEEP_RUNS, checks):,} runs removed")

    @dg.job(name="upkeep", description="Compacts the tables of all datasets and removes what nothing needs any more.")
    def upkeep() -> None:
        look_after_tables()
        look_after_history()

    return upkeep


def prune_runs(instance: dg.DagsterInstance, keep: timedelta, checks: Collection[dg.AssetCheckKey] = ()) -> int:
    """Deletes finished runs that ended longer ago than `keep`; gives how many.

    A run stays where an asset or a partition of it was last materialised or observed in it, or what such a materialisation was
    made from, or where one of the `checks` was last made: Dagster reads from its events what there is, and whether it is out of
    date. (Checks of a partition are made in the run that materialises it.)
    """
    before = datetime.now(UTC) - keep
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    filters = dg.RunsFilter(statuses=finished, updated_before=before)
    old = {record.dagster_run.run_id for record in _all_records(instance, filters)}
    if not old:
        return 0
    last_checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks))
    needed = {record.run_id for record in last_checks.values()}
    made_from: dict[dg.AssetKey, set[int]] = {}
    for key in instance.all_asset_keys():
        for kind, fetch in _kinds_of_events(instance):
            latest = fetch(dg.AssetRecordsFilter(asset_key=key), limit=1).records
            by_partition = instance.get_latest_storage_id_by_partition(key, kind).values()
            for record in (*latest, *_records(fetch, key, by_partition)):
                needed.add(record.run_id)
                for upstream, event in events_made_from(record.event_log_entry.tags or {}):
                    made_from.setdefault(upstream, set()).add(event)
    for key, events in made_from.items():
        for _, fetch in _kinds_of_events(instance):
            needed |= {record.run_id for record in _records(fetch, key, events)}
    for run_id in old - needed:
        instance.delete_run(run_id)
    return len(old - needed)


def _kinds_of_events(instance: dg.DagsterInstance) -> "Iterable[tuple[dg.DagsterEventType, _Fetch]]":
    yield dg.DagsterEventType.ASSET_MATERIALIZATION, instance.fetch_materializations
    yield dg.DagsterEventType.ASSET_OBSERVATION, instance.fetch_observations


def _records(fetch: "_Fetch", key: dg.AssetKey, storage_ids: Iterable[int]) -> Iterable[dg.EventLogRecord]:
    """The events of an asset with those storage ids."""
    ids = sorted(storage_ids)
    for start in range(0, len(ids), _RUNS_AT_ONCE):
        batch = ids[start : start + _RUNS_AT_ONCE]
        yield from fetch(dg.AssetRecordsFilter(asset_key=key, storage_ids=batch), limit=len(batch)).records


def _all_records(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> Iterable[dg.RunRecord]:
    cursor = None
    while records := instance.get_run_records(filters, limit=_RUNS_AT_ONCE, cursor=cursor):
        yield from records
        cursor = records[-1].dagster_run.run_id


class Release(dg.Config):
    """How the frozen release is called."""

    name: str = ""


def release_job(dataset: Dataset) -> dg.JobDefinition:
    """Freezes the release that is out now under a name, so that it can be read again whatever comes after."""

    @dg.op(name=f"{dataset.name}_freeze_release")
    def freeze(context: dg.OpExecutionContext, config: Release, installation: Installation) -> None:
        """Copies the warehouse and keeps the versions it was built from. Without a name it is called by the day."""
        from synapse_assets.stores.releases import freeze_release

        name = config.name or datetime.now(UTC).strftime("%Y-%m-%d")
        folder = freeze_release(installation.store(dataset.name), name)
        context.log.info(f"release {name} of {dataset.name} is frozen in {folder}")

    @dg.job(
        name=f"{dataset.name}_release",
        description=f"Freezes the release of {dataset.title} that is out now, so that a result can be read again as it was: "
        "open_warehouse(dataset, release=name). Config: a name; without one, the day.",
    )
    def release() -> None:
        freeze()

    return release
