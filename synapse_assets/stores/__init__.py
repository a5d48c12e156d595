"""The data of a dataset on disk: Lance tables, Parquet results, fitted models, staging and the published warehouse.

Everything is written so that a kill at any moment loses, doubles or tears nothing. `DatasetStore` is the entry point.
"""

from synapse_assets.stores.commits import Commit, WrittenPart
from synapse_assets.stores.dataset_store import DatasetStore
from synapse_assets.stores.maintenance import maintain
from synapse_assets.stores.models import ModelStore, Provenance, fingerprint
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.partitioned_source import PartitionedSource
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.releases import freeze_release, released_names
from synapse_assets.stores.staging import Staging
from synapse_assets.stores.warehouse import build_warehouse

__all__ = [
    "Commit",
    "DatasetStore",
    "ModelStore",
    "ParquetTable",
    "PartitionedSource",
    "Provenance",
    "RegionTable",
    "Staging",
    "WrittenPart",
    "build_warehouse",
    "fingerprint",
    "freeze_release",
    "maintain",
    "released_names",
]
