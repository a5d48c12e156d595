"""One release of a dataset, open for questions: SQL, similar synapses, facts and pictures."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import CHAINS, Dataset, load_dataset
from synapse_assets.errors import BadInput, StorageError
from synapse_assets.query.points import CATEGORIES, NO_FILTERS, NUMBERS, Filters, Points, points_from_table
from synapse_assets.query.search import Metric, StoredVectors, Vectors, VectorsInMemory
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.dataset_store import WAREHOUSE_FILE
from synapse_assets.stores.files import storage_explained
from synapse_assets.stores.region_table import RegionTable, sql_text
from synapse_assets.stores.releases import frozen_release
from synapse_assets.stores.rows import vector_matrix
from synapse_assets.stores.vector_index import EXACT_BELOW
from synapse_assets.stores.warehouse import check_question, cursor_of, open_file, release_content

if TYPE_CHECKING:
    from PIL import Image

    from synapse_assets.vision.encoder import Encoder

# What `points` cannot do without, by table and column.
_NEEDED = {("labelled_synapses", column) for column in ("synapse_id", "neuron_id", "x_nm", "brain_region", "target")}
# What it takes of that view, as far as there are such columns.
_TAKEN = {"synapse_id", "neuron_id", "x_nm", "y_nm", "z_nm", "volume", *CATEGORIES, *NUMBERS}
_ROWS_AT_ONCE = 16_384
_TYPICAL_OF = 20_000
_GROUPS = "select investigation_group from projection group by all order by all"
# Synapses that the map was fitted on have their clusters; those observed later, their predictions.
_POINTS_OF_GROUP = """
    with placed as (
        select synapse_id, map_1, map_2, space_1, space_2, space_3, cluster, membership_probability, null::double as probability
        from projection left join clusters using (investigation_group, synapse_id) where investigation_group = $group
        union all
        select synapse_id, map_1, map_2, null, null, null, cluster, null, probability
        from predictions where investigation_group = $group)
    select synapse_id, neuron_id, neuron_type, synapse_type, brain_region, used_for,
        1000 * x_um as x_nm, 1000 * y_um as y_nm, 1000 * z_um as z_nm, placed.* exclude (synapse_id)
    from placed join synapses using (synapse_id) order by synapse_id
"""


def open_warehouse(
    dataset: str | Dataset = "sample",
    data_root: str | Path | None = None,
    release: str | None = None,
    group: str | None = None,
) -> "Warehouse":
    """The released results of a dataset, read-only.

    `dataset` is its name, the path of its YAML file, or what `load_dataset` gave. `data_root` is a folder or an address, by
    default that of the settings. `release` is the name of a frozen release (`stores.releases`), by default the one that is out
    now. `group`: of a dataset with investigation groups, the one whose map and clusters `points` has; by default the first.
    Raises BadInput if none has been published, or none of that name.
    """
    settings = Settings() if data_root is None else Settings(data_root=str(data_root))
    if isinstance(dataset, str) and Path(dataset).suffix in (".yaml", ".yml"):
        dataset = load_dataset(dataset, settings.local_root)
    name = dataset if isinstance(dataset, str) else dataset.name
    store = DatasetStore(settings.data_root, name, settings.local_root)
    return Warehouse(store, release, None if isinstance(dataset, str) else dataset, group)


class Warehouse:
    """One release of one dataset: SQL over its tables and similarity search over its vectors."""

    def __init__(
        self,
        store: DatasetStore,
        release: str | None = None,
        dataset: Dataset | None = None,
        group: str | None = None,
    ) -> None:
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
        self._store, self._dataset, self._group = store, dataset, group
        # Only the release that is out can be followed by another.
        self._opened = None if release else (folder, _identity(path))
        self._connection = open_file(path, self._where, self._step)
        # The release is read from the same file as the tables, so that both belong to the same build.
        self.release: dict[str, Any] = release_content(self._connection, self._where, self._step)

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def is_outdated(self) -> bool:
        """Whether another release was published since this one was opened."""
        if self._opened is None:
            return False
        folder, identity = self._opened
        with suppress(FileNotFoundError):
            return _identity(folder.local_copy(WAREHOUSE_FILE)) != identity
        return False

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def sql(self, query: str, parameters: list[Any] | None = None) -> pd.DataFrame:
        """The result of a DuckDB query over the tables (`show tables` lists them). Identifiers stay whole 64-bit numbers.

        It reads this release and nothing else: no files, no network, no variables of Python, no settings. For anything else open
        the file with plain duckdb. Raises duckdb.Error for a query that is wrong or asks for more.
        """
        check_question(query)
        rows = cursor_of(self._connection).sql(query, params=parameters)
        return pd.DataFrame() if rows is None else _frame(rows.to_arrow_table())

    def similar(
        self,
        synapse_id: str | None = None,
        *,
        image: npt.NDArray[np.uint8] | None = None,
        place_nm: Sequence[float] | None = None,
        k: int = 10,
        columns: str | None = None,
        metric: Metric = "cosine",
        filters: Filters = NO_FILTERS,
        where: str = "true",
        leave_out_own_neuron: bool = True,
        leave_out_within_nm: float = 0.0,
        most_columns: int | None = None,
    ) -> pd.DataFrame:
        """The `k` synapses whose vectors are nearest, nearest first; or the `k` nearest of each class, side by side.

        Exact up to `EXACT_BELOW` synapses; above, cosine distance goes through the index (see the asset `vector_index`).

        Give the id of a synapse, an image (uint8, (sections, height, width), axes z y x, of the dataset's tile size), or a
        place in the volume (x, y, z in nanometres), where a tile is cut. `columns` names a column of classes, such as "target"
        or "cluster": then there are `k` rows for each class, a rare one included, or for the `most_columns` classes with the nearest
        synapses. `metric`: see `search.METRICS`.

        `filters`, and `where`, a DuckDB condition on the columns of `labelled_synapses` (s), `clusters` (c) and
        `synapse_predictions` (p), are applied before the search, so `k` rows come back wherever that many fulfil them. A
        condition reaches no more than `sql` does. The query is left out; so are synapses of its own neuron, because a neuron
        always resembles itself, and those within `leave_out_within_nm` of it, whose tiles show the same.

        Columns: `column` (the class, where `columns` is given), those of `Points.frame`, and `distance`. Raises BadInput for an
        unknown id, column, class or metric, a wrong condition, an image that does not fit the encoder, a place outside the
        volume, a filter that leaves nothing, or unless exactly one of synapse_id, image and place_nm is given.
        """
        if sum(given is not None for given in (synapse_id, image, place_nm)) != 1:
            raise BadInput("give one of these: a synapse_id, an image, or a place_nm")
        if k < 1:
            raise BadInput(f"k has to be 1 or more, not {k}")
        vectors, points = self.vectors, self.points
        among = vectors.present & points.select(filters)
        if where != "true":
            among &= self._fulfilling(where)
        if synapse_id is not None:
            row = points.row(synapse_id)
            if not vectors.present[row]:
                raise BadInput(f"synapse '{synapse_id}' has no vector in the release of {self._store.dataset}")
            query = vectors.at(np.array([row]))[0]
            among[row] = False
            if leave_out_own_neuron and points.neurons[row] >= 0:
                among &= points.neurons != points.neurons[row]
            if leave_out_within_nm > 0:
                volume = None if points.volumes is None else points.volumes[row].as_py()
                among &= ~points.near(points.places_nm[row], leave_out_within_nm, volume)
        elif image is not None:
            query = self.embed(np.asarray(image))
        else:
            place = np.asarray(place_nm, dtype=np.float64)
            volume, tile = self._cut(place)
            query = self.embed(tile)
            if leave_out_within_nm > 0:
                among &= ~points.near(place, leave_out_within_nm, volume)
        if not among.any():
            raise BadInput("no synapse is left to compare with: the filters, or what is left out, take all of them")
        found = vectors.nearest(query, metric, among, k, None if columns is None else points.category(columns))
        if not found:
            raise BadInput(f"none of the synapses that are left has a {CATEGORIES[str(columns)]}: ask for one list")
        if most_columns is not None and len(found) > most_columns:
            last = sorted(float(one.distances[0]) for one in found)[most_columns - 1]
            found = [one for one in found if one.distances[0] <= last][:most_columns]
        rows = np.concatenate([one.rows for one in found])
        answer = points.frame(rows).assign(distance=np.concatenate([one.distances for one in found]))
        if columns is not None:
            answer.insert(0, "column", [one.name for one in found for _ in one.rows])
        return answer

    @cached_property
    def release_id(self) -> str:
        """What tells this release from others of the dataset: 12 hexadecimal digits of its content."""
        return hashlib.sha256(json.dumps(self.release, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def points(self) -> Points:
        """Every synapse of the release, or of one of its investigation groups; read once and kept."""
        import duckdb

        cursor = cursor_of(self._connection)
        try:
            if self.group is not None:
                rows = cursor.sql(_POINTS_OF_GROUP, params={"group": self.group}).to_arrow_table()
            else:
                rows = cursor.sql(self._points_query()).to_arrow_table()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise self._older(f"its tables have other columns: {error}") from error
        return points_from_table(rows)

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors of the release, in the order of `points`; read once and kept. Raises BadInput where there are none."""
        if "embeddings" not in self.release["tables"]:
            raise BadInput(
                f"{self._store.dataset} has no pictures of its synapses, and so nothing to search with: similarity is for "
                "datasets with a volume"
            )
        try:
            encoder = self.release["models"]["encoder"]
            dimensions = int(self.release["scores"]["encoder"]["dimensions"])
            version = int(self.release["tables"]["embeddings"]["version"])
        except (KeyError, TypeError, ValueError):
            raise self._older("its release does not name encoder, dimensions and version of the vectors") from None
        table = self._store.vectors(encoder, dimensions).at_version(version)
        with self._readable("vectors", table.uri, "embeddings"):
            return self._read_vectors(table, encoder, dimensions)

    def _read_vectors(self, table: RegionTable, encoder: str, dimensions: int) -> Vectors:
        stored = table.lance()
        if stored is not None and stored.count_rows(filter=f"model_id != {sql_text(encoder)}"):
            raise BadInput(
                f"{self._where}: not all of its vectors were made with its encoder {encoder}; materialise embeddings of every "
                f"region of {self._store.dataset}, then {self._step}"
            )
        if len(self.points) > EXACT_BELOW:
            return StoredVectors(table, table.numbers_of(self.points.ids))
        matrix = np.zeros((len(self.points), dimensions), dtype=np.float32)
        present = np.zeros(len(self.points), dtype=bool)
        for batch in table.batches(None, ["synapse_id", "vector"], _ROWS_AT_ONCE):
            rows = pc.index_in(batch.column("synapse_id"), value_set=self.points.ids)
            known = batch.filter(pc.is_valid(rows))
            at = rows.drop_null().to_numpy()
            matrix[at], present[at] = vector_matrix(pa.Table.from_batches([known])), True
        return VectorsInMemory(matrix, present)

    def tile(self, synapse_id: str) -> npt.NDArray[np.uint8]:
        """The picture of a synapse, uint8 (sections, size_px, size_px), axes z y x. Raises BadInput if there is none."""
        return self.tiles([synapse_id])[0]

    def tiles(self, synapse_ids: Sequence[str]) -> npt.NDArray[np.uint8]:
        """The pictures of synapses, in their order, uint8 (N, sections, size_px, size_px), axes tile z y x.

        Raises BadInput naming one that has none.
        """
        from synapse_assets.volumes.cropping import decode_tiles

        rows = [self.points.row(one) for one in synapse_ids]
        with self._readable("pictures", self._store.tiles.uri, "tiles"):
            numbers = [int(self._tile_numbers[row]) for row in rows]
            if -1 in numbers:
                raise BadInput(f"there is no picture of synapse '{synapse_ids[numbers.index(-1)]}' in this release")
            return decode_tiles(self._released_tiles.take(numbers, ["image"]).column("image"))

    @contextmanager
    def _readable(self, what: str, where: str, asset: str) -> Iterator[None]:
        """Says what to do where stored files are damaged or gone, which their readers tell by errors of many kinds."""
        try:
            with storage_explained(where):
                yield
        except BadInput:
            raise
        except StorageError as error:
            raise BadInput(str(error)) from error
        except Exception as error:
            name = self._store.dataset
            raise BadInput(
                f"the {what} of {name} cannot be read: files in {where} are damaged or gone. Restore that folder from a backup, or "
                f"remove it and materialise {name}/{asset} of every region, then {self._step}"
            ) from error

    def picture(self, found: pd.DataFrame, across: int = 8) -> "Image.Image":
        """The tiles of an answer of `similar` as one image, which a notebook shows: side by side if it has columns.

        The middle section of each, with its id and distance below; `across` tiles in a row where the answer is one list. Raises
        BadInput for a synapse without a picture, or an answer without rows.
        """
        from PIL import Image

        from synapse_assets.volumes.pictures import tile_sheet

        ids = found["synapse_id"].tolist()
        if not ids:
            raise BadInput("there is nothing to show: the answer has no rows")
        labels = [f"{one} {far:.3f}" for one, far in zip(ids, found["distance"], strict=True)]
        tiles = self.tiles(ids)
        if "column" in found:
            names = found["column"].unique().tolist()
            rank = found.groupby("column", sort=False).cumcount().to_numpy()
            place = rank * len(names) + pd.Index(names).get_indexer(found["column"])
            across = len(names)
            sheet = np.full((int(place.max()) // across * across + across, *tiles.shape[1:]), 255, dtype=np.uint8)
            sheet[place] = tiles
            beside = dict(zip(place.tolist(), labels, strict=True))
            first = {at: f"{name}: {beside[at]}" for at, name in enumerate(names)}
            tiles, labels = sheet, [{**beside, **first}.get(at, "") for at in range(len(sheet))]
        return Image.open(io.BytesIO(tile_sheet(tiles, across, labels)))

    @cached_property
    def _released_tiles(self) -> RegionTable:
        return self._store.tiles.at_version(int(self.release["tables"]["tiles"]["version"]))

    @cached_property
    def _tile_numbers(self) -> npt.NDArray[np.int64]:
        """Row of each point in the table of tiles, -1 where it has none."""
        if not self.release["tables"].get("tiles", {}).get("version"):
            return np.full(len(self.points), -1, dtype=np.int64)
        return self._released_tiles.numbers_of(self.points.ids)

    def tile_at(self, place_nm: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """A tile cut at a place of the dataset's volume (x, y, z in nanometres), like those of the synapses.

        Where the dataset has several volumes, of the first that has the place. Raises BadInput if none has it.
        """
        return self._cut(place_nm)[1]

    def _cut(self, place_nm: npt.ArrayLike) -> tuple[str, npt.NDArray[np.uint8]]:
        """See `tile_at`: the name of the volume, and the tile."""
        from synapse_assets.volumes import open_volume

        dataset = self._dataset or load_dataset(self._store.dataset, self._store.local_root or Settings().local_root)
        place = np.asarray(place_nm, dtype=np.float64).reshape(1, 3)
        for name, spec in dataset.tile_volumes.items():
            volume = open_volume(spec)
            if volume.contains(place)[0]:
                return name, next(volume.read_tiles(place, dataset.tile_spec)).tiles[0]
        x, y, z = place[0]
        raise BadInput(f"the place ({x:g}, {y:g}, {z:g}) nm lies in no volume of {self._store.dataset}")

    def embed(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The vector of an image, as the encoder of this release makes it, float32 (dimensions,).

        Raises BadInput for an image of another type or size than the encoder takes.
        """
        self.check_picture(image)
        vector: npt.NDArray[np.float32] = self.encoder.embed(image[None])[0]
        return vector

    def check_picture(self, image: npt.NDArray[np.uint8]) -> None:
        """Raises BadInput for an image of another type or size than the encoder of this release takes."""
        wanted = self.picture_shape
        if image.dtype != np.uint8 or image.shape != wanted:
            raise BadInput(
                f"the image is {image.dtype} of {image.shape}; the encoder of {self._store.dataset} takes uint8 of {wanted}: "
                "sections, height and width in pixels"
            )

    def typical(self, among: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
        """Rows of the `k` points, of those marked (N,), whose vectors point most nearly where the mean of all theirs points.

        Of more than 20,000 a random sample of that many is looked at, the same every time.
        """
        rows = np.flatnonzero(among & self.vectors.present)
        if len(rows) > _TYPICAL_OF:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:_TYPICAL_OF])
        matrix = self.vectors.at(rows)
        unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rows[np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")[:k]] if len(rows) else rows

    def probabilities(self, synapse_id: str) -> dict[str, float]:
        """Probability of each class as the classifier gave it, the most probable first; empty without a prediction.

        Raises BadInput for an unknown id.
        """
        known = self.points.ids[self.points.row(synapse_id)].as_py()
        if "synapse_predictions" not in self.release["tables"]:
            return {}
        found = cursor_of(self._connection).execute(
            "select probabilities from synapse_predictions where synapse_id = ?", [known]
        )
        rows = found.fetchall()
        given: dict[str, float] = (rows[0][0] if rows else None) or {}
        return dict(sorted(given.items(), key=lambda one: -one[1]))

    def cluster_cards(self) -> list[dict[str, Any]]:
        """The clusters as `cluster_cards` describes them, noise (-1) first; empty where there are none."""
        if "cluster_cards" not in self.release["tables"]:
            return []
        cards = cursor_of(self._connection).sql("select * from cluster_cards order by cluster").to_arrow_table()
        found: list[dict[str, Any]] = cards.to_pylist()
        return found

    @cached_property
    def group(self) -> str | None:
        """The investigation group whose map and clusters `points` has; None for a dataset without such groups."""
        if "projection" not in self.release["tables"]:
            return None
        groups = [row[0] for row in cursor_of(self._connection).execute(_GROUPS).fetchall()]
        group = self._group or next(iter(groups), "")
        if group not in groups:
            raise BadInput(
                f"there is no map of group '{group}' of {self._store.dataset}; there are {', '.join(groups)}"
            )
        return group

    @property
    def has_pictures(self) -> bool:
        """Whether the dataset has tiles and vectors."""
        return "embeddings" in self.release["tables"]

    @cached_property
    def encoder(self) -> "Encoder":
        """The encoder that the vectors of the release were made with; loaded once and kept."""
        from synapse_assets.vision.encoder import Encoder

        return Encoder.load(self._encoder_folder())

    @cached_property
    def picture_shape(self) -> tuple[int, int, int]:
        """Sections, height and width in pixels of the pictures that the encoder takes; known without loading it."""
        from synapse_assets.vision.encoder_spec import read_spec

        return read_spec(self._encoder_folder()).tile_shape

    def _encoder_folder(self) -> Path:
        self.vectors  # noqa: B018 -- a dataset without vectors has no encoder either; it says so
        return self._store.models("encoder").path(self.release["models"]["encoder"])

    def _points_query(self) -> str:
        """SQL for the columns of `points`: of the tables that there are, so that an unfinished dataset can be looked at too."""
        found = cursor_of(self._connection).execute("select table_name, column_name from duckdb_columns()").fetchall()
        lacking = sorted(f"{table}.{column}" for table, column in _NEEDED - set(found))
        if lacking:
            raise self._older(f"it has no {', '.join(lacking)}")
        tables = {table for table, _ in found}
        taken = [column for table, column in found if table == "labelled_synapses" and column in _TAKEN]
        selected, joined = [f"s.{column}" for column in taken], []
        for table, columns in _columns_beside().items():
            if table in tables:
                selected += [f"{table}.{column}" for column in columns]
                joined.append(f"left join {table} using (synapse_id)")
        return f"select {', '.join(selected)} from labelled_synapses s {' '.join(joined)} order by s.synapse_id"  # noqa: S608

    def _fulfilling(self, where: str) -> npt.NDArray[np.bool_]:
        """Which points fulfil a condition of the caller's own."""
        import duckdb

        asked = f"""select s.synapse_id from labelled_synapses s left join clusters c using (synapse_id)
            left join synapse_predictions p using (synapse_id) where (\n{where}\n)"""  # noqa: S608
        try:
            duckdb.SQLExpression(where)  # one expression, which the brackets hold
            check_question(asked)
            rows = cursor_of(self._connection).sql(asked).to_arrow_table()
        except duckdb.Error as error:
            told = str(error).partition("\n")[0]
            raise BadInput(
                f"where cannot be taken as a condition on labelled_synapses (s), clusters (c) and synapse_predictions (p): {told}"
            ) from error
        fulfil = pc.index_in(rows.column("synapse_id"), value_set=self.points.ids)
        marked = np.zeros(len(self.points), dtype=bool)
        marked[fulfil.drop_null().to_numpy()] = True
        return marked

    def _older(self, what: str) -> BadInput:
        return BadInput(f"{self._where} is of another version of this program ({what}); {self._step}")


def _columns_beside() -> dict[str, tuple[str, ...]]:
    """What `points` takes of other tables than the view, by table, as the chains say."""
    every = [facts for chain in CHAINS.values() for facts in chain.assets]
    return {facts.table.name: facts.points for facts in every if facts.table is not None and facts.points}


def _identity(path: Path) -> tuple[str, int, int]:
    """What tells a published file from the one that took its place."""
    found = path.stat()
    return str(path), found.st_ino, found.st_mtime_ns


def _frame(table: pa.Table) -> pd.DataFrame:
    """As pandas; a column of integers with gaps does not become floating point, which would round neuron ids."""
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
