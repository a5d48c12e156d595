"""What vectors tell beside the class: how much of a random split's score is recognition of neurons, and what else can be read.

Belongs here: the class probe under splits that hold out neurons, hemilineages or regions against a random split, and probes
that try to read the neuron, the section, the place or the contrast of a picture from its vector. Does not belong here: the
probe itself (`linear_probe`), folds (`splits`).

That a neuron can be named from a vector is no fault by itself: neurons of one class differ. What it adds to the score of a
random split, which tests on neurons that were trained on, is a figure that no new neuron will reach.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.evaluation.cross_validation import Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.linear_probe import LINEAR_PROBE, LinearProbe, fit_probe
from synapse_assets.analysis.evaluation.sampling import content_keys, stratified_sample
from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, Interval, bootstrap_groups, percentile_interval
from synapse_assets.analysis.evaluation.splits import RANDOM, inner_folds, make_splits
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]

CLASS, GAP = "class", "class_gap"
"""Probes of the known class: its score by split, and how much more the random split claims."""
BALANCED_ACCURACY, R2 = "balanced_accuracy", "r2"
NEURON, PLACE = "neuron_id", "place"
GROUPINGS = (NEURON, "hemilineage", "brain_region")
"""What is held out against the random split, beside the groupings of the dataset."""
COLUMNS = (
    "synapse_id",
    "brain_region",
    "volume",
    "x_nm",
    "y_nm",
    "z_nm",
    "section",
    "source_file",
    "neuron_id",
    "target",
    "hemilineage",
    "contrast",
    "valid_fraction",
)
"""Of the synapses that are measured; section is its number in the volume, contrast the mean over the sections of the tile."""

SAMPLE_SYNAPSES, SAMPLE_NEURONS, SYNAPSES_PER_NEURON = 4_000, 200, 20
FEWEST_SYNAPSES = 5
"""Synapses that a neuron, a section, a region ... needs to be named."""
_PERMUTATIONS = 5
_PENALTIES = np.logspace(-1, 5, 7)
"""Of ridge regression (scikit-learn's alpha); the largest says next to nothing but the mean."""


@dataclass(frozen=True)
class Measure:
    """What one probe read from the vectors of synapses that it was not fitted on.

    probe     class, class_gap, or what was to be read: neuron, section, brain_region, volume, source_file, padding, x, y, z,
              contrast
    split     what was held out together: random, a grouping column, or place (blocks in x and y)
    score     balanced_accuracy (of class_gap the difference of two), or r2
    value     None where it could not be asked
    interval  95 %, percentile bootstrap over whole groups; None for under 8 groups
    chance    the same score without anything to read
    synapses, groups  number tested
    sentence  the outcome in words
    """

    probe: str
    split: str
    score: str
    value: float | None
    interval: Interval | None
    chance: float | None
    synapses: int
    groups: int
    sentence: str


def leakage_sample(synapses: pa.Table, seed: int) -> list[str]:
    """Ids of at most 4,000 of `synapses` (synapse_id, brain_region, neuron_id, target) to measure on, chosen by id, sorted.

    All, if there are no more. Else up to 20 synapses of each of up to 200 neurons with at least five, labelled neurons
    first, every class represented; where fewer than eight neurons are known, whatever their neuron.
    """
    ids = np.array(synapses.column("synapse_id").to_pylist(), dtype=str)
    if len(ids) <= SAMPLE_SYNAPSES:
        return sorted(ids.tolist())
    target = np.array(pc.fill_null(synapses.column("target"), "").to_pylist(), dtype=str)
    known = np.flatnonzero(synapses.column(NEURON).is_valid().to_numpy())
    neurons, index, counts = np.unique(
        synapses.column(NEURON).take(pa.array(known)).to_numpy(), return_inverse=True, return_counts=True
    )
    usable = np.flatnonzero(counts >= FEWEST_SYNAPSES)
    if len(usable) < FEWEST_GROUPS:
        strata = np.where(target == "", np.array(synapses.column("brain_region").to_pylist(), dtype=str), target)
        return sorted(ids[stratified_sample(strata, SAMPLE_SYNAPSES, seed, ids)].tolist())
    # the class of a neuron: that of its first labelled synapse
    labelled = np.flatnonzero(target[known] != "")
    with_class, first = np.unique(index[labelled], return_index=True)
    class_of = np.full(len(neurons), "", dtype=target.dtype)
    class_of[with_class] = target[known][labelled][first]
    chosen: list[int] = []
    for part in (usable[class_of[usable] != ""], usable[class_of[usable] == ""]):
        size = SAMPLE_NEURONS - len(chosen)
        chosen += part[stratified_sample(class_of[part], size, seed, neurons[part].astype(str))].tolist()
    rows = np.flatnonzero(np.isin(index, chosen))
    order = np.lexsort((content_keys(ids[known[rows]], seed), index[rows]))
    _, start, size_of = np.unique(index[rows][order], return_index=True, return_counts=True)
    rank = np.arange(len(rows)) - np.repeat(start, size_of)
    return sorted(ids[known[rows[order[rank < SYNAPSES_PER_NEURON]]]].tolist())


def _checked(synapses: pa.Table, vectors: npt.ArrayLike) -> Float64:
    """The vectors (N, D) as float64, one of each synapse."""
    rows = np.asarray(vectors, dtype=np.float64)
    if len(rows) != synapses.num_rows:
        raise BadInput(f"{synapses.num_rows} synapses but {len(rows)} vectors")
    if not np.isfinite(rows).all():
        raise BadInput("vectors hold NaN or infinite values")
    return rows


# The class, by split


@dataclass(frozen=True)
class _Tested:
    """Out-of-fold predictions of one split: row of the synapse (M,), ascending, and its group, class and prediction."""

    row: Int64
    group: Text
    true: Int64
    predicted: Int64


def measure_class(synapses: pa.Table, vectors: npt.ArrayLike, splits: pa.Table, seed: int) -> list[Measure]:
    """How well a linear probe names the class from `vectors` (N, D) of `synapses` (`COLUMNS`, in the same order) under every
    split, and how much more the random split claims than each of the others. The figures are those of `evaluate_probe`.

    `splits` are `schema.SPLITS`; neurons, hemilineages and regions get folds of their own where it has none. Synapses of it
    that are not in `synapses` do not count. What cannot be asked is a measure without a value.

    Raises BadInput for another number of vectors than of synapses, NaN or infinite values.
    """
    rows = _checked(synapses, vectors)
    table = _with_all_groupings(synapses, splits, seed)
    classes = np.unique(np.array(table.column("target").to_pylist(), dtype=str))
    if len(classes) < 2:
        reason = f"all labelled synapses are '{classes[0]}'" if len(classes) else "no labelled synapses have a vector"
        return [_unasked(CLASS, RANDOM, BALANCED_ACCURACY, f"The class was not asked for: {reason}.")]
    row_of = {synapse_id: row for row, synapse_id in enumerate(synapses.column("synapse_id").to_pylist())}
    names = list(dict.fromkeys(table.column("split").to_pylist()))
    tested = {}
    for name in names:
        part = table.filter(pc.equal(table.column("split"), name))
        if len(pc.unique(part.column("fold"))) >= 2:
            tested[name] = _test_class(part, row_of, rows, classes, seed)
    measures = []
    held_out = sorted((name for name in tested if name != RANDOM), key=lambda name: name != NEURON)
    if RANDOM in tested:
        of_random = tested[RANDOM] if not held_out else _over(tested[RANDOM], tested[held_out[0]])
        measures.append(_class_measure(RANDOM, of_random, classes, seed, held_out[0] if held_out else "synapse"))
    for name in held_out:
        measures.append(_class_measure(name, tested[name], classes, seed, name))
        if RANDOM in tested:
            measures.append(_gap_measure(name, tested[name], tested[RANDOM], classes, seed))
    if NEURON not in tested:
        sentence = (
            "Whether neurons are recognised was not asked: fewer than two neurons of labelled synapses are known."
        )
        measures.append(_unasked(GAP, NEURON, BALANCED_ACCURACY, sentence))
    return measures


def _with_all_groupings(synapses: pa.Table, splits: pa.Table, seed: int) -> pa.Table:
    """The rows of `splits` of these synapses, and folds of the usual groupings that it does not have."""
    ids = synapses.column("synapse_id")
    table = splits.filter(pc.is_in(splits.column("synapse_id"), value_set=ids.combine_chunks()))
    absent = [name for name in (*GROUPINGS, RANDOM) if name not in set(table.column("split").to_pylist())]
    made, _ = make_splits(synapses, [name for name in absent if name != RANDOM], seed)
    return pa.concat_tables([table, made.filter(pc.is_in(made.column("split"), value_set=pa.array(absent)))])


def _test_class(part: pa.Table, row_of: Mapping[str, int], vectors: Float64, classes: Text, seed: int) -> _Tested:
    """The class of the synapses of one split as probes say that were fitted on the other folds."""
    row = np.array([row_of[synapse_id] for synapse_id in part.column("synapse_id").to_pylist()], dtype=np.int64)
    order = np.argsort(row, kind="stable")
    row = row[order]
    target, group = (np.array(part.column(name).to_pylist(), dtype=str)[order] for name in ("target", "group"))

    # groups by their number, as `evaluate_splits` gives them, so that its figures come out
    number = np.unique(group, return_inverse=True)[1].astype(str)

    def fit(train: Int64) -> LinearProbe | NoModel:
        return fit_probe(vectors[row[train]], target[train].tolist(), seed, number[train].tolist())

    def predict(probe: LinearProbe, test: Int64) -> Mapping[str, Predictions]:
        labels = np.searchsorted(classes, np.array(probe.classes))[probe.predict(vectors[row[test]])[0]]
        return {LINEAR_PROBE: Predictions(labels)}

    out_of_fold = cross_validate(folds_of(part.column("fold").to_numpy()[order]), fit, predict)
    predicted = out_of_fold.predictions.get(LINEAR_PROBE)
    labels = np.full(len(row), -1, dtype=np.int64) if predicted is None else predicted.labels
    return _Tested(row, group, np.searchsorted(classes, target), labels)


def _over(tested: _Tested, other: _Tested) -> _Tested:
    """The synapses that `other` has too, in its groups."""
    shared = np.isin(tested.row, other.row)
    group = other.group[np.searchsorted(other.row, tested.row[shared])]
    return _Tested(tested.row[shared], group, tested.true[shared], tested.predicted[shared])


def _class_measure(split: str, tested: _Tested, classes: Text, seed: int, over: str) -> Measure:
    sums = _recall_sums(tested, len(classes))
    value, interval = _balanced(sums.sum(axis=0)), _interval_of(sums, seed)
    chance = 1 / len(classes)
    how = "a random split" if split == RANDOM else f"{_plural(split)} held out"
    sentence = (
        f"With {how} the class is named with a balanced accuracy of {_number(value)}"
        f"{_range(interval)}; guessing gives {_number(chance)}."
    )
    if interval is None:
        sentence += f" {len(sums)} {_plural(over)} are too few for an interval."
    return Measure(CLASS, split, BALANCED_ACCURACY, value, interval, chance, len(tested.row), len(sums), sentence)


def _gap_measure(split: str, tested: _Tested, of_random: _Tested, classes: Text, seed: int) -> Measure:
    """How much more the random split claims on the same synapses, over the classes that have two groups or more."""
    of_random = _over(of_random, tested)
    tested = _over(tested, of_random)
    sums, random_sums = (_recall_sums(part, len(classes)) for part in (tested, of_random))
    testable = (sums[:, 1] > 0).sum(axis=0) >= 2
    if not testable.any():
        sentence = f"Whether {_plural(split)} are recognised was not asked: no class has two of them."
        return _unasked(GAP, split, BALANCED_ACCURACY, sentence)
    sums, random_sums = sums[:, :, testable], random_sums[:, :, testable]
    claimed, held_out = _balanced(random_sums.sum(axis=0)), _balanced(sums.sum(axis=0))
    gap, interval = claimed - held_out, None
    resampled, random_resampled = bootstrap_groups(sums, seed), bootstrap_groups(random_sums, seed)
    if resampled is not None and random_resampled is not None:
        interval = percentile_interval(_balanced_each(random_resampled) - _balanced_each(resampled))
    sentence = _gap_sentence(split, claimed, held_out, interval, len(sums))
    if left_out := classes[~testable].tolist():
        sentence += f" Without {', '.join(left_out)}: all of the class is in one group."
    rows = int(sums[:, 1].sum())
    return Measure(GAP, split, BALANCED_ACCURACY, gap, interval, 0.0, rows, len(sums), sentence)


def _gap_sentence(split: str, claimed: float, held_out: float, interval: Interval | None, groups: int) -> str:
    gap, what = claimed - held_out, _plural(split)
    figures = f"{_number(claimed)} with a random split, {_number(held_out)} with {what} held out"
    if interval is None:
        return f"A random split claims {_number(gap)} more: {figures}. {groups} {what} are too few for an interval."
    if interval[0] > 0:
        return (
            f"{_number(gap)} of what a random split would claim is recognition of {what}: {figures}; the difference is "
            f"{_number(interval[0])} to {_number(interval[1])}."
        )
    return f"No sign of recognition of {what}: {figures}; the difference is {_number(gap)}{_range(interval)}."


def _recall_sums(tested: _Tested, classes: int) -> Float64:
    """(G, 2, C): rows of each class that were named rightly, and all of them, by group."""
    group = np.unique(tested.group, return_inverse=True)[1]
    return _sums(group, tested.true, tested.predicted == tested.true, classes)


def _sums(group: Int64, code: Int64, right: npt.NDArray[np.bool_], classes: int) -> Float64:
    sums = np.zeros((int(group.max()) + 1, 2, classes))
    np.add.at(sums[:, 0], (group, code), right)
    np.add.at(sums[:, 1], (group, code), 1)
    return sums


def _balanced_each(sums: Float64) -> Float64:
    """Mean recall (B,) over the classes that occur, from sums (B, 2, C)."""
    occurs = sums[:, 1] > 0
    recall = np.where(occurs, sums[:, 0] / np.where(occurs, sums[:, 1], 1), 0)
    means: Float64 = recall.sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return means


def _balanced(sums: Float64) -> float:
    return float(_balanced_each(sums[None])[0])


def _interval_of(sums: Float64, seed: int) -> Interval | None:
    """Of the balanced accuracy, over the groups of sums (G, 2, C)."""
    resampled = bootstrap_groups(sums, seed)
    return None if resampled is None else percentile_interval(_balanced_each(resampled))


# What has nothing to do with the class


def measure_nuisance(synapses: pa.Table, vectors: npt.ArrayLike, seed: int) -> list[Measure]:
    """What can be read from `vectors` (N, D) of `synapses` (`COLUMNS`, in the same order) that has nothing to do with the class.

    The neuron is named from other synapses of it; all else is read of neurons that were held out, or of blocks of place. What
    cannot be asked is a measure without a value.

    Raises BadInput for another number of vectors than of synapses, NaN or infinite values.
    """
    from threadpoolctl import threadpool_limits

    rows = _checked(synapses, vectors)
    # one thread: see `linear_probe`
    with threadpool_limits(1, "blas"):
        return _nuisance_measures(synapses, rows, seed)


def _nuisance_measures(synapses: pa.Table, vectors: Float64, seed: int) -> list[Measure]:
    volume = np.array(synapses.column("volume").to_pylist(), dtype=str)
    split, group = _held_out(synapses, volume)
    measures = [_neuron_measure(synapses, vectors, seed)]
    named = {
        "section": (_sections(synapses, volume), "section", "sections"),
        "brain_region": (_texts(synapses, "brain_region"), "brain region", "brain regions"),
        "volume": (_texts(synapses, "volume"), "volume", "volumes"),
        "source_file": (_texts(synapses, "source_file"), "source file", "source files"),
        "padding": (_padding(synapses), "padding of a tile", "kinds of tiles (padded, whole)"),
    }
    for probe, (values, singular, plural) in named.items():
        measures.append(_naming_measure(probe, values, (singular, plural), vectors, split, group, seed))
    numbers = {name: _within_volume(synapses, f"{name}_nm", volume) for name in "xyz"} | {
        "contrast": _floats(synapses, "contrast")
    }
    return [*measures, *_number_measures(numbers, vectors, split, group, seed)]


def _held_out(synapses: pa.Table, volume: Text) -> tuple[str, Int64]:
    """What is held out together, and the group (N,) of each synapse, -1 for none: neurons where at least eight are known and
    most synapses have one, else blocks of place, four by four of about equal size in x and y of every volume."""
    valid = synapses.column(NEURON).is_valid().to_numpy()
    neuron = pc.fill_null(synapses.column(NEURON), 0).to_numpy()
    if valid.sum() * 2 >= len(valid) and len(np.unique(neuron[valid])) >= FEWEST_GROUPS:
        group = np.full(len(valid), -1, dtype=np.int64)
        group[valid] = np.unique(neuron[valid], return_inverse=True)[1]
        return NEURON, group
    block = np.zeros(len(valid), dtype=np.int64)
    for number, name in enumerate(np.unique(volume)):
        rows = np.flatnonzero(volume == name)
        x, y = (synapses.column(axis).to_numpy()[rows] for axis in ("x_nm", "y_nm"))
        column, line = (np.searchsorted(np.quantile(v, (0.25, 0.5, 0.75)), v, side="right") for v in (x, y))
        block[rows] = 16 * number + 4 * line + column
    return PLACE, np.unique(block, return_inverse=True)[1].astype(np.int64)


def _texts(synapses: pa.Table, column: str) -> Text:
    """Values (N,) as text, empty for none."""
    return np.array(["" if value is None else str(value) for value in synapses.column(column).to_pylist()], dtype=str)


def _floats(synapses: pa.Table, column: str) -> Float64:
    """Values (N,), NaN for none."""
    values: Float64 = synapses.column(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _sections(synapses: pa.Table, volume: Text) -> Text:
    """Volume and section (N,) of each synapse, empty for none."""
    number = synapses.column("section").to_pylist()
    return np.array(["" if z is None else f"{name} {z}" for name, z in zip(volume, number, strict=True)], dtype=str)


def _padding(synapses: pa.Table) -> Text:
    whole = _floats(synapses, "valid_fraction")
    return np.where(np.isnan(whole), "", np.where(whole < 1, "padded", "whole"))


def _within_volume(synapses: pa.Table, column: str, volume: Text) -> Float64:
    """A coordinate (N,) from the mean of its volume: which volume it is, another probe asks."""
    values = _floats(synapses, column).copy()
    for name in np.unique(volume):
        values[volume == name] -= values[volume == name].mean()
    return values


def _neuron_measure(synapses: pa.Table, vectors: Float64, seed: int) -> Measure:
    """Naming the neuron of a synapse from other synapses of the neuron; the interval is over neurons."""
    values = _texts(synapses, NEURON)
    chosen, code = _nameable(values, np.arange(len(values)))
    if not len(chosen):
        sentence = f"The neuron was not asked for: fewer than two neurons have {FEWEST_SYNAPSES} synapses."
        return _unasked("neuron", RANDOM, BALANCED_ACCURACY, sentence)
    fold = inner_folds(code, np.arange(len(code)), seed)
    assert fold is not None  # noqa: S101 -- there are ten rows or more
    right = _named(vectors[chosen], code, fold) == code
    sums = np.stack([np.bincount(code, right) / np.bincount(code), np.ones(code.max() + 1)], axis=1)[:, :, None]
    value, interval, chance = _balanced(sums.sum(axis=0)), _interval_of(sums, seed), 1 / len(sums)
    sentence = _naming_sentence("neuron", "neurons", len(sums), value, interval, chance, len(sums), NEURON)
    return Measure("neuron", RANDOM, BALANCED_ACCURACY, value, interval, chance, len(chosen), len(sums), sentence)


def _naming_measure(
    probe: str, values: Text, words: tuple[str, str], vectors: Float64, split: str, group: Int64, seed: int
) -> Measure:
    """Naming a value, such as the section of a synapse, from synapses of other groups."""
    singular, plural = words
    chosen, code = _nameable(np.where(group < 0, "", values), group)
    held = np.unique(group[chosen], return_inverse=True)[1] if len(chosen) else group[chosen]
    fold = inner_folds(code, held, seed) if len(chosen) else None
    if fold is None:
        sentence = (
            f"The {singular} was not asked for: fewer than two {plural} have {FEWEST_SYNAPSES} synapses from several "
            f"{_plural(split)}."
        )
        return _unasked(probe, split, BALANCED_ACCURACY, sentence)
    count, rows = int(code.max()) + 1, vectors[chosen]
    sums = _sums(held, code, _named(rows, code, fold) == code, count)
    rng = np.random.default_rng(seed)
    permuted = [code[rng.permutation(len(code))] for _ in range(_PERMUTATIONS)]
    by_chance = [_balanced(_sums(held, p, _named(rows, p, fold) == p, count).sum(axis=0)) for p in permuted]
    value, interval, chance = _balanced(sums.sum(axis=0)), _interval_of(sums, seed), float(np.mean(by_chance))
    sentence = _naming_sentence(singular, plural, count, value, interval, chance, len(sums), split)
    return Measure(probe, split, BALANCED_ACCURACY, value, interval, chance, len(chosen), len(sums), sentence)


def _nameable(values: Text, group: Int64) -> tuple[Int64, Int64]:
    """Rows whose value has enough synapses, of two groups at least, and the value as a number from 0; of at most 200 values,
    the most frequent ones. No rows where there are fewer than two such values."""
    rows = np.flatnonzero(values != "")
    names, code, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
    pairs = np.unique(np.stack([code, group[rows]]), axis=1)
    groups = np.bincount(pairs[0], minlength=len(names))
    usable = np.flatnonzero((counts >= FEWEST_SYNAPSES) & (groups >= 2))
    usable = np.sort(usable[np.argsort(-counts[usable], kind="stable")][:SAMPLE_NEURONS])
    if len(usable) < 2:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    chosen = np.isin(code, usable)
    return rows[chosen], np.searchsorted(usable, code[chosen])


def _named(rows: Float64, code: Int64, fold: Int64) -> Int64:
    """The value (n,) that a linear discriminant of the other folds gives each of `rows` (n, D), all values alike probable.

    The covariance within the values is shrunk as Ledoit & Wolf do (J. Multivar. Anal. 88:365, 2004). Closed form, since with
    200 neurons logistic regression takes minutes.
    """
    from sklearn.covariance import ledoit_wolf

    predicted = np.empty(len(code), dtype=np.int64)
    for part in folds_of(fold):
        train, test = _standardised(rows[part.train], rows[part.test])
        names, at, counts = np.unique(code[part.train], return_inverse=True, return_counts=True)
        means = np.zeros((len(names), train.shape[1]))
        np.add.at(means, at, train)
        means /= counts[:, None]
        covariance = ledoit_wolf(train - means[at], assume_centered=True)[0]
        weights = np.linalg.solve(covariance + 1e-6 * np.eye(len(covariance)), means.T)
        scores = test @ weights - 0.5 * (means.T * weights).sum(axis=0)
        predicted[part.test] = names[scores.argmax(axis=1)]
    return predicted


def _standardised(train: Float64, test: Float64) -> tuple[Float64, Float64]:
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    return (train - mean) / scale, (test - mean) / scale


def _number_measures(
    numbers: Mapping[str, Float64], vectors: Float64, split: str, group: Int64, seed: int
) -> list[Measure]:
    """Reading numbers, such as a coordinate, by ridge regression on other groups; all at once, with their permutations."""
    known = {name: values for name, values in numbers.items() if np.isfinite(values).any()}
    rows = np.flatnonzero((group >= 0) & np.all([np.isfinite(values) for values in known.values()], axis=0))
    held = np.unique(group[rows], return_inverse=True)[1]
    varying = [name for name, values in known.items() if len(rows) and np.ptp(values[rows]) > 0]
    fold = inner_folds(np.zeros(len(rows), dtype=np.int64), held, seed) if varying else None
    if fold is None:
        sentence = f"was not asked for: it does not vary, or there are fewer than three {_plural(split)}."
        return [_unasked(name, split, R2, f"{_title(name)} {sentence}") for name in numbers]
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(rows)), *(rng.permutation(len(rows)) for _ in range(_PERMUTATIONS))]
    columns = np.stack([known[name][rows][order] for name in varying for order in orders], axis=1)
    # (G, 4, numbers, orders)
    sums = _squares(vectors[rows], columns, fold, held).reshape(-1, 4, len(varying), len(orders))
    measures = []
    for name in numbers:
        if name not in varying:
            measures.append(_unasked(name, split, R2, f"{_title(name)} was not asked for: it does not vary."))
            continue
        of_name = sums[:, :, varying.index(name)]
        value, *permuted = _r2(of_name.sum(axis=0).T).tolist()
        resampled = bootstrap_groups(of_name[:, :, 0], seed)
        interval = None if resampled is None else percentile_interval(_r2(resampled))
        chance = float(np.mean(permuted))
        sentence = _number_sentence(name, value, interval, chance, len(sums), split)
        measures.append(Measure(name, split, R2, value, interval, chance, len(rows), len(sums), sentence))
    return measures


def _squares(rows: Float64, numbers: Float64, fold: Int64, held: Int64) -> Float64:
    """(G, 4, K) for K columns of `numbers` (n, K): rows, sum, sum of squares, and squares of what ridge regression on the
    other folds leaves, by group. Of seven penalties the one that leaves least is taken, for each column."""
    from sklearn.linear_model import Ridge

    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    left = np.empty((len(_PENALTIES), *scaled.shape))
    for part in folds_of(fold):
        train, test = _standardised(rows[part.train], rows[part.test])
        for number, penalty in enumerate(_PENALTIES):
            ridge = Ridge(alpha=penalty).fit(train, scaled[part.train])
            left[number, part.test] = (scaled[part.test] - ridge.predict(test).reshape(len(test), -1)) ** 2
    best = left.sum(axis=1).argmin(axis=0)
    least = np.stack([left[penalty, :, column] for column, penalty in enumerate(best)], axis=1)
    sums = np.zeros((int(held.max()) + 1, 4, scaled.shape[1]))
    for place, values in enumerate((np.ones_like(scaled), scaled, scaled**2, least)):
        np.add.at(sums[:, place], held, values)
    return sums


def _r2(sums: Float64) -> Float64:
    """Share of the variance that was predicted (B,), from sums (B, 4); NaN where nothing varies."""
    spread = sums[:, 2] - sums[:, 1] ** 2 / np.maximum(sums[:, 0], 1)
    varies = spread > 1e-12 * np.maximum(sums[:, 0], 1)
    return np.where(varies, 1 - sums[:, 3] / np.where(varies, spread, 1), np.nan)


# In words


def _unasked(probe: str, split: str, score: str, sentence: str) -> Measure:
    return Measure(probe, split, score, None, None, None, 0, 0, sentence)


def _naming_sentence(
    singular: str,
    plural: str,
    count: int,
    value: float,
    interval: Interval | None,
    chance: float,
    groups: int,
    split: str,
) -> str:
    figures = (
        f"{_number(value)}{_range(interval)} are named rightly, of {count} {plural}; guessing gives {_number(chance)}"
    )
    if interval is None:
        return f"The {singular}: {figures}; {groups} {_plural(split)} are too few for an interval."
    if interval[0] > chance:
        return f"The {singular} can be read from the vector: {figures}."
    return f"No sign of the {singular} in the vector: {figures}."


def _number_sentence(name: str, value: float, interval: Interval | None, chance: float, groups: int, split: str) -> str:
    figures = f"R2 {_number(value)}{_range(interval)}"
    if interval is None:
        return f"{_title(name)}: {figures}; {groups} {_plural(split)} are too few for an interval."
    if interval[0] > max(chance, 0):
        return f"{_title(name)} can be read from the vector: {figures}."
    return f"No sign of {name} in the vector: {figures}."


def _title(name: str) -> str:
    """The name as a sentence begins with it; coordinates stay small."""
    return name if len(name) == 1 else name.capitalize()


def _plural(split: str) -> str:
    words = {
        NEURON: "neurons",
        "brain_region": "brain regions",
        "cell_type": "cell types",
        "object_id": "objects",
        PLACE: "blocks of place",
    }
    return words.get(split, f"{split}s")


def _number(value: float) -> str:
    """Two digits after the point, three below a hundredth."""
    text = f"{value:.3f}" if 0 < abs(value) < 0.01 else f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f" ({_number(interval[0])} to {_number(interval[1])})"


def sentences(measures: Sequence[Measure]) -> list[str]:
    """What was found, in words: what a random split claims too much first."""
    return [measure.sentence for measure in sorted(measures, key=lambda m: m.probe != GAP)]
