"""What pictures and pages of the chain without images share: colours of clusters, neurons around their soma, limits of axes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE

SPACE_AXES = ("UMAP 1", "UMAP 2", "UMAP 3")
MICROMETRE_AXES = ("x (µm)", "y (µm)", "z (µm)")


def cluster_colour(cluster: int) -> str:
    """The colour (#rrggbb) of a cluster in every picture; grey below 0. Colours repeat from cluster 18 on."""
    return NOISE_COLOUR if cluster < 0 else PALETTE[cluster % len(PALETTE)]


class Neuron:
    """The synapses of one neuron that have a place: where they lie, their clusters, whether they were fitted, and words."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], clusters: Mapping[str, int] | None):
        self.places = np.array([[row[f"{a}_from_soma_um"] for a in "xyz"] for row in rows], dtype=np.float64)
        found = clusters or {}
        self.clusters = np.array([max(-1, found.get(row["synapse_id"], -1)) for row in rows], dtype=np.int64)
        self.fitted = np.array([row["used_for"] != "prediction" for row in rows], dtype=bool)
        self.words = [
            ", ".join(
                (
                    row["synapse_id"],
                    *([f"cluster {c}" if c >= 0 else "in no cluster"] if clusters is not None else []),
                    f"{np.linalg.norm(place):.1f} µm from the soma",
                    f"synapse area {row['synapse_area']:.3g}",
                )
            )
            for row, place, c in zip(rows, self.places, self.clusters, strict=True)
        ]


def neurons_around_their_soma(features: pa.Table, clusters: Mapping[str, int] | None) -> dict[str, Neuron]:
    """The neurons of the table in natural order (cb2 before cb10); synapses without a finite place are left out."""
    columns = ["synapse_id", "neuron_id", "used_for", "synapse_area", *(f"{a}_from_soma_um" for a in "xyz")]
    by_neuron: dict[str, list[dict[str, Any]]] = {}
    for row in features.select(columns).to_pylist():
        if all(finite_or_none(row[f"{a}_from_soma_um"]) is not None for a in "xyz"):
            by_neuron.setdefault(row["neuron_id"], []).append(row)
    return {name: Neuron(by_neuron[name], clusters) for name in sorted(by_neuron, key=natural_order)}


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", name) if part]


def cluster_numbers(clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Cluster numbers; whatever is none of them is -1."""
    return np.array([-1 if c is None or c < 0 else int(c) for c in clusters], dtype=np.int64)


def finite_or_none(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def require_same_length(**inputs: Any) -> None:
    """Raises BadInput naming the lengths if they differ."""
    lengths = {name: len(values) for name, values in inputs.items()}
    if len(set(lengths.values())) > 1:
        raise BadInput(f"a map needs one entry a synapse in each of its inputs, but they have {lengths}")


def box_around(
    places: npt.NDArray[np.float64], margin: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of the square or cube around the finite places, with a margin as a share of its side."""
    known = places[np.isfinite(places).all(axis=1)]
    if not len(known):
        return np.zeros(places.shape[1]), np.ones(places.shape[1])
    low, high = known.min(axis=0), known.max(axis=0)
    half = (0.5 + margin) * (float((high - low).max()) or 1.0)
    return (low + high) / 2 - half, (low + high) / 2 + half


def limits_around(
    places: npt.NDArray[np.float64], *, cube: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of a cube around the places, or of a box that is no flatter than 0.4."""
    low, high = box_around(places, 0.04)
    known = places[np.isfinite(places).all(axis=1)]
    if cube or not len(known):
        return low, high
    sides = np.maximum(np.ptp(known, axis=0) * 1.08, 0.4 * (high - low).max())
    middle = (known.min(axis=0) + known.max(axis=0)) / 2
    return middle - sides / 2, middle + sides / 2


def mixed(colour: str, other: str, share: float) -> str:
    """`colour` with that share of `other`."""
    ends = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (colour, other)]
    return "#{:02x}{:02x}{:02x}".format(*np.rint((1 - share) * ends[0] + share * ends[1]).astype(int))


def darker(colour: str) -> str:
    return mixed(colour, "#000000", 0.35)
