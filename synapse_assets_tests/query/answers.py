"""Answers of synapses and neurons, and a comparison of classifiers, as the tests plant them beside stored predictions.

A few lines with fixed numbers in place of what the chain estimates: a synapse's probabilities are those of its prediction, its set is all
classes of at least a fifth; of `n` synapses of a neuron n / (1 + (n - 1) / 10) are independent.
"""

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import EM
from synapse_assets.schema import (
    CALIBRATION,
    CALIBRATION_SCORES,
    CLASSIFIER_COMPARISON,
    NEURON_ANSWERS,
    RELIABILITY,
    SYNAPSE_ANSWERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    Table,
)
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.rows import vectors_in_use

LEAST = 0.2
DEPENDENCE = 0.1
PLANTED = (SYNAPSE_ANSWERS, NEURON_ANSWERS, CALIBRATION_SCORES, CLASSIFIER_COMPARISON)
# What a release of before there were answers does not have.
ANSWERS = (*PLANTED, CALIBRATION, RELIABILITY)


def answered(probabilities: dict[str, float]) -> dict[str, object]:
    """Columns of an answer, from probabilities by class."""
    falling = dict(sorted(probabilities.items(), key=lambda one: -one[1]))
    names = [name for name, probability in falling.items() if probability >= LEAST]
    predicted = next(iter(falling))
    return {
        "answer": names[0] if len(names) == 1 else "unclear",
        "predicted": predicted,
        "probability": falling[predicted],
        "probabilities": list(falling.items()),
        "class_set": names,
    }


def pooled(rows: list[dict[str, float]]) -> dict[str, float]:
    """Probabilities of a neuron: the mean logarithm of those of its synapses times the number that they are worth."""
    worth = len(rows) / (1 + (len(rows) - 1) * DEPENDENCE)
    logs = {name: worth * float(np.mean([np.log(row[name]) for row in rows])) for name in rows[0]}
    total = np.logaddexp.reduce(list(logs.values()))
    return {name: float(np.exp(value - total)) for name, value in logs.items()}


def plant_answers(store: DatasetStore) -> None:
    """Writes the tables of `PLANTED` for the stored predictions."""
    rows = store.results(SYNAPSE_PREDICTIONS).read().to_pylist()
    answers = []
    for row in rows:
        kept = {name: max(float(value), 1e-6) for name, value in row["probabilities"]}
        kept = {name: value / sum(kept.values()) for name, value in kept.items()}
        answers.append({**row, **answered(kept)})
    for region in {row["brain_region"] for row in answers}:
        of_region = [row for row in answers if row["brain_region"] == region]
        store.results(SYNAPSE_ANSWERS).write_partition(
            region, pa.Table.from_pylist(of_region, schema=SYNAPSE_ANSWERS.arrow)
        )
    store.results(NEURON_ANSWERS).write(_neurons(store, answers))
    store.results(CALIBRATION_SCORES).write(_scores())
    store.results(CLASSIFIER_COMPARISON).write(_comparison())


def publish(store: DatasetStore, without: tuple[Table, ...] = ()) -> None:
    """Builds a release of what is stored, the planted tables included but for those named."""
    release = store.release() or {}
    names = [name for name in release["tables"] if name not in ("synapses", "tiles", "embeddings")]
    kept = dict.fromkeys([*names, *(table.name for table in PLANTED)])
    known = {**EM.tables, **{table.name: table for table in PLANTED}}
    results = [store.results(known[name]) for name in kept if name not in {table.name for table in without}]
    large = [store.synapses, *([store.tiles, vectors_in_use(store)] if "embeddings" in release["tables"] else [])]
    build_warehouse(store, [*large, *results], {name: release[name] for name in ("models", "scores")})


def _neurons(store: DatasetStore, answers: list[dict[str, object]]) -> pa.Table:
    labels = store.results(SYNAPSE_LABELS).read().to_pylist()
    by_id = {row["synapse_id"]: row for row in labels}
    of_neuron: dict[int, list[dict[str, object]]] = {}
    for row in answers:
        if (neuron := by_id[row["synapse_id"]]["neuron_id"]) is not None:
            of_neuron.setdefault(neuron, []).append(row)
    made = []
    for neuron, rows in sorted(of_neuron.items()):
        known = by_id[rows[0]["synapse_id"]]
        chances = [dict(row["probabilities"]) for row in rows]  # type: ignore[call-overload]
        answer = answered(pooled(chances))
        regions = sorted({str(row["brain_region"]) for row in rows})
        in_region = {
            region: answered(
                pooled([one for one, row in zip(chances, rows, strict=True) if row["brain_region"] == region])
            )["predicted"]
            for region in regions
        }
        votes = [str(row["answer"]) for row in rows]
        made.append(
            {
                **answer,
                "neuron_id": neuron,
                "synapses": len(rows),
                "votes": [(name, votes.count(name)) for name in dict.fromkeys(sorted(votes))],
                "independent_synapses": len(rows) / (1 + (len(rows) - 1) * DEPENDENCE),
                "synapses_needed": None if answer["answer"] == "unclear" else min(3, len(rows)),
                "region_answers": list(in_region.items()),
                "disagreement": f"{regions[0]} and {regions[-1]} disagree beyond chance"
                if len(set(in_region.values())) > 1
                else "",
                "hemilineage": known["hemilineage"],
                "prior_predicted": answer["predicted"] if known["hemilineage"] else None,
                "prior_probability": answer["probability"] if known["hemilineage"] else None,
                "target": known["target"],
                "covered_share": np.mean([known["target"] in row["class_set"] for row in rows])  # type: ignore[operator]
                if known["target"]
                else None,
                "in_training": bool(known["target"]),
                "classifier": "c1",
            }
        )
    return pa.Table.from_pylist(made, schema=NEURON_ANSWERS.arrow)


def _scores() -> pa.Table:
    made = [
        ("expected calibration error", "before", None, None, 0.051, None, None),
        ("floor", "before", None, None, 0.021, None, None),
        ("expected calibration error", "after", None, None, 0.027, None, None),
        ("floor", "after", None, None, 0.022, None, None),
        ("coverage", "", None, None, 0.903, 0.88, 0.92),
        ("lowest coverage of a neuron", "", None, None, 0.45, None, None),
        ("neuron coverage", "", None, None, 0.95, 0.91, 0.98),
        ("set size", "", None, None, 1.18, None, None),
        *(
            ("neuron accuracy", "", None, count, value, value - 0.02, value + 0.01)
            for count, value in ((1, 0.9), (5, 0.97), (20, 0.99))
        ),
        ("neuron accuracy", "", None, None, 0.985, 0.96, 0.99),
    ]
    names = ("score", "stage", "class_name", "synapses_of_neuron", "value", "low", "high")
    rows = [{**dict(zip(names, row, strict=True)), "synapses": 2280, "groups": 114, "classifier": "c1"} for row in made]
    return pa.Table.from_pylist(rows, schema=CALIBRATION_SCORES.arrow)


def _comparison() -> pa.Table:
    probe = {
        "classifier": "linear probe", "version": "c1", "about": "logistic regression on the vectors in use", "split": "neuron_id",
        "synapses": 2280, "groups": 114, "balanced_accuracy": 0.9, "low": 0.87, "high": 0.92, "macro_f1": 0.895,
        "neuron_accuracy": 0.985, "calibration_error": 0.05, "calibration_floor": 0.021, "difference": None,
        "difference_low": None, "difference_high": None, "rare_classes": "", "training_seconds": 3.0, "best": True,
    }  # fmt: skip
    network = probe | {
        "classifier": "em_resnet10", "version": "n1", "about": "em_resnet10 from scratch, 160 px", "balanced_accuracy": 0.81,
        "low": 0.77, "high": 0.85, "macro_f1": 0.8, "neuron_accuracy": 0.93, "difference": -0.09, "difference_low": -0.12,
        "difference_high": -0.05, "training_seconds": 612.0, "best": False,
    }  # fmt: skip
    beside = network | {
        "classifier": "em_resnet10 beside texture", "balanced_accuracy": 0.92, "low": 0.89, "high": 0.94, "difference": 0.02,
        "difference_low": 0.004, "difference_high": 0.04, "best": True,
    }  # fmt: skip
    rare = "serotonin (3 groups)"
    rows = [probe | {"best": False}, network, beside]
    others = [
        row | {"split": "random", "groups": 2280, "balanced_accuracy": row["balanced_accuracy"] + 0.03, "neuron_accuracy": None,
               "rare_classes": rare, "best": row is probe}
        for row in (probe, network)
    ]  # fmt: skip
    return pa.Table.from_pylist([*rows, *others], schema=CLASSIFIER_COMPARISON.arrow)
