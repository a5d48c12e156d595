"""The pictures of a site in packs: files of JPEGs one after the other, out of which a browser cuts the single ones.

Which pictures a page shows belongs to the browser; reading tiles belongs to `query`.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from logging import Logger
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from synapse_assets.cores import cores
from synapse_assets.query import Points, Warehouse
from synapse_assets.site.folder import SiteFolder

PER_PACK = 256
"""Middle sections in a pack."""
SECTIONS_PER_PACK = 64
"""Pictures with all of their sections in a pack; a divisor of `PER_PACK`."""
RANDOM = 4_096
"""Pictures, drawn at random, that lie in packs of their own once more; at most a quarter of all."""
QUALITY = 85
# Bits of each coordinate of the cells of the map through which a curve leads.
_BITS = 10

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packs:
    """The pictures of a site.

    numbers: int32 (N,), number of each point's picture in the packs, -1 where it has none. random: rows whose pictures lie in packs of
    their own once more, from number `random_start` on. size_px, sections: of each picture. mean_error: by which compression changes a
    pixel, of 255.
    """

    numbers: npt.NDArray[np.int32]
    random: Rows
    random_start: int
    size_px: int
    sections: int
    mean_error: float

    def described(self) -> dict[str, dict[str, int | float] | None]:
        """As they stand in site.json."""
        tiles = {
            "size_px": self.size_px,
            "sections": self.sections,
            "per_pack": PER_PACK,
            "pictures": int((self.numbers >= 0).sum()),
            "random": len(self.random),
            "random_start": self.random_start,
            "quality": QUALITY,
            "mean_error": self.mean_error,
        }
        return {"tiles": tiles, "sections": {"per_pack": SECTIONS_PER_PACK} if self.sections > 1 else None}


def write_packs(folder: SiteFolder, under: str, warehouse: Warehouse, seed: int, log: Logger) -> Packs:
    """Writes the packs of a release into a folder of the site, with what says where in its pack a picture ends. Packs that a killed export
    wrote of the same pictures are kept.

    Raises BadInput where pictures of the release are damaged or gone.
    """
    order = picture_order(warehouse.points, warehouse.pictured)
    random = np.random.default_rng(seed).permutation(order)[: min(RANDOM, -(-len(order) // 4))]
    sections, size_px = warehouse.tiles_at(order[:1]).shape[1:3]
    numbers = np.full(len(warehouse.points), -1, dtype=np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    work = _Work(folder, under, warehouse, _key(warehouse, order, random), sections > 1)
    parts = [_Part(at, part, False) for at, part in enumerate(_cut(order, PER_PACK))]
    first = len(parts)
    parts += [_Part(first + at, part, True) for at, part in enumerate(_cut(random, PER_PACK))]
    done = work.write_all(parts, log)
    folder.write(f"{under}/tiles.index", _index([part["tiles"] for part in done], PER_PACK))
    if sections > 1:
        strips = [ends for part in done[:first] for ends in part["sections"]]
        folder.write(f"{under}/sections.index", _index(strips, SECTIONS_PER_PACK))
    folder.write(f"{under}/random.u32", random.astype("<u4").tobytes())
    errors = [part["error"] for part in done[first:]]
    return Packs(numbers, random, first * PER_PACK, size_px, sections, float(np.mean(errors)))


def picture_order(points: Points, pictured: npt.NDArray[np.bool_]) -> Rows:
    """Rows of the points with a picture, together those that a page shows together: by known class, else the predicted one, and along a
    Hilbert curve over the map; by row where there are none."""
    rows = np.flatnonzero(pictured)
    return rows[np.lexsort((rows, _along_the_map(points.map)[rows], _classes(points)[rows]))]


def hilbert_index(x: npt.ArrayLike, y: npt.ArrayLike, bits: int) -> npt.NDArray[np.int64]:
    """The place of cells (n,) of a square of 2**bits cells a side on the Hilbert curve through it, from 0; neighbours on the curve share a
    side. Coordinates are whole numbers from 0 to 2**bits - 1."""
    x, y = (np.array(values, dtype=np.int64) for values in (x, y))
    place = np.zeros(x.shape, dtype=np.int64)
    for bit in reversed(range(bits)):
        side = 1 << bit
        right, upper = (x & side) > 0, (y & side) > 0
        place += side * side * ((3 * right) ^ upper)
        turned = ~upper
        mirrored = turned & right
        x, y = np.where(mirrored, side - 1 - (x & (side - 1)), x), np.where(mirrored, side - 1 - (y & (side - 1)), y)
        x, y = np.where(turned, y, x), np.where(turned, x, y)
    return place


def _along_the_map(places: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The place of each point (N, 2) on a curve over the map; behind all others where it is not on the map."""
    on_map = ~np.isnan(places).any(axis=1)
    along = np.full(len(places), 4**_BITS, dtype=np.int64)
    if on_map.any():
        low = places[on_map].min(axis=0)
        width = max(float((places[on_map].max(axis=0) - low).max()), float(np.finfo(np.float32).tiny))
        cells = ((places[on_map] - low) / width * (2**_BITS - 1)).astype(np.int64)
        along[on_map] = hilbert_index(cells[:, 0], cells[:, 1], _BITS)
    return along


def _classes(points: Points) -> npt.NDArray[np.int64]:
    """A number for the known class of each point (N,), else for the predicted one; -1 for none."""
    columns = [points.categories[name] for name in ("predicted", "target") if name in points.categories]
    names = sorted({name for column in columns for name in column.names})
    classes = np.full(len(points), -1, dtype=np.int64)
    for column in columns:
        places = np.array([names.index(name) for name in column.names], dtype=np.int64)
        classes = np.where(column.codes >= 0, places[column.codes], classes)
    return classes


@dataclass(frozen=True)
class _Part:
    """The pictures of one pack of middle sections: its number, and the rows of its points. is_random: they lie in another pack too."""

    number: int
    rows: Rows
    is_random: bool


@dataclass(frozen=True)
class _Work:
    """What writes packs. key: of what they are made of. strips: whether all sections are written too."""

    folder: SiteFolder
    under: str
    warehouse: Warehouse
    key: str
    strips: bool

    def write_all(self, parts: Sequence["_Part"], log: Logger) -> list[dict[str, Any]]:
        """Writes those packs side by side, and gives their receipts in that order."""
        done: list[dict[str, Any]] = []
        # Pillow compresses without holding the lock of the interpreter.
        with ThreadPoolExecutor(cores()) as pool:
            running = [pool.submit(self._write, part) for part in parts]
            try:
                for future in running:
                    done.append(future.result())
                    if len(done) % 64 == 0:
                        log.info(f"pictures: {len(done)} of {len(parts)} packs")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return done

    def _write(self, part: "_Part") -> dict[str, Any]:
        name = f"{self.under}/pictures/{part.number:05d}"
        receipt: dict[str, Any] | None = self.folder.receipt(name)
        if receipt is not None and receipt["key"] == self.key:
            return receipt
        tiles = self.warehouse.tiles_at(part.rows)
        middle = tiles[:, tiles.shape[1] // 2]
        pictures = [_jpeg(picture, optimize=True) for picture in middle]
        receipt = {
            "key": self.key,
            "tiles": self._pack(f"{self.under}/tiles/{part.number:05d}.jpgs", pictures),
            "sections": [],
        }
        if part.is_random:
            receipt["error"] = _mean_error(middle, pictures)
        elif self.strips:
            strips = tiles.reshape(len(tiles), -1, tiles.shape[-1])
            for at, some in enumerate(_cut(strips, SECTIONS_PER_PACK), part.number * PER_PACK // SECTIONS_PER_PACK):
                pictures = [_jpeg(strip, optimize=False) for strip in some]
                receipt["sections"].append(self._pack(f"{self.under}/sections/{at:05d}.jpgs", pictures))
        self.folder.sign(name, receipt)
        return receipt

    def _pack(self, name: str, pictures: Sequence[bytes]) -> list[int]:
        """Writes a pack; gives where each of its pictures ends."""
        self.folder.write(name, b"".join(pictures))
        return np.cumsum([len(picture) for picture in pictures]).tolist()


def _cut(values: npt.NDArray[Any], size: int) -> list[npt.NDArray[Any]]:
    """The values in pieces of that size; the last may be smaller."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def _jpeg(picture: npt.NDArray[np.uint8], optimize: bool) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, optimize=optimize)
    return buffer.getvalue()


def _mean_error(pictures: npt.NDArray[np.uint8], compressed: Sequence[bytes]) -> float:
    seen = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in compressed])
    return float(np.abs(seen.astype(np.int16) - pictures).mean())


def _index(ends: Sequence[list[int]], per_pack: int) -> bytes:
    """Where in its pack each picture ends, uint32; every pack but the last has room for `per_pack`."""
    whole = [[*pack, *pack[-1:] * (per_pack - len(pack))] for pack in ends[:-1]]
    return np.array([end for pack in [*whole, *ends[-1:]] for end in pack], dtype="<u4").tobytes()


def _key(warehouse: Warehouse, order: Rows, random: Rows) -> str:
    """Identifies what packs are made of: the release, which picture stands where, and how they are compressed."""
    settings = [warehouse.release_id, PER_PACK, SECTIONS_PER_PACK, QUALITY, PIL.__version__]
    content = json.dumps(settings).encode() + order.tobytes() + random.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
