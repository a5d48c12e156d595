"""The one thing Dagster loads: assets, checks, jobs and resources of every enabled dataset.

Importing this module reads the settings and dataset files and nothing else; no torch, umap or lancedb.
"""

from collections.abc import Sequence

import dagster as dg

from synapse_assets.datasets import EmDataset, MorphologyDataset, load_dataset
from synapse_assets.defs.em import em_assets, em_jobs
from synapse_assets.defs.morphology import morphology_assets, morphology_jobs
from synapse_assets.defs.resources import Installation
from synapse_assets.settings import Settings

# Lance and torch are not safe to fork after they have started threads: steps start from a clean server process.
EXECUTOR = dg.multiprocess_executor.configured(
    {"max_concurrent": 2, "start_method": {"forkserver": {"preload_modules": ["synapse_assets.definitions"]}}}
)


def build_definitions(
    settings: Settings | None = None,
    *,
    datasets: Sequence[EmDataset | MorphologyDataset] | None = None,
    executor: dg.ExecutorDefinition = EXECUTOR,
) -> dg.Definitions:
    """The definitions of an installation. Tests and scripts pass other settings, datasets or the in-process executor."""
    settings = settings or Settings()
    enabled = (
        datasets if datasets is not None else [load_dataset(name, settings.data_root) for name in settings.datasets]
    )
    em = [dataset for dataset in enabled if isinstance(dataset, EmDataset)]
    morphology = [dataset for dataset in enabled if isinstance(dataset, MorphologyDataset)]
    return dg.Definitions(
        assets=[
            *(asset for dataset in em for asset in em_assets(dataset)),
            *(asset for dataset in morphology for asset in morphology_assets(dataset)),
        ],
        jobs=[
            *(job for dataset in em for job in em_jobs(dataset)),
            *(job for dataset in morphology for job in morphology_jobs(dataset)),
        ],
        resources={"installation": Installation(data_root=settings.data_root, device=settings.device)},
        executor=executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the workspace loads."""
    return build_definitions()
