"""What labels are worth, round by round: the score of a linear probe of all labels up to each, and whether labelling may stop.

How a gain and its interval are made, and the rule, are in `analysis.labelling.stopping`; fitting and scoring in `analysis.evaluation`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.labelling.decisions import untested_labels
from synapse_assets.pipeline.labelling.rounds import answers_read, is_done, round_number
from synapse_assets.pipeline.report import Check, Detail, Markdown, Picture, Report, Stopwatch, markdown_table
from synapse_assets.schema import NEURONS, SPLITS
from synapse_assets.schema.labelling import ANNOTATIONS, LABEL_CURVE, LABEL_DECISIONS, OF_CLASS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.scores import Score

BEFORE = "before"
MEASURE = "balanced accuracy"

Int64 = npt.NDArray[np.int64]
# A row of `schema.LABEL_CURVE`.
Row: TypeAlias = dict[str, Any]


def draw_label_curve(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Scores a linear probe of the labels before any round, and of those up to each round, all on the same labels that may test.

    Of every fold of the headline split the groups of the others train; a label tests whatever round it is from. Without labels of two
    classes in two folds there is no score, and the sentences say why. Raises BadInput if no encoder is fitted.
    """
    from synapse_assets.figures.labelling import growing_curve_figure

    watch = Stopwatch()
    # Read before the labels: an answer that comes in between is of the next curve.
    answers = answers_read(store)
    labelled = Labelled.of(store, dataset)
    rounds = rounds_in_order(store)
    log.info(f"{len(labelled.ids):,} labelled synapses with a vector, {len(rounds)} rounds")
    rows = curve_rows(labelled, rounds, dataset, _unfinished(store, dataset, rounds))
    table = LABEL_CURVE.conform(pa.Table.from_pylist(rows, schema=LABEL_CURVE.arrow))
    store.results(LABEL_CURVE).write(table, answers)
    last = rows[-1]
    picture: dict[str, Detail] = {}
    if last["score"] is not None:
        picture = {"curve": Picture(growing_curve_figure(rows), "score by round")}
    return Report(
        details={
            "result": last["sentence"],
            **picture,
            "rounds": Markdown(_markdown(rows)),
            "labels": last["labels"],
            **({} if last["score"] is None else {"balanced_accuracy": last["score"]}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
        checks=[Check("more_labels_pay", not last["stop"], last["sentence"], warn=True)],
    )


@dataclass(frozen=True)
class Labelled:
    """The labelled synapses with a vector and a group of the headline split, by id.

    ids (N,), vectors (N, D), groups (N,) names, folds (N,). target: their classes now (N,). source: classes that the sources give (N,),
    None where they give none. round: the round of the decision about each (N,), None for labels of the sources. tests (N,): whether
    the label may test.
    """

    ids: list[str]
    vectors: npt.NDArray[np.float32]
    groups: npt.NDArray[np.str_]
    folds: Int64
    target: list[str]
    source: list[str | None]
    round: list[str | None]
    tests: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, store: DatasetStore, dataset: EmDataset) -> "Labelled":
        """Those of a dataset as they are now."""
        splits = store.results(SPLITS).read(columns=["synapse_id", "split", "group", "fold", "target"])
        splits = splits.filter(pc.equal(splits.column("split"), dataset.grouping[0]))
        vectors = vectors_in_use(store).read_ids(splits.column("synapse_id").to_pylist(), ["synapse_id", "vector"])
        known = vectors.column("synapse_id").combine_chunks()
        splits = splits.filter(pc.is_in(splits.column("synapse_id"), value_set=known)).sort_by("synapse_id")
        ids = splits.column("synapse_id").to_pylist()
        vectors = vectors.take(pc.index_in(splits.column("synapse_id").combine_chunks(), value_set=known))
        decided = store.results(LABEL_DECISIONS).read(columns=["synapse_id", "decision", "round"])
        decided = decided.filter(pc.equal(decided.column("decision"), OF_CLASS))
        round_of = dict(zip(*(decided.column(name).to_pylist() for name in ("synapse_id", "round")), strict=True))
        targets = splits.column("target").to_pylist()
        of_source = _source_targets(store, dataset, [one for one in ids if one in round_of])
        untested = untested_labels(store)
        return cls(
            ids,
            vector_matrix(vectors),
            np.array(splits.column("group").to_pylist(), dtype=str),
            splits.column("fold").to_numpy().astype(np.int64),
            targets,
            [of_source.get(one) if one in round_of else now for one, now in zip(ids, targets, strict=True)],
            [round_of.get(one) for one in ids],
            np.array([one not in untested for one in ids], dtype=bool),
        )

    def targets_up_to(self, rounds: Sequence[str]) -> list[str | None]:
        """The class (N,) of each after these rounds; None where it had none yet."""
        chosen = {None, *rounds}
        each = zip(self.target, self.source, self.round, strict=True)
        return [now if of in chosen else before for now, before, of in each]


def _source_targets(store: DatasetStore, dataset: EmDataset, ids: Sequence[str]) -> dict[str, str | None]:
    """The class that tables of synapses and neurons give each of `ids`."""
    from synapse_assets.sources.labels import label_rows

    neurons = store.results(NEURONS).read() if dataset.neurons else NEURONS.empty()
    wanted = pa.array(ids, pa.string())
    found: dict[str, str | None] = {}
    for region in store.synapse_table.regions() if ids else ():
        rows = store.synapse_table.read(region)
        labels, _ = label_rows(rows.filter(pc.is_in(rows.column("synapse_id"), value_set=wanted)), neurons)
        found |= dict(zip(*(labels.column(name).to_pylist() for name in ("synapse_id", "target")), strict=True))
    return found


def rounds_in_order(store: DatasetStore) -> list[str]:
    """The rounds, and other batches, that have answers, in the order of the first of each."""
    rows = store.results(ANNOTATIONS).read(columns=["round", "given_at"])
    first = rows.group_by("round").aggregate([("given_at", "min")]).sort_by("given_at_min")
    names: list[str] = first.column("round").to_pylist()
    return names


def _unfinished(store: DatasetStore, dataset: EmDataset, rounds: Sequence[str]) -> str | None:
    """The last round where people are still answering in it: what it gained by now is no reason to stop."""
    last = next((name for name in reversed(rounds) if round_number(name) is not None), None)
    return None if last is None or is_done(store, dataset, last) else last


def curve_rows(
    labelled: Labelled, rounds: Sequence[str], dataset: EmDataset, unfinished: str | None = None
) -> list[Row]:
    """`schema.LABEL_CURVE`: a row for what there was before, and one for every round. Gains of a round that is `unfinished`, of one that
    added no label, and of other batches, which no strategy chose, do not count towards stopping."""
    from synapse_assets.analysis.labelling.stopping import gain_interval, may_stop

    classes, codes = np.unique(np.array(labelled.target, dtype=str), return_inverse=True)
    tests = np.flatnonzero(labelled.tests)
    reason = _why_not(labelled, len(classes), dataset.grouping[0])
    rows: list[Row] = []
    lows: list[float | None] = []
    right_before: npt.NDArray[np.bool_] | None = None
    for number, name in enumerate([BEFORE, *rounds]):
        targets = labelled.targets_up_to(rounds[:number])
        row: Row = {**dict.fromkeys(LABEL_CURVE.names), "round": name, "number": number, "measure": MEASURE}
        row |= {"labels": sum(target is not None for target in targets), "tested": len(tests)}
        row |= {"split": dataset.grouping[0], "stop": False}
        if not reason:
            score, right = _tested(labelled, targets, tests, classes, dataset)
            row["score"] = score.balanced_accuracy
            row["low"], row["high"] = score.balanced_accuracy_interval or (None, None)
            if right_before is not None:
                of_groups = codes[tests], labelled.groups[tests]
                gained = gain_interval(right_before, right, *of_groups, dataset.seed)
                row["gain"], row["gain_low"], row["gain_high"] = gained
                counts = round_number(name) is not None and name != unfinished
                if counts and row["labels"] > rows[-1]["labels"]:
                    lows.append(row["gain_low"])
            right_before = right
            row["stop"] = may_stop(lows)
        rows.append({**row, "sentence": _sentence(row, reason)})
    return rows


def _why_not(labelled: Labelled, classes: int, headline: str) -> str:
    """Why nothing can be scored; empty where it can."""
    if classes < 2:
        return "labels of at least two classes are needed"
    if len(np.unique(labelled.folds)) < 2:
        return f"nothing can be held out by {headline}: label synapses of at least two groups"
    if not labelled.tests.any():
        return "a strategy chose all labels, so none may test: give labelling a random_share above 0"
    return ""


def _tested(
    labelled: Labelled,
    targets: Sequence[str | None],
    tests: Int64,
    classes: npt.NDArray[np.str_],
    dataset: EmDataset,
) -> "tuple[Score, npt.NDArray[np.bool_]]":
    """The score of probes of `targets` (N,) on the rows `tests`, each by a probe of other folds, and which of them are right."""
    from synapse_assets.analysis.evaluation.cross_validation import Fold, Predictions, cross_validate
    from synapse_assets.analysis.evaluation.linear_probe import LINEAR_PROBE, VECTORS, LinearProbe, probe_of
    from synapse_assets.analysis.evaluation.scores import score_predictions
    from synapse_assets.artifacts import NoModel

    trains = np.array([target is not None for target in targets], dtype=bool)
    vectors = labelled.vectors.astype(np.float64)

    def fit(rows: Int64) -> LinearProbe | NoModel:
        if not len(rows):
            return NoModel("no label outside of the fold")
        return probe_of(
            vectors[rows], [str(targets[row]) for row in rows], dataset.seed, labelled.groups[rows].tolist()
        )

    def predict(probe: LinearProbe, rows: Int64) -> Mapping[str, Predictions]:
        of_class = np.array([_place(name, classes) for name in probe.classes], dtype=np.int64)
        return {LINEAR_PROBE: Predictions(of_class[probe.predict(vectors[rows])[0]])}

    of_fold = [(fold, tests[labelled.folds[tests] == fold]) for fold in np.unique(labelled.folds[tests])]
    folds = [Fold(np.flatnonzero(trains & (labelled.folds != fold)), test) for fold, test in of_fold]
    found = cross_validate(folds, fit, predict)
    predictions = found.predictions.get(LINEAR_PROBE, Predictions(np.full(len(tests), -1, dtype=np.int64)))
    true = np.array([_place(labelled.target[row], classes) for row in tests], dtype=np.int64)
    score, _ = score_predictions(
        predictions,
        true,
        labelled.groups[tests],
        classes.tolist(),
        dataset.seed,
        classifier=LINEAR_PROBE,
        inputs=VECTORS,
        split=dataset.grouping[0],
        interval_over=dataset.grouping[0],
    )
    return score, predictions.labels == true


def _place(name: str, classes: npt.NDArray[np.str_]) -> int:
    """Its place among the classes; -1 for a class that nothing has any more."""
    place = int(np.searchsorted(classes, name))
    return place if place < len(classes) and classes[place] == name else -1


def _sentence(row: Row, reason: str) -> str:
    labels = f"{row['labels']:,} label{'' if row['labels'] == 1 else 's'}"
    of_round = f"Before any round, with {labels}" if row["number"] == 0 else f"After {row['round']}, with {labels}"
    if reason:
        return f"{of_round}: no score, as {reason}."
    text = f"{of_round}: balanced accuracy {row['score']:.3f}{_interval(row['low'], row['high'])}, tested on {row['tested']:,}"
    if row["gain"] is not None:
        text += f", {row['gain']:+.3f}{_interval(row['gain_low'], row['gain_high'], '+.3f')} by the round"
    if row["stop"]:
        text += "; the last three rounds gained nothing beyond their intervals: labelling may stop"
    return f"{text}."


def _interval(low: float | None, high: float | None, digits: str = ".3f") -> str:
    return "" if low is None or high is None else f" [{low:{digits}}, {high:{digits}}]"


def _markdown(rows: Sequence[Row]) -> str:
    lines = [
        [
            row["round"],
            f"{row['labels']:,}",
            None if row["score"] is None else f"{row['score']:.3f}{_interval(row['low'], row['high'])}",
            None
            if row["gain"] is None
            else f"{row['gain']:+.3f}{_interval(row['gain_low'], row['gain_high'], '+.3f')}",
            "yes" if row["stop"] else "",
        ]
        for row in rows
    ]
    return markdown_table(["round", "labels", MEASURE, "gain", "may stop"], lines)
