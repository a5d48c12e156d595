"""The stored results for scripts and notebooks: open the warehouse of a dataset, find similar synapses.

Reads one release, the one that is out or a frozen one, so what is asked is consistent while runs are writing. Writes nothing
and does not need Dagster. Everything here can also be had with plain duckdb and lancedb, see the README.
"""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.schema import BadInput
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.dataset_store import WAREHOUSE_FILE
from synapse_assets.stores.releases import frozen_release
from synapse_assets.stores.rows import vector_matrix
from synapse_assets.stores.warehouse import open_file, release_content

# What `similar` reads, by table and column.
_NEEDED = {
    ("labelled_synapses", "synapse_id"), ("labelled_synapses", "neuron_id"), ("labelled_synapses", "known_classes"),
    ("clusters", "synapse_id"), ("clusters", "cluster"),
    ("synapse_predictions", "synapse_id"), ("synapse_predictions", "predicted"),
}  # fmt: skip


def open_warehouse(
    dataset: str = "sample", data_root: str | Path | None = None, release: str | None = None
) -> "Warehouse":
    """The released results of a dataset, read-only; `data_root` is a folder or an address, by default that of the settings.

    `release` is the name of a frozen release (`stores.releases`), by default the one that is out now. Raises BadInput if none
    has been published, or none of that name.
    """
    settings = Settings() if data_root is None else Settings(data_root=str(data_root))
    return Warehouse(DatasetStore(settings.data_root, dataset, settings.local_root), release)


class Warehouse:
    """One release of one dataset: SQL over its tables and exact similarity search over its vectors."""

    def __init__(self, store: DatasetStore, release: str | None = None) -> None:
        folder = store.folder if release is None else frozen_release(store, release)
        self._where = folder.address(WAREHOUSE_FILE)
        self._step = (
            f"materialise the asset {store.dataset}/warehouse again"
            if release is None
            else "read this frozen release with plain duckdb, or with the version of this program that froze it"
        )
        try:
            path = folder.local_copy(WAREHOUSE_FILE)
        except FileNotFoundError:
            raise BadInput(f"no warehouse at {self._where}: materialise the asset {store.dataset}/warehouse") from None
        self._store = store
        self._connection = open_file(path, self._where, self._step)
        # The release is read from the same file as the tables, so that both belong to the same build.
        self.release: dict[str, Any] = release_content(self._connection, self._where, self._step)
        self._vectors: tuple[pa.Array, np.ndarray] | None = None

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def sql(self, query: str, parameters: list[Any] | None = None) -> pd.DataFrame:
        """The result of a DuckDB query over the tables (`show tables` lists them). Identifiers stay whole 64-bit numbers."""
        return _frame(self._connection.sql(query, params=parameters).to_arrow_table())

    def similar(
        self,
        synapse_id: str | None = None,
        *,
        image: np.ndarray | None = None,
        k: int = 10,
        where: str = "true",
        leave_out_own_neuron: bool = True,
    ) -> pd.DataFrame:
        """The `k` synapses whose vectors are nearest by cosine distance, nearest first; exact.

        Give the id of a synapse, or an image (uint8, (sections, height, width), axes z y x) of the dataset's tile size.
        `where` is a DuckDB condition on the columns of `labelled_synapses` (s), `clusters` (c) and `synapse_predictions` (p); it is
        applied before the search, so `k` rows come back wherever that many fulfil it. Synapses of the query's own neuron are
        left out, because a neuron always resembles itself, and so is the query. Columns: those of `labelled_synapses`, `cluster`,
        `predicted` and `distance` (0 to 2).

        Raises BadInput for an unknown id, or unless exactly one of synapse_id and image is given.
        """
        if (synapse_id is None) == (image is None):
            raise BadInput("give either a synapse_id or an image")
        ids, matrix = self._matrix()
        self._check_layout()
        own_neuron = None
        if synapse_id is not None:
            found = self.sql("select neuron_id from synapses where synapse_id = ?", [synapse_id])
            at = pc.index(ids, synapse_id).as_py()
            if found.empty or at < 0:
                raise BadInput(f"no synapse '{synapse_id}' with a vector in the release of {self._store.dataset}")
            query = matrix[at]
            if leave_out_own_neuron and not found["neuron_id"].isna().iloc[0]:
                own_neuron = int(found["neuron_id"].iloc[0])
        else:
            query = self._embed(np.asarray(image))
        candidates = self._connection.sql(
            f"""select s.* exclude (known_classes), c.cluster, p.predicted
            from labelled_synapses s left join clusters c using (synapse_id) left join synapse_predictions p using (synapse_id)
            where ({where}) and s.synapse_id is distinct from $1 and ($2 is null or s.neuron_id is distinct from $2)""",  # noqa: S608 -- the caller's own condition on a read-only file
            params=[synapse_id, own_neuron],
        ).to_arrow_table()
        rows = pc.index_in(candidates.column("synapse_id"), value_set=ids)
        candidates = candidates.filter(pc.is_valid(rows))
        positions = rows.drop_null().to_numpy()
        distances = 1.0 - matrix[positions] @ query
        nearest = np.argsort(distances, kind="stable")[:k]
        return _frame(candidates.take(nearest).append_column("distance", pa.array(distances[nearest])))

    def _matrix(self) -> tuple[pa.Array, np.ndarray]:
        """Ids and vectors of length one of the whole release; read once and kept."""
        if self._vectors is None:
            if "embeddings" not in self.release["tables"]:
                raise BadInput(
                    f"{self._store.dataset} has no pictures and so no vectors: similar() is for datasets with a volume"
                )
            try:
                encoder = self.release["models"]["encoder"]
                dimensions = int(self.release["scores"]["encoder"]["dimensions"])
                version = int(self.release["tables"]["embeddings"]["version"])
            except (KeyError, TypeError, ValueError):
                raise self._older("its release does not name encoder, dimensions and version of the vectors") from None
            rows = self._store.vectors(encoder, dimensions).at_version(version).read(None, ["synapse_id", "vector"])
            self._vectors = rows.column("synapse_id").combine_chunks(), _unit(vector_matrix(rows))
        return self._vectors

    def _check_layout(self) -> None:
        """Whether the tables that `similar` reads have the columns it needs."""
        found = self._connection.execute("select table_name, column_name from duckdb_columns()").fetchall()
        lacking = sorted(f"{table}.{column}" for table, column in _NEEDED - set(found))
        if lacking:
            raise self._older(f"it has no {', '.join(lacking)}")

    def _older(self, what: str) -> BadInput:
        return BadInput(f"{self._where} is of another version of this program ({what}); {self._step}")

    def _embed(self, image: np.ndarray) -> np.ndarray:
        from synapse_assets.vision.encoder import Encoder

        encoder = Encoder.load(self._store.models("encoder").path(self.release["models"]["encoder"]))
        return _unit(encoder.embed(image[None]))[0]


def _frame(table: pa.Table) -> pd.DataFrame:
    """As pandas; a column of integers with gaps does not become floating point, which would round neuron ids."""
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
