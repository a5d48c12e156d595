"""Runs on a Ray cluster: each is sent there as one job, looked after, and failed with a sentence where its job died.

dagster.yaml names the launcher where SYNAPSE_RAY_ADDRESS is set; nothing else imports this module. What the job does on its node is
in `cluster.run`; how a region is divided among the nodes belongs to `pipeline`.
"""

import logging
import shlex
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_ray import RayRunLauncher
from pydantic import SecretStr

from synapse_assets import __version__
from synapse_assets.cluster.endings import why_it_ended
from synapse_assets.cluster.job_interface import PENDING, Job, JobInterface, is_loopback
from synapse_assets.datasets import AssetFacts, chain_of, load_dataset, packaged_datasets
from synapse_assets.defs.dagster_private import execute_run_arguments, worker_health
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets.stores.cluster_claim import ClusterName, claim
from synapse_assets.stores.files import Files

_log = logging.getLogger(__name__)
# A cluster that does not answer may be busy, or its head restarting; runs on it go on meanwhile.
_SILENCE_S = 300.0
# Between the moment that a run counts as started and the moment that the cluster knows its job.
_SENDING_S = 90.0
_CLAIMED_EVERY_S = 60.0
# Each machine has its own; a node that has none takes the default.
_OF_ONE_MACHINE = {"local_root"}
# By address, since when the cluster has not answered this process.
_SILENT_SINCE: dict[str, float] = {}
_IN_PARTS = frozenset({"tiles", "embeddings"})
_PARTITION = "dagster/partition"
# What compacts tables must not do so twice at once, however many runs the cluster carries out.
_ALONE = "upkeep"


class ClusterRunLauncher(RayRunLauncher):
    """Sends runs to the cluster at `address`, and says in one sentence why one could not be sent, or died there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._claimed_at = float("-inf")

    @cached_property
    def interface(self) -> JobInterface:
        """The cluster."""
        return JobInterface(self.address)

    @property
    def supports_resume_run(self) -> bool:
        """No: a run whose job died is started once more as a run of its own, as on one machine."""
        return False

    def launch_run(self, context: Any) -> None:
        """Sends a run to the cluster; one that cannot be sent fails with the reason."""
        run = context.dagster_run
        try:
            settings = Settings()
            self._claim(settings)
            gpus = gpus_of(run, settings)
            command = shlex.join(
                [
                    "python",
                    "-m",
                    "synapse_assets.cluster.run",
                    __version__,
                    execute_run_arguments(run, self._instance),
                ]
            )
            # Ray shows a job all cards unless it asks for some.
            entrypoint = f"exec {command}" if gpus else f"CUDA_VISIBLE_DEVICES= exec {command}"
            labels = {"dagster/run-id": run.run_id, "dagster/job": run.job_name}
            self.interface.submit(job_of(run), entrypoint, job_environment(settings, gpus), labels, 1, gpus)
        except SynapseAssetsError as error:
            self._instance.report_run_failed(run, f"not sent to the cluster: {error}")
            return
        self._instance.report_engine_event(f"Sent to the cluster at {self.address} as job {job_of(run)}", run)

    def terminate(self, run_id: str) -> bool:
        """Ends a run that was cancelled; gives whether it has ended or its process was told to."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        try:
            job = self.interface.job(job_of(run))
            stopped = self.interface.stop(job_of(run))
        except SynapseAssetsError as error:
            self._instance.report_engine_event(f"The job of this run could not be stopped: {error}", run)
            return False
        if job is None or job.is_over or job.state == PENDING:
            # Nothing runs that could say so itself; a job that waits ends when its turn comes, as its run is over by then.
            self._instance.report_run_canceled(run)
            return True
        return stopped

    def check_run_worker_health(self, run: dg.DagsterRun) -> Any:
        """Whether the job of a run is alive. A run whose job is not fails here: Dagster's own message would say less."""
        self._claim_again()
        why = self._why_dead(run, known_for_s=float("inf"))
        if why is not None:
            self._end(run, why)
        return worker_health(why)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Nothing: what the cluster tells of a job is in the sentence that its run fails with."""
        return None

    def look_after(self, records: Iterable[dg.RunRecord]) -> list[str]:
        """Ends those of the runs that are about to start or to be cancelled, but whose job is over; gives a sentence for each."""
        ended = []
        for record in records:
            run = record.dagster_run
            why = self._why_dead(run, time.time() - record.update_timestamp.timestamp())
            if why is None:
                if run.status is dg.DagsterRunStatus.CANCELING:
                    # Once more: the cluster may not have answered when it was asked.
                    with suppress(SynapseAssetsError):
                        self.interface.stop(job_of(run))
                continue
            self._end(run, why)
            ended.append(f"{run.run_id[:8]}: {why}")
        return ended

    def _end(self, run: dg.DagsterRun, why: str) -> None:
        if run.status is dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run)
        else:
            self._instance.report_run_failed(run, why)
        # Nothing of it works any more: whoever waits for its place, such as its own second attempt, need not wait for Dagster to notice.
        if self._instance.event_log_storage.supports_global_concurrency_limits:
            self._instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)

    def _why_dead(self, run: dg.DagsterRun, known_for_s: float) -> str | None:
        """Why the job of a run is over while its run is not; None while it goes on, and while the cluster is silent for a short time."""
        try:
            job: Job | None = self.interface.job(job_of(run))
        except SynapseAssetsError as error:
            since = _SILENT_SINCE.setdefault(self.address, time.monotonic())
            return str(error) if time.monotonic() - since > _SILENCE_S else None
        _SILENT_SINCE.pop(self.address, None)
        if (job is None and known_for_s < _SENDING_S) or (job is not None and not job.is_over):
            return None
        # It may have ended since the run was read.
        now_run = self._instance.get_run_by_id(run.run_id)
        return None if now_run is None or now_run.is_finished else why_it_ended(job, self.address)

    def _claim(self, settings: Settings) -> None:
        name = ClusterName(self.interface.session(), self.address, is_loopback(self.address))
        claim(Files(settings.data_root, settings.local_root), name)
        if self._claimed_at < 0 and self._instance.event_log_storage.supports_global_concurrency_limits:
            self._instance.event_log_storage.set_concurrency_slots(_ALONE, 1)
        self._claimed_at = time.monotonic()

    def _claim_again(self) -> None:
        if time.monotonic() - self._claimed_at < _CLAIMED_EVERY_S:
            return
        self._claimed_at = time.monotonic()
        try:
            self._claim(Settings())
        except SynapseAssetsError as error:
            # Runs go on; the next one that is sent fails with the reason.
            _log.warning("the data root could not be claimed again: %s", error)


def job_of(run: dg.DagsterRun) -> str:
    """The name of the job that a run becomes, as dagster-ray calls it."""
    return f"dagster-run-{run.run_id}"


def job_environment(settings: Settings, gpus: float) -> dict[str, str]:
    """The settings that go with a job, as variables: those that are set here, no secrets, and not what each machine has of its own.

    Paths of dataset files are made absolute: the file has to be at the same place on every node. Of the graphics cards of its node a job
    sees only its own `gpus`, as the first, so a card that is named here is another one there, or none.
    """
    values: dict[str, str] = {}
    for name in settings.model_fields_set - _OF_ONE_MACHINE:
        value = getattr(settings, name)
        if name == "datasets":
            known = packaged_datasets()
            value = ",".join(one if one in known else str(Path(one).expanduser().absolute()) for one in value)
        if name == "device" and str(value).startswith("cuda"):
            value = "cuda" if gpus else "auto"
        if value is not None and not isinstance(value, SecretStr):
            values[f"SYNAPSE_{name.upper()}"] = str(value)
    return values


def gpus_of(run: dg.DagsterRun, settings: Settings) -> float:
    """The graphics cards of a run: none where its work is divided among the nodes (its parts have them, and would wait for it), the share
    of a part for another partition, a whole one for what a network computes of a whole dataset."""
    if settings.ray_gpus == 0:
        return 0.0
    assets = list(_assets_of(run, settings))
    networks = [facts for facts in assets if "pytorch" in facts.kinds]
    if not networks:
        return 0.0
    if _PARTITION not in run.tags:
        return max(1.0, settings.ray_gpus)
    return 0.0 if any(facts.name in _IN_PARTS for facts in assets) else settings.ray_gpus


def _assets_of(run: dg.DagsterRun, settings: Settings) -> Iterable[AssetFacts]:
    """The facts of what a run makes, by its selection, or else by its job."""
    chosen: Mapping[str, set[str]] = {}
    for key in run.asset_selection or ():
        chosen = {**chosen, key.path[0]: {*chosen.get(key.path[0], ()), key.path[-1]}}
    for name in settings.datasets:
        dataset = load_dataset(name, settings.local_root)
        for facts in chain_of(dataset).assets_of(dataset):
            of_job = facts.job is not None and run.job_name == f"{dataset.name}_{facts.job}"
            if facts.name in chosen.get(dataset.name, ()) or (not chosen and of_job):
                yield facts
