"""What lies where in the sample brain, for what is trained to find it: exact masks, and sites on both sides of each cleft.

The sample is drawn a second time without its picture: the strokes that darken a pixel say here what it belongs to. What does
not belong here: how that is drawn (`drawing.py`), and the sample's own files (`brain.py`).
"""

import csv
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.sample.brain import LAYOUT, REGIONS, VOXEL_OFFSET, VOXEL_SIZE_NM, Block, Layout, Plan, SampleTissue
from synapse_assets.sample.drawing import Cells, mark_block
from synapse_assets.sample.folder import drawn_folder

_VERSION = 1  # raised whenever something is written otherwise
_MASKS = ("presynaptic", "cleft", "postsynaptic", "mitochondria")
_CELLS = (2, 2, 1)  # voxels of the volume in one of `neurons`, for outlines are drawn so
_NEUROPILS = (8, 8, 3)  # and in one of `regions`
_Site = tuple[int, int, int, int]  # of which synapse, and x, y, z in voxels of the volume
_TABLES = ("synapses.csv", "postsynaptic_sites.csv")


@dataclass(frozen=True)
class DetectionTruth:
    """What was written. `drawing` is the version of the brain's layout; `mitochondria` counts those of which a voxel shows."""

    version: int
    drawing: int
    seed: int
    synapses: int
    postsynaptic_sites: int
    mitochondria: int
    chunks: int


def draw_sample_detection(folder: Path, seed: int = 0) -> DetectionTruth:
    """Write what lies where in the sample brain of that seed into `folder`, unless it is there already.

    Writes two tables, positions in whole nanometres: `synapses.csv` (synapse_id, x, y, z of the T-bar, as in the sample's
    `synapses.json`) and `postsynaptic_sites.csv` (site_id, x, y, z, synapse_id: two to four a synapse, each at the density and
    inside another cell), and label volumes (neuroglancer precomputed segmentation, compressed, 0 for nothing) of the space that
    the sample's volume fills:

    - `presynaptic/` (T-bar: pedestal and platform), `cleft/`, `postsynaptic/` (density): uint32, 4 x 4 x 40 nm, the synapse's id;
    - `mitochondria/`: uint32, 4 x 4 x 40 nm, an id for each mitochondrion in all sections through which its cell runs on;
    - `neurons/`: uint64, 8 x 8 x 40 nm, the neuron whose bouton it is; the cells between have none;
    - `regions/`: uint32, 32 x 32 x 120 nm, 1 to 4 for AL_L, LH_L, MB_CA_L and EB, as its segment properties say.

    A voxel belongs to a structure that covers more than half of it. `truth.json` is the returned value. The folder appears complete
    or not at all. The same seed gives the same bytes.

    Raises BadInput where `folder` holds files that are not such a truth.
    """
    return draw_detection(folder, LAYOUT, seed)


def draw_detection(folder: Path, layout: Layout, seed: int) -> DetectionTruth:
    """As `draw_sample_detection`, of the brain that `draw_brain` draws of that layout with the sample's tissue.

    Half of its width and height are to be whole voxels of `regions/`.
    """
    return drawn_folder(
        Path(folder),
        "truth about the sample brain",
        complete=lambda written: _complete(written, layout, seed),
        draw=lambda unfinished: _draw(unfinished, layout, seed),
    )


def _complete(folder: Path, layout: Layout, seed: int) -> DetectionTruth | None:
    try:
        truth = DetectionTruth(**json.loads((folder / "truth.json").read_text(encoding="utf-8")))
        same = (truth.version, truth.drawing, truth.seed, truth.chunks) == (
            _VERSION,
            layout.version,
            seed,
            _chunk_files(folder),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    files = [folder / name for name in (*_TABLES, *(f"{name}/info" for name in (*_MASKS, "neurons", "regions")))]
    return truth if same and all(file.is_file() for file in files) else None


def _chunk_files(folder: Path) -> int:
    return sum(1 for path in folder.glob("*/*/*") if path.is_file())


def _draw(folder: Path, layout: Layout, seed: int) -> DetectionTruth:
    plan = Plan(layout, SampleTissue, seed)
    masks = {name: _new_labels(folder / name, layout, "uint32") for name in _MASKS}
    neurons = _new_labels(folder / "neurons", layout, "uint64", _CELLS)
    of_synapse = _neuron_by_synapse(plan)
    mitochondria = _Mitochondria()
    sites: list[_Site] = []
    visible: set[int] = set()

    def write(z: int, block: Block) -> tuple[list[_Site], list[int]]:
        (x, y), marks = block.origin, block.drawn(mark_block)
        for name, store in masks.items():
            _put(store, getattr(marks, name), (x, y, z))
        _put(neurons, of_synapse[marks.boutons], (x // _CELLS[0], y // _CELLS[1], z))
        across = [(synapse, x + column, y + row, z + section) for synapse, column, row, section in marks.sites]
        return across, np.flatnonzero(np.bincount(marks.mitochondria.ravel())).tolist()

    with ThreadPoolExecutor(max_workers=2) as pool:
        for slab, blocks in enumerate(plan.slabs()):
            cells = mitochondria.numbered(blocks[0].cells)
            numbered = sorted((replace(block, cells=cells) for block in blocks), key=lambda block: block.origin)
            for across, shown in pool.map(partial(write, slab * layout.sections), numbered):
                sites += across
                visible.update(shown)
    visible.discard(0)
    _write_regions(folder / "regions", layout)
    _write_tables(folder, plan, sites)
    truth = DetectionTruth(
        version=_VERSION,
        drawing=layout.version,
        seed=seed,
        synapses=len(plan.synapses),
        postsynaptic_sites=len(sites),
        mitochondria=len(visible),
        chunks=_chunk_files(folder),
    )
    _write_json(folder / "truth.json", asdict(truth))
    return truth


class _Mitochondria:
    """Gives each mitochondrion an id, which it keeps for as many slabs as its cell runs on."""

    def __init__(self) -> None:
        self._last, self._before = 0, dict[int, int]()

    def numbered(self, cells: Cells) -> Cells:
        """The cells of the next slab, those with a mitochondrion numbered by its id."""
        number, now = cells.number.copy(), dict[int, int]()
        for index in np.flatnonzero(cells.kind == 1):
            cell = int(number[index])
            if cell not in self._before:
                self._last += 1
            now[cell] = number[index] = self._before.get(cell, self._last)
        self._before = now
        return replace(cells, number=number)


def _neuron_by_synapse(plan: Plan) -> npt.NDArray[np.uint64]:
    """The neuron of each synapse's id; 0 of none."""
    neurons = np.zeros(max(map(int, plan.synapses)) + 1, dtype=np.uint64)
    for synapse, row in plan.synapses.items():
        neurons[int(synapse)] = row["skeleton_id"]
    return neurons


def _new_labels(folder: Path, layout: Layout, data_type: str, of: tuple[int, int, int] = (1, 1, 1)) -> ts.TensorStore:
    """An empty label volume of the sample's space, `of` voxels of the volume in each of its own; a chunk holds a block."""
    room = (layout.block[0] * layout.pitch_px, layout.block[1] * layout.pitch_px, layout.sections)
    resolution = [size * times for size, times in zip(VOXEL_SIZE_NM, of, strict=True)]
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": data_type, "num_channels": 1},
            "scale_metadata": {
                "key": "_".join(map(str, resolution)),
                "resolution": resolution,
                "size": [size // times for size, times in zip(layout.size, of, strict=True)],
                "voxel_offset": [offset // times for offset, times in zip(VOXEL_OFFSET, of, strict=True)],
                "chunk_size": [size // times for size, times in zip(room, of, strict=True)],
                "encoding": "compressed_segmentation",
                "compressed_segmentation_block_size": [8, 8, 8],
            },
            "store_data_equal_to_fill_value": True,  # a chunk that is not there is then one that was lost
        },
        create=True,
    ).result()
    return store[ts.d["x", "y", "z"].translate_to[0, 0, 0]]


def _put(store: ts.TensorStore, labels: npt.NDArray[np.unsignedinteger], first: Sequence[int]) -> None:
    """Write labels (z, y, x) whose first voxel is `first` (x, y, z)."""
    x, y, z = (slice(start, start + size) for start, size in zip(first, labels.shape[::-1], strict=True))
    store[x, y, z, 0] = labels.transpose(2, 1, 0)


def _write_regions(folder: Path, layout: Layout) -> None:
    width, height, sections = (size // times for size, times in zip(layout.size, _NEUROPILS, strict=True))
    right = np.arange(width) >= width // 2
    lower = np.arange(height)[:, None] >= height // 2
    regions = np.repeat((1 + right + 2 * lower).astype(np.uint32)[None], sections, axis=0)
    _put(_new_labels(folder, layout, "uint32", _NEUROPILS), regions, (0, 0, 0))
    info = json.loads((folder / "info").read_text(encoding="utf-8"))
    _write_json(folder / "info", info | {"segment_properties": "names"})
    (folder / "names").mkdir()
    named = {"ids": [str(1 + index) for index in range(len(REGIONS))]}
    labels = {"id": "label", "type": "label", "values": list(REGIONS)}
    _write_json(
        folder / "names" / "info",
        {"@type": "neuroglancer_segment_properties", "inline": named | {"properties": [labels]}},
    )


def _write_tables(folder: Path, plan: Plan, sites: list[_Site]) -> None:
    synapses = [(synapse, row["x"], row["y"], row["z"]) for synapse, row in plan.synapses.items()]
    _write_csv(folder / "synapses.csv", ("synapse_id", "x", "y", "z"), synapses)
    places = np.array([place for _, *place in sites])
    places = (places + VOXEL_OFFSET) * VOXEL_SIZE_NM + np.array(VOXEL_SIZE_NM) // 2
    rows = [
        (number, *place, synapse)
        for number, ((synapse, *_), place) in enumerate(zip(sites, places.tolist(), strict=True), start=1)
    ]
    _write_csv(folder / "postsynaptic_sites.csv", ("site_id", "x", "y", "z", "synapse_id"), rows)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
