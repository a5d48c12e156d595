"""What Dagster loads: assets, checks, jobs and resources of every enabled dataset.

Importing this module reads the settings and dataset files and nothing else; no torch, umap or lancedb.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from synapse_assets.caches import keep_caches
from synapse_assets.cores import share_cores
from synapse_assets.datasets import Dataset, Role, chain_of, load_dataset
from synapse_assets.defs.automation import automate, automation_sensor
from synapse_assets.defs.chain import lineage_of
from synapse_assets.defs.cluster_sensor import cluster_sensor
from synapse_assets.defs.failures import failure_sensor
from synapse_assets.defs.input_sensors import arrivals_sensor, input_assets, reconcile_job
from synapse_assets.defs.jobs import chain_jobs
from synapse_assets.defs.labelling import labelling_sensor
from synapse_assets.defs.maintenance import release_job, upkeep_job
from synapse_assets.defs.resources import Installation
from synapse_assets.defs.schedules import check_clock, nightly_schedule, refit_schedule, upkeep_schedule
from synapse_assets.settings import Settings

# A run is a process of its own, for one region or one fit: its steps share what is slow to import, and nothing is forked
# (neither Lance nor torch survives that).
EXECUTOR = dg.in_process_executor


def build_definitions(
    settings: Settings | None = None,
    *,
    datasets: Sequence[Dataset] | None = None,
) -> dg.Definitions:
    """The definitions of an installation. Tests and scripts pass other settings or datasets."""
    settings = settings or Settings()
    check_clock(settings)
    enabled = (
        datasets if datasets is not None else [load_dataset(name, settings.local_root) for name in settings.datasets]
    )
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    jobs: list[Any] = []
    schedules = [upkeep_schedule(settings)]
    sensors = [automation_sensor(settings), failure_sensor(settings)]
    if settings.ray_address is not None:
        sensors.append(cluster_sensor(settings))
    for dataset in enabled:
        assets += input_assets(dataset, settings)
        sensors.append(arrivals_sensor(dataset, settings))
        if any(facts.role is Role.ASK for facts in chain_of(dataset).assets_of(dataset)):
            sensors.append(labelling_sensor(dataset, settings))
        assets += automate(lineage_of(dataset).assets(dataset), chain_of(dataset), settings)
        jobs += [*chain_jobs(dataset), reconcile_job(dataset), release_job(dataset)]
        if chain_of(dataset).models_of(dataset):
            schedules.append(refit_schedule(dataset, settings))
        schedules.append(nightly_schedule(dataset, settings))
    checks = [key for asset in assets if isinstance(asset, dg.AssetsDefinition) for key in asset.check_keys]
    jobs.append(upkeep_job(enabled, checks))
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=schedules,
        sensors=sensors,
        resources={
            "installation": Installation(
                data_root=settings.data_root,
                local_root=settings.local_root,
                device=settings.device,
                explorer_url=settings.explorer_url,
                ray_address=settings.ray_address,
                ray_runs=settings.ray_runs,
                ray_part_tiles=settings.ray_part_tiles,
                ray_cpus=settings.ray_cpus,
                ray_gpus=settings.ray_gpus,
            )
        },
        executor=EXECUTOR,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the workspace loads."""
    share_cores()
    settings = Settings()
    keep_caches(settings.local_root)
    return build_definitions(settings)
