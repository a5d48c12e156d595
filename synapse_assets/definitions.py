"""The one thing Dagster loads: assets, checks, jobs and resources of every enabled dataset.

Importing this module reads the settings and dataset files and nothing else; no torch, umap or lancedb.
"""

import dagster as dg

from synapse_assets.datasets import Dataset, load_dataset
from synapse_assets.defs.alignment import alignment_assets
from synapse_assets.defs.classify import classify_assets
from synapse_assets.defs.embeddings import embedding_assets
from synapse_assets.defs.jobs import dataset_jobs
from synapse_assets.defs.labels import label_assets
from synapse_assets.defs.maps import map_assets
from synapse_assets.defs.publish import publish_assets
from synapse_assets.defs.resources import Installation
from synapse_assets.defs.synapses import source_specs, synapse_assets
from synapse_assets.defs.tiles import tile_assets
from synapse_assets.settings import Settings

# Lance and torch are not safe to fork after they have started threads: steps start from a clean server process.
EXECUTOR = dg.multiprocess_executor.configured(
    {"max_concurrent": 2, "start_method": {"forkserver": {"preload_modules": ["synapse_assets.definitions"]}}}
)


def dataset_assets(dataset: Dataset) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of one dataset, in the order of its chain."""
    return [
        *source_specs(dataset),
        *synapse_assets(dataset),
        *label_assets(dataset),
        *alignment_assets(dataset),
        *tile_assets(dataset),
        *embedding_assets(dataset),
        *map_assets(dataset),
        *classify_assets(dataset),
        *publish_assets(dataset),
    ]


def build_definitions(
    settings: Settings | None = None,
    *,
    datasets: list[Dataset] | None = None,
    executor: dg.ExecutorDefinition = EXECUTOR,
) -> dg.Definitions:
    """The definitions of an installation. Tests and scripts pass other settings, datasets or the in-process executor."""
    settings = settings or Settings()
    enabled = (
        datasets if datasets is not None else [load_dataset(name, settings.data_root) for name in settings.datasets]
    )
    return dg.Definitions(
        assets=[asset for dataset in enabled for asset in dataset_assets(dataset)],
        jobs=[job for dataset in enabled for job in dataset_jobs(dataset)],
        resources={"installation": Installation(data_root=settings.data_root, device=settings.device)},
        executor=executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the workspace loads."""
    return build_definitions()
