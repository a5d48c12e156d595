"""Small plates of pictures on real files, and a dataset on the staining chain that reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from synapse_assets.datasets import StainingDataset

WINDOW_PX = 32
SIDE_PX = 70
PIXEL_NM = 325.0


def noise(seed: int, side_px: int = SIDE_PX, highest: int = 4_000) -> npt.NDArray[np.uint16]:
    """A picture (side_px, side_px) of 12 bits: background, and a bright spot of `highest` in one place."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(300, 20, (side_px, side_px)).clip(0, 4_095).astype(np.uint16)
    picture[10:20, 5:15] = rng.integers(1_000, highest, (10, 10))
    picture[15, 10] = highest
    return picture


def write_plates(folder: Path, plates: Sequence[str] = ("P1", "P2"), fields: int = 2) -> None:
    """Pictures `<class>/<plate>_B0<well>_<field>.tif`: a well a class and plate, with two fields."""
    for p, plate in enumerate(plates):
        for well, label in enumerate(("control", "treated"), start=2):
            (folder / label).mkdir(parents=True, exist_ok=True)
            for field in range(fields):
                seed = 100 * p + 10 * well + field
                tifffile.imwrite(folder / label / f"{plate}_B0{well}_{field}.tif", noise(seed))


def staining_dataset(folder: Path, **changes: object) -> StainingDataset:
    """The dataset of these plates; `changes` are other fields, `source` fields of its one source."""
    pattern = r"(?P<plate>P\d)_(?P<well>[A-H]\d\d)_(?P<field>\d)"
    source = {"name": "plates", "path": str(folder), "name_pattern": pattern, **dict(changes.pop("source", {}))}  # type: ignore[call-overload]
    values: dict[str, object] = {
        "name": "stained",
        "title": "Stained neurons",
        "description": "Planted pictures for tests.",
        "chain": "staining",
        "sources": [source],
        "classes": ["control", "treated"],
        "pixel_nm": PIXEL_NM,
        "window_px": WINDOW_PX,
    }
    return StainingDataset.model_validate({**values, **changes})
