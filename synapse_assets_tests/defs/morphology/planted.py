"""A small workbook whose answers are known: three shapes of synapse on four neurons, and one group without any structure."""

from pathlib import Path

import numpy as np
import pandas as pd

from synapse_assets.datasets import MorphologyDataset

NEURONS = ("cb1", "cb2", "pv1", "pv2")
PER_NEURON = 45
# Synapse area and bouton area of the three planted shapes.
SHAPES = ((0.10, 0.5), (0.45, 0.8), (0.30, 2.6))
_MICRONS_PER_PIXEL = np.array([0.01, 0.01, 0.06])


def planted_workbook(seed: int = 0, new: bool = False) -> pd.DataFrame:
    """Rows of the study's columns, with `planted` (shape 0, 1 or 2; -1 for the structureless type ss) as the last.

    new: 12 newly observed rows of known neurons, and 3 of a neuron never seen, cb9.
    """
    rng = np.random.default_rng([seed, new])
    rows = []
    for neuron in (*NEURONS, "cb9") if new else NEURONS:
        soma = np.array([50.0, 60.0, 20.0])
        turned = np.linalg.qr(np.random.default_rng(len(neuron) + ord(neuron[0]) + int(neuron[2])).normal(size=(3, 3)))[
            0
        ]
        count = 3 if new else PER_NEURON
        for kind in ("as", "ss"):
            if new and kind == "ss":
                continue
            for number in range(1, count + 1):
                shape = -1 if kind == "ss" else number % 3
                areas = rng.normal((0.3, 1.4), (0.05, 0.25)) if shape < 0 else rng.normal(SHAPES[shape], (0.015, 0.06))
                away = turned @ (rng.normal(size=3) * (40, 20, 8)) + (30, 10, 5)
                corrected = (soma + away) / _MICRONS_PER_PIXEL
                corrected_soma = soma / _MICRONS_PER_PIXEL
                values = {"NeuronId": neuron, "SynType": kind, "SynId": number}
                values |= dict(zip("xyz", corrected + 3.0, strict=True))
                values |= {f"soma_{a}": v for a, v in zip("xyz", corrected_soma + 3.0, strict=True)}
                values |= {f"corr_{a}": v for a, v in zip("xyz", corrected, strict=True)}
                values |= {f"corr_soma_{a}": v for a, v in zip("xyz", corrected_soma, strict=True)}
                values |= {"SynArea": areas[0], "BoutonArea": areas[1], "BoutonVolume": areas[1] / 3}
                values |= {f"corr_{a}_micron": v for a, v in zip("xyz", soma + away, strict=True)}
                values |= {f"corr_soma_{a}_micron": v for a, v in zip("xyz", soma, strict=True)}
                rows.append({**values, "planted": shape})
    return pd.DataFrame(rows)


def planted_dataset(study: Path, new: Path | None = None, **changes: object) -> MorphologyDataset:
    """A dataset on those workbooks, with few resampled maps so that a test takes seconds."""
    books: list[dict[str, object]] = [{"name": "study", "path": str(study)}]
    if new is not None:
        books.append({"name": "new", "path": str(new), "used_for": "prediction", "id_prefix": "new/"})
    values: dict[str, object] = {
        "chain": "morphology",
        "name": "planted",
        "title": "Planted interneurons",
        "description": "Three shapes of synapse and one group without structure.",
        "workbooks": books,
        "neuron_types": {"cb": "calbindin", "pv": "parvalbumin"},
        "synapse_types": ["as", "ss"],
        "brain_region": "V1",
        "groups": {"as": {"synapse_type": "as"}, "ss": {"synapse_type": "ss"}},
        "resampling": {"runs": 12, "share": 0.9, "nulls": 9},
    }
    return MorphologyDataset.model_validate({**values, **changes})
