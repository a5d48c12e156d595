"""What this project uses of Dagster beyond its public interface: the only module that names `dagster._*`.

Whoever moves to another version of Dagster checks this module and `test_dagster_private.py`, which tests the behaviour that is relied
on. What does not belong here: anything that Dagster offers publicly, and any decision of our own.
"""

import sys
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from antlr4 import InputStream  # type: ignore[import-untyped]
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions import data_version as _data_version
from dagster._core.definitions.antlr_asset_selection.antlr_asset_selection import AntlrInputErrorListener
from dagster._core.definitions.antlr_asset_selection.generated.AssetSelectionLexer import (  # type: ignore[attr-defined]
    AssetSelectionLexer,
)
from dagster._core.definitions.asset_selection import DagsterInvalidAssetSelectionError
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    CachingStaleStatusResolver,
    DataProvenance,
    DataVersion,
    StaleStatus,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.event_api import EventLogRecord
from dagster._core.events import DagsterEventType
from dagster._core.execution.context import data_version_cache as _data_version_cache
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.instance.types import CachingDynamicPartitionsLoader
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable
from dagster._time import get_timezone
from dagster._utils.interrupts import check_captured_interrupt
from dagster._utils.schedules import cron_string_iterator, has_out_of_range_cron_interval, is_valid_cron_string

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

# `python -m` this: schedules, sensors, automation and the queue in a process of its own. Dagster's command for it, `dagster-daemon`,
# need not be on the PATH; a module is found by the interpreter that runs this.
DAEMON_MODULE = "dagster._daemon"
# What dagster.yaml says so that the output of steps is kept nowhere. There is no public name for it.
NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


# From 100 parts of an input on, Dagster neither records their versions nor compares them: what follows from all regions would seem up to
# date for ever. It spares itself a query for each part; here they are read together. Set in every process that loads the definitions,
# so also where a run is made, wherever that is.
_data_version.SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD = sys.maxsize
_data_version_cache.SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD = sys.maxsize
_RECORDS_AT_ONCE = 500


class Staleness:
    """What the UI shows as "out of date", of one moment: a condition of automation checks the same, by data versions and code
    versions. The public interface has no such query."""

    def __init__(self, view: AssetGraphView) -> None:
        self._resolver = _Resolver(view.instance, view.asset_graph, view, view.get_inner_queryer_for_back_compat())

    @classmethod
    def now(cls, definitions: dg.Definitions, instance: dg.DagsterInstance) -> "Staleness":
        """That of this moment, outside of automation."""
        staleness = cls(AssetGraphView.for_test(definitions, instance))
        staleness._resolver.instance_queryer.prefetch_asset_records(
            definitions.resolve_asset_graph().materializable_asset_keys
        )
        return staleness

    def is_stale(self, key: dg.AssetKey, partition: str | None) -> bool:
        """Whether an asset (or a partition of it) was never made, or was made from other inputs or code than there are now."""
        return self._resolver.get_status(key, partition) != StaleStatus.FRESH

    def causes(self, key: dg.AssetKey, partition: str | None) -> set[dg.AssetKey | None]:
        """The inputs on whose account it is out of date; None stands for its own code or absence."""
        causes = self._resolver.get_stale_causes(key, partition)
        return {cause.dependency_asset_key for cause in causes}

    def read(self, key: dg.AssetKey, partitions: Collection[str]) -> None:
        """Reads together what is known of these partitions: who is going to ask for many of them saves a query for each."""
        self._resolver.read(key, partitions)


class _Resolver(CachingStaleStatusResolver):
    """Dagster's own, which asks the database of each part of each input by itself. Here the parts of an asset are read together.

    The answers are the same but for one: an input of which nothing was known when an asset was made, and now is, has changed.
    """

    def __init__(self, instance: Any, asset_graph: Any, loading_context: Any, instance_queryer: Any = None) -> None:
        super().__init__(instance, asset_graph, loading_context, instance_queryer)
        if instance_queryer is None:
            partitions = CachingDynamicPartitionsLoader(instance)
            self._partition_loading_context = self._partition_loading_context.updated(None, partitions)
        self._made: dict[AssetKeyPartitionKey, EventLogRecord | None] = {}
        self._versions: dict[dg.AssetKey, _PartVersions] = {}

    def read(self, key: dg.AssetKey, partitions: Collection[str]) -> None:
        """The latest materialisations of these parts."""
        unread = {part for part in partitions if AssetKeyPartitionKey(key, part) not in self._made}
        if len(unread) < 2 or self.asset_graph.get(key).is_external:
            return
        self._made |= {AssetKeyPartitionKey(key, part): None for part in unread}
        latest = self._instance.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION, unread)
        ids = sorted(latest.values())
        for start in range(0, len(ids), _RECORDS_AT_ONCE):
            batch = ids[start : start + _RECORDS_AT_ONCE]
            of_batch = dg.AssetRecordsFilter(asset_key=key, storage_ids=batch)
            for record in self._instance.fetch_materializations(of_batch, limit=len(batch)).records:
                self._made[AssetKeyPartitionKey(key, record.partition_key)] = record

    def _get_latest_data_version_record(self, key: AssetKeyPartitionKey) -> EventLogRecord | None:
        return self._made[key] if key in self._made else super()._get_latest_data_version_record(key=key)

    def _is_dep_updated(self, provenance: DataProvenance, dep_key: AssetKeyPartitionKey) -> bool:
        key, part = dep_key
        if part is None:
            return super()._is_dep_updated(provenance, dep_key)
        if key not in self._versions:
            self._versions[key] = _PartVersions(self._instance, key, self.asset_graph.get(key).is_external)
        changed = self._versions[key].then_and_now(part, provenance.input_storage_ids[key] or 0)
        return changed is not None and self._data_versions_differ(*changed)


class _PartVersions:
    """The data versions of all parts of an asset, by the events that gave them."""

    def __init__(self, instance: dg.DagsterInstance, key: dg.AssetKey, observed: bool) -> None:
        self._storage: Any = instance.event_log_storage
        self._key = key
        self._kind = DagsterEventType.ASSET_OBSERVATION if observed else DagsterEventType.ASSET_MATERIALIZATION
        self._latest = instance.get_latest_storage_id_by_partition(key, self._kind)
        self._history: dict[str, tuple[list[int], list[DataVersion | None]]] = {}

    def then_and_now(self, part: str, event: int) -> tuple[DataVersion | None, DataVersion | None] | None:
        """The version of a part when that event (a storage id) was the last, and the one of now; None where nothing came after it."""
        if self._latest.get(part, 0) <= event:
            return None
        if part not in self._history:
            self._read([other for other, latest in self._latest.items() if latest > event])
        events, versions = self._history[part]
        before = bisect_right(events, event)
        if before == len(events):
            # Deleted since.
            return None
        return versions[before - 1] if before else None, versions[-1]

    def _read(self, parts: Sequence[str]) -> None:
        """All events of these parts."""
        self._history |= {part: ([], []) for part in parts}
        events, tags = SqlEventLogStorageTable.c, AssetEventTagsTable.c
        of_event = sa.and_(tags.event_id == events.id, tags.key == DATA_VERSION_TAG)
        joined = SqlEventLogStorageTable.outerjoin(AssetEventTagsTable, of_event)
        details = self._storage._get_assets_details([self._key])
        for start in range(0, len(parts), _RECORDS_AT_ONCE):
            query = (
                sa.select(events.partition, events.id, tags.value)
                .select_from(joined)
                .where(
                    events.asset_key == self._key.to_string(),
                    events.dagster_event_type == self._kind.value,
                    events.partition.in_(parts[start : start + _RECORDS_AT_ONCE]),
                )
                .order_by(events.id)
            )
            query = self._storage._add_assets_wipe_filter_to_query(query, details, [self._key])
            with self._storage.index_connection() as connection:
                for part, event, version in connection.execute(query):
                    ids, versions = self._history[part]
                    ids.append(event)
                    versions.append(None if version is None else DataVersion(version))


def asset_names_replaced(selection: str, replace: Callable[[str], str]) -> str:
    """A selection of assets in Dagster's syntax, in which every name of an asset, alone or after `key:`, is `key:"<replaced name>"`.

    The names are those that Dagster's own lexer finds; publicly a selection is either parsed whole or not at all, and a name alone is
    none of its parser. Raises ValueError for a character that the lexer does not know.
    """
    lexer = AssetSelectionLexer(InputStream(selection))
    lexer.removeErrorListeners()
    lexer.addErrorListener(AntlrInputErrorListener())
    try:
        tokens = lexer.getAllTokens()
    except Exception as error:
        # It has no kind of its own.
        raise ValueError(str(error)) from error
    values = {lexer.QUOTED_STRING, lexer.UNQUOTED_STRING, lexer.UNQUOTED_WILDCARD_STRING}
    text, end, kinds = "", 0, [-1, -1]
    for token in tokens:
        text += selection[end : token.start]
        end = token.stop + 1
        name = token.text.strip('"')
        if token.type in values and kinds[-2:] == [lexer.KEY, lexer.COLON]:
            text += f'"{replace(name)}"'
        elif token.type in values and kinds[-1] not in (lexer.COLON, lexer.EQUAL):
            text += f'key:"{replace(name)}"'
        else:
            text += token.text
        kinds.append(token.type)
    return text + selection[end:]


def parsed_selection(selection: str) -> dg.AssetSelection:
    """A selection of assets in Dagster's syntax. Raises ValueError for what is none; Dagster's error for that is not public."""
    try:
        return dg.AssetSelection.from_string(selection)
    except DagsterInvalidAssetSelectionError as error:
        raise ValueError(str(error)) from error


def was_interrupted(event: dg.DagsterEvent | None) -> bool:
    """Whether Ctrl-C or SIGTERM came: it ended the step that this event tells of, or waits until Dagster has written what it writes."""
    if event is not None and event.is_step_failure and event.step_failure_data.error_source is ErrorSource.INTERRUPT:
        return True
    return check_captured_interrupt()


def read_inputs_anew(context: dg.AssetExecutionContext, keys: Iterable[dg.AssetKey]) -> None:
    """Lets a materialisation count as made from these inputs as they are when it ends: for a step that observes its own inputs. Dagster
    would compare with what was known of them when the step began."""
    for key in keys:
        context.get_step_execution_context().wipe_input_asset_version_info(key)


def data_version(tags: Mapping[str, str]) -> str | None:
    """The data version that an asset's event gives, by its tags. Needed to see whether Dagster has a record of a promotion."""
    return tags.get(DATA_VERSION_TAG)


def data_version_tags(version: str) -> dict[str, str]:
    """Tags of an event that says by itself what data version an asset has. An asset's own run gives it with its result; a
    promotion reports it from the run of another asset, for which there is no public way."""
    return {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def provenance_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those tags of a materialisation that say which inputs and which code it was made from. A promotion repeats them, so that
    the model is not out of date for having been put in use."""
    prefixes = (CODE_VERSION_TAG, INPUT_DATA_VERSION_TAG_PREFIX, INPUT_EVENT_POINTER_TAG_PREFIX)
    return {name: value for name, value in tags.items() if name.startswith(prefixes)}


def events_made_from(tags: Mapping[str, str]) -> Iterator[tuple[dg.AssetKey, int]]:
    """The events that a materialisation was made from, by its tags: asset and storage id. Upkeep keeps them, because Dagster reads
    them to know what is out of date."""
    for name, event in tags.items():
        if name.startswith(f"{INPUT_EVENT_POINTER_TAG_PREFIX}/") and event.isdigit():
            yield dg.AssetKey.from_user_string(name.removeprefix(f"{INPUT_EVENT_POINTER_TAG_PREFIX}/")), int(event)


def require_time_zone(name: str) -> None:
    """Raises ValueError, LookupError or OSError where the scheduler would not know the time zone."""
    get_timezone(name)


def is_cron(cron: str) -> bool:
    """Whether a schedule would take the cron. Publicly that is known only from the error of a definition that cannot be loaded."""
    return is_valid_cron_string(cron) and not has_out_of_range_cron_interval(cron)


def ticks(cron: str, time_zone: str, after_seconds: float) -> Iterator[Any]:
    """The times (datetime) at which the scheduler would start a schedule, after a time in seconds since 1970. Raises an error of its
    library for a day that no month has."""
    return cron_string_iterator(after_seconds, cron, time_zone)


def served_workspace(
    instance: dg.DagsterInstance, workspace: Path, version: str
) -> "AbstractContextManager[WorkspaceProcessContext]":
    """What Dagster's UI serves: the code locations of a workspace file. Needed because the UI is served behind a layer of our own,
    and its public face is a command only."""
    from dagster._core.workspace import context as _context
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    target = WorkspaceFileTarget([str(workspace)])
    # Each request has one of its own.
    _context.CachingStaleStatusResolver = _Resolver  # type: ignore[misc]
    return _context.WorkspaceProcessContext(instance, workspace_load_target=target, version=version)


def execute_run_arguments(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """What `dagster api execute_run` is given to carry out a run on another machine, as JSON. Passwords of the history stay references to
    the environment, as dagster.yaml names them. Launchers make it of a class that is not public."""
    from dagster._grpc.types import ExecuteRunArgs

    if run.job_code_origin is None:
        raise ValueError(f"run {run.run_id} does not say where its code is")
    arguments = ExecuteRunArgs(
        job_origin=run.job_code_origin,
        run_id=run.run_id,
        instance_ref=instance.get_ref(),
        set_exit_code_on_failure=True,
    )
    return str(arguments.get_command_args()[-1])


def worker_health(failure: str | None) -> Any:
    """What a launcher says of the process of a run: that it works, or why not. Its type is not public."""
    from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

    return CheckRunHealthResult(WorkerStatus.RUNNING if failure is None else WorkerStatus.FAILED, failure)
