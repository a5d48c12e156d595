"""The resource that assets get: where data lives and what the networks run on."""

import dagster as dg

from synapse_assets.cluster.engine import RayEngine, require_shared
from synapse_assets.pipeline.engine import Engine
from synapse_assets.stores import DatasetStore


class Installation(dg.ConfigurableResource):
    """One installation of the pipeline: its data root, the local folder that goes with it, its computing device, its explorer, and the Ray
    cluster that the work of a region is divided on, if there is one (`settings.Settings`)."""

    data_root: str
    local_root: str | None = None
    device: str = "auto"
    explorer_url: str = "http://127.0.0.1:8050"
    ray_address: str | None = None
    ray_runs: int | None = None
    ray_part_tiles: int = 2048
    ray_cpus: float = 1.0
    ray_gpus: float = 0.0

    def store(self, dataset: str) -> DatasetStore:
        """Everything stored of one dataset."""
        return DatasetStore(self.data_root, dataset, self.local_root)

    def engine(self) -> Engine | None:
        """What carries out the parts of a region's work; None where a region is made by one process. Raises BadInput where the data root
        is out of the cluster's reach."""
        if self.ray_address is None:
            return None
        require_shared(self.data_root)
        return RayEngine(self.ray_part_tiles, self.ray_cpus, self.ray_gpus, self.ray_runs, self.device)
