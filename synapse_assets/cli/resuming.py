"""One command line that makes assets, begun or taken up where it was stopped: what its runs have made, and runs whose process is gone.

The runs carry an id of the command as a tag. A file beside the history is locked while the command is at work, so that the end of its
process, however it ended, can be seen from another. What is selected and run does not belong here.
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from uuid import uuid4

from synapse_assets.cli.selection import Selection
from synapse_assets.errors import BadInput

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, DagsterRun

COMMAND_TAG = "synapse_assets/command"
"""Tag of a run: the command line that started it."""
_FOLDER = "commands"
# Who looks whether a command is at work holds its lock for a moment.
_ATTEMPTS = 5


class Command:
    """A command at work. id: that of its runs' tag. finished: whether all of it is made, so that the same command begins anew."""

    def __init__(self, selection: Selection, instance: "DagsterInstance", id: str, resumed: bool) -> None:
        self.id = id
        self.finished = False
        self._selection = selection
        self._instance = instance
        self._done_runs = _runs_that_made(instance, id) if resumed else set()

    def still_to_make(self, keys: "Sequence[AssetKey]", part: str | None) -> "list[AssetKey]":
        """Those of `keys`, in the order of the lineage, that an earlier process of this command did not make, or that are out of date.

        What reads the inputs, compares, decides or publishes is made in any case: Dagster cannot tell whether it is out of date.
        """
        if not self._done_runs:
            return list(keys)
        from synapse_assets.datasets import Role, chain_of
        from synapse_assets.defs.dagster_private import Staleness

        graph = self._selection.definitions.resolve_asset_graph()
        staleness = Staleness.now(self._selection.definitions, self._instance)
        to_make: list[AssetKey] = []
        for key in keys:
            facts = chain_of(self._selection.datasets[key.path[0]]).facts[key.path[-1]]
            skipped = (
                facts.role in (Role.APPLY, Role.FIT, Role.MODEL)
                and graph.get(key).parent_keys.isdisjoint(to_make)
                and self._was_made(key, part)
                and not staleness.is_stale(key, part)
            )
            if not skipped:
                to_make.append(key)
        return to_make

    def _was_made(self, key: "AssetKey", part: str | None) -> bool:
        import dagster as dg

        of_part = dg.AssetRecordsFilter(key, asset_partitions=None if part is None else [part])
        records = self._instance.fetch_materializations(of_part, limit=1).records
        return bool(records) and records[0].run_id in self._done_runs


@contextmanager
def taken_up(home: Path, selection: Selection, instance: "DagsterInstance") -> Iterator[Command]:
    """The command that makes this selection: a new one, or the one that was stopped, and then its runs that nobody ends are cancelled.

    Set `finished` when all of it was made. Raises BadInput where the same command is at work.
    """
    identity = [
        sorted(key.to_user_string() for key in selection.keys),
        None if selection.regions is None else sorted(selection.regions),
    ]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    (home / _FOLDER).mkdir(exist_ok=True)
    cancel_abandoned_runs(home, instance)
    with (home / _FOLDER / name).open("a+", encoding="utf-8") as file:
        if not _lock(file):
            raise BadInput("the same command is at work in another process: `synapse-assets status` shows what it does")
        file.seek(0)
        earlier = file.read()
        command = Command(selection, instance, earlier or f"{name}-{uuid4().hex[:8]}", resumed=bool(earlier))
        if not earlier:
            file.write(command.id)
            file.flush()
        yield command
        if command.finished:
            file.truncate(0)


def cancel_abandoned_runs(home: Path, instance: "DagsterInstance") -> None:
    """Ends in the history, as cancelled, what a process began that was killed, and gives back the slots of pools that it held."""
    for run in unfinished_runs(instance):
        if is_abandoned(home, run.tags):
            instance.report_run_canceled(run, "The process of `synapse-assets materialize` that ran this was ended.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def is_abandoned(home: Path, tags: Mapping[str, str]) -> bool:
    """Whether a run with these tags was begun by a command whose process is gone. False for what other processes of Dagster run."""
    file = home / _FOLDER / tags.get(COMMAND_TAG, "").partition("-")[0]
    if not file.is_file():
        return False
    with file.open(encoding="utf-8") as handle:
        return _try_lock(handle, fcntl.LOCK_SH)


def unfinished_runs(instance: "DagsterInstance") -> "Sequence[DagsterRun]":
    """The runs that are queued or at work, by what the history says."""
    import dagster as dg

    from synapse_assets.defs.automation import UNFINISHED

    return instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))


def _runs_that_made(instance: "DagsterInstance", id: str) -> set[str]:
    """The runs of a command in which nothing failed: what a run made before it was stopped counts too."""
    import dagster as dg

    ended_well = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
    filters = dg.RunsFilter(tags={COMMAND_TAG: id}, statuses=ended_well)
    return {run.run_id for run in instance.get_runs(filters=filters)}


def _lock(file: TextIO) -> bool:
    for _ in range(_ATTEMPTS):
        if _try_lock(file, fcntl.LOCK_EX):
            return True
        time.sleep(0.1)
    return False


def _try_lock(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
