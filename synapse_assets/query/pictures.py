"""The pictures of a release: the tiles of its synapses, tiles cut elsewhere in the volume, and the encoder that reads them.

Similarity search belongs to `similarity`.
"""

import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapse_assets.datasets import Dataset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.query.points import Points
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.region_table import RegionTable

if TYPE_CHECKING:
    from PIL import Image

    from synapse_assets.vision.encoder import Encoder


class Pictures:
    """The tiles of the synapses of one release."""

    def __init__(self, store: DatasetStore, file: ReleaseFile, points: Points) -> None:
        self._store, self._file, self._points = store, file, points

    def tiles(self, synapse_ids: Sequence[str]) -> npt.NDArray[np.uint8]:
        """See `Warehouse.tiles`."""
        return self.tiles_at(np.array([self._points.row(synapse_id) for synapse_id in synapse_ids], dtype=np.int64))

    def tiles_at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """See `Warehouse.tiles_at`."""
        from synapse_assets.volumes import decode_tiles

        with self._file.damage_explained("pictures", self._store.tiles.uri, "tiles"):
            numbers = self._numbers[rows].tolist()
            if -1 in numbers:
                without = self._points.ids[int(rows[numbers.index(-1)])]
                raise BadInput(f"there is no picture of synapse '{without}' in this release")
            return decode_tiles(self._table.take(numbers, ["image"]).column("image"))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """See `Warehouse.pictured`."""
        with self._file.damage_explained("pictures", self._store.tiles.uri, "tiles"):
            return self._numbers >= 0

    def sheet(self, answer: pd.DataFrame, across: int) -> "Image.Image":
        """See `Warehouse.picture`."""
        from PIL import Image

        from synapse_assets.volumes.pictures import tile_sheet

        ids = answer["synapse_id"].tolist()
        if not ids:
            raise BadInput("there is nothing to show: the answer has no rows")
        labels = [f"{name} {distance:.3f}" for name, distance in zip(ids, answer["distance"], strict=True)]
        tiles = self.tiles(ids)
        if "column" in answer:
            names = answer["column"].unique().tolist()
            rank = answer.groupby("column", sort=False).cumcount().to_numpy()
            cell = rank * len(names) + pd.Index(names).get_indexer(answer["column"])
            across = len(names)
            sheet = np.full((int(cell.max()) // across * across + across, *tiles.shape[1:]), 255, dtype=np.uint8)
            sheet[cell] = tiles
            beside = dict(zip(cell.tolist(), labels, strict=True))
            first = {index: f"{name}: {beside[index]}" for index, name in enumerate(names)}
            tiles, labels = sheet, [{**beside, **first}.get(index, "") for index in range(len(sheet))]
        return Image.open(io.BytesIO(tile_sheet(tiles, across, labels)))

    @cached_property
    def _table(self) -> RegionTable:
        return self._store.tiles.at_version(int(self._file.release["tables"]["tiles"]["version"]))

    @cached_property
    def _numbers(self) -> npt.NDArray[np.int64]:
        """Row of each point in the table of tiles, -1 where it has none."""
        if not self._file.release["tables"].get("tiles", {}).get("version"):
            return np.full(len(self._points), -1, dtype=np.int64)
        return self._table.numbers_of(self._points.ids)


class PictureEncoder:
    """The encoder that the vectors of one release were made with; loaded when it is needed. version: its id."""

    def __init__(self, store: DatasetStore, version: str) -> None:
        self._store, self._version = store, version

    @cached_property
    def encoder(self) -> "Encoder":
        """The encoder; loaded once and kept."""
        from synapse_assets.vision.encoder import Encoder

        return Encoder.load(self._folder)

    @cached_property
    def picture_shape(self) -> tuple[int, int, int]:
        """Sections, height and width in pixels of the pictures that it takes; known without loading it."""
        from synapse_assets.vision.encoder_spec import read_spec

        return read_spec(self._folder).tile_shape

    def check(self, image: npt.NDArray[np.uint8]) -> None:
        """Raises BadInput for an image of another type or size than the encoder takes."""
        if image.dtype != np.uint8 or image.shape != self.picture_shape:
            raise BadInput(
                f"the image is {image.dtype} of {image.shape}; the encoder of {self._store.dataset} takes uint8 of {self.picture_shape}: "
                "sections, height and width in pixels"
            )

    def embed(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The vector of an image, float32 (dimensions,). Raises BadInput for an image that the encoder does not take."""
        self.check(image)
        vector: npt.NDArray[np.float32] = self.encoder.embed(image[None])[0]
        return vector

    @property
    def _folder(self) -> Path:
        return self._store.models("encoder").path(self._version)


def cut_tile(
    store: DatasetStore, dataset: Dataset | None, place_nm: npt.ArrayLike
) -> tuple[str, npt.NDArray[np.uint8]]:
    """Name of the first volume with a position (x, y, z in nanometres), and the tile cut there, uint8 (sections, size_px, size_px).

    dataset: None to load the dataset of the store's name. Raises BadInput if no volume contains the position.
    """
    from synapse_assets.volumes import open_volume

    dataset = dataset or load_dataset(store.dataset, store.local_root or Settings().local_root)
    place = np.asarray(place_nm, dtype=np.float64).reshape(1, 3)
    for name, spec in dataset.tile_volumes.items():
        volume = open_volume(spec)
        if volume.contains(place)[0]:
            return name, next(volume.read_tiles(place, dataset.tile_spec)).tiles[0]
    x, y, z = place[0]
    raise BadInput(f"the place ({x:g}, {y:g}, {z:g}) nm lies in no volume of {store.dataset}")
