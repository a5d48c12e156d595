"""Where the parts of one dataset are stored. Reading and writing them belongs to the stores that are given out here."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa

from synapse_assets.schema import SYNAPSES, TILES, Table, embedding_table
from synapse_assets.settings import local_root_of
from synapse_assets.stores.annotation_log import LOG_FILE, AnnotationLog
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.models import ModelStore
from synapse_assets.stores.parquet_table import ParquetTable, partition_of
from synapse_assets.stores.partitioned_source import PartitionedSource
from synapse_assets.stores.receipts import Receipts
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.staging import Staging, work_folder

WAREHOUSE_FILE = "warehouse.duckdb"
RELEASE_FILE = "release.json"


@dataclass(frozen=True)
class DatasetStore:
    """The data of one dataset under `<data_root>/<dataset>/`. Cheap to make and pickle; touches nothing by itself.

    `data_root` is a folder or an address (s3://, gs://). `local_root` is the local folder for inputs that the pipeline drew
    or fetched and for copies of what lies at an address; by default `settings.local_root_of` the data root.
    """

    data_root: str
    dataset: str
    local_root: str | None = None

    @property
    def folder(self) -> Files:
        """The dataset's folder."""
        return Files(self.data_root, self._local_root).child(segment(self.dataset))

    @property
    def raw(self) -> Path:
        """The local folder for files that the pipeline fetched or drew itself."""
        return Path(self._local_root) / segment(self.dataset) / "raw"

    @property
    def synapse_table(self) -> PartitionedSource:
        """The whole source, split by region, as it was read last."""
        return PartitionedSource(self.folder.child("tables", "synapse_table"))

    @property
    def synapses(self) -> RegionTable:
        """The checked synapses of all regions."""
        return self._lance("synapses", SYNAPSES)

    @property
    def tiles(self) -> RegionTable:
        """The pictures of all regions."""
        return self._lance("tiles", TILES)

    def vectors(self, model_id: str, dimensions: int) -> RegionTable:
        """The vectors of one encoder, all regions."""
        return self._lance(f"embeddings_{segment(model_id)}", embedding_table(dimensions))

    def lance_tables(self) -> dict[str, RegionTable]:
        """All Lance tables by the name of their folder, for maintenance: vectors are given without their dimensions."""
        known = {f"{table.name}.lance": table for table in (SYNAPSES, TILES)}
        file_names = [name for name in self.folder.child("vectors").names() if name.endswith(".lance")]
        return {
            name: self._lance(name.removesuffix(".lance"), known.get(name, embedding_table(None)))
            for name in file_names
        }

    def results(self, table: Table) -> ParquetTable:
        """The result table of that schema; its name is the name of its folder."""
        by = next(
            (name for name in ("investigation_group", "plate", "block", "round") if name in table.names), "brain_region"
        )
        return ParquetTable(self.folder.child("tables", segment(table.name)), table, by)

    def stored_parts(self, by: str) -> list[str]:
        """Names of the parts (of `by`, such as brain_region) that the inputs have or that rows are stored of, sorted; none before
        anything was read. Reads no table."""
        if self.synapse_table.version is not None:
            return sorted(self.synapse_table.regions())
        tables = self.folder.child("tables")
        for table in tables.names():
            parts = [partition_of(by, folder) for folder in tables.child(table).names()]
            if stored := sorted(part for part in parts if part is not None):
                return stored
        return []

    @property
    def annotation_log(self) -> AnnotationLog:
        """What people answered about this dataset; always on a local disk. Maintenance leaves it alone."""
        return AnnotationLog(Path(self._local_root) / segment(self.dataset) / LOG_FILE)

    def models(self, name: str) -> ModelStore:
        """The fitted versions of the model of that name."""
        return ModelStore(self.folder.child("models", segment(name)), name)

    def model_names(self) -> list[str]:
        """Names of all models with anything stored."""
        return [unquote(name) for name in self.folder.child("models").names()]

    def staging(self, asset: str, region: str, key: str) -> Staging:
        """The unfinished work of one region of an asset; work under another key of the same region is dropped."""
        return Staging.open(self.folder.child("staging", segment(asset), segment(region)), key)

    def staged_ids(self, asset: str, region: str, key: str) -> pa.Array:
        """Ids of the synapses whose rows lie in that staging; nothing is dropped."""
        return Staging(self.folder.child("staging", segment(asset), segment(region)), key).ids()

    def receipts(self, asset: str, region: str, key: str) -> Receipts:
        """What parts of that region's work, made by other processes, have left for its commit; another key is another way of making it."""
        return Receipts(self.folder.child("staging", segment(asset), segment(region), segment(key)))

    def work_folder(self, asset: str, part: str, key: str) -> Path:
        """A local folder for unfinished files of that key, of one part of an asset; what is of another key of it is removed."""
        return work_folder(self.folder.child("staging", segment(asset), segment(part)), key)

    def clear_work(self, asset: str) -> None:
        """Removes all unfinished files of an asset."""
        Files(str(self.folder.child("staging").local_folder)).remove(segment(asset))

    @property
    def figures(self) -> Files:
        """The folder of figures that are stored as files."""
        return self.folder.child("figures")

    @property
    def warehouse_address(self) -> str:
        """Path or address of the published DuckDB file, to show; there may be none yet."""
        return self.folder.address(WAREHOUSE_FILE)

    @property
    def warehouse_path(self) -> Path:
        """The published DuckDB file as a local file; there may be none yet.

        For object storage a complete copy of it, fetched anew when another was published.
        """
        with suppress(FileNotFoundError):
            return self.folder.local_copy(WAREHOUSE_FILE)
        return self.folder.local_folder / WAREHOUSE_FILE

    def release(self) -> dict[str, Any] | None:
        """The last release: the table versions and models that belong together; None before the first."""
        content: dict[str, Any] | None = self.folder.read_json(RELEASE_FILE)
        return content

    @property
    def _local_root(self) -> str:
        return self.local_root or local_root_of(self.data_root)

    def _lance(self, name: str, table: Table) -> RegionTable:
        # Lance decodes an address, as pyarrow does; what `segment` encoded has to stay.
        folder = self.folder.child("vectors")
        return RegionTable(folder.address(f"{name if folder.is_local else quote(name)}.lance"), table)
