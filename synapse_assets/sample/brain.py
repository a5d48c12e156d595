"""Where the neurons and synapses of a drawn brain lie, its tables and its files, and the sample brain itself.

The volume is a lattice of places, each with one synapse, so that the tiles around two synapses never overlap: those of the
sample are 136 pixels apart and three sections deep, for tiles of 128 x 128 x 3 voxels. Neighbouring places belong to one neuron
and are drawn in its style. What a place looks like is in `drawing.py`; a sibling with deeper places is in `deep_brain.py`,
and masks of what lies where are in `detection.py`.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.sample.drawing import Cells, Site, Style, draw_block, draw_style
from synapse_assets.sample.folder import drawn_folder

VOXEL_SIZE_NM = (4, 4, 40)
VOXEL_OFFSET = (1200, 800, 60)
REGIONS = ("AL_L", "LH_L", "MB_CA_L", "EB")
_UNKNOWN_NAMES = ("NONE", "unknown2")


@dataclass(frozen=True)
class Layout:
    """How the places of a brain are arranged; x, y, z.

    pitch_px and sections are the room of one synapse; `block` is how many places of a neuron lie side by side along x and y, `blocks`
    how many neurons do along x, y, z. A slab is one room deep; chunks are whole slabs deep. A T-bar lies in the middle section of
    its room, up to `sections_off` further up or down. hemilineages: for each transmitter two, and how many neurons each has.
    version: raised whenever something is drawn otherwise. unlabelled: neurons whose class the tables do not give, at least five.
    """

    version: int
    pitch_px: int
    sections: int
    block: tuple[int, int]
    blocks: tuple[int, int, int]
    chunk: tuple[int, int, int]
    sections_off: int
    hemilineages: tuple[tuple[str, tuple[str, str], int], ...]
    unlabelled: int = 5

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels of the volume."""
        width, height = (self.blocks[axis] * self.block[axis] * self.pitch_px for axis in (0, 1))
        return width, height, self.blocks[2] * self.sections


LAYOUT = Layout(
    version=1,
    pitch_px=136,
    sections=3,
    block=(5, 4),
    blocks=(4, 5, 6),
    chunk=(136, 136, 9),
    sections_off=0,
    hemilineages=(
        ("acetylcholine", ("ALad1", "ALl1_dorsal"), 12),
        ("gaba", ("ALlv1", "LHl2_dorsal"), 11),
        ("glutamate", ("ALv1", "DM5_ventral"), 10),
        ("dopamine", ("PPL1", "PAM_upper"), 10),
        ("octopamine", ("VUMa", "VPM3"), 9),
        ("serotonin", ("DPM_like", "CSD_like"), 8),
    ),
)


@dataclass(frozen=True)
class SampleTruth:
    """What was drawn. `transmitter_by_neuron` is the planted class of every neuron, also where the tables do not give
    it."""

    version: int
    seed: int
    synapses: int
    neurons: int
    hemilineages: int
    chunks: int
    transmitter_by_neuron: dict[int, str]


@dataclass(frozen=True)
class _Neuron:
    id: int
    transmitter: str
    hemilineage_id: int
    known: list[str] | None
    split: str
    style: Style
    block: tuple[int, int, int]


Drawn = TypeVar("Drawn")


class Tissue(Protocol):
    """What the cells of a brain are and how they look."""

    def cells(self, slab: int, sites: list[Site], rng: np.random.Generator) -> Cells:
        """The cells of one slab, with room made for the synapses in it."""
        ...

    def draw(
        self,
        origin: tuple[int, int],
        size: tuple[int, int],
        cells: Cells,
        sites: list[Site],
        style: Style,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.uint8]:
        """Grey values (sections, rows, columns) of the rectangle at `origin` (x, y) of `size` (width, height)."""
        ...


@dataclass(frozen=True)
class Block:
    """The part of one slab that one neuron fills, with all it takes to draw it: the arguments of `Tissue.draw`, and where it is."""

    origin: tuple[int, int]
    size: tuple[int, int]
    cells: Cells
    sites: list[Site]
    style: Style
    rng: np.random.Generator

    def drawn(self, draw: Callable[..., Drawn]) -> Drawn:
        """What `draw` makes of the block; once, for it uses up the random numbers."""
        return draw(self.origin, self.size, self.cells, self.sites, self.style, self.rng)


def draw_sample_brain(folder: Path, seed: int = 0) -> SampleTruth:
    """Draw the sample brain into `folder`, unless it is there already.

    Writes `volume/` (neuroglancer precomputed, raw uint8, 4 x 4 x 40 nm, 2720 x 2720 x 18 voxels from voxel 1200,
    800, 60), and the Synister version 3 tables `synapses.json`, `skeletons.json` and `hemi_lineages.json` (positions
    in whole nanometres, x, y, z), and `truth.json`, the returned value. The folder appears complete or not at all.
    The same seed gives the same bytes.

    Raises BadInput where `folder` holds files that are not a sample brain.
    """
    return draw_brain(folder, LAYOUT, SampleTissue, seed)


def draw_brain(
    folder: Path, layout: Layout, tissue: Callable[[Layout, np.random.Generator], Tissue], seed: int
) -> SampleTruth:
    """Draw a brain of that layout and tissue into `folder`, unless it is there already; files, errors as `draw_sample_brain`."""
    return drawn_folder(
        Path(folder),
        "sample brain",
        complete=lambda found: _complete(found, layout, seed),
        draw=lambda unfinished: _draw(unfinished, layout, tissue, seed),
    )


def _complete(folder: Path, layout: Layout, seed: int) -> SampleTruth | None:
    try:
        fields: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        planted = {int(neuron): name for neuron, name in fields.pop("transmitter_by_neuron").items()}
        truth = SampleTruth(**fields, transmitter_by_neuron=planted)
        files = [folder / name for name in ("synapses.json", "skeletons.json", "hemi_lineages.json", "volume/info")]
        chunks = sum(1 for _ in (folder / "volume" / _scale_key()).iterdir())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = (truth.version, truth.seed, truth.chunks) == (layout.version, seed, chunks)
    return truth if same and all(file.is_file() for file in files) else None


def _scale_key() -> str:
    return "_".join(str(v) for v in VOXEL_SIZE_NM)


class Plan:
    """All that is in a brain before it is drawn: neurons, synapses with their ids, cells. The same seed gives the same plan.

    synapses: the rows of `synapses.json` by id.
    """

    def __init__(self, layout: Layout, tissue: Callable[[Layout, np.random.Generator], Tissue], seed: int) -> None:
        self.layout, self._seed = layout, seed
        self._rng = np.random.default_rng([seed, layout.version])
        self.neurons = _neurons(layout, self._rng)
        unnumbered = {neuron.id: _sites(neuron, layout, self._rng) for neuron in self.neurons}
        self.synapses, self._sites = _synapse_table(self.neurons, unnumbered, layout, self._rng)
        self.tissue = tissue(layout, self._rng)

    def slabs(self) -> Iterator[list[Block]]:
        """The blocks of each slab, the first one first; once, for it uses up the random numbers."""
        width, height = (self.layout.block[axis] * self.layout.pitch_px for axis in (0, 1))
        for slab in range(self.layout.blocks[2]):
            here = [neuron for neuron in self.neurons if neuron.block[2] == slab]
            cells = self.tissue.cells(slab, [site for neuron in here for site in self._sites[neuron.id]], self._rng)
            yield [
                Block(
                    origin=(neuron.block[0] * width, neuron.block[1] * height),
                    size=(width, height),
                    cells=cells,
                    sites=self._sites[neuron.id],
                    style=neuron.style,
                    rng=np.random.default_rng([self._seed, self.layout.version, *neuron.block]),
                )
                for neuron in here
            ]


def _draw(
    folder: Path, layout: Layout, tissue: Callable[[Layout, np.random.Generator], Tissue], seed: int
) -> SampleTruth:
    plan = Plan(layout, tissue, seed)
    neurons, synapses = plan.neurons, plan.synapses
    store = _new_volume(folder / "volume", layout)
    slabs = plan.slabs()
    # One slab after the other keeps few pixels in memory; as many are held as chunks are deep.
    deep = layout.chunk[2] // layout.sections
    with ThreadPoolExecutor(max_workers=2) as pool:
        for first in range(0, layout.blocks[2], deep):
            held = np.empty((deep * layout.sections, layout.size[1], layout.size[0]), dtype=np.uint8)
            work = []
            for slab in range(deep):
                picture = held[slab * layout.sections :][: layout.sections]
                work += [pool.submit(_draw_picture, picture, plan.tissue, block) for block in next(slabs)]
            for done in work:
                done.result()
            z = first * layout.sections
            store[..., z : z + len(held), 0] = held.transpose(2, 1, 0)
    names = {str(i): (name, nt) for i, (name, nt) in enumerate(_hemilineage_names(layout), start=1)}
    _write_json(folder / "synapses.json", synapses)
    _write_json(
        folder / "skeletons.json",
        {str(n.id): {"hemi_lineage_id": n.hemilineage_id, "nt_known": n.known} for n in neurons},
    )
    _write_json(
        folder / "hemi_lineages.json",
        {key: {"nt_guess": [nt] if nt else None, "hemi_lineage_name": name} for key, (name, nt) in names.items()},
    )
    truth = SampleTruth(
        version=layout.version,
        seed=seed,
        synapses=len(synapses),
        neurons=len(neurons),
        hemilineages=2 * len(layout.hemilineages),
        chunks=sum(1 for _ in (folder / "volume" / _scale_key()).iterdir()),
        transmitter_by_neuron={neuron.id: neuron.transmitter for neuron in neurons},
    )
    _write_json(folder / "truth.json", asdict(truth))
    return truth


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _new_volume(folder: Path, layout: Layout) -> ts.TensorStore:
    """Raw chunks: a tile is then exact and read without decoding, for 133 MB of the sample; JPEG would take about 50 MB
    and change the values."""
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "key": _scale_key(),
                "resolution": VOXEL_SIZE_NM,
                "size": layout.size,
                "voxel_offset": VOXEL_OFFSET,
                "chunk_size": layout.chunk,
                "encoding": "raw",
            },
        },
        create=True,
    ).result()
    return store[ts.d["x", "y", "z"].translate_to[0, 0, 0]]


def _hemilineage_names(layout: Layout) -> list[tuple[str, str | None]]:
    known: list[tuple[str, str | None]] = [(name, nt) for nt, names, _ in layout.hemilineages for name in names]
    return known + [(name, None) for name in _UNKNOWN_NAMES]


def _neurons(layout: Layout, rng: np.random.Generator) -> list[_Neuron]:
    """All neurons; the awkward cases of real exports are among them."""
    kinds = [(nt, name) for nt, names, count in layout.hemilineages for name in names for _ in range(count)]
    names = [name for name, _ in _hemilineage_names(layout)]
    columns, rows, slabs = layout.blocks
    blocks = [(x, y, z) for z in range(slabs) for y in range(rows) for x in range(columns)]
    ids = rng.choice(np.arange(16, 60_000), size=len(kinds), replace=False)
    large = set(rng.choice(len(kinds), size=12, replace=False).tolist())
    odd = rng.permutation(len(kinds))
    unlabelled, unnamed, double = (
        {*odd[:5].tolist(), *odd[10 : 5 + layout.unlabelled].tolist()},
        dict(zip(odd[5:9].tolist(), (0, 0, 1, 1), strict=True)),
        int(odd[9]),
    )
    shuffled = rng.permutation(len(blocks))
    neurons = []
    for index, (transmitter, name) in enumerate(kinds):
        known: list[str] | None = [transmitter]
        if index in unlabelled:
            known = None
        elif index == double:
            known = sorted([transmitter, "octopamine" if transmitter != "octopamine" else "gaba"])
        hemilineage = names.index(_UNKNOWN_NAMES[unnamed[index]] if index in unnamed else name) + 1
        neurons.append(
            _Neuron(
                id=int(ids[index]) + (720_575_940_600_000_001 if index in large else 0),
                transmitter=transmitter,
                hemilineage_id=hemilineage,
                known=known,
                split=str(rng.choice(["train", "train", "train", "validation", "test"])),
                style=draw_style(transmitter, rng),
                block=blocks[shuffled[index]],
            )
        )
    return neurons


def _sites(neuron: _Neuron, layout: Layout, rng: np.random.Generator) -> list[Site]:
    """The neuron's synapses, one in the middle of each of its places give or take four pixels; at the volume's edge
    further out."""
    sites = []
    for row in range(layout.block[1]):
        for column in range(layout.block[0]):
            position = np.array([neuron.block[0] * layout.block[0] + column, neuron.block[1] * layout.block[1] + row])
            point = position * layout.pitch_px + layout.pitch_px // 2 + rng.integers(-3, 4, size=2)
            for axis in (0, 1):
                last = position[axis] == layout.block[axis] * layout.blocks[axis] - 1
                if (position[axis] == 0 or last) and rng.random() < 0.25:
                    point[axis] += int(rng.integers(12, 45)) * (1 if last else -1)
            angle, bouton = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(34, 42))
            off = int(rng.integers(-layout.sections_off, layout.sections_off + 1)) if layout.sections_off else 0
            sites.append(Site(float(point[0]), float(point[1]), angle, bouton, layout.sections // 2 + off))
    return sites


def _synapse_table(
    neurons: list[_Neuron], sites: dict[int, list[Site]], layout: Layout, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[int, list[Site]]]:
    """The rows of `synapses.json` by id, and each neuron's sites with those ids."""
    rows: list[dict[str, Any]] = []
    middle = np.array(layout.size[:2]) / 2
    for neuron in neurons:
        for site in sites[neuron.id]:
            voxel = (int(site.x), int(site.y), neuron.block[2] * layout.sections + site.section)
            side = (site.x >= middle[0], site.y >= middle[1])
            region: str | list[str] | None = REGIONS[int(side[0]) + 2 * int(side[1])]
            chance = rng.random()
            if chance < 0.015:
                region = None
            elif chance < 0.03:
                region = [str(region), REGIONS[int(not side[0]) + 2 * int(side[1])]]
            x, y, z = (int((v + o) * s + s // 2) for v, o, s in zip(voxel, VOXEL_OFFSET, VOXEL_SIZE_NM, strict=True))
            rows.append(
                {
                    "x": x,
                    "y": y,
                    "z": z,
                    "skeleton_id": neuron.id,
                    "brain_region": region,
                    "splits": {"skeleton": neuron.split},
                }
            )
    order = rng.permutation(len(rows))
    ids = iter((1000 + np.argsort(order)).tolist())
    numbered = {neuron.id: [replace(site, id=next(ids)) for site in sites[neuron.id]] for neuron in neurons}
    return {str(1000 + number): rows[index] for number, index in enumerate(order)}, numbered


class SampleTissue:
    """Cells that run through all sections, and synapses that look alike in their three."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._layout = layout
        self._background = _background(layout, rng)

    def cells(self, slab: int, sites: list[Site], rng: np.random.Generator) -> Cells:
        """As `Tissue` says."""
        return _slab_cells(self._background, self._layout, slab, sites, rng)

    draw = staticmethod(draw_block)


def _background(layout: Layout, rng: np.random.Generator) -> Cells:
    """Cells that run through all sections, drifting a little from one to the next."""
    step, (width, height, sections) = 50, layout.size
    x, y = np.meshgrid(np.arange(-100, width + 100, step), np.arange(-100, height + 100, step))
    start = np.stack([x, y], axis=-1).reshape(-1, 2) + rng.uniform(-0.42 * step, 0.42 * step, size=(x.size, 2))
    heading = rng.normal(0, 1.2, size=start.shape)
    drift = np.cumsum(heading + rng.normal(0, 1.5, size=(sections, *start.shape)), axis=0)
    large = rng.random(len(start)) < 0.12
    kind = np.where(large, 1, np.where(rng.random(len(start)) < 0.35, 2, 0)).astype(np.int8)
    radius = np.where(large, rng.uniform(20, 28, len(start)), rng.uniform(0, 12, len(start)))
    return Cells(
        start + drift - drift[sections // 2], radius, rng.normal(0.64, 0.045, len(start)), kind, np.arange(len(start))
    )


def _slab_cells(background: Cells, layout: Layout, slab: int, sites: list[Site], rng: np.random.Generator) -> Cells:
    """The background of three sections with room made for each synapse: a bouton and two to four cells across the
    cleft."""
    at = slice(slab * layout.sections, (slab + 1) * layout.sections)
    places = background.places[at]
    middle = places[layout.sections // 2]
    extra: list[tuple[npt.NDArray[np.float64], float, float, int, int]] = []
    keep = np.ones(len(middle), dtype=bool)
    for site in sites:
        out = np.array([np.cos(site.angle), np.sin(site.angle)])
        point = np.array([site.x, site.y])
        bouton = point - site.bouton * out
        extra.append((bouton, site.bouton, float(rng.normal(0.63, 0.04)), 3, site.id))
        keep &= np.hypot(*(middle - bouton).T) - background.radius > site.bouton + 6
        across = int(rng.integers(2, 5))
        for turn in (np.arange(across) - (across - 1) / 2) * rng.uniform(0.75, 1.0) + rng.normal(0, 0.15):
            radius = float(rng.uniform(13, 22))
            angle = site.angle + turn
            post = point + 5 * turn * np.array([-out[1], out[0]]) + radius * np.array([np.cos(angle), np.sin(angle)])
            extra.append((post, radius, float(rng.normal(0.68, 0.04)), 4, site.id))
            keep &= np.hypot(*(middle - post).T) - background.radius * 0.5 > radius + 4
    added, radii, levels, kinds, numbers = (np.array(values) for values in zip(*extra, strict=True))
    shift = rng.normal(0, 1.0, size=(layout.sections, len(extra), 2))
    shift[layout.sections // 2] = 0
    return Cells(
        np.concatenate([places[:, keep], added + shift], axis=1),
        np.concatenate([background.radius[keep], radii]),
        np.concatenate([background.level[keep], levels]),
        np.concatenate([background.kind[keep], kinds.astype(np.int8)]),
        np.concatenate([background.number[keep], numbers]),
    )


def _draw_picture(picture: npt.NDArray[np.uint8], tissue: Tissue, block: Block) -> None:
    (x, y), (width, height) = block.origin, block.size
    picture[:, y : y + height, x : x + width] = block.drawn(tissue.draw)
