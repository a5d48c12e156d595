"""The class of a neuron by the pooled evidence of its synapses, or "unclear".

Belongs here: pooling calibrated probabilities with the dependence between synapses of one neuron, and what follows from that. Does not
belong here: majority votes (`neuron_votes`), calibrating a synapse's probabilities (`calibration`).

A synapse's evidence for a class is its calibrated log-probability less the logarithm of the prior. Synapses of one neuron share what
makes them look like another class, so n of them are worth n / (1 + (n - 1) rho) independent ones (Kish's design effect, 1965): exactly
so where the evidence is Gaussian with equal correlation rho within neurons. rho is estimated by likelihood on neurons of known class.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.calibration import Calibration, HeldOut
from synapse_assets.analysis.evaluation.conformal import SetRule, fit_sets
from synapse_assets.analysis.evaluation.neuron_votes import known_classes
from synapse_assets.analysis.evaluation.predictions import UNCLEAR, probability_matrix
from synapse_assets.analysis.evaluation.sampling import content_keys
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_ANSWERS

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

COUNTS = (1, 2, 5, 10, 20)
"""Synapses of a neuron from which its class is named, for the curve of accuracy."""
FEWEST_NEURONS = 8
"""Neurons of known class with two synapses below which dependence is not estimated."""
PRIOR_NEURONS = 2.0
"""Neurons of the class prior that are added to the known ones of a hemilineage."""
DISAGREEMENT_P = 0.01
_DRAWS = 40
_DRAWN_SYNAPSES = (20, 200)
_DEALS = 199
_FEWEST_IN_REGION = 3
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Evidence:
    """The synapses of neurons, those of one neuron together and in an order drawn by their ids.

    neurons   (N,) int64, ascending; counts (N,) their synapses, at least one each
    log_odds  (M, C) logarithm of calibrated probability over prior
    rows      (M,) int64, row of each synapse in the table that it was made from
    prior     (C,)
    """

    neurons: Int64
    counts: Int64
    log_odds: Float64
    rows: Int64
    prior: Float64

    @classmethod
    def of(
        cls, probabilities: Float64, neurons: Int64, ids: Sequence[str], prior: Float64, seed: int, rows: Int64
    ) -> "Evidence":
        """From calibrated probabilities (M, C) of synapses with those neurons, ids and rows, all (M,)."""
        order = np.lexsort((content_keys(ids, seed), neurons))
        names, counts = np.unique(neurons, return_counts=True)
        log_odds = np.log(np.maximum(probabilities[order], _SMALLEST)) - np.log(prior)
        return cls(names, counts, log_odds, rows[order], prior)

    @cached_property
    def starts(self) -> Int64:
        """(N,) where the synapses of each neuron begin."""
        return np.cumsum(self.counts) - self.counts

    def of_neuron(self, index: int) -> slice:
        """The rows of the neuron with that number."""
        start = int(self.starts[index])
        return slice(start, start + int(self.counts[index]))

    def means(self, most: int | None = None) -> tuple[Float64, Int64]:
        """(N, C) mean log-odds of each neuron's first `most` synapses, and (N,) how many they are."""
        number = self.counts if most is None else np.minimum(self.counts, most)
        position = np.arange(len(self.log_odds)) - np.repeat(self.starts, self.counts)
        used = self.log_odds[position < np.repeat(number, self.counts)]
        means: Float64 = np.add.reduceat(used, np.cumsum(number) - number, axis=0) / number[:, None]
        return means, number

    def pooled(self, dependence: float | Float64, most: int | None = None) -> Float64:
        """(N, C) probabilities of the neurons by their first `most` synapses, for one rho or one a neuron."""
        means, number = self.means(most)
        return pool(means, number, dependence, self.prior)


def independent_synapses(number: npt.ArrayLike, dependence: npt.ArrayLike) -> Float64:
    """How many independent synapses so many of one neuron are worth: n / (1 + (n - 1) rho)."""
    n = np.asarray(number, dtype=np.float64)
    return np.asarray(n / (1 + (n - 1) * np.asarray(dependence)), dtype=np.float64)


def pool(means: Float64, number: npt.ArrayLike, dependence: npt.ArrayLike, prior: Float64) -> Float64:
    """(..., C) probabilities from mean log-odds (..., C) of so many synapses (...) of a neuron."""
    scores = np.log(prior) + means * independent_synapses(number, dependence)[..., None]
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    pooled: Float64 = odds / odds.sum(axis=-1, keepdims=True)
    return pooled


def class_prior(calibration: Calibration, groups: npt.ArrayLike) -> Float64:
    """(C,) the class shares that calibrated probabilities contain, `groups` (C,) being the labelled groups of each class.

    Offsets by class fit them to the shares of the labelled groups. Temperature scaling keeps those of training, where
    classes count alike (`linear_probe` and the networks weight them so).
    """
    counts = (
        np.maximum(np.asarray(groups, dtype=np.float64), 0.5)
        if calibration.by_class
        else np.ones(len(calibration.classes))
    )
    return np.asarray(counts / counts.sum())


def fit_dependence(evidence: Evidence, known: Int64) -> float:
    """rho, 0 to 1, by likelihood on the neurons of known class (N,; -1: unknown); 1 where fewer than 8 of them have two synapses.

    A neuron is pooled from its first 2, 5, 10 and 20 synapses, as far as it has them, and from all, each counting alike: a composite
    likelihood (Varin, Reid & Firth, Stat. Sinica 21:5, 2011), so that rho serves neurons of any size. With rho 1, all synapses of a neuron
    are worth one: the least that can be claimed.
    """
    from scipy.optimize import minimize_scalar

    several = np.flatnonzero((known >= 0) & (evidence.counts > 1))
    if len(several) < FEWEST_NEURONS:
        return 1.0
    # a neuron with no more synapses than that is pooled from all of them, once
    chosen = [several[evidence.counts[several] > most] for most in COUNTS[1:]] + [several]
    means, number = (np.concatenate(parts) for parts in zip(*_first(evidence, chosen), strict=True))
    neuron = np.concatenate(chosen)
    weights = 1.0 / np.bincount(neuron)[neuron]

    def loss(dependence: float) -> float:
        pooled = pool(means, number, dependence, evidence.prior)[np.arange(len(neuron)), known[neuron]]
        return -float((weights * np.log(np.maximum(pooled, _SMALLEST))).sum())

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def _first(evidence: Evidence, chosen: Sequence[Int64]) -> Iterator[tuple[Float64, Int64]]:
    """Means and numbers of the first 2, 5, 10, 20 and of all synapses of the chosen neurons, those of each number in turn."""
    for most, neurons in zip((*COUNTS[1:], None), chosen, strict=True):
        means, number = evidence.means(most)
        yield means[neurons], number[neurons]


@dataclass(frozen=True)
class PooledNeurons:
    """Neurons with what their evidence comes to; those of known class as if they were new.

    dependence      (N,) rho that each is pooled with: of a known one, fitted on the other folds
    probabilities   (N, C)
    sets            (N, C) bool
    rules           what gives the sets of the neurons of each fold
    folds           (N,) the fold of each; -1: of unknown class
    """

    dependence: Float64
    probabilities: Float64
    sets: Bool
    rules: Mapping[int, SetRule]
    folds: Int64


def pool_neurons(evidence: Evidence, classes: tuple[str, ...], known: Int64, folds: Int64) -> PooledNeurons:
    """Pools every neuron. `known` (N,): position of its known class, -1 for none; `folds` (N,) the fold that it was held out in.

    Neither dependence nor sets of a known neuron are fitted on any of its fold.
    """
    folds = np.where(known >= 0, folds, -1)
    dependence, rules = np.zeros(len(known)), {}
    probabilities = np.zeros((len(known), len(classes)))
    sets = np.zeros(probabilities.shape, dtype=bool)
    for fold in np.unique(folds).tolist():
        own = folds == fold
        # of unknown neurons, by all known ones
        others = (known >= 0) & ~own
        dependence[own] = rho = fit_dependence(evidence, np.where(others, known, -1))
        pooled = evidence.pooled(rho)
        held_out = HeldOut(classes, pooled[others], known[others], np.flatnonzero(others), folds[others])
        rules[fold] = fit_sets(held_out)
        probabilities[own], sets[own] = pooled[own], rules[fold].sets(pooled[own])
    return PooledNeurons(dependence, probabilities, sets, rules, folds)


def accuracy_by_count(evidence: Evidence, known: Int64, dependence: Float64, seed: int) -> dict[int | None, Float64]:
    """By synapses of a neuron (None: all), how often each neuron of known class (K,) is named rightly from so many drawn at random.

    From 40 draws a neuron. A neuron with fewer synapses counts with all that it has; counts above the largest neuron's are left out.
    """
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero(known >= 0)
    largest = int(evidence.counts[chosen].max(initial=0))
    counts = [count for count in COUNTS if count <= largest]
    right: dict[int | None, Float64] = {count: np.zeros(len(chosen)) for count in (*counts, None)}
    for place, index in enumerate(chosen.tolist()):
        log_odds = evidence.log_odds[evidence.of_neuron(index)]
        order = _deals(len(log_odds), max(COUNTS), rng)
        sums = log_odds[order].cumsum(axis=1)
        for count in counts:
            number = min(count, len(log_odds))
            pooled = pool(sums[:, number - 1] / number, number, dependence[index], evidence.prior)
            right[count][place] = (pooled.argmax(axis=1) == known[index]).mean()
        pooled = pool(log_odds.mean(axis=0), len(log_odds), dependence[index], evidence.prior)
        right[None][place] = float(pooled.argmax() == known[index])
    return right


def _deals(rows: int, most: int, rng: np.random.Generator) -> Int64:
    """(40, min(rows, most)) row numbers, each line drawn without replacement."""
    number = min(rows, most)
    if rows > 20 * most:
        # of so many, chance puts hardly one twice into a draw
        return rng.integers(rows, size=(_DRAWS, number))
    return rng.random((_DRAWS, rows)).argsort(axis=1)[:, :number]


def synapses_needed(log_odds: Float64, dependence: float, prior: Float64, rule: SetRule, answer: int, seed: int) -> int:
    """Fewest synapses of a neuron with these log-odds (n, C) from which half of 40 random draws give a set of `answer` alone.

    Up to 200 are drawn; n where these do not suffice.
    """
    for most in _DRAWN_SYNAPSES:
        order = _deals(len(log_odds), most, np.random.default_rng(seed))
        number = np.arange(1, order.shape[1] + 1)
        means = log_odds[order].cumsum(axis=1) / number[:, None]
        pooled = pool(means, np.broadcast_to(number, order.shape), dependence, prior)
        sets = rule.sets(pooled)
        given = sets[..., answer] & (sets.sum(axis=-1) == 1)
        enough = np.flatnonzero(given.mean(axis=0) >= 0.5)
        if len(enough):
            return int(number[enough[0]])
    return len(log_odds)


@dataclass(frozen=True)
class RegionAnswer:
    """What the synapses of a neuron in one brain region say: the most probable class and its probability."""

    region: str
    synapses: int
    name: str
    probability: float


def answers_by_region(
    log_odds: Float64, regions: npt.NDArray[np.str_], dependence: float, prior: Float64, classes: Sequence[str]
) -> list[RegionAnswer]:
    """Of each region of a neuron, by name, from its synapses there."""
    found = []
    for region in np.unique(regions):
        chosen = log_odds[regions == region]
        pooled = pool(chosen.mean(axis=0), len(chosen), dependence, prior)
        best = int(pooled.argmax())
        found.append(RegionAnswer(str(region), len(chosen), classes[best], float(pooled[best])))
    return found


def disagreement(
    answers: Sequence[RegionAnswer], log_odds: Float64, regions: npt.NDArray[np.str_], seed: int
) -> str | None:
    """In words, where two regions of a neuron name different classes beyond chance; None where they do not.

    Of the regions with at least three synapses the largest is held against the largest that names another class. How much more evidence
    two classes explain than one does, the best for each region against the best for both, is compared with 199 random ways to deal their
    synapses to the two regions; beyond chance is at most 1 in 100.
    """
    large = sorted((a for a in answers if a.synapses >= _FEWEST_IN_REGION), key=lambda a: (-a.synapses, a.region))
    other = next((a for a in large if a.name != large[0].name), None)
    if other is None:
        return None
    first = large[0]
    chosen = log_odds[np.isin(regions, (first.region, other.region))]
    in_first = regions[np.isin(regions, (first.region, other.region))] == first.region
    total = chosen.sum(axis=0)

    def gain(of_first: Float64) -> Float64:
        return np.asarray(of_first.max(axis=-1) + (total - of_first).max(axis=-1))

    rng = np.random.default_rng(seed)
    dealt = np.stack([chosen[rng.permutation(len(chosen))[: first.synapses]].sum(axis=0) for _ in range(_DEALS)])
    as_far = 1 + int((gain(dealt) >= gain(chosen[in_first].sum(axis=0)) - 1e-9).sum())
    if as_far / (_DEALS + 1) > DISAGREEMENT_P:
        return None
    said = [
        f"{a.region} names {a.name} ({a.synapses:,} synapses, probability {a.probability:.2f})" for a in (first, other)
    ]
    return f"{said[0]}, {said[1]}; dealt to the two regions at random, its synapses differ as much in {as_far} of {_DEALS + 1} cases"


def hemilineage_priors(
    neurons: Sequence[int],
    known: Mapping[int, str],
    hemilineage: Mapping[int, str],
    classes: Sequence[str],
    prior: Float64,
) -> dict[int, Float64]:
    """(C,) the class shares of the other known neurons of each neuron's hemilineage, with 2 neurons of the prior added to them.

    Neurons whose hemilineage has no other neuron of known class are left out: it tells nothing. The neuron's own class never counts.
    """
    place = {name: position for position, name in enumerate(classes)}
    counts: dict[str, Float64] = {}
    for neuron, name in known.items():
        if name in place and neuron in hemilineage:
            counts.setdefault(hemilineage[neuron], np.zeros(len(classes)))[place[name]] += 1
    priors = {}
    for neuron in neurons:
        others = counts.get(hemilineage.get(neuron, ""), np.zeros(len(classes))).copy()
        if known.get(neuron) in place and neuron in hemilineage:
            others[place[known[neuron]]] -= 1
        if others.sum() > 0:
            priors[neuron] = (others + PRIOR_NEURONS * prior) / (others.sum() + PRIOR_NEURONS)
    return priors


def answer_neurons(
    answers: pa.Table,
    synapses: pa.Table,
    fold_of: Mapping[str, int],
    classes: tuple[str, ...],
    prior: Float64,
    seed: int,
) -> tuple[pa.Table, PooledNeurons | None]:
    """One row per neuron (`schema.NEURON_ANSWERS`), by neuron id, with what was pooled; no rows where no synapse has a neuron.

    `answers` are `schema.SYNAPSE_ANSWERS` of one classifier; `synapses` give synapse_id, neuron_id, target and hemilineage; `fold_of`
    the fold in which a labelled synapse was held out, by id. Where a neuron has synapses that trained the classifier, only
    their out-of-fold probabilities count. Synapses without a neuron do not count.
    """
    facts = synapses.select(["synapse_id", "neuron_id", "target", "hemilineage"]).to_pylist()
    neuron_of = {row["synapse_id"]: row["neuron_id"] for row in facts if row["neuron_id"] is not None}
    known = known_classes(synapses)
    evidence, trained = _pooled_evidence(answers, neuron_of, classes, prior, seed)
    if evidence is None:
        return NEURON_ANSWERS.empty(), None
    place = {name: position for position, name in enumerate(classes)}
    ids = np.array(answers.column("synapse_id").to_pylist(), dtype=object)[evidence.rows]
    first = ids[evidence.starts]
    folds = np.array([fold_of.get(synapse, -1) for synapse in first], dtype=np.int64)
    codes = [
        place.get(known.get(neuron, ""), -1) if fold >= 0 else -1
        for neuron, fold in zip(evidence.neurons.tolist(), folds, strict=True)
    ]
    pooled = pool_neurons(evidence, classes, np.array(codes, dtype=np.int64), folds)
    lineage = _hemilineages(facts)
    priors = hemilineage_priors(evidence.neurons.tolist(), known, lineage, classes, prior)
    columns = _Columns(answers.take(pa.array(evidence.rows)), classes, seed)
    rows = []
    for index, neuron in enumerate(evidence.neurons.tolist()):
        row = columns.of(evidence, pooled, index, known.get(neuron), priors.get(neuron))
        rows.append(
            {"neuron_id": neuron, "hemilineage": lineage.get(neuron), "in_training": bool(trained[index]), **row}
        )
    return NEURON_ANSWERS.conform(pa.Table.from_pylist(rows, schema=NEURON_ANSWERS.arrow)), pooled


def _pooled_evidence(
    answers: pa.Table, neuron_of: Mapping[str, int], classes: tuple[str, ...], prior: Float64, seed: int
) -> tuple[Evidence | None, Bool]:
    """The synapses that count, and (N,) whether synapses of each neuron trained the classifier."""
    ids = answers.column("synapse_id").to_pylist()
    has_neuron = np.array([synapse in neuron_of for synapse in ids], dtype=bool)
    if not has_neuron.any():
        return None, np.zeros(0, dtype=bool)
    neuron = np.array([neuron_of.get(synapse, -1) for synapse in ids], dtype=np.int64)
    out_of_fold = answers.column("out_of_fold").to_numpy(zero_copy_only=False).astype(bool)
    trained = np.isin(neuron, neuron[out_of_fold & has_neuron])
    rows = np.flatnonzero(has_neuron & (out_of_fold | ~trained))
    names, matrix = probability_matrix(answers.take(pa.array(rows)))
    if tuple(names.tolist()) != classes:
        raise BadInput(
            f"the answers name the classes {names.tolist()}, the calibration {list(classes)}: materialise both again"
        )
    evidence = Evidence.of(matrix, neuron[rows], [ids[row] for row in rows], prior, seed, rows)
    return evidence, np.isin(evidence.neurons, neuron[out_of_fold & has_neuron])


def _hemilineages(facts: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The most frequent hemilineage of each neuron's synapses."""
    counts: dict[int, dict[str, int]] = {}
    for row in facts:
        if row["neuron_id"] is not None and row["hemilineage"]:
            of_neuron = counts.setdefault(row["neuron_id"], {})
            of_neuron[row["hemilineage"]] = of_neuron.get(row["hemilineage"], 0) + 1
    return {neuron: min(named, key=lambda name: (-named[name], name)) for neuron, named in counts.items()}


class _Columns:
    """Rows of `schema.NEURON_ANSWERS`, of synapse answers in the order of the evidence."""

    def __init__(self, answers: pa.Table, classes: tuple[str, ...], seed: int) -> None:
        self._classes, self._seed = classes, seed
        self._said = answers.column("answer").to_pylist()
        self._sets = answers.column("class_set").to_pylist()
        self._regions = np.array(answers.column("brain_region").to_pylist(), dtype=str)
        self._classifier = answers.column("classifier").to_pylist()

    def of(
        self, evidence: Evidence, pooled: PooledNeurons, index: int, target: str | None, own_prior: Float64 | None
    ) -> dict[str, Any]:
        """What is answered of the neuron with that number."""
        rows, classes = evidence.of_neuron(index), self._classes
        probabilities, dependence = pooled.probabilities[index], float(pooled.dependence[index])
        by_probability = np.argsort(-probabilities, kind="stable")
        class_set = [classes[position] for position in by_probability if pooled.sets[index, position]]
        best = int(by_probability[0])
        clear = len(class_set) == 1
        log_odds, regions = evidence.log_odds[rows], self._regions[rows]
        in_regions = answers_by_region(log_odds, regions, dependence, evidence.prior, classes)
        rule = pooled.rules[int(pooled.folds[index])]
        said = self._said[rows]
        votes = {name: said.count(name) for name in (*classes, UNCLEAR) if name in said}
        with_prior = None
        if own_prior is not None:
            with_prior = (
                pool(log_odds.mean(axis=0), len(log_odds), dependence, evidence.prior) * own_prior / evidence.prior
            )
            with_prior /= with_prior.sum()
        return {
            "synapses": len(log_odds),
            "answer": class_set[0] if clear else UNCLEAR,
            "predicted": classes[best],
            "probability": float(probabilities[best]),
            "probabilities": list(zip(classes, probabilities.tolist(), strict=True)),
            "class_set": class_set,
            "votes": list(votes.items()),
            "independent_synapses": float(independent_synapses(len(log_odds), dependence)),
            "synapses_needed": synapses_needed(
                log_odds, dependence, evidence.prior, rule, classes.index(class_set[0]), self._seed
            )
            if clear
            else None,
            "region_answers": [(answer.region, answer.name) for answer in in_regions],
            "disagreement": disagreement(in_regions, log_odds, regions, self._seed),
            "prior_predicted": None if with_prior is None else classes[int(with_prior.argmax())],
            "prior_probability": None if with_prior is None else float(with_prior.max()),
            "target": target,
            "covered_share": None if target is None else sum(target in one for one in self._sets[rows]) / len(log_odds),
            "classifier": self._classifier[rows.start],
        }
