"""What several tests draw: synapses of neurons without images, and a long sentence."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.figures.style import Verdict
from synapse_assets.schema import morphology

CHOSEN = "#D55E00"
SENTENCE = (
    "The clusters of two runs agree at an adjusted Rand index of 0.78, well above that of features without groups. "
    * 12
)
VERDICTS = {
    word: Verdict(word, f"{word}: runs agree at ARI 0.42, those of features without groups at 0.27")
    for word in ("stable", "fragile", "not distinguishable from noise")
}
CORNERS = np.array([[x, y, z] for x in (0, 9) for y in (0, 9) for z in (0, 9)], dtype=float)


def features(places: dict[str, npt.ArrayLike], new: tuple[str, ...] = ()) -> pa.Table:
    """A table of `morphology.FEATURES`; synapse i of neuron n is n/as/i."""
    rows = []
    for neuron, xyz in places.items():
        for i, place in enumerate(np.asarray(xyz, dtype=float).reshape(-1, 3).tolist()):
            name = f"{neuron}/as/{i}"
            row: dict[str, Any] = dict.fromkeys(morphology.FEATURES.names)
            row |= {"synapse_id": name, "neuron_id": neuron, "used_for": "prediction" if name in new else "fit"}
            row |= {f"{axis}_from_soma_um": at for axis, at in zip("xyz", place, strict=True)}
            row |= {"distance_to_soma_um": float(np.linalg.norm(place)), "synapse_area": 0.25, "bouton_area": 0.5}
            rows.append({**row, "feature_model": "m"})
    return morphology.FEATURES.conform(pa.Table.from_pylist(rows, schema=morphology.FEATURES.arrow))
