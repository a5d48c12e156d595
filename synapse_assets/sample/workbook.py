"""The sample workbooks: synapses of nine interneurons as the CBP study's workbook holds them, invented by the project.

They have the study's columns, neurons and counts, so that the chain without images runs offline, and known truths that real data
lack: a neuron type with clear classes of synapses, one whose classes overlap, and one with none. It is no biology: not one
number in them was measured. What does not belong here: reading them back (`sources/`), and anything that real datasets would use.
"""

import io
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

VERSION = 1
STUDY_FILE, NEW_FILE, TRUTH_FILE = "neuron_synapse_raw_data.xlsx", "new_synapses.xlsx", "sample_workbook.json"
SHEET = "Tabelle1"
NEW_PREFIX = "new/"
VOXEL_SIZE_UM = (0.01, 0.01, 0.05)
_XYZ = ("x", "y", "z")
_SOMA = tuple(f"soma_{axis}" for axis in _XYZ)
COLUMNS = (
    *("NeuronId", "SynType", "SynId", *_XYZ, *_SOMA),
    *(f"corr_{name}" for name in (*_XYZ, *_SOMA)),
    *("SynArea", "BoutonArea", "BoutonVolume"),
    *(f"corr_{name}_micron" for name in (*_XYZ, *_SOMA)),
)
# Synapses of each neuron in the study's workbook; the split of the two types (643 as, 121 ss in all) is the project's own.
COUNTS: Mapping[str, Mapping[str, int]] = {
    "cb1": {"as": 86, "ss": 21},
    "cb2": {"as": 27, "ss": 9},
    "cb3": {"as": 5, "ss": 1},
    "cr1": {"as": 34, "ss": 8},
    "cr2": {"as": 41, "ss": 8},
    "cr3": {"as": 22, "ss": 6},
    "pv1": {"as": 58, "ss": 10},
    "pv2": {"as": 154, "ss": 24},
    "pv3": {"as": 216, "ss": 34},
}
NEW_COUNTS: Mapping[str, Mapping[str, int]] = {name: {"as": 8, "ss": 2} for name in ("cb3", "cr2", "pv1")}
EXTREMES = 16
# cb3 has so few synapses that an extreme one would change what becomes of the neuron.
_WITHOUT_EXTREMES = "cb3"
_MARK = "sample workbook of synapse_assets, no biology"
_SPREAD_UM = (85.0, 34.0, 13.0)

_MEASURES = COLUMNS.index("SynArea")

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Shape:
    """How the areas of one planted class are drawn, in logarithms: medians, and spreads of the size and of the ratio.

    The size moves both areas alike, the ratio moves them apart. With `independent` each area has the spread of the size by itself.
    """

    synapse_area: float
    bouton_area: float
    size: float
    ratio: float
    independent: bool = False


# Classes of pv lie side by side, each drawn out along its size: apart in the two areas together, but not in either alone, so
# that no shuffling of the columns keeps them. Those of cb lie so close that some maps of subsamples show both and others do not.
# The neuron types keep off one another, or the groups of synapse types, which hold all of them, would not show the classes of pv.
_CLASSES: Mapping[str, Mapping[str, _Shape]] = {
    "pv": {
        "pv-slender": _Shape(0.135, 5.9, 0.17, 0.05),
        "pv-even": _Shape(0.2, 3.45, 0.17, 0.05),
        "pv-broad": _Shape(0.3, 2.0, 0.17, 0.05),
    },
    "cb": {
        "cb-slender": _Shape(0.077, 1.912, 0.22, 0.08),
        "cb-broad": _Shape(0.1172, 1.256, 0.22, 0.08),
    },
    "cr": {"cr": _Shape(0.36, 6.3, 0.22, 0.0, independent=True)},
}
_SHARES: Mapping[str, tuple[float, ...]] = {"pv": (0.38, 0.34, 0.28), "cb": (0.5, 0.5), "cr": (1.0,)}
STRUCTURE: Mapping[str, str] = {"pv": "separated", "cb": "overlapping", "cr": "none", "as": "mixed", "ss": "mixed"}


@dataclass(frozen=True)
class WorkbookTruth:
    """What was drawn and planted.

    planted_class: the class of every synapse by its id, '<neuron>/<type>/<number>', newly observed ones with 'new/' before it.
    extreme: ids of the synapses with a measure far outside; all in the study's workbook.
    structure: of each investigation group, separated (classes that are clearly apart), overlapping, none (one class, independent
    measures), or mixed (whatever the neuron types in it make).
    """

    version: int
    seed: int
    synapses: int
    new_synapses: int
    planted_class: dict[str, str]
    extreme: list[str]
    structure: dict[str, str]


def draw_sample_workbook(folder: Path, seed: int = 0) -> WorkbookTruth:
    """Draw the two sample workbooks into `folder`, unless they are there already, of this version and seed.

    Writes `neuron_synapse_raw_data.xlsx` (764 rows), `new_synapses.xlsx` (30 rows; the column z holds integers), both of one
    sheet 'Tabelle1' with the study's 24 columns, and `sample_workbook.json`, the returned value. Positions are voxels of
    0.01 x 0.01 x 0.05 um, each neuron in a frame of its own; the columns `_micron` are the corrected ones in um; areas are um^2 and
    volumes um^3. Each file appears complete or not at all. The same seed gives the same cells.

    Raises BadInput where `folder` holds a workbook of one of those names that the project has not drawn.
    """
    folder = Path(folder)
    truth, tables = _draw(seed)
    mark = f"{_MARK}; version {VERSION}, seed {seed}"
    stale = {name: table for name, table in tables.items() if _mark_of(folder / name) != mark}
    if not stale and _stored(folder) == asdict(truth):
        return truth
    for file in (folder / name for name in stale):
        stored_mark = _mark_of(file)
        ours = stored_mark.startswith(_MARK) if stored_mark is not None else (folder / TRUTH_FILE).is_file()
        if file.exists() and not ours:
            raise BadInput(f"{file} is no sample workbook: move it away, or read it with a dataset of your own")
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in stale.items():
        _put(folder / name, _workbook(table, mark))
    _put(folder / TRUTH_FILE, json.dumps(asdict(truth), indent=1).encode())
    return truth


def _mark_of(file: Path) -> str | None:
    """The description in the workbook's properties, '' if it has none; None where there is no such file, or a broken one."""
    try:
        with zipfile.ZipFile(file) as archive:
            properties = archive.read("docProps/core.xml").decode()
    except KeyError:
        return ""
    except (OSError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError):
        return None
    described = re.search(r"<dc:description>(.*?)</dc:description>", properties)
    return described.group(1) if described else ""


def _stored(folder: Path) -> Any:
    try:
        return json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _put(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        os.replace(name, file)
    finally:
        Path(name).unlink(missing_ok=True)


def _workbook(rows: Sequence[Sequence[str | int | float]], mark: str) -> bytes:
    """One sheet with the header and those rows, as .xlsx."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.creator, book.properties.description = "synapse_assets", mark
    sheet = book.create_sheet(SHEET)
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _draw(seed: int) -> tuple[WorkbookTruth, dict[str, list[list[str | int | float]]]]:
    """The truth, and the rows of both workbooks by file name."""
    rng = np.random.default_rng([seed, VERSION])
    rows: dict[str, list[list[str | int | float]]] = {STUDY_FILE: [], NEW_FILE: []}
    areas: dict[str, list[Float64]] = {STUDY_FILE: [], NEW_FILE: []}
    planted: dict[str, str] = {}
    for neuron, counts in COUNTS.items():
        kinds = {STUDY_FILE: counts, NEW_FILE: NEW_COUNTS.get(neuron, {})}
        sizes = {name: sum(kind_counts.values()) for name, kind_counts in kinds.items()}
        classes, both = _shapes(neuron[:2], sum(sizes.values()), rng)
        positions = _places(sum(sizes.values()), rng)
        frame = _Frame.drawn(rng)
        first = 0
        for name, kind_counts in kinds.items():
            part = slice(first, first + sizes[name])
            first += sizes[name]
            keys = [(kind, number) for kind, count in kind_counts.items() for number in range(1, count + 1)]
            prefix = NEW_PREFIX if name == NEW_FILE else ""
            planted |= {
                f"{prefix}{neuron}/{kind}/{n}": planted_class
                for (kind, n), planted_class in zip(keys, classes[part], strict=True)
            }
            areas[name] += list(both[part])
            cells = frame.cells(positions[part], whole_z=name == NEW_FILE)
            rows[name] += [[neuron, kind, n, *position] for (kind, n), position in zip(keys, cells, strict=True)]
    study = np.array(areas[STUDY_FILE])
    extreme = _make_extreme(study, [str(row[0]) for row in rows[STUDY_FILE]], rng)
    areas[STUDY_FILE] = list(study)
    for name, listed in rows.items():
        for row, (synapse, bouton) in zip(listed, areas[name], strict=True):
            # A sphere has the volume A^1.5 / (6 sqrt(pi)) where its area is A; boutons are about that.
            volume = bouton**1.5 * 0.094 * np.exp(rng.normal(0, 0.08))
            row[_MEASURES:_MEASURES] = [round(float(value), 5) for value in (synapse, bouton, volume)]
    truth = WorkbookTruth(
        version=VERSION,
        seed=seed,
        synapses=len(rows[STUDY_FILE]),
        new_synapses=len(rows[NEW_FILE]),
        planted_class=planted,
        extreme=["/".join(map(str, rows[STUDY_FILE][index][:3])) for index in extreme],
        structure=dict(STRUCTURE),
    )
    return truth, rows


def _shapes(neuron_type: str, count: int, rng: np.random.Generator) -> tuple[list[str], Float64]:
    """Planted class of each synapse, and its two areas (count, 2) in um^2."""
    names = list(_CLASSES[neuron_type])
    classes = [names[index] for index in rng.choice(len(names), size=count, p=_SHARES[neuron_type])]
    first, second = np.clip(rng.normal(size=(2, count)), -2.5, 2.5)
    areas = []
    for name, u, v in zip(classes, first, second, strict=True):
        shape = _CLASSES[neuron_type][name]
        logs = shape.size * np.array([u, v]) if shape.independent else shape.size * u + shape.ratio * np.array([-v, v])
        areas.append(np.array([shape.synapse_area, shape.bouton_area]) * np.exp(logs))
    return classes, np.array(areas)


def _make_extreme(areas: Float64, neurons: list[str], rng: np.random.Generator) -> list[int]:
    """Puts one area of each of `EXTREMES` rows 4.5 to 7 interquartile ranges above the third quartile; which rows."""
    candidates = [index for index, neuron in enumerate(neurons) if neuron != _WITHOUT_EXTREMES]
    chosen = sorted(rng.choice(candidates, size=EXTREMES, replace=False).tolist())
    low, high = np.quantile(areas, [0.25, 0.75], axis=0)
    for turn, index in enumerate(chosen):
        areas[index, turn % 2] = (high + rng.uniform(4.5, 7.0) * (high - low))[turn % 2]
    return chosen


def _places(count: int, rng: np.random.Generator) -> Float64:
    """Positions (count, 3) in um relative to the soma, along dendrites that leave it to one side.

    Their spreads along the principal axes are about `_SPREAD_UM`, so that the axes are well separated even for six synapses.
    """
    branches = rng.normal(size=(5, 3)) * 0.35 + np.array([1.0, 0.0, 0.0])
    along = rng.beta(1.6, 2.2, size=(count, 1)) * 2.2
    points = along * branches[rng.integers(0, len(branches), count)] + rng.normal(scale=0.25, size=(count, 3))
    # Whitened and stretched, which makes the principal axes those of the frame.
    centred = points - points.mean(axis=0)
    axes, _, _ = np.linalg.svd(centred, full_matrices=False)
    spread = np.array(_SPREAD_UM) * rng.uniform(0.85, 1.15, 3)
    # The soma lies outside of the middle along every axis, so that the axes have a direction.
    points = axes * np.sqrt(count) * spread + np.array([1.5, 1.4, 1.4]) * spread
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(points @ turned.T)


@dataclass(frozen=True)
class _Frame:
    """One neuron's stack of images: where its soma is, and how traced positions are corrected."""

    soma: Float64  # voxels, as traced
    shift: Float64  # of the whole stack, in voxels
    shear: Float64  # drift of x and y, in voxels a section
    stretch: float  # of the sections

    @staticmethod
    def drawn(rng: np.random.Generator) -> "_Frame":
        soma = np.round(rng.uniform([60_000, 60_000, 12_000], [90_000, 90_000, 16_000]), 1)
        return _Frame(soma, rng.normal(0, [15, 15, 3]), rng.normal(0, 0.15, 2), float(rng.uniform(0.97, 1.03)))

    def _corrected(self, traced: Float64) -> Float64:
        sections = traced[:, 2:] - self.soma[2]
        moved = np.hstack([traced[:, :2] + self.shear * sections, self.soma[2] + self.stretch * sections])
        return np.round(moved + self.shift, 3)

    def cells(self, from_soma_um: Float64, *, whole_z: bool) -> list[list[int | float]]:
        """The cells of each row between SynId and the areas, then those after them."""
        size = np.array(VOXEL_SIZE_UM)
        exact = self.soma + from_soma_um / size
        sections = (exact[:, 2:] - self.soma[2]) / self.stretch
        traced = np.round(np.hstack([exact[:, :2] - self.shear * sections, self.soma[2] + sections]), 2)
        if whole_z:
            traced[:, 2] = np.round(traced[:, 2])
        soma = np.broadcast_to(self.soma, traced.shape)
        corrected, corrected_soma = self._corrected(traced), self._corrected(soma)
        um = np.round(np.hstack([corrected, corrected_soma]) * np.tile(size, 2), 6)
        rows: list[list[int | float]] = np.hstack([traced, soma, corrected, corrected_soma, um]).tolist()
        for row in rows:
            row[2] = int(row[2]) if whole_z else row[2]
        return rows
