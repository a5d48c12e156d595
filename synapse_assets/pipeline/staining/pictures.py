"""The usable pictures of a dataset for every step that reads pixels, and the value that counts as white in all of them.

Which pictures are usable is decided when they are registered (`images`); reading a file belongs to `sources.pictures`.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import IMAGES
from synapse_assets.stores import DatasetStore

_CACHE_BYTES = 256 << 20


class Pictures:
    """The usable pictures of a dataset, or of one of its plates; their pixels are read from the source again.

    rows: those of `schema.staining.IMAGES`, sorted by image_id, without previews.
    """

    def __init__(self, rows: pa.Table, dataset: StainingDataset) -> None:
        self.rows = rows
        self._channels = list(dataset.channels)
        columns = (rows.column(name).to_pylist() for name in ("image_id", "path", "image_hash", "plate"))
        self._known = {image_id: known for image_id, *known in zip(*columns, strict=True)}
        self._cache: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0
        # Training reads from several threads.
        self._lock = Lock()

    @classmethod
    def of(cls, store: DatasetStore, dataset: StainingDataset, plate: str | None = None) -> "Pictures":
        """Those that are registered now, of one plate or of all; none where nothing is registered."""
        names = [name for name in IMAGES.names if name != "preview"]
        rows = store.results(IMAGES).read(plate, names)
        return cls(rows.filter(rows.column("usable")).sort_by("image_id"), dataset)

    def pixels(self, image_id: str) -> npt.NDArray[Any]:
        """The channels of the dataset of that picture: uint8 or uint16 (channels, height, width), for reading only.

        The last ones read, up to 256 MiB, are kept in memory. Raises BadInput where the file is gone or is no longer what was
        registered, and KeyError for a picture that is not among `rows`.
        """
        with self._lock:
            if image_id in self._cache:
                self._cache.move_to_end(image_id)
                return self._cache[image_id]
        pixels = self._read(image_id)
        pixels.flags.writeable = False
        with self._lock:
            if image_id not in self._cache:
                self._cache[image_id] = pixels
                self._bytes += pixels.nbytes
            while self._bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return pixels

    def _read(self, image_id: str) -> npt.NDArray[Any]:
        from synapse_assets.sources.pictures import read_picture
        from synapse_assets.volumes.tile_codec import tile_hash

        path, image_hash, plate = self._known[image_id]
        again = f"materialise 'images' of plate {plate} again"
        try:
            picture = read_picture(path, self._channels)
        except BadInput as error:
            raise BadInput(
                f"{error}. It was read when it was registered: if it is meant to be gone, {again}"
            ) from error
        if len(picture.pixels) != len(self._channels) or tile_hash(picture.pixels) != image_hash:
            raise BadInput(f"{path} has changed since it was registered: {again}")
        return picture.pixels


def white_level_of(store: DatasetStore, dataset: StainingDataset) -> int:
    """The value that counts as white in every picture of a dataset: as its YAML says; else 255 where no registered picture has more than 8
    bits, and 2^bits - 1 with the bits that the pictures of each plate together use.

    Raises BadInput where nothing usable is registered, and where plates differ in that, with the number to write in the YAML: the same
    value would be another grey on each of them.
    """
    if dataset.white_level is not None:
        return dataset.white_level
    rows = store.results(IMAGES).read(columns=["plate", "bits", "usable"])
    used = rows.filter(rows.column("usable")).group_by("plate").aggregate([("bits", "max")])
    bits = dict(zip(used.column("plate").to_pylist(), used.column("bits_max").to_pylist(), strict=True))
    if not bits:
        raise BadInput(f"{dataset.name} has no usable pictures yet: materialise the asset 'images'")
    if len(set(bits.values())) > 1:
        low, high = (choose(bits, key=lambda plate: (bits[plate], plate)) for choose in (min, max))
        raise BadInput(
            f"the pictures of plate {high} use {bits[high]} bits and those of plate {low} only {bits[low]}, so it is not known which value "
            f"is white in both: if all were taken alike, say white_level: {2 ** bits[high] - 1} in the dataset's YAML; if not, make them "
            "one dataset each"
        )
    return int(2 ** next(iter(bits.values())) - 1)
