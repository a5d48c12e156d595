"""What can be taken at its word of a classifier: calibrated probabilities, sets of classes, and the answer of each neuron.

How probabilities are scaled belongs to `analysis.evaluation.calibration`, sets to `conformal`, pooling to `neuron_answers` beside it,
scores to `calibration_scores`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.labelling.decisions import tested_labels, without_untested
from synapse_assets.pipeline.report import Check, Detail, Json, Markdown, Picture, Report, Stopwatch, markdown_table
from synapse_assets.schema import (
    CALIBRATED_SYNAPSES,
    CALIBRATION,
    CALIBRATION_SCORES,
    NETWORK_PREDICTIONS,
    NEURON_ANSWERS,
    RELIABILITY,
    SPLITS,
    SYNAPSE_ANSWERS,
    SYNAPSE_PREDICTIONS,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, labelled_synapses

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.calibration import Calibration, HeldOut
    from synapse_assets.analysis.evaluation.calibration_scores import CalibrationScores
    from synapse_assets.analysis.evaluation.conformal import SetRule
    from synapse_assets.analysis.evaluation.neuron_answers import PooledNeurons

# How far the error may lie above what chance gives a perfect model.
LARGEST_EXCESS = 0.01

Float64 = npt.NDArray[np.float64]


def calibrate(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Scales the probabilities of the classifier in use on its out-of-fold predictions, finds the sets, and measures both.

    Without labelled synapses of two classes there are no rows, and the report says why.
    """
    from synapse_assets.analysis.evaluation.calibration import fit_calibration, reliability_rows
    from synapse_assets.analysis.evaluation.calibration_scores import measure
    from synapse_assets.analysis.evaluation.conformal import fit_sets, sets_out_of_fold
    from synapse_assets.analysis.evaluation.neuron_answers import class_prior
    from synapse_assets.figures.calibration import calibration_figure

    watch = Stopwatch()
    labelled = Labelled.of(store, dataset)
    if isinstance(labelled, str):
        for table in (CALIBRATION, RELIABILITY, CALIBRATION_SCORES, CALIBRATED_SYNAPSES):
            store.results(table).write(table.empty())
        checks = [Check("probabilities_calibrated", True, f"nothing to calibrate: {labelled}", warn=True)]
        return Report(
            {"result": labelled}, watch.seconds, 0, content_version=content_key(CALIBRATION.empty()), checks=checks
        )
    before = labelled.held_out
    fitted = fit_calibration(before)
    calibration, after = fitted.calibration, fitted.out_of_fold(before)
    rule = fit_sets(before.with_probabilities(calibration.apply(before.probabilities)))
    sets = sets_out_of_fold(before, fitted.by_fold)
    log.info(f"calibrated {len(before):,} labelled synapses of {len(np.unique(before.groups)):,} groups")
    table = _calibration_table(before, calibration, rule, labelled.classifier)
    calibrated = _calibrated_table(labelled, after, sets)
    prior = class_prior(calibration, before.groups_by_class)
    scores = measure(before, after, sets, labelled.neurons, labelled.ids, prior, dataset.seed)
    reliability = [*reliability_rows("before", before), *reliability_rows("after", after)]
    for schema, rows in ((RELIABILITY, reliability), (CALIBRATION_SCORES, scores.rows)):
        full = [{**row, "classifier": labelled.classifier} for row in rows]
        store.results(schema).write(pa.Table.from_pylist(full, schema=schema.arrow))
    store.results(CALIBRATED_SYNAPSES).write(calibrated)
    store.results(CALIBRATION).write(table)
    return Report(
        details={
            "result": Markdown(
                "\n".join(f"- {sentence}" for sentence in _sentences(labelled, calibration, rule, scores))
            ),
            "reliability": Picture(
                calibration_figure(reliability, scores.rows), "reliability, and accuracy of neurons"
            ),
            "classes": Markdown(_class_table(table, scores)),
            "probabilities_of": _judge(dataset).title,
            "classifier": labelled.classifier,
            **_numbers(scores),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=len(before),
        content_version=content_key(table, content_key(_flat(calibrated))),
        checks=[_near_the_floor(scores)],
    )


def answer_region(store: DatasetStore, dataset: EmDataset, region: str) -> Report:
    """Calibrated probabilities, the set and the answer of every synapse of a region that has a prediction.

    Raises BadInput if nothing was calibrated yet, or the predictions are of another classifier or of other classes than the calibration.
    """
    from synapse_assets.analysis.evaluation.predictions import UNCLEAR, answer_rows

    watch = Stopwatch()
    predictions = _predictions(store, dataset, region)
    stored, reason = _Stored.of(store), ""
    if stored is None:
        reason = (
            "nothing was calibrated: without labelled synapses of two classes, no probability can be taken at its word"
        )
        table = SYNAPSE_ANSWERS.empty()
    else:
        stored.require_classifier(predictions, region, _judge(dataset).predictions)
        table = answer_rows(predictions, stored.calibration, stored.rule, store.results(CALIBRATED_SYNAPSES).read())
    store.results(SYNAPSE_ANSWERS).write_partition(region, table)
    answers = {item["values"]: item["counts"] for item in table.column("answer").value_counts().to_pylist()}
    return Report(
        details={
            **({"result": reason} if reason else {}),
            "answers": Json(dict(sorted(answers.items()))),
            "unclear_share": answers.get(UNCLEAR, 0) / max(table.num_rows, 1),
            "out_of_fold_rows": sum(table.column("out_of_fold").to_pylist()),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(_flat(table)),
    )


def answer_neurons(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """The class of each neuron by the pooled evidence of its synapses, or "unclear"; the report says how often that is right."""
    from synapse_assets.analysis.evaluation import neuron_answers
    from synapse_assets.analysis.tables import current_rows

    watch = Stopwatch()
    stored = _Stored.of(store)
    synapses = labelled_synapses(store, ["neuron_id", "target", "hemilineage"])
    table, pooled = NEURON_ANSWERS.empty(), None
    if stored is not None:
        answers = current_rows(store.results(SYNAPSE_ANSWERS).read(), synapses)
        current = answers.filter(pc.equal(answers.column("classifier"), stored.classifier))
        if current.num_rows < answers.num_rows:
            log.warning(f"{answers.num_rows - current.num_rows:,} answers of another classifier do not count")
        folds = store.results(CALIBRATED_SYNAPSES).read(columns=["synapse_id", "fold"])
        table, pooled = neuron_answers.answer_neurons(
            current,
            synapses,
            dict(zip(*(column.to_pylist() for column in folds.columns), strict=True)),
            stored.calibration.classes,
            stored.prior,
            dataset.seed,
        )
    store.results(NEURON_ANSWERS).write(table)
    return Report(
        details=_neuron_details(table, pooled, stored is not None, _scored_neurons(store, synapses)),
        seconds=watch.seconds,
        rows=table.num_rows,
    )


@dataclass(frozen=True)
class _Judge:
    """Whose probabilities the answers are made from: its title, the model that it is part of, the asset with its predictions."""

    title: str
    model: str
    predictions: str


def _judge(dataset: EmDataset) -> _Judge:
    if dataset.answers_from is None:
        return _Judge("linear probe", "synapse_classifier", SYNAPSE_PREDICTIONS.name)
    return _Judge(f"network {dataset.answers_from}", "synapse_network", NETWORK_PREDICTIONS.name)


def _predictions(store: DatasetStore, dataset: EmDataset, region: str | None = None) -> pa.Table:
    """The predictions that the dataset's answers are made from, of one region or all, as `schema.SYNAPSE_PREDICTIONS`."""
    if dataset.answers_from is None:
        return store.results(SYNAPSE_PREDICTIONS).read(region)
    rows = store.results(NETWORK_PREDICTIONS).read(region)
    rows = rows.filter(pc.equal(rows.column("network"), dataset.answers_from)).drop_columns(["network"])
    names = ["classifier" if name == "synapse_network" else name for name in rows.column_names]
    return SYNAPSE_PREDICTIONS.conform(rows.rename_columns(names))


@dataclass(frozen=True)
class Labelled:
    """The out-of-fold probabilities of the labelled synapses, in the order of their ids, and the neuron of each (-1: none)."""

    held_out: "HeldOut"
    ids: list[str]
    neurons: npt.NDArray[np.int64]
    classifier: str
    group_word: str

    @classmethod
    def of(cls, store: DatasetStore, dataset: EmDataset) -> "Labelled | str":
        """Those of the classifier in use; a reason where there are none, or of one class only."""
        from synapse_assets.analysis.evaluation.calibration import HeldOut
        from synapse_assets.analysis.evaluation.predictions import probability_matrix
        from synapse_assets.analysis.tables import current_rows, values_of

        classifier = store.models(_judge(dataset).model).current
        synapses = store.synapses.read(None, ["synapse_id", "brain_region", "neuron_id"])
        rows = current_rows(_predictions(store, dataset), synapses)
        rows = rows.filter(pc.and_(rows.column("out_of_fold"), pc.equal(rows.column("classifier"), classifier or "")))
        headline = dataset.grouping[0]
        held = _held_out_by(without_untested(store, store.results(SPLITS).read()), headline)
        rows = rows.sort_by("synapse_id")
        ids = rows.column("synapse_id").to_pylist()
        names, probabilities = probability_matrix(rows)
        classes = names.tolist()
        chosen = [place for place, synapse in enumerate(ids) if synapse in held and held[synapse][2] in set(classes)]
        if not chosen:
            return "no labelled synapse has an out-of-fold prediction of the classifier in use"
        groups, folds, targets = zip(*(held[ids[place]] for place in chosen), strict=True)
        if len(set(targets)) < 2:
            return f"all labelled synapses are '{targets[0]}': there is nothing to tell apart"
        ids = [ids[place] for place in chosen]
        true = np.array([classes.index(target) for target in targets], dtype=np.int64)
        group = np.unique(np.array(groups, dtype=str), return_inverse=True)[1]
        held_out = HeldOut(tuple(classes), probabilities[chosen], true, group, np.array(folds, dtype=np.int64))
        neurons = [-1 if neuron is None else neuron for neuron in values_of(synapses, "neuron_id", ids)]
        word = {"neuron_id": "neuron", "hemilineage": "hemilineage"}.get(headline, f"group of {headline}")
        return cls(held_out, ids, np.array(neurons, dtype=np.int64), str(classifier), word)


def _held_out_by(splits: pa.Table, headline: str) -> dict[str, tuple[str, int, str]]:
    """Group, fold and class of each labelled synapse: under the headline split, or as a group of its own under the random one."""
    from synapse_assets.analysis.evaluation.splits import RANDOM

    held: dict[str, tuple[str, int, str]] = {}
    for split in (RANDOM, headline):
        rows = splits.filter(pc.equal(splits.column("split"), split))
        columns = (rows.column(name).to_pylist() for name in ("synapse_id", "group", "fold", "target"))
        # a synapse's own id cannot be taken for the name of another group
        held |= {
            synapse: (f"{split}\x1f{group}", fold, target)
            for synapse, group, fold, target in zip(*columns, strict=True)
        }
    return held


@dataclass(frozen=True)
class _Stored:
    """What `calibration` stored."""

    calibration: "Calibration"
    rule: "SetRule"
    prior: Float64
    classifier: str

    @classmethod
    def of(cls, store: DatasetStore) -> "_Stored | None":
        """None where there was nothing to calibrate. Raises BadInput where `calibration` was never made."""
        from synapse_assets.analysis.evaluation.calibration import Calibration
        from synapse_assets.analysis.evaluation.conformal import SetRule
        from synapse_assets.analysis.evaluation.neuron_answers import class_prior

        results = store.results(CALIBRATION)
        if results.made_from() is None:
            raise BadInput(f"{store.dataset} has no calibration yet: materialise the asset 'calibration' first")
        table = results.read()
        if not table.num_rows:
            return None
        column = {name: table.column(name).to_pylist() for name in table.column_names}
        calibration = Calibration(tuple(column["class_name"]), np.array(column["scale"]), np.array(column["offset"]))
        thresholds = np.array([np.inf if value is None else value for value in column["threshold"]])
        rule = SetRule(thresholds, np.array(column["promised"]))
        return cls(calibration, rule, class_prior(calibration, column["groups"]), column["classifier"][0])

    def require_classifier(self, predictions: pa.Table, region: str, asset: str) -> None:
        """Raises BadInput for predictions of another classifier than the calibration's."""
        others = sorted(set(predictions.column("classifier").to_pylist()) - {self.classifier})
        if others:
            raise BadInput(
                f"the predictions of {region} are of classifier {', '.join(others)}, but {self.classifier} was calibrated: materialise "
                f"{asset} of all regions that are out of date, then calibration, then this one"
            )


def _calibration_table(held_out: "HeldOut", calibration: "Calibration", rule: "SetRule", classifier: str) -> pa.Table:
    finite = np.isfinite(rule.thresholds)
    columns = {
        "class_name": held_out.classes,
        "scale": calibration.scale,
        "offset": calibration.offset,
        "threshold": pa.array(np.where(finite, rule.thresholds, 0.0), mask=~finite),
        "promised": rule.promised,
        "synapses": np.bincount(held_out.true, minlength=len(held_out.classes)),
        "groups": held_out.groups_by_class,
        "classifier": [classifier] * len(held_out.classes),
    }
    return CALIBRATION.conform(pa.table(columns))


def _calibrated_table(labelled: Labelled, after: "HeldOut", sets: npt.NDArray[np.bool_]) -> pa.Table:
    from synapse_assets.analysis.evaluation.predictions import named_sets, probability_column

    columns = {
        "synapse_id": pa.array(labelled.ids, pa.string()),
        "fold": after.folds,
        "probabilities": probability_column(after.classes, after.probabilities),
        "class_set": pa.array(named_sets(after.classes, after.probabilities, sets), pa.list_(pa.string())),
        "classifier": [labelled.classifier] * len(after),
    }
    return CALIBRATED_SYNAPSES.conform(pa.table(columns))


def _flat(rows: pa.Table) -> pa.Table:
    """Rows with a column a class in place of the map `probabilities`, to be hashed."""
    from synapse_assets.analysis.evaluation.predictions import probability_matrix

    names, probabilities = probability_matrix(rows)
    for name, column in zip(names.tolist(), probabilities.T, strict=True):
        rows = rows.append_column(f"probability of {name}", pa.array(column))
    return rows.drop_columns(["probabilities"])


def _sentences(
    labelled: Labelled, calibration: "Calibration", rule: "SetRule", scores: "CalibrationScores"
) -> list[str]:
    """What a reader may cite."""
    from synapse_assets.analysis.evaluation.calibration_scores import ERROR, FLOOR, NEURON_ACCURACY

    held_out, word = labelled.held_out, labelled.group_word
    groups = len(np.unique(held_out.groups))
    scaled = f"temperature {1 / calibration.scale[0]:.2f}"
    if calibration.by_class:
        scaled = "a scale and an offset for each class"
    floor = scores.row(FLOOR, "after") or {}
    sentences = [
        f"{len(held_out):,} labelled synapses of {groups:,} groups ({word}), out of fold; calibrated on the other folds, groups counting "
        f"alike (on all: {scaled})",
        f"expected calibration error of the most probable class, 15 bins of equal count: {scores.value(ERROR, 'before'):.3f} before, "
        f"{scores.value(ERROR, 'after'):.3f} after; a perfect model of this size would show {floor['value']:.3f} ({floor['low']:.3f} to "
        f"{floor['high']:.3f})",
        *_promises(held_out.classes, rule, word, groups, scores),
    ]
    if scores.row(NEURON_ACCURACY) is not None:
        counted = ((count, scores.text(NEURON_ACCURACY, count=count)) for count in (1, 5, 20))
        curve = "".join(f"; from {count} of them {text}" for count, text in counted if text)
        sentences.append(
            f"neurons named rightly by the pooled evidence of all their labelled synapses: {scores.text(NEURON_ACCURACY)}{curve}"
        )
    return sentences


def _promises(
    classes: Sequence[str], rule: "SetRule", word: str, groups: int, scores: "CalibrationScores"
) -> list[str]:
    """What is promised of the sets, and what they held."""
    from synapse_assets.analysis.evaluation.calibration_scores import COVERED, LOWEST_COVERED, SET_SIZE
    from synapse_assets.analysis.evaluation.conformal import COVERAGE, FEWEST_GROUPS

    if not np.isfinite(rule.thresholds).any():
        return [
            f"no coverage is promised, and every set holds all classes: {groups} groups are below the {FEWEST_GROUPS} that {COVERAGE:.0%} "
            "takes"
        ]
    sentences = [
        f"sets hold the class of a new synapse of a new {word} with {COVERAGE:.0%} probability, over the mix of labelled ones; held out "
        f"they did in {scores.text(COVERED)}, with {scores.text(SET_SIZE)} classes; the lowest coverage of one {word} is "
        f"{scores.value(LOWEST_COVERED):.2f}"
    ]
    unpromised = [name for name, promised in zip(classes, rule.promised, strict=True) if not promised]
    if unpromised:
        sentences.append(
            f"nothing is promised of {', '.join(unpromised)} alone: fewer than {FEWEST_GROUPS} groups; the threshold is that of all classes"
        )
    return sentences


def _class_table(table: pa.Table, scores: "CalibrationScores") -> str:
    from synapse_assets.analysis.evaluation.calibration_scores import COVERED, ERROR, FLOOR

    lines = []
    for row in table.to_pylist():
        name = row["class_name"]
        error = f"{scores.value(ERROR, 'after', name):.3f} ({scores.value(FLOOR, 'after', name):.3f})"
        threshold = "none" if row["threshold"] is None else f"{row['threshold']:.3f}"
        promised = "yes" if row["promised"] else "no"
        lines.append([name, row["synapses"], row["groups"], error, scores.text(COVERED, name), threshold, promised])
    head = ["class", "synapses", "groups", "calibration error (floor)", "coverage", "threshold", "of its own"]
    return markdown_table(head, lines)


def _near_the_floor(scores: "CalibrationScores") -> Check:
    """Whether the error after calibration is what chance gives a perfect model, or hardly more."""
    from synapse_assets.analysis.evaluation.calibration_scores import ERROR, FLOOR

    error, floor = scores.value(ERROR, "after"), scores.row(FLOOR, "after") or {}
    return Check(
        "probabilities_calibrated",
        error <= max(floor["value"] + LARGEST_EXCESS, floor["high"]),
        f"expected calibration error {error:.3f}, a perfect model would show {floor['value']:.3f} (up to {floor['high']:.3f})",
        warn=True,
        numbers={"error": error, "floor": floor["value"]},
    )


def _numbers(scores: "CalibrationScores") -> dict[str, Detail]:
    """What the UI plots over time."""
    from synapse_assets.analysis.evaluation import calibration_scores as names

    found: dict[str, Detail] = {
        "expected_calibration_error": scores.value(names.ERROR, "after"),
        "calibration_error_floor": scores.value(names.FLOOR, "after"),
        "coverage": scores.value(names.COVERED),
        "set_size": scores.value(names.SET_SIZE),
    }
    accuracy = scores.row(names.NEURON_ACCURACY)
    return found if accuracy is None else {**found, "neuron_accuracy": float(accuracy["value"])}


def _scored_neurons(store: DatasetStore, synapses: pa.Table) -> set[int]:
    """Neurons whose class is known by a synapse that may test."""
    rows = tested_labels(store, synapses).select(["neuron_id", "target"]).to_pylist()
    return {row["neuron_id"] for row in rows if row["target"]}


def _neuron_details(
    table: pa.Table, pooled: "PooledNeurons | None", calibrated: bool, scored: set[int]
) -> dict[str, Detail]:
    """What the UI shows of the neurons' answers; only of those `scored` it is said whether they are right."""
    from synapse_assets.analysis.evaluation.predictions import UNCLEAR

    if pooled is None:
        reason = (
            "no answered synapse has a neuron" if calibrated else "nothing was calibrated, so no neuron is answered"
        )
        return {"result": reason}
    rows = table.select(["neuron_id", "answer", "predicted", "prior_predicted", "target", "disagreement"]).to_pylist()
    of_class = [row for row in rows if row["target"] and row["neuron_id"] in scored]
    known = [row for row in of_class if row["answer"] != UNCLEAR]
    with_prior = [row for row in of_class if row["prior_predicted"]]
    sentences = [
        f"{len(rows):,} neurons; {sum(row['answer'] == UNCLEAR for row in rows):,} unclear",
        f"{sum(row['answer'] == row['target'] for row in known):,} of {len(known):,} neurons of known class with a clear answer are named "
        "rightly",
        f"where their hemilineage has other known neurons, {sum(row['prior_predicted'] == row['target'] for row in with_prior):,} of "
        f"{len(with_prior):,} with that prior and {sum(row['predicted'] == row['target'] for row in with_prior):,} without",
        f"{sum(row['disagreement'] is not None for row in rows):,} have regions that disagree beyond chance",
        f"dependence between synapses of a neuron (rho): {pooled.dependence.min():.2f} to {pooled.dependence.max():.2f} over the folds, so "
        f"a neuron is worth at most {1 / max(float(pooled.dependence.mean()), 1e-9):.1f} independent synapses",
    ]
    answers = {item["values"]: item["counts"] for item in table.column("answer").value_counts().to_pylist()}
    return {
        "result": Markdown("\n".join(f"- {sentence}" for sentence in sentences)),
        "answers": Json(dict(sorted(answers.items()))),
    }
