"""What is odd in a workbook that could be read: distances, somas and scales that do not fit together. Each names the first cases."""

from collections import Counter

import numpy as np
import pyarrow as pa

# A mouse brain is about 13 mm long and a cortical interneuron's dendrites and axon stay within a millimetre or two; nanometres
# or pixels taken for micrometres go far beyond.
FARTHEST_UM = 5_000.0
_ROUNDING_UM = 0.01
_MOST_NAMED = 5


def far_from_soma(rows: pa.Table) -> list[str]:
    """Synapses of `schema.morphology.SYNAPSES` farther than 5 mm from their soma, a message each; empty if none."""
    distance = np.linalg.norm(_points(rows, "", "_um") - _points(rows, "soma_", "_um"), axis=1)
    wrong = np.flatnonzero(distance > FARTHEST_UM)
    ids = rows.column("synapse_id").to_pylist()
    messages = [f"{ids[i]} lies {distance[i]:,.0f} um from its soma" for i in wrong[:_MOST_NAMED].tolist()]
    if len(wrong) > _MOST_NAMED:
        messages.append(f"and {len(wrong) - _MOST_NAMED:,} more; are the micron columns in another unit?")
    return messages


def several_somas(rows: pa.Table) -> list[str]:
    """Neurons whose rows name more than one soma, a message each; empty if none."""
    somas: dict[str, set[tuple[float, ...]]] = {}
    for neuron, soma in zip(rows.column("neuron_id").to_pylist(), _points(rows, "soma_", "_um").tolist(), strict=True):
        somas.setdefault(neuron, set()).add(tuple(soma))
    return [f"{neuron} has {len(positions)} somas" for neuron, positions in sorted(somas.items()) if len(positions) > 1]


def uneven_micrometres(rows: pa.Table) -> list[str]:
    """Axes along which micrometres are not the corrected position times one factor, in words; a thousandth or 0.01 um is rounding.

    Rows without corrected positions, or with a position at 0, are not checked.
    """
    messages = []
    for axis in "xyz":
        corrected = rows.column(f"corrected_{axis}").to_numpy().astype(np.float64)
        micrometres = rows.column(f"{axis}_um").to_numpy()
        known = np.isfinite(corrected) & (corrected != 0)
        if not known.any():
            continue
        factor = micrometres[known] / corrected[known]
        middle = float(np.median(factor))
        away = np.abs(micrometres[known] - middle * corrected[known])
        off = int((away > np.maximum(_ROUNDING_UM, 1e-3 * np.abs(micrometres[known]))).sum())
        if off:
            messages.append(f"{axis}: {off:,} of {int(known.sum()):,} rows differ from the factor {middle:.4g}")
    return messages


def neurons_below(rows: pa.Table, fewest: int) -> dict[str, int]:
    """Neurons whose synapses are too few for axes, and how many they have: fewer than `fewest` used for the fit, and as few
    newly observed ones, which would be aligned by themselves."""
    used = Counter(zip(rows.column("neuron_id").to_pylist(), rows.column("used_for").to_pylist(), strict=True))
    few = {}
    for neuron in sorted({name for name, _ in used}):
        fitted, new = used[neuron, "fit"], used[neuron, "prediction"]
        if fitted < fewest and (fitted or new < fewest):
            few[neuron] = fitted or new
    return few


def _points(rows: pa.Table, prefix: str, suffix: str) -> np.ndarray:
    return np.stack([rows.column(f"{prefix}{axis}{suffix}").to_numpy() for axis in "xyz"], axis=1)
