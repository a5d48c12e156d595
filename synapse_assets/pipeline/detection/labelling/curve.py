"""What each round was worth to the detector that people are asked about: its F1 on parts that were held out, round by round.

Nothing is trained here: every version of the detector was tested when it was trained (`pipeline.detection.tested`), on what the dataset's
YAML annotates and never on boxes that people looked through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from logging import Logger
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset
from synapse_assets.pipeline.detection.detector import REVIEWED, stored_detectors
from synapse_assets.pipeline.detection.labelling.boxes import asked_detector, asked_target
from synapse_assets.pipeline.detection.stored import MODEL
from synapse_assets.pipeline.detection.tested import BLOCK, FOUND, INVENTED, DetectorTest
from synapse_assets.pipeline.labelling.rounds import answers_read
from synapse_assets.pipeline.report import Check, Detail, Markdown, Picture, Report, Stopwatch
from synapse_assets.schema.labelling import LABEL_CURVE, REVIEWED_BOXES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

BEFORE = "before"
"""The row of the detector that knew no answer."""
_MEASURE = "F1"


def score_rounds(store: DatasetStore, dataset: DetectionDataset, log: Logger) -> Report:
    """Writes a row for the detector before any answer and one for each round with boxes that were looked through.

    A round's detector is the newest version that learnt from boxes of it and of no later one; where no version was trained between two
    rounds the score stays empty. What upkeep has removed since, as nothing uses it, keeps the score that it had. The
    table says of which answers it knows (`pipeline.labelling.rounds`).
    """
    from synapse_assets.analysis.labelling.stopping import may_stop
    from synapse_assets.figures.labelling import growing_curve_figure

    watch = Stopwatch()
    # Read before what follows from them: an answer that comes in between is of the next curve.
    answers = answers_read(store)
    labels = _labels_by_round(store)
    tests = _tests_by_round(store, dataset)
    rows: list[dict[str, Any]] = []
    known = 0
    last: DetectorTest | None = None
    stored = {row["round"]: row for row in store.results(LABEL_CURVE).read().to_pylist()}
    removed = False
    for number, name in enumerate([BEFORE, *labels]):
        known += labels.get(name, 0)
        test = tests.get(name)
        row = _Scored.of(test, last, asked_target(dataset), dataset.seed)
        earlier = stored.get(name)
        if earlier is not None and earlier["score"] is not None:
            removed |= test is None
            # What a detector gained over one that is gone can be made in no other way.
            if test is None or (removed and earlier["score"] == row.score):
                row = _Scored(*(earlier[field.name] for field in fields(_Scored)))
        gains = [one["gain_low"] for one in rows[1:]] + [row.gain_low]
        stop = name != BEFORE and may_stop(gains)
        rows.append(
            {
                "round": name,
                "number": number,
                "labels": known,
                "tested": row.tested,
                "measure": _MEASURE,
                "split": BLOCK,
                **{
                    column: getattr(row, column) for column in ("score", "low", "high", "gain", "gain_low", "gain_high")
                },
                "stop": stop,
                "sentence": _sentence(dataset, name, known, row, stop),
            }
        )
        last = test or last
    table = LABEL_CURVE.conform(pa.Table.from_pylist(rows, schema=LABEL_CURVE.arrow))
    store.results(LABEL_CURVE).write(table, _known(answers, labels, tests))
    for one in rows:
        log.info(one["sentence"])
    latest = rows[-1]
    scored = any(one["score"] is not None for one in rows)
    picture: dict[str, Detail] = {"curve": Picture(growing_curve_figure(rows), "score by round")} if scored else {}
    return Report(
        details={
            "result": latest["sentence"],
            **picture,
            "rounds": Markdown("\n".join(f"- {one['sentence']}" for one in rows)),
            "labels": latest["labels"],
            **({} if latest["score"] is None else {"f1": latest["score"]}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table),
        checks=[Check("more_labels_pay", not latest["stop"], latest["sentence"], warn=True)],
    )


def _known(answers: Mapping[str, str], labels: Mapping[str, int], tests: Mapping[str, DetectorTest]) -> dict[str, str]:
    """Those of the answers, by round, that the curve knows: all but those in boxes that no detector has learnt from yet."""
    newest = max((name for name in tests if name != BEFORE), default="")
    return {name: version for name, version in answers.items() if name not in labels or name <= newest}


def _labels_by_round(store: DatasetStore) -> dict[str, int]:
    """How many sites people judged or added in the boxes of each round, in the order of the rounds."""
    counts: dict[str, int] = {}
    for row in store.results(REVIEWED_BOXES).read().to_pylist():
        judged = sum(row[column] for column in ("accepted", "moved", "rejected", "added"))
        counts[row["round"]] = counts.get(row["round"], 0) + judged
    return dict(sorted(counts.items()))


def _tests_by_round(store: DatasetStore, dataset: DetectionDataset) -> dict[str, DetectorTest]:
    """How the newest version that knows boxes of a round, and of none after it, was tested."""
    models, name = store.models(MODEL), asked_detector(dataset)
    tests = {}
    for version in models.versions():
        if name in stored_detectors(models, version):
            inputs = models.provenance(version).inputs
            rounds = [one.removeprefix(REVIEWED) for one in inputs if one.startswith(REVIEWED)]
            tests[max(rounds, default=BEFORE)] = DetectorTest.load(models.path(version) / name)
    return tests


@dataclass(frozen=True)
class _Scored:
    """The values of a row; None where they are not known."""

    tested: int
    score: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None

    @classmethod
    def of(cls, test: DetectorTest | None, last: DetectorTest | None, target: str, seed: int) -> "_Scored":
        measures: Sequence[Any] = [] if test is None else test.measures.get(BLOCK, [])
        f1 = next(
            (one for one in measures if (one.target, one.measure, one.objects) == (target, "f1", "limited")), None
        )
        if test is None or f1 is None:
            return cls(0)
        gain: tuple[float | None, float | None, float | None] = (None, None, None)
        if last is not None:
            gain = _gain(last, test, target, seed)
        return cls(f1.annotated, f1.value, f1.low, f1.high, *gain)


def _gain(
    before: DetectorTest, after: DetectorTest, target: str, seed: int
) -> tuple[float | None, float | None, float | None]:
    """None where the two were tested on other objects: the annotations have changed since."""
    from synapse_assets.analysis.labelling.site_gain import f1_gain

    found_before, invented_before = _found(before, target)
    found_after, invented_after = _found(after, target)
    if not found_after or found_before.keys() != found_after.keys():
        return None, None, None
    pairs = np.array([(found_before[name], found_after[name]) for name in sorted(found_after)])
    return f1_gain(pairs[:, 0], pairs[:, 1], invented_before, invented_after, seed)


def _found(test: DetectorTest, target: str) -> tuple[Mapping[str, bool], int]:
    """Whether each annotated object was found, and how many sites were invented."""
    if target not in test.sites:
        return {}, 0
    sites = test.sites[target]
    outcomes = sites.outcome.tolist()
    found = {
        name: outcome == FOUND
        for name, outcome in zip(sites.object_id.tolist(), outcomes, strict=True)
        if outcome != INVENTED
    }
    return found, outcomes.count(INVENTED)


def _sentence(dataset: DetectionDataset, name: str, labels: int, row: _Scored, stop: bool) -> str:
    who = f"{asked_detector(dataset)} of {dataset.name}, {name}"
    if row.score is None:
        return f"{who}: no detector was trained and tested on {labels:,} answers in boxes, before those of a later round came"
    interval = f" [{row.low:.3f}, {row.high:.3f}]" if row.low is not None else ""
    text = (
        f"{who}: F1 {row.score:.3f}{interval} on {row.tested:,} annotated objects held out, {labels:,} answers in boxes"
    )
    if row.gain is not None:
        beyond = f" [{row.gain_low:+.3f}, {row.gain_high:+.3f}]" if row.gain_low is not None else ""
        text += f"; {row.gain:+.3f}{beyond} since the detector before"
    if stop:
        text += "; three rounds in a row gained nothing beyond the interval: labelling may stop"
    return text
