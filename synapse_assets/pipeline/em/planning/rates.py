"""How fast this machine decodes, encodes and embeds the tiles of a dataset: measured on a few of them, in some seconds.

Tiles of the largest region are cut, stored in a temporary folder and embedded, as a run does it. Counting is in seconds of processor
time, so that another program beside costs little accuracy. What is not measured is given, or assumed: the table below.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.cores import RUNS_SIDE_BY_SIDE, cores
from synapse_assets.datasets import Dataset, EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.planning.workload import PLACES, Workload, places
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.vision.encoder import Encoder

# Tiles a second that one graphics card embeds, small networks and texture in bfloat16: assumed from what the cards compute, never
# measured. A rate that was measured is given with --embed.
ASSUMED_GPU_TILES_PER_SECOND = {
    "t4": 2_000,
    "l4": 4_000,
    "a10": 4_000,
    "l40s": 10_000,
    "a100": 10_000,
    "h100": 20_000,
    "h200": 20_000,
}

_LEAST_SECONDS = 1.0  # of processor time, that a rate is measured for
_FIRST_TILES, _MOST_TILES = 16, 256
# A volume over the network: what is fetched to measure is paid for.
_MOST_REMOTE_TILES = 64
_EMBEDDED_TILES = 64
_STORED_AT_ONCE_BYTES = 2**24  # as many grey values as a run stores at a time
# Bytes of a stored tile's row beside the picture: ids, hashes, contrast.
_ROW_BYTES = 130

_Tiles = npt.NDArray[np.uint8]


class Basis(StrEnum):
    """Where a number comes from."""

    COUNTED = "counted"
    MEASURED = "measured here"
    GIVEN = "given"
    ASSUMED = "assumed"


@dataclass(frozen=True)
class Rate:
    """A number that a forecast rests on, and where it comes from."""

    value: float
    basis: Basis

    def __post_init__(self) -> None:
        if not self.value > 0 or self.value == float("inf"):
            raise BadInput(f"a rate has to be a number above 0, not {self.value:g}")


@dataclass(frozen=True)
class Rates:
    """How fast a machine is, and what it is connected to.

    Of one core, in a second: `decode` voxels; `encode` tiles, stored as well; `reread` stored tiles; `embed` tiles or, where `gpu` names
    one, those of one GPU. Of one node: `cores`; `line`, bytes a second each way. Of the bucket: `reads`, requests answered in a second;
    `delay_s`, seconds that each takes. Stored: `tile_bytes` of a tile, `dimensions`, numbers of a vector. threads: that a run on one
    machine computes with. memory_bytes: of this machine.
    """

    decode: Rate
    encode: Rate
    reread: Rate
    embed: Rate
    tile_bytes: Rate
    dimensions: Rate
    gpu: str | None = None
    cores: Rate = Rate(1, Basis.ASSUMED)
    line: Rate = Rate(50e6, Basis.ASSUMED)
    reads: Rate = Rate(5_000, Basis.ASSUMED)
    delay_s: Rate = Rate(0.05, Basis.ASSUMED)
    threads: int = 1
    memory_bytes: int | None = None


@dataclass(frozen=True)
class GivenRates:
    """What a person says of the machines; None for what is measured here or assumed. Units as in `Rates`, but the line in Mbit a second
    and `decode` in millions of voxels. Raises BadInput for one that is not above 0."""

    decode: float | None = None
    encode: float | None = None
    embed: float | None = None
    gpu: str | None = None
    cores: float | None = None
    mbit: float | None = None
    reads: float | None = None

    def __post_init__(self) -> None:
        for name in ("decode", "encode", "embed", "cores", "mbit", "reads"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"--{name} has to be a number above 0, not {value:g}")


def find_rates(store: DatasetStore, dataset: Dataset, work: Workload, device: str, given: GivenRates) -> Rates:
    """The rates for a dataset: given, or else measured here on some of its tiles, or else assumed.

    Nothing is measured, and no voxel fetched, where decode, encode and embed are given. Raises BadInput for a GPU without a known rate, for
    a dataset without synapses, and for tiles that no encoder can be fitted on; ConnectionError where the volume cannot be reached.
    """
    known = _known(given)
    measured: dict[str, Any] = {}
    if not {"decode", "encode", "embed"} <= known.keys():
        measured = _Sample.of(store, dataset, work).measured(device, embed="embed" not in known)
    return Rates(
        **{
            **_assumed(dataset),
            "cores": Rate(cores(), Basis.COUNTED),
            "threads": int(os.environ.get("OMP_NUM_THREADS") or max(1, cores() // RUNS_SIDE_BY_SIDE)),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            **measured,
            **known,
        }
    )


def _assumed(dataset: Dataset) -> dict[str, Any]:
    """What `benchmarks.tiles` measured on real sections, for what is not measured now."""
    voxels = dataset.tile_spec.sections * dataset.tile_spec.size_px**2
    per_second = {"png": (196, 405), "zstd": (4048, 2995)}[dataset.tile_spec.codec]
    encode, reread = (rate * 3 * 256**2 / voxels for rate in per_second)
    values = {
        "decode": 1.3e8,
        "encode": encode,
        "reread": reread,
        "tile_bytes": 0.8 * voxels + _ROW_BYTES,
        "dimensions": dataset.tile_encoder.dimensions or 32,
    }
    return {name: Rate(value, Basis.ASSUMED) for name, value in values.items()}


def _known(given: GivenRates) -> dict[str, Any]:
    """The fields of `Rates` that a person gave, and what is assumed of the GPU."""
    values = {
        "decode": given.decode and given.decode * 1e6,
        "encode": given.encode,
        "embed": given.embed,
        "cores": given.cores,
        "line": given.mbit and given.mbit * 1e6 / 8,
        "reads": given.reads,
    }
    known: dict[str, Any] = {name: Rate(value, Basis.GIVEN) for name, value in values.items() if value}
    if given.gpu:
        known = {"embed": None, **known, "gpu": given.gpu}
        known["embed"] = known["embed"] or Rate(_gpu_rate(given.gpu), Basis.ASSUMED)
    return known


def _gpu_rate(name: str) -> float:
    """The assumed rate of the card of that name. Raises BadInput where there is none."""
    words = name.casefold().replace("-", " ").replace("_", " ").split()
    for card, rate in ASSUMED_GPU_TILES_PER_SECOND.items():
        if card in words:
            return rate
    raise BadInput(
        f"--gpu: nothing is known of the speed of '{name}': give --embed, the tiles that it embeds in a second. Rates are assumed for "
        f"{', '.join(card.upper() for card in ASSUMED_GPU_TILES_PER_SECOND)}"
    )


@dataclass(frozen=True)
class _Sample:
    """Neighbouring synapses of a region, in one volume and in reading order, to measure on."""

    store: DatasetStore
    dataset: Dataset
    region: str
    volume: str
    rows: pa.Table
    is_remote: bool

    @classmethod
    def of(cls, store: DatasetStore, dataset: Dataset, work: Workload) -> "_Sample":
        """Some of the largest region. Raises BadInput where there is no synapse."""
        from synapse_assets.volumes import open_volume

        if work.largest is None or not work.largest.tiles:
            raise BadInput(f"{dataset.name}: no synapse lies in a volume of the dataset, so there is nothing to plan")
        region, whole = work.largest.region, work.largest.whole
        name = max(whole, key=lambda one: whole[one].decoded_voxels)
        volume = open_volume(dataset.tile_volumes[name])
        rows = store.synapse_table.read(region, PLACES)
        rows = rows.filter(pc.equal(rows.column("volume"), name))
        rows = rows.filter(pa.array(volume.contains(places(rows))))
        most = _MOST_REMOTE_TILES if volume.array.remote else _MOST_TILES
        order = volume.reading_order(places(rows), dataset.tile_spec)
        start = max(0, (len(order) - most) // 2)
        return cls(store, dataset, region, name, rows.take(order[start : start + most]), volume.array.remote)

    def measured(self, device: str, *, embed: bool) -> dict[str, Any]:
        """The fields of `Rates` that are measured here."""
        decode, tiles = self._decoding()
        encode, reread, tile_bytes = self._storing(tiles)
        found: dict[str, Any] = {
            name: Rate(value, Basis.MEASURED)
            for name, value in (
                ("decode", decode),
                ("encode", encode),
                ("reread", reread),
                ("tile_bytes", tile_bytes),
            )
        }
        return {**found, **self._embedding(tiles, device)} if embed else found

    def _decoding(self) -> tuple[float, _Tiles]:
        """Voxels decoded in a second of one core, copying them into tiles included; and tiles."""
        from synapse_assets.volumes import open_volume

        spec, tile = self.dataset.tile_volumes[self.volume], self.dataset.tile_spec

        def cut(count: int) -> tuple[int, _Tiles]:
            # Opened anew: nothing is in its memory.
            volume, points = open_volume(spec), places(self.rows.slice(0, count))
            cost = volume.reading_cost(points, tile)
            batches = [batch.tiles for batch in volume.read_tiles(points, tile)]
            return cost.decoded_chunks * cost.chunk_voxels, np.concatenate(batches)

        cut(1)  # wakes the reader up
        count, voxels, seconds = min(_FIRST_TILES, self.rows.num_rows), 0, 0.0
        while True:
            started = time.process_time()
            decoded, tiles = cut(count)
            voxels, seconds = voxels + decoded, seconds + time.process_time() - started
            if seconds >= _LEAST_SECONDS or (self.is_remote and count == self.rows.num_rows):
                break
            count = min(4 * count, self.rows.num_rows)
        return voxels / seconds, tiles

    def _storing(self, tiles: _Tiles) -> tuple[float, float, float]:
        """Tiles hashed, encoded, staged and committed in a second of one core; stored ones decoded; bytes of a stored tile."""
        from synapse_assets.volumes import decode_tiles, encode_tiles

        codec = self.dataset.tile_spec.codec
        encode = _per_second(lambda: _stored(self.dataset, self.rows, tiles), len(tiles))
        images = encode_tiles(tiles, codec)
        return encode, _per_second(lambda: decode_tiles(images), len(tiles)), images.nbytes / len(tiles) + _ROW_BYTES

    def _embedding(self, tiles: _Tiles, device: str) -> dict[str, Any]:
        """Tiles embedded in a second of one core or, where the networks of this machine run on one, of its GPU; and what they become."""
        from synapse_assets.vision.devices import describe_device
        from synapse_assets.vision.encoder import embed_batches

        tiles = tiles[:_EMBEDDED_TILES]
        encoder, facts = _encoder(self.store, self.dataset, tiles, device), describe_device(device)
        ids = [str(number) for number in range(len(tiles))]
        is_gpu = not facts.device.startswith("cpu")
        rate = _per_second(
            lambda: list(embed_batches(encoder, iter([(ids, tiles)]), device)),
            len(tiles),
            time.perf_counter if is_gpu else time.process_time,
        )
        return {
            "embed": Rate(rate, Basis.MEASURED),
            "dimensions": Rate(encoder.dimensions, Basis.MEASURED),
            "gpu": facts.name if is_gpu else None,
        }


def _per_second(action: Callable[[], object], count: int, clock: Callable[[], float] = time.process_time) -> float:
    """How many of `count` tiles an action works through in a second of that clock; it is done once before, to wake it up."""
    action()
    done, started = 0, clock()
    while (seconds := clock() - started) < _LEAST_SECONDS:
        action()
        done += count
    return done / seconds


def _stored(dataset: Dataset, rows: pa.Table, tiles: _Tiles) -> None:
    """Stores tiles in a temporary folder as a run does; `rows` are their synapses, at least as many."""
    from synapse_assets.schema import TILES
    from synapse_assets.volumes import encode_tiles, tile_hash
    from synapse_assets.volumes.cropping import crop_hashes, section_contrast

    with tempfile.TemporaryDirectory() as root:
        store = DatasetStore(root, "plan")
        crops = crop_hashes(cast(EmDataset, dataset), rows.slice(0, len(tiles)))
        staging = store.staging("tiles", "plan", "plan")
        step = max(1, _STORED_AT_ONCE_BYTES // tiles[0].size)
        for start in range(0, len(tiles), step):
            part = tiles[start : start + step]
            here = crops.slice(start, len(part))
            columns = {
                "synapse_id": here.column("synapse_id"),
                "brain_region": ["plan"] * len(part),
                "tile_hash": [tile_hash(tile) for tile in part],
                "crop_hash": here.column("crop_hash"),
                "image": encode_tiles(part, dataset.tile_spec.codec),
                "valid_fraction": [1.0] * len(part),
                "section_contrast": list(section_contrast(part)),
            }
            staging.append(TILES.conform(pa.table(columns)))
        store.tiles.replace_region("plan", staging.reader() or TILES.empty(), [])


def _encoder(store: DatasetStore, dataset: Dataset, tiles: _Tiles, device: str) -> "Encoder":
    """The encoder in use; before there is one, that which the dataset file asks for, fitted on these tiles, a training cut to one step."""
    from synapse_assets.pipeline.em.encoder import encoder_choice
    from synapse_assets.vision.building import TrainingTiles, build_encoder
    from synapse_assets.vision.encoder import Encoder

    models = store.models("encoder")
    if models.current is not None:
        return Encoder.load(models.path(models.current))
    choice = encoder_choice(store, dataset)
    if choice.origin == "self_supervised":
        choice = choice.model_copy(update={"training_steps": 1})
    tell = logging.getLogger(__name__).debug
    encoder, _ = build_encoder(
        choice, dataset.tile_spec, dataset.tile_pixel_nm, TrainingTiles(tiles), dataset.seed, device, tell
    )
    return encoder
