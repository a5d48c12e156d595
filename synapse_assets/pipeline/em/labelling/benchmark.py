"""Which query strategy is best on a dataset, and which one its rounds use.

Runs and statistics are in `analysis.labelling`; what a strategy then asks about in a round, in `suggestions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from logging import Logger
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.labelling import LabellingChoice, Strategy
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.labelling.decisions import without_untested
from synapse_assets.pipeline.em.labelling.vae import MODEL, vae_vectors
from synapse_assets.pipeline.report import Markdown, Picture, Report, Stopwatch, markdown_table
from synapse_assets.schema import SPLITS
from synapse_assets.schema.labelling import STRATEGY_BENCHMARK, STRATEGY_CURVES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint, model_in_use
from synapse_assets.stores.rows import vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.labelling.benchmark import Verdict
    from synapse_assets.analysis.labelling.simulated import Known, LabelCurve

STRATEGIES: tuple[Strategy, ...] = tuple(name for name in get_args(Strategy) if name != "recommended")
FEWEST_LABELS, FEWEST_GROUPS = 100, 3
"""Of fewer labelled synapses, or groups, nothing is compared."""
MOST_LABELS = 3_000
FOLDS = 10
"""Groups are held out in so many folds, or one by one where there are few: intervals are over folds."""
GROWTH = 1.25
"""Compared again once there are so many times as many labels, or as few."""
TOO_FEW: Strategy = "k_means"
"""What is used where too few labels are known to compare strategies."""
_METHOD = 1

# A row of `schema.STRATEGY_BENCHMARK`, or of `schema.STRATEGY_CURVES`.
Row: TypeAlias = dict[str, Any]


def recommended_strategy(store: DatasetStore, dataset: EmDataset) -> tuple[Strategy, str]:
    """The query strategy of the next round, and in a sentence why.

    The one that the dataset file names. Where that is 'recommended': what the stored benchmark found best, random where nothing was better,
    and k-means on features where too few labels are known to ask, or nobody has asked yet. Raises BadInput for a dataset without
    `labelling`.
    """
    named = _choice(dataset).strategy
    if named != "recommended":
        return named, f"The dataset file names {named}."
    rows = (
        store.results(STRATEGY_BENCHMARK).read(columns=["strategy", "measure", "recommended", "sentence"]).to_pylist()
    )
    for row in rows:
        if row["recommended"] and row["measure"] == "area":
            return row["strategy"], row["sentence"]
    reason = rows[0]["sentence"] if rows else "The asset strategy_benchmark has not compared strategies here yet."
    return TOO_FEW, f"{reason} So k-means on features is used."


def benchmark_strategies(store: DatasetStore, dataset: EmDataset, device: str, log: Logger) -> Report:
    """Compares all query strategies on the labelled synapses that may test, asked of an annotator who errs at the dataset's rate.

    At most 3,000 synapses, sampled by class. What was stored stays where the encoder, the autoencoder, settings and seeds are the same,
    and labels are neither 1.25 times as many nor as few as then. Below 100 labels, two classes or three groups there is no
    recommendation, and the table's sentence says so. Raises BadInput if no encoder is fitted.
    """
    watch = Stopwatch()
    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    labelled = _labelled(store, dataset)
    made_from = _made_from(store, dataset, encoder, labelled.num_rows)
    results = store.results(STRATEGY_BENCHMARK)
    if (reason := _too_few(labelled, dataset.grouping[0])) is not None:
        log.info(reason)
        rows = [_nothing_compared(reason, dataset)]
        _write(store, rows, [], {})
        return _report(rows, [], dataset, watch, 0)
    if _still_holds(results.made_from(), made_from):
        log.info("the strategies were compared on about as many labels: nothing is run again")
        curves = store.results(STRATEGY_CURVES).read().to_pylist()
        return _report(results.read().to_pylist(), curves, dataset, watch, 0)
    known = _known(store, dataset, labelled, device)
    log.info(f"{len(STRATEGIES)} strategies on {len(known.codes):,} of {labelled.num_rows:,} labelled synapses")
    rows, curves = _compared(known, dataset, log)
    _write(store, rows, curves, made_from)
    return _report(rows, curves, dataset, watch, len(rows))


def _choice(dataset: EmDataset) -> LabellingChoice:
    if dataset.labelling is None:
        raise BadInput(f"{dataset.name} is not labelled here: add 'labelling: {{}}' to its file")
    return dataset.labelling


def _labelled(store: DatasetStore, dataset: EmDataset) -> pa.Table:
    """The synapses with a vector and a label that no strategy chose: synapse_id, group, fold, target, by id."""
    splits = store.results(SPLITS).read(columns=["synapse_id", "split", "group", "fold", "target"])
    splits = without_untested(store, splits.filter(pc.equal(splits.column("split"), dataset.grouping[0])))
    embedded = vectors_in_use(store).read(None, ["synapse_id"]).column("synapse_id").combine_chunks()
    return splits.filter(pc.is_in(splits.column("synapse_id"), value_set=embedded)).sort_by("synapse_id")


def _too_few(labelled: pa.Table, headline: str) -> str | None:
    """Why strategies cannot be compared on these; None where they can."""
    classes, groups, folds = (len(pc.unique(labelled.column(name))) for name in ("target", "group", "fold"))
    if labelled.num_rows < FEWEST_LABELS:
        return (
            f"{labelled.num_rows:,} labelled synapses with a vector that no strategy chose are too few to compare strategies on, which "
            f"needs {FEWEST_LABELS}."
        )
    if classes < 2:
        return "All labels are of one class, so strategies cannot be compared."
    if min(groups, folds) < FEWEST_GROUPS:
        return (
            f"Labels are of {groups} groups by {headline} in {folds} folds, so strategies cannot be compared, which needs "
            f"{FEWEST_GROUPS} of both."
        )
    return None


def _made_from(store: DatasetStore, dataset: EmDataset, encoder: str, labels: int) -> dict[str, str]:
    """What the comparison is made from, as it is kept with the table."""
    from synapse_assets.analysis.labelling.simulated import FIRST_LABELS, PER_ROUND, ROUNDS, SEEDS, STRENGTH

    choice = _choice(dataset)
    settings = {
        "method": _METHOD,
        "strategies": list(STRATEGIES),
        "rounds": [FIRST_LABELS, PER_ROUND, ROUNDS],
        "folds": FOLDS,
        "seeds": list(SEEDS),
        "strength": STRENGTH,
        "most": MOST_LABELS,
        "seed": dataset.seed,
        "headline": dataset.grouping[0],
        **hashed_fields(choice, include=("error_rate",)),
    }
    vae = store.models(MODEL).current if choice.vae else None
    return {"encoder": encoder, "vae": vae or "", "settings": fingerprint(settings, {}), "labels": str(labels)}


def _still_holds(before: Mapping[str, str] | None, now: Mapping[str, str]) -> bool:
    """Whether what was compared before says the same of what there is now."""
    if not before or {**before, "labels": ""} != {**now, "labels": ""}:
        return False
    labels = sorted((int(before["labels"]), int(now["labels"])))
    return labels[1] < GROWTH * labels[0]


def _known(store: DatasetStore, dataset: EmDataset, labelled: pa.Table, device: str) -> "Known":
    from synapse_assets.analysis.evaluation.sampling import stratified_sample
    from synapse_assets.analysis.labelling.simulated import Known

    ids, targets = (labelled.column(name).to_pylist() for name in ("synapse_id", "target"))
    sample = labelled.take(stratified_sample(targets, MOST_LABELS, dataset.seed, ids))
    ids = sample.column("synapse_id").to_pylist()
    stored = vectors_in_use(store).read_ids(ids, ["synapse_id", "vector"])
    at = pc.index_in(pa.array(ids, pa.string()), value_set=stored.column("synapse_id").combine_chunks())
    unsupervised = None
    if _choice(dataset).vae and store.models(MODEL).current:
        unsupervised = vae_vectors(store, dataset, ids, device).astype(np.float64)
    of_sample = np.array(sample.column("target").to_pylist(), dtype=str)
    classes, codes = np.unique(of_sample, return_inverse=True)
    return Known(
        vector_matrix(stored.take(at)).astype(np.float64),
        codes.astype(np.int64),
        tuple(classes.tolist()),
        _folds(sample, of_sample, dataset.seed),
        unsupervised,
    )


def _folds(sample: pa.Table, targets: npt.NDArray[np.str_], seed: int) -> npt.NDArray[np.int64]:
    """The fold (N,) of each row: those of the headline split where each group is one, more than there otherwise."""
    from synapse_assets.analysis.evaluation.splits import LEAVE_ONE_OUT_GROUPS, stratified_group_folds

    groups = np.array(sample.column("group").to_pylist(), dtype=str)
    count = len(np.unique(groups))
    if count <= LEAVE_ONE_OUT_GROUPS:
        folds = sample.column("fold").to_numpy()
    else:
        folds, _ = stratified_group_folds(groups, targets, min(FOLDS, count), seed)
    return np.unique(folds, return_inverse=True)[1].astype(np.int64)


def _compared(known: "Known", dataset: EmDataset, log: Logger) -> tuple[list[Row], list[Row]]:
    """Rows of the benchmark, and of its curves."""
    from synapse_assets.analysis.labelling import simulated
    from synapse_assets.analysis.labelling.benchmark import compare

    error_rate = _choice(dataset).error_rate
    runs = simulated.simulate(
        known, STRATEGIES, error_rate, seeds=simulated.SEEDS, rounds=simulated.ROUNDS, progress=log.info
    )
    curves = list(runs)
    verdict = compare(curves, known.classes[known.rarest])
    return _rows(verdict, dataset), [row for curve in curves for row in _curve_rows(curve)]


def _rows(verdict: "Verdict", dataset: EmDataset) -> list[Row]:
    rows = []
    for outcome in verdict.outcomes:
        row = asdict(outcome)
        low, high = row.pop("interval") or (None, None)
        recommended = outcome.strategy == verdict.recommended
        rows.append({**row, "low": low, "high": high, "recommended": recommended, **_conditions(dataset)})
    return rows


def _curve_rows(curve: "LabelCurve") -> list[Row]:
    return [
        {
            "strategy": curve.strategy,
            "fold": curve.fold,
            "seed": curve.seed,
            "labels": int(labels),
            "score": float(score),
            "rare_recall": None if np.isnan(recall) else float(recall),
        }
        for labels, score, recall in zip(curve.labels, curve.score, curve.rare_recall, strict=True)
    ]


def _nothing_compared(reason: str, dataset: EmDataset) -> Row:
    empty = {"value": None, "low": None, "high": None, "runs": 0, "ahead": 0, "recommended": False}
    return {"strategy": TOO_FEW, "measure": "area", **empty, "sentence": reason, **_conditions(dataset)}


def _conditions(dataset: EmDataset) -> Row:
    return {"error_rate": _choice(dataset).error_rate, "split": dataset.grouping[0]}


def _write(store: DatasetStore, rows: Sequence[Row], curves: Sequence[Row], made_from: Mapping[str, str]) -> None:
    # The curves first: the table says what both are made from.
    store.results(STRATEGY_CURVES).write(pa.Table.from_pylist(list(curves), schema=STRATEGY_CURVES.arrow))
    store.results(STRATEGY_BENCHMARK).write(
        pa.Table.from_pylist(list(rows), schema=STRATEGY_BENCHMARK.arrow), made_from
    )


def _report(
    rows: Sequence[Row], curves: Sequence[Row], dataset: EmDataset, watch: Stopwatch, computed_rows: int
) -> Report:
    recommended = next((row for row in rows if row["recommended"] and row["measure"] == "area"), rows[0])
    details: dict[str, Any] = {"result": recommended["sentence"], "measures": Markdown(_markdown(rows))}
    if curves:
        details["curves"] = Picture(_picture(curves, recommended["strategy"], dataset), "score by labels and strategy")
    return Report(details=details, seconds=watch.seconds, rows=len(rows), computed_rows=computed_rows)


def _markdown(rows: Sequence[Row]) -> str:
    def with_interval(row: Row) -> str | None:
        if row["value"] is None:
            return None
        digits = ".2f" if row["measure"] == "labels_95" else "+.3f"
        ends = "" if row["low"] is None else f" [{row['low']:{digits}}, {row['high']:{digits}}]"
        return f"{row['value']:{digits}}{ends}"

    by_strategy: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_strategy.setdefault(row["strategy"], {})[row["measure"]] = row
    lines = []
    for name, measures in sorted(by_strategy.items(), key=lambda item: -(item[1]["area"]["value"] or 0.0)):
        area = measures["area"]
        cells = [with_interval(measures[key]) if key in measures else None for key in ("rare_recall", "labels_95")]
        mark = "yes" if area["recommended"] else ""
        lines.append([name, with_interval(area), f"{area['ahead']} of {area['runs']}", *cells, mark])
    head = ["strategy", "area minus random", "ahead", "recall of the rarest class", "labels to 95 %, of random's"]
    return markdown_table([*head, "recommended"], lines)


def _picture(curves: Sequence[Row], recommended: str, dataset: EmDataset) -> bytes:
    """The mean curve of each strategy over folds and seeds."""
    from synapse_assets.analysis.labelling.simulated import ALL_LABELS
    from synapse_assets.figures.labelling import label_curves_figure

    full = float(np.mean([row["score"] for row in curves if row["strategy"] == ALL_LABELS]))
    scores: dict[str, dict[int, list[float]]] = {}
    for row in curves:
        if row["strategy"] != ALL_LABELS:
            scores.setdefault(row["strategy"], {}).setdefault(row["labels"], []).append(row["score"])
    # the last numbers may be those of some folds only, whose pool is larger
    most = max(len(values) for values in scores[recommended].values())
    labels = sorted(number for number, values in scores[recommended].items() if len(values) == most)
    means: dict[str, npt.ArrayLike] = {
        name: [float(np.mean(of_labels[number])) for number in labels] for name, of_labels in scores.items()
    }
    return label_curves_figure(labels, means, recommended, full, dataset.grouping[0])
