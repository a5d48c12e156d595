"""The resource that assets get: where data lives and what the networks run on."""

import dagster as dg

from synapse_assets.stores import DatasetStore


class Installation(dg.ConfigurableResource):
    """One installation of the pipeline: its data root, the local folder that goes with it, its computing device, its explorer."""

    data_root: str
    local_root: str | None = None
    device: str = "auto"
    explorer_url: str = "http://127.0.0.1:8050"

    def store(self, dataset: str) -> DatasetStore:
        """Everything stored of one dataset."""
        return DatasetStore(self.data_root, dataset, self.local_root)
