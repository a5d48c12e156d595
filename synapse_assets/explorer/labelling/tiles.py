"""Tiles as they are stored now, which is what people label; the tiles of a release belong to `query.pictures`."""

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles

# Of the numbers of rows that were looked up, and of pictures.
_KEPT_ROWS, _KEPT_PICTURES = 200_000, 500


class CurrentTiles:
    """The tiles of one dataset as they are now: their hashes and pictures. Rows that were looked up once are found without a search."""

    def __init__(self, store: DatasetStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version = -1
        # -1: it has none.
        self._numbers: dict[str, int] = {}
        self._hashes: dict[str, str] = {}
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    def hashes(self, synapse_ids: Sequence[str]) -> dict[str, str]:
        """Hash of the tile of each synapse that has one."""
        with self._lock:
            self._look_up(synapse_ids)
            return {one: self._hashes[one] for one in synapse_ids if one in self._hashes}

    def picture(self, synapse_id: str, tile_hash: str) -> bytes | None:
        """The sections of a tile as one PNG, first to last from top to bottom; None where the synapse has no tile of that hash now."""
        with self._lock:
            self._look_up([synapse_id])
            if self._hashes.get(synapse_id) != tile_hash:
                return None
            if tile_hash in self._pictures:
                self._pictures.move_to_end(tile_hash)
                return self._pictures[tile_hash]
            table = self._store.tiles.at_version(self._version)
            number = self._numbers[synapse_id]
        picture = _strip(decode_tiles(table.take([number], ["image"]).column("image"))[0])
        with self._lock:
            self._pictures[tile_hash] = picture
            while len(self._pictures) > _KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return picture

    def _look_up(self, synapse_ids: Sequence[str]) -> None:
        """Finds the rows of those synapses; after a commit to the table, anew."""
        table = self._store.tiles
        version = table.version
        if version != self._version or len(self._numbers) > _KEPT_ROWS:
            self._version, self._numbers, self._hashes = version, {}, {}
        unknown = [one for one in dict.fromkeys(synapse_ids) if one not in self._numbers]
        if not unknown or not version:
            return
        table = table.at_version(version)
        numbers = table.numbers_of(pa.array(unknown, pa.string())).tolist()
        self._numbers.update(zip(unknown, numbers, strict=True))
        there = [(one, number) for one, number in zip(unknown, numbers, strict=True) if number >= 0]
        hashes = table.take([number for _, number in there], ["tile_hash"]).column(0).to_pylist()
        self._hashes.update(zip([one for one, _ in there], hashes, strict=True))


def _strip(tile: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile.reshape(-1, tile.shape[2])).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
