"""What cutting tiles will take, before the first byte is fetched: chunks, gigabytes, hours, for each scale of a volume.

The counts are exact for `Volume.read_tiles`: the plan walks the same groups as the reader (`_grouping.py`). The hours
are not: they rest on the rates below, and are meant for choosing between scales and for knowing whether cutting takes
an hour or a month.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.volumes._addresses import is_remote, local_path, open_files, plain_address
from synapse_assets.volumes._context import REQUESTS_AT_ONCE, Retries, reading_context
from synapse_assets.volumes._grouping import Cost, ReadMode
from synapse_assets.volumes._stored import read_json
from synapse_assets.volumes.volume import Volume, open_volume

# Voxels that one core decodes in a second, copying them into tiles included: measured with
# benchmarks.tiles on chunks of 64^3 (JPEG) and 128 x 128 x 16 (raw). Other encodings count as raw.
JPEG_VOXELS_PER_SECOND = 1.3e8
RAW_VOXELS_PER_SECOND = 5e8
# Assumed, not measured: a good line to a public bucket on the same continent.
BYTES_PER_SECOND = 50e6
LATENCY_S = 0.05
# Chunks of one tile that cloud-volume asks for at once.
ONE_BY_ONE_REQUESTS = 20


@dataclass(frozen=True)
class ScalePlan:
    """Cutting the tiles from one scale: tiles of `size_px` voxels of `voxel_size_nm` (x, y, z) at `cost`.

    `requests_per_second` is the volume's cap, None for no cap.
    """

    voxel_size_nm: tuple[float, float, float]
    size_px: int
    cost: Cost
    remote: bool
    requests_per_second: float | None

    @property
    def bytes(self) -> int:
        """Bytes fetched over the network."""
        return self.cost.bytes if self.remote else 0

    @property
    def one_by_one_bytes(self) -> int:
        """Bytes fetched over the network where each tile fetches its chunks again."""
        return round(self.cost.touches * self.cost.chunk_voxels * self.cost.bytes_per_voxel) if self.remote else 0

    @property
    def hours(self) -> float:
        """Hours that `Volume.read_tiles` takes: the slower of fetching and of decoding on all cores of this machine."""
        fetching = 0.0
        if self.remote:
            requests = self.cost.decoded_chunks
            rate = min(REQUESTS_AT_ONCE / LATENCY_S, self.requests_per_second or np.inf)
            fetching = max(self.bytes / BYTES_PER_SECOND, requests / rate)
        return max(fetching, self._decoding_s(self.cost.decoded_chunks) / (os.cpu_count() or 1)) / 3600

    @property
    def one_by_one_hours(self) -> float:
        """Hours for one tile after the other: ask, wait, decode on one core; nothing is kept between tiles."""
        waiting = 0.0
        tiles = sum(self.cost.tiles.values())
        if self.remote and tiles:
            turns = -(-self.cost.touches // (tiles * ONE_BY_ONE_REQUESTS))
            waiting = tiles * turns * LATENCY_S + self.one_by_one_bytes / BYTES_PER_SECOND
            waiting = max(waiting, self.cost.touches / (self.requests_per_second or np.inf))
        return (waiting + self._decoding_s(self.cost.touches)) / 3600

    def _decoding_s(self, chunks: int) -> float:
        rate = JPEG_VOXELS_PER_SECOND if self.cost.bytes_per_voxel < 1 else RAW_VOXELS_PER_SECOND
        return chunks * self.cost.chunk_voxels / rate


@dataclass(frozen=True)
class TilePlan:
    """What cutting some tiles takes, from the scale asked for (`scales[0]`) and from the volume's others.

    The others show the same field of view in nanometres in sections of the same thickness, with fewer voxels.
    `volume` is how messages name it; every tile has `sections` sections.
    """

    volume: str
    sections: int
    scales: tuple[ScalePlan, ...]

    def __str__(self) -> str:
        here = self.scales[0]
        tiles = sum(here.cost.tiles.values())
        size = f"{here.bytes / 1e9:,.1f} GB" if here.remote else "nothing"
        return (
            f"{tiles:,} tiles from the {self.volume}: {here.cost.chunks:,} chunks, {size} over the network, about "
            f"{here.hours:,.2g} hours (one by one: {here.one_by_one_hours:,.2g})"
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row for each scale and reader, all with the same keys; `hours` are estimates, the rest is counted."""
        rows = []
        for scale in self.scales:
            cost = scale.cost
            about = {
                "voxel_size_nm": "x".join(f"{v:g}" for v in scale.voxel_size_nm),
                "size_px": scale.size_px,
                "sections": self.sections,
                "tiles": sum(cost.tiles.values()),
                "chunks": cost.chunks,
            }
            modes = {f"{mode.name.lower()}_tiles": cost.tiles[mode] for mode in ReadMode}
            for reader, count, size, decoded, hours in (
                ("grouped", modes, scale.bytes, cost.decoded_chunks, scale.hours),
                (
                    "one by one",
                    {**dict.fromkeys(modes, 0), "single_tiles": about["tiles"]},
                    scale.one_by_one_bytes,
                    cost.touches,
                    scale.one_by_one_hours,
                ),
            ):
                rows.append(
                    {
                        **about,
                        "reader": reader,
                        **count,
                        "gigabytes": size / 1e9,
                        "decoded_gigavoxels": decoded * cost.chunk_voxels / 1e9,
                        "hours": hours,
                    }
                )
        return rows


def plan_tiles(spec: VolumeSpec, points_nm: npt.ArrayLike, tile: TileSpec) -> TilePlan:
    """The plan for the tiles of `points_nm` (N, 3), x, y, z in nanometres. Only the files that describe the volume are
    read.

    Raises BadInput as `open_volume` does, and for a point outside the volume; ConnectionError where the network fails.
    """
    volume = open_volume(spec)
    points = np.asarray(points_nm, dtype=np.float64).reshape(-1, 3)
    plans = [_scale_plan(volume, points, tile)]
    for voxel_size_nm, size_px in _other_scales(spec, volume.array.where, tile):
        other_volume = open_volume(spec.model_copy(update={"voxel_size_nm": voxel_size_nm, "offset_voxels": None}))
        # Coarser scales are cut off at whole voxels: a point at the very edge can lie outside them.
        inside = points[other_volume.contains(points)]
        plans.append(_scale_plan(other_volume, inside, tile.model_copy(update={"size_px": size_px})))
    return TilePlan(volume.array.where, tile.sections, tuple(plans))


def _scale_plan(volume: Volume, points: npt.NDArray[np.float64], tile: TileSpec) -> ScalePlan:
    return ScalePlan(
        voxel_size_nm=volume.voxel_size_nm,
        size_px=tile.size_px,
        cost=volume.reading_cost(points, tile),
        remote=volume.array.remote,
        requests_per_second=volume.spec.requests_per_second,
    )


def _other_scales(spec: VolumeSpec, where: str, tile: TileSpec) -> list[tuple[tuple[float, float, float], int]]:
    """Voxel size and tile width of every further scale that can show the same field of view, the finest first."""
    url = plain_address(spec.url)
    if spec.kind != "precomputed" or (is_remote(url) and not url.startswith(("http", "gs", "s3"))):
        return []
    address = url if is_remote(url) else str(local_path(url, spec.url))
    info = read_json(open_files(address, where, reading_context(Retries())), "info", where, spec.timeout_s) or {}
    scales = []
    own = np.array(spec.voxel_size_nm)
    for scale in info.get("scales", []):
        x, y, z = (float(v) for v in scale["resolution"])
        ratio = np.array([x, y, z]) / own
        size_px = round(tile.size_px / ratio[0])
        try:
            TileSpec(size_px=size_px, sections=tile.sections)
        except ValueError:
            continue
        if np.isclose(ratio[0], ratio[1]) and np.isclose(ratio[2], 1) and not np.isclose(ratio[0], 1):
            scales.append(((x, y, z), size_px))
    return sorted(scales)
