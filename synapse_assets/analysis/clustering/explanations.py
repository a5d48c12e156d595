"""What other than the kind of synapse explains a cluster: one neuron, padding, one section, file, source, volume or contrast.

Belongs here: when a cluster counts as explained, and the sentence that says so. Does not belong here: the other facts of a
cluster (`cluster_cards`), how far clusters can be trusted (`stability_verdict`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import hypergeom

from synapse_assets.analysis.clustering.hdbscan_model import NOISE, Labels

MOST = 0.5
"""How far the share of a cluster has to lie on the way from the share of all synapses to the whole, and how far above it."""
LEAST_SYNAPSES = 5
FALSE_ALARMS = 0.01
"""Of each fact, over all its values and all clusters."""
FEW = 0.1
"""Share of a cluster that a wider explanation has to add to a narrower one, at least."""
CONTRAST_SURPLUS = 0.8
CONTRAST_LEAST_NEURONS = 10
ONE_NEURON, PADDED, ONE_CONTRAST = "one neuron", "padded", "one contrast"
EXAMINED = ("neuron_id", "valid_fraction", "volume", "section", "source", "source_file", "contrast")
"""The columns that `explanations` looks at."""

# Name, columns that make the value, and the sentence; the narrower before the wider.
_FACTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (ONE_NEURON, ("neuron_id",), "{share} of its synapses are of neuron {neuron_id}"),
    (PADDED, ("padded",), "the tiles of {share} of its synapses reach beyond the volume and are padded"),
    ("one section", ("volume", "section"), "{share} of its synapses lie in section {section} of {volume}"),
    ("one file", ("source", "source_file"), "{share} of its synapses come from the file {source_file}"),
    ("one source", ("source",), "{share} of its synapses come from the source {source}"),
    ("one volume", ("volume",), "{share} of its synapses lie in the volume {volume}"),
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """What explains a cluster.

    name      'one neuron', 'padded', 'one section', 'one file', 'one source', 'one volume' or 'one contrast'
    synapses  how many synapses of the cluster it covers
    sentence  the same in words, with the share of all synapses, or of the others
    """

    name: str
    synapses: int
    sentence: str


def explanations(cluster: Labels, facts: pa.Table) -> dict[int, list[Explanation]]:
    """What explains each cluster, by its number; an empty list where nothing does. Noise is not examined.

    `cluster` (N,) is of the rows of `facts`, which have any of the columns `EXAMINED`: neuron_id, valid_fraction (below 1: the
    tile reaches beyond the volume and is padded), volume, section (its number in the volume), source, source_file, contrast
    (standard deviation of grey values). A missing column and an empty value explain nothing.

    **A neuron, padding, a section, file, source or volume** explains a cluster that has at least five synapses of it, if its
    share of the cluster, s, lies more than half way from its share of all synapses, a, to the whole, and is half as large again
    as that: s - a > 0.5 max(1 - a, a). Divided by 1 - a, the left side is the agreement beyond chance of Cohen's kappa (Cohen
    1960, doi 10.1177/001316446002000104). Of what is rare that is more than half of the cluster, of one of two equally large
    volumes more than three quarters; what two thirds of all synapses have explains none. And it has to be beyond chance: that
    many or more among as many observations drawn without replacement have to be rarer than 1 in 100 over all values and
    clusters (hypergeometric, Bonferroni). Neighbouring synapses are of one neuron, so those of one neuron that have the same
    value are one observation. What follows from what was said and covers hardly more of the cluster is not said: the volume of
    a section, the source of a file.

    **Contrast** explains a cluster of at least ten neurons (synapses, where neurons are unknown) that is no more than half of
    all, if some range of contrast holds at least 80 percentage points more of it than of the others: the largest difference of
    two distributions over intervals (Kuiper 1960, Proc. Kon. Ned. Akad. Wet. A 63, 38-47), which for ranges open at one end is
    the statistic of Kolmogorov and Smirnov.

    Measured on the tiles of the sample and of vnc_sstem: none of 8,357 random clusters of synapses (up to 14 at a time) and none
    of 3,371 of whole neurons was explained by anything. Bands of contrast that hold 1/14 to 1/4 of the synapses were, up to 10 %
    strangers among their members; the known classes and hemilineages surpass the others by at most 41 percentage points.
    """
    facts = _with_padding(facts)
    numbers = np.unique(cluster[cluster != NOISE]).tolist()
    explained: dict[int, list[Explanation]] = {number: [] for number in numbers}
    covered_before: dict[int, list[Bools]] = {number: [] for number in numbers}
    each_alone = np.arange(len(cluster))
    neuron = _codes(facts, ("neuron_id",))
    # A synapse of no known neuron is a unit of its own.
    unit = np.where(neuron >= 0, neuron, len(cluster) + each_alone)
    for name, columns, words in _FACTS:
        code = _codes(facts, columns)
        # Observations: pairs of a unit and a value, code 0 for no value.
        pair = (each_alone if name == ONE_NEURON else unit) * (len(cluster) + 1) + code + 1
        for number in numbers:
            inside = cluster == number
            value = _explaining_value(inside, code, pair, len(numbers))
            if value is None:
                continue
            covered = code == value
            if any(_follows(covered, narrower, inside) for narrower in covered_before[number]):
                continue
            covered_before[number].append(covered)
            row = int(np.argmax(covered))
            value_texts = {column: facts.column(column)[row].as_py() for column in columns}
            sentence = words.format(share=_percent(covered[inside]), **value_texts)
            text = f"{sentence} ({_percent(covered)} of all)"
            explained[number].append(Explanation(name, int(covered[inside].sum()), text))
    if "contrast" in facts.column_names:
        contrast = pc.fill_null(facts.column("contrast"), np.nan).to_numpy()
        for number in numbers:
            explained[number] += _one_contrast(cluster == number, contrast, unit)
    return explained


def _with_padding(facts: pa.Table) -> pa.Table:
    """`facts` with a column `padded`: True, or empty for a tile that is whole or unknown."""
    if "valid_fraction" not in facts.column_names:
        return facts
    is_padded = pc.less(facts.column("valid_fraction"), 1.0)
    return facts.append_column("padded", pc.if_else(is_padded, True, pa.scalar(None, pa.bool_())))


def _codes(facts: pa.Table, columns: Sequence[str]) -> Ints:
    """The number of each row's value in these columns together (N,), from 0; -1 where one of them is empty or missing."""
    if not set(columns) <= set(facts.column_names):
        return np.full(facts.num_rows, -1)
    code, known = np.zeros(facts.num_rows, dtype=np.int64), np.ones(facts.num_rows, dtype=bool)
    for name in columns:
        encoded = facts.column(name).combine_chunks().dictionary_encode()
        index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        known &= index >= 0
        code = code * len(encoded.dictionary) + index
    code[known] = np.unique(code[known], return_inverse=True)[1]
    return np.where(known, code, -1)


def _explaining_value(inside: Bools, code: Ints, pair: Ints, clusters: int) -> int | None:
    """The value (a number in `code`) that explains the cluster `inside` (N,), or None. Equal numbers in `pair` (N,) are one
    observation; `clusters` are examined."""
    total = np.bincount(code[code >= 0])
    counts = np.bincount(code[inside & (code >= 0)], minlength=len(total))
    value = int(np.argmax(counts)) if len(counts) else 0
    if not len(counts) or counts[value] < LEAST_SYNAPSES:
        return None
    share, overall = counts[value] / inside.sum(), total[value] / len(code)
    if share - overall <= MOST * max(overall, 1 - overall):
        return None
    rows, rows_inside = np.unique(pair, return_index=True)[1], np.unique(pair[inside], return_index=True)[1]
    drawn = code[inside][rows_inside] == value
    chance = hypergeom.sf(drawn.sum() - 1, len(rows), (code[rows] == value).sum(), len(drawn))
    return value if chance * len(total) * clusters < FALSE_ALARMS else None


def _follows(covered: Bools, narrower: Bools, inside: Bools) -> bool:
    """Whether `covered` holds of all that `narrower` does, and of less than a tenth of the cluster `inside` beyond."""
    return bool((covered | ~narrower).all() and (covered & ~narrower)[inside].mean() < FEW)


def _one_contrast(inside: Bools, contrast: Float64, unit: Ints) -> list[Explanation]:
    """The explanation by contrast of the cluster `inside`, if it is one; `contrast` (N,) is NaN where unknown."""
    known = np.isfinite(contrast)
    members, others = np.sort(contrast[known & inside]), np.sort(contrast[known & ~inside])
    if len(np.unique(unit[known & inside])) < CONTRAST_LEAST_NEURONS or len(members) > len(others):
        return []
    values = np.unique(contrast[known])
    # How far the cluster's distribution is ahead of that of the others, below all values and at each of them.
    below, other_below = (np.searchsorted(part, values, side="right") / len(part) for part in (members, others))
    ahead = np.concatenate([[0.0], below - other_below])
    end = int(np.argmax(ahead - np.minimum.accumulate(ahead)))
    start = int(np.argmin(ahead[: end + 1]))
    if ahead[end] - ahead[start] < CONTRAST_SURPLUS:
        return []
    low, high = values[start], values[end - 1]
    covered = (contrast >= low) & (contrast <= high)
    text = (
        f"it is one contrast: {_percent(covered[inside])} of its synapses have a standard deviation of {low:.1f} to {high:.1f} "
        f"grey values ({_percent(covered[~inside])} of the others)"
    )
    return [Explanation(ONE_CONTRAST, int(covered[inside].sum()), text)]


def _percent(covered: Bools) -> str:
    """The share of true values in per cent; "under 1 %" and "over 99 %" where rounding might claim none or all."""
    share = covered.mean()
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"
