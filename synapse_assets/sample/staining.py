"""The staining sample: plates of cultured neurons, treated or not, some of which were given a compound; its table and files.

Treated cells have beads on some of their neurites, in places that are stored. Of three compounds A undoes that the more the higher the
dose, C in part, B not at all. On each plate light falls unevenly, and otherwise on treated wells than on untreated ones: who deals
crops of all plates out at random learns it, and who holds a plate out gains nothing, for it is another unevenness on every plate. What
a picture looks like is in `staining_drawing.py`.
"""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from synapse_assets.sample.folder import drawn_folder
from synapse_assets.sample.staining_drawing import Preparation, draw_neurons, exposed

PIXEL_NM = 325.0
CLASSES = ("control", "treated")
TABLE_FILE, TRUTH_TABLE = "pictures.csv", "truth.csv"
COLUMNS = ("path", "label", "plate", "well", "field", "culture", "stain", "compound", "dose", "pixel_nm")
TRUTH_COLUMNS = ("path", "x_px", "y_px", "radius_px")
DOSES_UM = (1.0, 3.0, 10.0)
# How much of the treatment's beads is left at each dose.
LEFT = {"A": (0.6, 0.25, 0.0), "B": (1.0, 1.0, 1.0), "C": (0.85, 0.65, 0.45)}
_BEADED = 24.0  # stretches in a picture of 512 x 512 pixels of treated cells
# Light on plates, one after the other, by x and y from -1 to 1. They have nothing in common: the sum of the products of any two over
# a picture is 0, so that what is learned on three plates says nothing of the fourth.
UNEVEN = ("even", "left_to_right", "top_to_bottom", "corners")
_UNEVENNESS = (0.28, 0.55, 0.55, 1.0)


@dataclass(frozen=True)
class Layout:
    """How many plates, wells and fields there are. Compounds have one well a plate and dose, with one field.

    version: raised whenever something is drawn otherwise.
    """

    version: int = 1
    plates: int = 4
    wells_of_a_class: int = 4
    fields: int = 2
    side_px: int = 512


LAYOUT = Layout()


@dataclass(frozen=True)
class StainingTruth:
    """What was drawn. `uneven`: how light falls on each plate. `left`: share of the beads that each dose of a compound leaves."""

    version: int
    seed: int
    pictures: int
    beads: int
    uneven: dict[str, str]
    doses_um: list[float]
    left: dict[str, list[float]]


@dataclass(frozen=True)
class _Well:
    plate: str
    name: str
    label: str
    compound: str
    dose_um: float | None
    fields: int
    light: int  # 1 or -1: which way the plate's unevenness goes
    number: int


def draw_sample_staining(folder: Path, seed: int = 0) -> StainingTruth:
    """Draw the staining sample into `folder`, unless it is there already.

    Writes `<plate>/<well>_f<field>.tif` (grey, 512 x 512, uint16 of which 12 bits are used, pixels of 325 nm), `pictures.csv`
    (`COLUMNS`; a picture with a compound has no label), `truth.csv` (one row per bead: path, x_px and y_px from the middle of the upper
    left pixel, radius_px), and `truth.json`, the returned value. 4 plates with 4 wells a class of 2 fields, and 9 wells with a compound,
    of 1 field: 100 pictures, 52 MB. The folder appears complete or not at all. The same seed gives the same bytes.

    Raises BadInput where `folder` holds files that are not a staining sample.
    """
    return drawn_folder(
        Path(folder),
        "staining sample",
        complete=lambda found: _complete(found, LAYOUT, seed),
        draw=lambda unfinished: _draw(unfinished, LAYOUT, seed),
    )


def _complete(folder: Path, layout: Layout, seed: int) -> StainingTruth | None:
    try:
        fields: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        truth = StainingTruth(**fields)
        pictures = sum(1 for _ in folder.glob("*/*.tif"))
    except (OSError, ValueError, TypeError):
        return None
    same = (truth.version, truth.seed, truth.pictures) == (layout.version, seed, pictures)
    return truth if same and all((folder / name).is_file() for name in (TABLE_FILE, TRUTH_TABLE)) else None


def _draw(folder: Path, layout: Layout, seed: int) -> StainingTruth:
    rows: list[tuple[object, ...]] = []
    beads: list[tuple[object, ...]] = []
    for well in _wells(layout, seed):
        (folder / well.plate).mkdir(exist_ok=True)
        rng = np.random.default_rng([seed, layout.version, 1, well.number])
        preparation = _preparation(well, rng)
        for field in range(1, well.fields + 1):
            path = f"{well.plate}/{well.name}_f{field}.tif"
            neurons, places = draw_neurons(layout.side_px, preparation, rng)
            picture = exposed(neurons * _light(well, layout.side_px), rng)
            # Neither the date nor the writer's version: the same seed gives the same bytes.
            tifffile.imwrite(folder / path, picture, photometric="minisblack", metadata=None, software=False)
            culture = f"culture{1 + (int(well.plate[1:]) - 1) // 2}"
            facts = (well.label, well.plate, well.name, field, culture, "MAP2", well.compound, well.dose_um, PIXEL_NM)
            rows.append((path, *facts))
            beads += [(path, *(f"{value:.2f}" for value in place)) for place in places.tolist()]
    _write_csv(folder / TABLE_FILE, COLUMNS, rows)
    _write_csv(folder / TRUTH_TABLE, TRUTH_COLUMNS, beads)
    truth = StainingTruth(
        version=layout.version,
        seed=seed,
        pictures=len(rows),
        beads=len(beads),
        uneven={f"P{plate + 1}": UNEVEN[plate % len(UNEVEN)] for plate in range(layout.plates)},
        doses_um=list(DOSES_UM),
        left={compound: list(shares) for compound, shares in LEFT.items()},
    )
    (folder / "truth.json").write_text(json.dumps(asdict(truth)), encoding="utf-8")
    return truth


def _wells(layout: Layout, seed: int) -> list[_Well]:
    """All wells, plate by plate, anywhere within the plate's outermost row of wells."""
    rng = np.random.default_rng([seed, layout.version, 0])
    inner = [f"{row}{column:02d}" for row in "BCDEFG" for column in range(2, 12)]
    found: list[_Well] = []
    for plate in range(1, layout.plates + 1):
        kinds: list[tuple[str, str, float | None, int]] = []
        kinds += [(label, "", None, layout.fields) for label in CLASSES for _ in range(layout.wells_of_a_class)]
        kinds += [("", compound, dose, 1) for compound in LEFT for dose in DOSES_UM]
        names = [inner[index] for index in sorted(rng.choice(len(inner), len(kinds), replace=False).tolist())]
        for name, index in zip(names, rng.permutation(len(kinds)).tolist(), strict=True):
            label, compound, dose_um, fields = kinds[index]
            light = {"control": -1, "treated": 1}.get(label, int(rng.choice([-1, 1])))
            found.append(_Well(f"P{plate}", name, label, compound, dose_um, fields, light, len(found)))
    return found


def _preparation(well: _Well, rng: np.random.Generator) -> Preparation:
    share = LEFT[well.compound][DOSES_UM.index(well.dose_um)] if well.dose_um else float(well.label == "treated")
    stain, haze, density = np.exp(rng.normal(0, (0.08, 0.15, 0.12))).tolist()
    return Preparation(_BEADED * share, density, stain, haze, focus_px=float(rng.uniform(0.6, 0.9)))


def _light(well: _Well, side_px: int) -> npt.NDArray[np.float64]:
    """How much light falls on each pixel of a picture of that well, about 1."""
    across = (np.arange(side_px) + 0.5) / side_px * 2 - 1
    kind = (int(well.plate[1:]) - 1) % len(UNEVEN)
    x, y = across[None, :], across[:, None]
    pattern = (np.ones((side_px, side_px)), x + 0 * y, y + 0 * x, x * y)[kind]
    light: npt.NDArray[np.float64] = np.exp(well.light * _UNEVENNESS[kind] * pattern)
    return light


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
