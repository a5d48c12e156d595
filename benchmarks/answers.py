"""Do calibrated probabilities, sets and answers of neurons keep their word? On the out-of-fold predictions of a data root.

    python -m benchmarks.answers [data root] [dataset]

calibration  expected calibration error of the most probable class, 15 bins of equal count, before and after; what chance gives a perfect
             model of this size (mean of 200 simulations, 95 %)
sets         40 splits of whole groups (8 times 5 folds, each class dealt evenly): calibration and sets fitted on four folds, tested on the
             fifth; coverage over groups, mean and standard deviation of the splits, size, share of sets of one class, and how often these
             are right, lowest coverage of one group; coverage by class. plain: the same promise by 1 - probability, without ranks by class
neurons      the same of whole neurons, pooled; and the share named rightly by synapses used, 95 % interval over neurons
"""

import sys

import numpy as np

from synapse_assets.analysis.evaluation.calibration import HeldOut, fit_calibration, group_weights
from synapse_assets.analysis.evaluation.calibration_scores import ERROR, FLOOR, NEURON_ACCURACY, measure
from synapse_assets.analysis.evaluation.conformal import COVERAGE, coverage_by_group, fit_sets, sets_out_of_fold
from synapse_assets.analysis.evaluation.neuron_answers import COUNTS, Evidence, class_prior, fit_dependence
from synapse_assets.datasets import EmDataset, load_dataset
from synapse_assets.pipeline.em.answers import Labelled
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

REPEATS, FOLDS = 8, 5


def dealt(classes: np.ndarray, seed: int) -> np.ndarray:
    """A fold for each group, the groups of each class dealt evenly."""
    rng, fold = np.random.default_rng(seed), np.zeros(len(classes), dtype=np.int64)
    for name in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == name))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def plain_sets(held: HeldOut, new: HeldOut) -> np.ndarray:
    """Sets by one threshold of 1 - probability, each of K groups weighing 1 / (K + 1)."""
    scores = 1 - held.probabilities[np.arange(len(held)), held.true]
    order = np.argsort(scores)
    weight = np.cumsum(group_weights(held.groups)[order]) / (len(np.unique(held.groups)) + 1)
    return np.asarray(1 - new.probabilities <= scores[order][np.searchsorted(weight, COVERAGE)])


def described(sets: np.ndarray, new: HeldOut) -> list[float]:
    """Coverage, size, share of one class, right of these, lowest of a group, and coverage by class."""
    coverage, size = coverage_by_group(sets, new), sets.sum(axis=1)
    covered = sets[np.arange(len(new)), new.true]
    by_class = [covered[new.true == place].mean() for place in range(len(new.classes))]
    return [coverage.mean(), size.mean(), (size == 1).mean(), covered[size == 1].mean(), coverage.min(), *by_class]


def shown(name: str, splits: list[list[float]], classes: tuple[str, ...]) -> None:
    mean, low = np.mean(splits, axis=0), np.min(splits, axis=0)
    by_class = ", ".join(f"{label} {value:.2f}" for label, value in zip(classes, mean[5:], strict=True))
    print(
        f"{name}: coverage {mean[0]:.3f} +- {np.std(splits, axis=0)[0]:.3f}, size {mean[1]:.3f}, of one class {mean[2]:.2f} (right in "
        f"{mean[3]:.3f}), lowest {low[4]:.2f}; {by_class}"
    )


def main() -> None:
    """Prints the figures."""
    settings = Settings(data_root=sys.argv[1]) if len(sys.argv) > 1 else Settings()
    dataset = load_dataset(sys.argv[2] if len(sys.argv) > 2 else "sample", settings.local_root)
    assert isinstance(dataset, EmDataset)
    labelled = Labelled.of(DatasetStore(settings.data_root, dataset.name, settings.local_root), dataset)
    if isinstance(labelled, str):
        sys.exit(labelled)
    before, fitted = labelled.held_out, fit_calibration(labelled.held_out)
    after, sets = fitted.out_of_fold(before), sets_out_of_fold(before, fitted.by_fold)
    prior = class_prior(fitted.calibration, before.groups_by_class)
    scores = measure(before, after, sets, labelled.neurons, labelled.ids, prior, dataset.seed)
    floor = scores.row(FLOOR, "after") or {}
    print(
        f"{dataset.name}, seed {dataset.seed}: {len(before):,} labelled synapses of {len(np.unique(before.groups)):,} groups "
        f"({labelled.group_word}), out of fold\ncalibration: {scores.value(ERROR, 'before'):.4f} before, "
        f"{scores.value(ERROR, 'after'):.4f} after, floor {floor['value']:.4f} ({floor['low']:.4f} to {floor['high']:.4f}); scale "
        f"{fitted.calibration.scale.round(3)}"
    )
    group = np.unique(before.groups, return_inverse=True)[1]
    classes = np.array([np.bincount(before.true[group == place]).argmax() for place in range(group.max() + 1)])
    ours, plain, neurons = [], [], []
    for repeat in range(REPEATS):
        fold = dealt(classes, repeat)[group]
        for tested in (fold == number for number in range(FOLDS)):
            calibration = fit_calibration(before.where(~tested)).calibration
            calibrated = before.with_probabilities(calibration.apply(before.probabilities))
            held, new = calibrated.where(~tested), calibrated.where(tested)
            ours.append(described(fit_sets(held).sets(new.probabilities), new))
            plain.append(described(plain_sets(held, new), new))
            if (labelled.neurons >= 0).all():
                neurons.append(of_neurons(labelled, calibrated, tested, prior, dataset.seed))
    shown("sets", ours, before.classes)
    shown("plain", plain, before.classes)
    if neurons:
        shown("neurons", neurons, before.classes)
    for count in (*COUNTS, None):
        if scores.row(NEURON_ACCURACY, count=count):
            print(f"named rightly from {count or 'all'}: {scores.text(NEURON_ACCURACY, count=count)}")


def of_neurons(
    labelled: Labelled, calibrated: HeldOut, tested: np.ndarray, prior: np.ndarray, seed: int
) -> list[float]:
    """The sets of the tested neurons, pooled and found by the others."""
    rows = np.arange(len(calibrated))
    evidence = Evidence.of(calibrated.probabilities, labelled.neurons, labelled.ids, prior, seed, rows)
    first = evidence.rows[evidence.starts]
    known, is_tested = calibrated.true[first], tested[first]
    pooled = evidence.pooled(fit_dependence(evidence, np.where(is_tested, -1, known)))
    neurons = HeldOut(calibrated.classes, pooled, known, np.arange(len(known)), np.zeros(len(known), dtype=np.int64))
    new = neurons.where(is_tested)
    return described(fit_sets(neurons.where(~is_tested)).sets(new.probabilities), new)


if __name__ == "__main__":
    main()
