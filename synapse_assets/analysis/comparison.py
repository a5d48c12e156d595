"""Whether a refitted model (the candidate) is as good as the one in use.

Belongs here: a measure for each kind of model, taken on the same data for both, and the rule. Does not belong here: putting
a model in use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.projection import Float32, Projection, unit_rows
from synapse_assets.analysis.evaluation.scores import balanced_accuracy
from synapse_assets.artifacts import NoModel

WORSE_BY = 0.01
"""Scores (all between 0 and 1) that differ by less count as equal: the candidate knows the newer data, so it wins a tie."""
NEIGHBOURS = 10
"""Neighbours that vote for a class. A fifth or so of what is usual (Caron et al. take 20 of 1.3 million pictures): there are
a thousand pictures here, and a rare class has few."""
MAP_NEIGHBOURS = 15
"""Neighbours that should stay neighbours on the map; as many as the map is fitted with."""
FEWEST_LABELLED = 20

KNN = "balanced accuracy of 10 nearest neighbours, groups held out"
TRUSTWORTHINESS = "trustworthiness of the reduction that clusters are found in"
STABILITY = "agreement with refits (stability_ari)"
ACCURACY = "balanced accuracy on held-out groups"
DETECTION = "F1 of objects, Dice of mitochondria, mean over the detectors, parts held out"


@dataclass(frozen=True)
class Comparison:
    """The result: whether the candidate is to be used, why, and the scores (None: not measured)."""

    measure: str
    in_use: float | None
    candidate: float | None
    promote: bool
    reason: str


def compare(measure: str, in_use: float | None, candidate: float | None, on: str) -> Comparison:
    """The rule: the candidate is used unless it scores worse. `on` names the data that both were measured on.

    A candidate without a score is worse than a model that has one; if neither has one, the candidate is used.
    """
    if candidate is None:
        promote = in_use is None
        reason = "neither could be measured" if promote else "the candidate could not be measured"
    elif in_use is None:
        promote, reason = True, f"only the candidate could be measured ({candidate:.3f})"
    else:
        promote = candidate >= in_use - WORSE_BY
        outcome = "better than" if candidate > in_use + WORSE_BY else "as good as" if promote else "worse than"
        reason = f"the candidate ({candidate:.3f}) is {outcome} the one in use ({in_use:.3f})"
    return Comparison(measure, in_use, candidate, promote, f"{reason}; {on}")


def compare_encoders(
    in_use: npt.ArrayLike, candidate: npt.ArrayLike, targets: Sequence[str], groups: Sequence[str], grouping: str
) -> Comparison:
    """Two encoders by their vectors (N, D) of the same labelled tiles. Without labels the user has to decide.

    Two encoders can be compared by the known classes only: their losses are of different tasks.
    """
    in_use_accuracy = neighbour_accuracy(in_use, targets, groups)
    candidate_accuracy = neighbour_accuracy(candidate, targets, groups)
    if candidate_accuracy is None:
        reason = f"{len(targets)} labelled tiles do not tell two encoders apart (20, two classes and two groups are needed): "
        return Comparison(KNN, in_use_accuracy, candidate_accuracy, False, f"{reason}promote by hand")
    return compare(
        KNN, in_use_accuracy, candidate_accuracy, f"both on {len(targets):,} labelled tiles, each {grouping} held out"
    )


def neighbour_accuracy(vectors: npt.ArrayLike, targets: Sequence[str], groups: Sequence[str]) -> float | None:
    """How often the 10 nearest vectors of other groups predict the class, balanced over the classes; None where there is too
    little to compare.

    The usual test of an encoder without training on top (Wu et al., CVPR 2018; Caron et al., ICCV 2021). Here whole groups
    are held out: synapses of one neuron look alike. Cosine similarity; of classes with equal votes the more similar one.
    """
    names, code = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    if len(code) < FEWEST_LABELLED or len(names) < 2 or len(np.unique(group)) < 2:
        return None
    rows = unit_rows(vectors).astype(np.float64)
    similarity = rows @ rows.T
    similarity[group[:, None] == group[None, :]] = -np.inf
    neighbours = np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]
    neighbour_similarity = np.take_along_axis(similarity, neighbours, axis=1)
    # A vote counts 1 and a little for its similarity, which decides among equal votes only.
    weight = np.where(np.isfinite(neighbour_similarity), 1 + neighbour_similarity / (2 * NEIGHBOURS + 1), 0.0)
    votes = np.stack([(weight * (code[neighbours] == c)).sum(axis=1) for c in range(len(names))], axis=1)
    return balanced_accuracy(code, votes.argmax(axis=1), len(names))


def compare_maps(in_use: Projection | NoModel, candidate: Projection | NoModel, vectors: Float32) -> Comparison:
    """Two maps by the same present vectors (N, D)."""
    on = f"both on {len(vectors):,} present synapses"
    if isinstance(candidate, NoModel):
        on = f"{on}; the candidate is no map: {candidate.reason}"
    return compare(TRUSTWORTHINESS, trustworthiness(in_use, vectors), trustworthiness(candidate, vectors), on)


def trustworthiness(projection: Projection | NoModel, vectors: Float32) -> float | None:
    """How far neighbours in the reduced space are neighbours among the vectors, 0 to 1 (Venna & Kaski, ICANN 2001); None
    without a map, or for fewer than three vectors."""
    neighbours = min(MAP_NEIGHBOURS, (len(vectors) - 1) // 2)
    if isinstance(projection, NoModel) or neighbours < 1:
        return None
    from sklearn.manifold import trustworthiness as measured

    return float(measured(unit_rows(vectors), projection.apply(vectors)[1], n_neighbors=neighbours))


def compare_clusterings(in_use: Mapping[str, float], candidate: Mapping[str, float]) -> Comparison:
    """Two clusterings by their scores: how far each agrees with refits of its own sample (Hubert & Arabie 1985)."""
    in_use_ari, candidate_ari = in_use.get("stability_ari"), candidate.get("stability_ari")
    counts = [f"{scores.get('clusters', 0):.0f} clusters" for scores in (in_use, candidate)]
    return compare(STABILITY, in_use_ari, candidate_ari, f"{counts[0]} in use, {counts[1]} of the candidate")


def compare_classifiers(
    in_use: Mapping[str, float], candidate: Mapping[str, float], rows: str = "synapses"
) -> Comparison:
    """Two classifiers by their scores, each on the labels it was fitted on, which are of `rows`.

    With another number of classes guessing scores otherwise, so then what each is above guessing is compared: 0 is
    guessing, 1 is perfect (as scikit-learn's adjusted balanced accuracy).
    """
    in_use_accuracy, candidate_accuracy = in_use.get("balanced_accuracy"), candidate.get("balanced_accuracy")
    on = " and ".join(
        f"{scores.get(f'labelled_{rows}', 0):,.0f} labelled {rows} of {scores.get('classes', 0):.0f} classes"
        for scores in (in_use, candidate)
    )
    on = f"each on its own labels: {on}"
    if in_use_accuracy is None or candidate_accuracy is None or in_use["classes"] == candidate["classes"]:
        return compare(ACCURACY, in_use_accuracy, candidate_accuracy, on)
    above = (
        _above_guessing(in_use_accuracy, in_use["classes"]),
        _above_guessing(candidate_accuracy, candidate["classes"]),
    )
    adjusted = compare(ACCURACY, above[0], above[1], f"above guessing, as the numbers of classes differ; {on}")
    return Comparison(ACCURACY, in_use_accuracy, candidate_accuracy, adjusted.promote, adjusted.reason)


def _above_guessing(accuracy: float, classes: float) -> float:
    return (accuracy - 1 / classes) / (1 - 1 / classes)


def compare_detectors(in_use: Mapping[str, float], candidate: Mapping[str, float]) -> Comparison:
    """Two versions of a dataset's detectors by their scores: the mean over the detectors that both have (`<name>_score`); of all of each,
    where they share none."""
    shared = sorted(name for name in in_use.keys() & candidate.keys() if name.endswith("_score"))
    if shared:
        before, after = (sum(version[name] for name in shared) / len(shared) for version in (in_use, candidate))
        names = ", ".join(name.removesuffix("_score") for name in shared)
        return compare(DETECTION, before, after, f"each on its own annotations: {names}")
    return compare(DETECTION, in_use.get("score"), candidate.get("score"), "each on its own annotations")
