"""Rounds of labelling by a simulated annotator who errs, on items whose classes are known: the label curve of a strategy.

Belongs here: one run of one strategy, and all runs of a benchmark. Does not belong here: what the curves say about the strategies
(`benchmark`), which labels may be used (`pipeline`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, probe_of
from synapse_assets.analysis.evaluation.scores import confusion_by_group, confusion_scores
from synapse_assets.analysis.labelling.strategies import Items, distance_features, suggest
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

FIRST_LABELS, PER_ROUND, ROUNDS = 20, 20, 9
"""Items of the first round, which are drawn at random, of every other one, and how many others there are."""
ALL_LABELS = "all labels"
"""Stands for a strategy in what was scored with every label of the pool."""
SEEDS = (0, 1, 2, 3, 4)
STRENGTH = 0.01
"""scikit-learn's C of every probe: choosing it anew each round by cross-validation takes ten times as long, and moves all strategies."""


@dataclass(frozen=True)
class Known:
    """Items whose classes are known.

    vectors       (N, D), what the probe reads
    codes         (N,) int64, positions in `classes`; every class occurs
    folds         (N,) int64 from 0, without gaps: what is held out together
    unsupervised  (N, E), the unsupervised stream of two-stream query suggestion; None: the vectors again
    """

    vectors: Float64
    codes: Int64
    classes: tuple[str, ...]
    folds: Int64
    unsupervised: Float64 | None = None

    def __post_init__(self) -> None:
        streams = [] if self.unsupervised is None else [self.unsupervised]
        lengths = {len(rows) for rows in (self.vectors, self.codes, self.folds, *streams)}
        if len(lengths) > 1:
            raise BadInput(
                f"known items need one entry each in vectors, streams, codes and folds, but they have {sorted(lengths)}"
            )

    @property
    def rarest(self) -> int:
        """The class with the fewest items, the first of several."""
        return int(np.bincount(self.codes, minlength=len(self.classes)).argmin())


@dataclass(frozen=True)
class LabelCurve:
    """What a probe scored on the held-out fold after each round, by the true classes.

    labels, score, rare_recall  one entry a round, the first for the labels drawn at random; score: balanced accuracy; rare_recall: of the
                                rarest class, NaN where the fold has none of it
    """

    strategy: str
    fold: int
    seed: int
    labels: Int64
    score: Float64
    rare_recall: Float64


def simulated_answers(codes: Int64, classes: int, error_rate: float, seed: int) -> Int64:
    """What an annotator answers who gives a wrong class, any of the others alike, with probability `error_rate`: (N,).

    The same answer about the same item by whatever strategy and in whichever round it is asked, so that strategies are compared on the
    same errors.
    """
    rng = np.random.default_rng([seed, 1])
    wrong = rng.uniform(size=len(codes)) < error_rate
    others = rng.integers(1, max(2, classes), size=len(codes))
    return np.where(wrong & (classes > 1), (codes + others) % max(1, classes), codes).astype(np.int64)


def simulate(
    known: Known,
    strategies: Sequence[str],
    error_rate: float,
    *,
    seeds: Sequence[int],
    rounds: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[LabelCurve]:
    """The label curve of every strategy for every held-out fold and seed, and the score with all labels of the pool.

    Of a fold and seed all strategies begin with the same 20 labels, and are told the same errors. The probe is fitted on answers and
    scored on true classes of the fold that is held out, none of which is ever asked about. A pool that is used up ends its curve.
    """
    fold_count = int(known.folds.max()) + 1
    for fold in range(fold_count):
        pool = np.flatnonzero(known.folds != fold)
        test = np.flatnonzero(known.folds == fold)
        distances = distance_features(known.vectors[pool])[0]
        for seed in seeds:
            answers = simulated_answers(known.codes, len(known.classes), error_rate, seed)
            score, recall = _score(known, answers, pool, test)[1:]
            yield LabelCurve(ALL_LABELS, fold, seed, np.array([len(pool)]), np.array([score]), np.array([recall]))
            for strategy in strategies:
                yield _curve(known, strategy, fold, seed, pool, test, distances, answers, rounds)
        progress(f"fold {fold + 1} of {fold_count}: {len(strategies)} strategies, {len(seeds)} seeds")


def _curve(
    known: Known,
    strategy: str,
    fold: int,
    seed: int,
    pool: Int64,
    test: Int64,
    distances: Float64,
    answers: Int64,
    rounds: int,
) -> LabelCurve:
    """One run; `pool` and `test` are rows of `known`, `distances` (of the pool) what strategies see."""
    unsupervised = (known.vectors if known.unsupervised is None else known.unsupervised)[pool]
    chosen = np.random.default_rng([seed, fold]).permutation(len(pool))[:FIRST_LABELS]
    points = []
    for number in range(rounds + 1):
        probabilities, score, recall = _score(known, answers, pool[chosen], test, pool)
        points.append((len(chosen), score, recall))
        free = np.setdiff1d(np.arange(len(pool)), chosen)
        if number == rounds or not len(free):
            break
        everything = Items(distances, unsupervised, probabilities)
        found = suggest(strategy, everything.take(free), everything.take(chosen), PER_ROUND, 1000 * seed + number)
        chosen = np.concatenate([chosen, free[found.rows]])
    labels, scores, recalls = zip(*points, strict=True)
    return LabelCurve(strategy, fold, seed, np.array(labels), np.array(scores), np.array(recalls))


def _score(
    known: Known, answers: Int64, train: Int64, test: Int64, asked: Int64 | None = None
) -> tuple[Float64, float, float]:
    """Of a probe of the answers about `train`: its probabilities of the classes that it knows for the rows `asked`, its balanced
    accuracy on `test`, and its recall of the rarest class there."""
    names = [known.classes[code] for code in answers[train]]
    probe = probe_of(known.vectors[train], names, 0, strength=STRENGTH)
    code_of = np.array([known.classes.index(name) for name in probe.classes])
    predicted = code_of[_probabilities(probe, known.vectors[test]).argmax(axis=1)]
    groups = np.zeros(len(test), dtype=np.int64)
    scores = confusion_scores(confusion_by_group(known.codes[test], predicted, groups, len(known.classes)))
    probabilities = np.zeros((0, len(code_of))) if asked is None else _probabilities(probe, known.vectors[asked])
    return probabilities, float(scores["balanced_accuracy"][0]), float(scores["recall"][0, known.rarest])


def _probabilities(probe: LinearProbe, vectors: Float64) -> Float64:
    """As `LinearProbe.predict`, to the last bits, which decide nothing here, in a tenth of the time: by one matrix product."""
    from scipy.special import softmax

    scores: Float64 = ((vectors - probe.mean) / probe.scale) @ probe.weights.T + probe.intercept
    return np.asarray(softmax(scores, axis=1), dtype=np.float64)
