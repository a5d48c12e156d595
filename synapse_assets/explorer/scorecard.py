"""The content of the page of the scorecard: encoders by scores, and what two of them find for one synapse, side by side.

The scores are those of the release (`pipeline.em.scorecard` makes them); the search is that of the search page, own neuron and near
places left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synapse_assets.datasets import Dataset
from synapse_assets.errors import BadInput
from synapse_assets.explorer import pages
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.urls import tile_url
from synapse_assets.query import METRICS, SearchRequest, Warehouse
from synapse_assets.query.points import CATEGORIES

NEAREST = 12
# Distances of the scorecard, and of the search that answers alike.
_METRICS = {"cosine": "cosine", "euclidean": "l2"}
_METRIC_TITLES = {"cosine": "cosine distance", "euclidean": "Euclidean distance"}
# Labels of the scorecard, and the column of classes that each is of.
_LABELS = {"class": "target", "cell_type": "cell_type", "hemilineage": "hemilineage"}
_ROLES = ("in use", "candidate", "earlier", "baseline")
_BASELINES = ("raw pixels", "untrained network", "random")
# Title, explanation, score and k of every column.
_COLUMNS = (
    ("10-NN", "balanced accuracy of a vote of the 10 nearest", "k-NN balanced accuracy", 10),
    ("linear", "balanced accuracy of a linear probe, whole groups held out", "linear balanced accuracy", None),
    ("precision at 10", "share of the same kind among the 10 nearest", "precision", 10),
    ("precision at 1", "share of the same kind among the nearest ones", "precision", 1),
    ("recall at 5", "share of queries with one of their kind among the 5 nearest", "recall", 5),
    ("recall at 10", "share of queries with one of their kind among the 10 nearest", "recall", 10),
    ("mAP", "mean average precision over the whole order", "mean average precision", None),
)


@dataclass(frozen=True)
class Choice:
    """What the address says: a label, a metric, a synapse, and two encoders; "" where it does not."""

    label: str = ""
    metric: str = ""
    synapse_id: str = ""
    left: str = ""
    right: str = ""


def scorecard(
    warehouse: Warehouse, dataset: Dataset, name: str, choice: Choice, describe_error: ErrorMessages
) -> dict[str, Any]:
    """The table for a label and a metric, and the nearest synapses of a query by two encoders.

    Raises BadInput for a label, metric or encoder that there is not, and for a dataset without pictures. name: of the explorer's entry.
    """
    if not warehouse.has_pictures:
        raise BadInput(f"{name} has no pictures of its synapses, and so no encoder whose vectors could be judged")
    rows = warehouse.scorecard()
    labels = [label for label in _LABELS if any(row["label"] == label for row in rows)]
    metric = _one_of("metric", choice.metric, list(_METRICS), "cosine")
    label = _one_of("label", choice.label, labels or list(_LABELS), (labels or list(_LABELS))[0])
    encoders = warehouse.encoders
    left = _one_of("encoder", choice.left, encoders, next(iter(encoders), ""))
    others = [encoder for encoder in encoders if encoder != left]
    right = _one_of("encoder", choice.right, encoders, next(iter(others), ""))
    facts = {row["encoder"]: row for row in rows}
    points = warehouse.points
    content: dict[str, Any] = {
        "release": warehouse.release_id,
        "labels": {each: _label_title(each) for each in labels},
        "metrics": _METRIC_TITLES,
        "label": label,
        "metric": metric,
        "encoders": {each: _encoder_title(each, facts, encoders[0]) for each in encoders},
        "left": left,
        "right": right,
        "synapse_id": choice.synapse_id,
        "example": points.ids[len(points) // 2].as_py() if len(points) else "",
        "near_nm": dataset.same_place_nm,
        "distance": METRICS[_METRICS[metric]],
        "cluster_verdict": points.cluster_verdict,
        **_table(rows, label, metric),
    }
    if not rows:
        content["reason"] = (
            f"There is no scorecard in this release: materialise {name}/retrieval_scorecard, then {name}/warehouse. Its table has "
            "no rows where no class, cell type or hemilineage is known."
        )
    if choice.synapse_id and encoders:
        try:
            content |= _neighbours(warehouse, dataset, name, choice.synapse_id, label, metric, [left, right])
        except BadInput as error:
            content["no_neighbours"] = describe_error(error, f"what resembles {choice.synapse_id!r}")
    return content


def _one_of(what: str, chosen: str, known: Sequence[str], default: str) -> str:
    if not chosen:
        return default
    if chosen not in known:
        raise BadInput(f"no {what} '{chosen[:60]}'; there are {', '.join(known) or 'none'}")
    return chosen


def _label_title(label: str) -> str:
    return CATEGORIES[_LABELS[label]]


def _encoder_title(encoder: str, facts: Mapping[str, Mapping[str, Any]], released: str) -> str:
    """Version and role; the origin too where the scorecard knows it."""
    if encoder not in facts:
        return f"{encoder} ({'in use' if encoder == released else 'not on the scorecard'})"
    return f"{encoder} ({facts[encoder]['role']}; {facts[encoder]['origin']})"


def _table(rows: Sequence[Mapping[str, Any]], label: str, metric: str) -> dict[str, Any]:
    """Columns, and a line for each encoder and baseline with its scores; the best encoder of a column is marked."""
    chosen = {
        (row["encoder"], row["score"], row["k"]): row
        for row in rows
        if row["label"] == label and row["metric"] in (None, metric)
    }
    columns = [column for column in _COLUMNS if any(key[1:] == column[2:] for key in chosen)]
    facts = {row["encoder"]: row for row in chosen.values()}
    ordered = sorted(facts, key=lambda encoder: (_rank(_ROLES, facts[encoder]["role"]), _rank(_BASELINES, encoder)))
    best = {
        column: max(
            (
                row["value"]
                for (_, *key), row in chosen.items()
                if tuple(key) == column[2:] and row["role"] != "baseline"
            ),
            default=None,
        )
        for column in columns
    }
    lines = [
        {
            "encoder": encoder,
            "role": facts[encoder]["role"],
            "origin": facts[encoder]["origin"],
            "cells": [
                {**cell, "best": cell["role"] != "baseline" and cell["value"] == best[column]}
                if (cell := chosen.get((encoder, *column[2:]))) is not None
                else None
                for column in columns
            ],
        }
        for encoder in ordered
    ]
    any_row = next(iter(chosen.values()), None)
    in_use = next((encoder for encoder in ordered if facts[encoder]["role"] == "in use"), "")
    knn = [chosen.get((encoder, *_COLUMNS[0][2:])) for encoder in (in_use, *_BASELINES[::2])]
    return {
        "bar": {name: row["value"] for name, row in zip(("in_use", "pixels", "chance"), knn, strict=True) if row},
        "columns": columns,
        "lines": lines,
        "queries": any_row["queries"] if any_row else 0,
        "groups": any_row["groups"] if any_row else 0,
        "left_out": any_row["left_out"] if any_row else 0,
    }


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _neighbours(
    warehouse: Warehouse, dataset: Dataset, name: str, synapse_id: str, label: str, metric: str, encoders: Sequence[str]
) -> dict[str, Any]:
    """The query, and its nearest synapses by each of the encoders. Raises BadInput where it has no vector."""
    points = warehouse.points
    row = points.row(synapse_id)
    query = pages.facts(points, row)
    column = _LABELS[label]
    kind = query[column]["value"] if column in query else None
    sides = []
    for encoder in dict.fromkeys(encoder for encoder in encoders if encoder):
        request = SearchRequest(
            query["synapse_id"],
            k=NEAREST,
            metric=_METRICS[metric],  # type: ignore[arg-type]
            leave_out_within_nm=dataset.same_place_nm,
            encoder=encoder,
        )
        tiles = []
        answer = warehouse.similar(request)
        for found, apart in zip(answer["synapse_id"].tolist(), answer["distance"].tolist(), strict=True):
            tile = pages.facts(points, points.row(found))
            same = kind is not None and column in tile and tile[column]["value"] == kind
            tiles.append({**tile, "distance": apart, "same": same})
        sides.append({"encoder": encoder, "tiles": tiles, "same": sum(tile["same"] for tile in tiles)})
    picture = tile_url(name, warehouse.release_id, query["synapse_id"])
    return {"query": query, "picture": picture, "kind": kind, "sides": sides, "of_label": _label_title(label)}
