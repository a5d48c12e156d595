"""The content of the page of a neuron and of the list of all neurons.

Answers and what would change them come from `query.neurons`; what they are worth, from the table `calibration_scores`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from synapse_assets.analysis.evaluation.calibration_scores import (
    COVERED,
    ERROR,
    FLOOR,
    LOWEST_COVERED,
    NEURON_ACCURACY,
    NEURON_COVERED,
    SET_SIZE,
)
from synapse_assets.analysis.evaluation.predictions import UNCLEAR
from synapse_assets.datasets import Dataset
from synapse_assets.errors import BadInput
from synapse_assets.explorer import neuroglancer, pages
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.query import Neuron, NeuronRequest, Warehouse
from synapse_assets.query.neurons import ONLY, ORDERS, UnknownNeuron
from synapse_assets.schema.colours import NOISE_COLOUR, UNCLEAR_COLOUR

TILES = 48
LISTED = 100
_ALIKE = 8
# Points of a link to Neuroglancer: they all stand in its address.
_MOST_POINTS = 1_000


def read_neuron_id(warehouse: Warehouse, text: str) -> int:
    """The id of a neuron in an address, to the last digit. Raises UnknownNeuron for what is no whole number."""
    digits = text.strip()
    if len(digits) <= 20 and digits.isascii() and digits.removeprefix("-").isdigit():
        return int(digits)
    ids = warehouse.points.neuron_ids
    example = f", such as {ids[0]}" if len(ids) else ""
    raise UnknownNeuron(f"no neuron '{text[:60]}' in this release: the id of a neuron is a whole number{example}")


def neuron(
    warehouse: Warehouse,
    dataset: Dataset,
    name: str,
    neuron_id: int,
    least_first: bool,
    page: int,
    describe_error: ErrorMessages,
) -> dict[str, Any]:
    """The page of one neuron. Raises UnknownNeuron for an id that the release does not have. name: of the explorer's entry."""
    found = warehouse.neuron(neuron_id)
    points = warehouse.points
    colours = _colours(warehouse)
    order = np.arange(len(found.rows))[:: -1 if least_first else 1]
    last = max(1, -(-len(order) // TILES))
    page = min(max(page, 1), last)
    shown = order[(page - 1) * TILES : page * TILES]
    content: dict[str, Any] = {
        "release": warehouse.release_id,
        "neuron_id": neuron_id,
        "answer": found.answer,
        "verdict": _verdict(found.answer),
        "no_answer": "" if found.answer else _no_answer(warehouse, name),
        "known": _known(found),
        "colours": colours,
        "count": len(found.rows),
        "regions": _regions(found, colours),
        "votes": _bars("votes of its synapses", found.answer["votes"], colours) if found.answer else None,
        "pooled": found.answer["probabilities"] if found.answer else {},
        "changes": found.changes.sentences if found.changes else [],
        "tiles": [_tile(warehouse, found, int(at)) for at in shown],
        "pictures": warehouse.has_pictures,
        "sorted": "support" in found.synapses,
        "least_first": least_first,
        "page": page,
        "last_page": last,
        "first_number": (page - 1) * TILES + 1,
        "cluster_verdict": points.cluster_verdict,
    }
    content |= _neuroglancer(dataset, warehouse, found)
    try:
        alike = warehouse.similar_neurons(neuron_id, _ALIKE)
        content["alike"] = [_with_verdict(_plain(row)) for row in alike.to_dict("records")]
    except BadInput as error:
        content["no_alike"] = describe_error(error, f"the neurons like {neuron_id}")
    return content


def neurons(warehouse: Warehouse, dataset: Dataset, name: str, request: NeuronRequest, page: int) -> dict[str, Any]:
    """The list of neurons, and how far answers can be trusted. name: of the explorer's entry."""
    count = warehouse.count_neurons(request)
    last = max(1, -(-count // LISTED))
    page = min(max(page, 1), last)
    rows = warehouse.neurons(request, LISTED, (page - 1) * LISTED)
    has_answers = bool(warehouse.neuron_counts("answer"))
    content: dict[str, Any] = {
        "request_of": request,
        "only": {key: title for key, (title, _) in ONLY.items()},
        "orders": {key: title for key, (title, _) in ORDERS.items()},
        "answers": warehouse.neuron_counts("answer"),
        "targets": warehouse.neuron_counts("target"),
        "neurons": [{**row, "verdict": _verdict(row)} for row in rows],
        "count": count,
        "page": page,
        "last_page": last,
        "address": urlencode({key: value for key, value in asdict(request).items() if value}),
        "colours": _colours(warehouse),
        "has_answers": has_answers,
        "trust": trust(warehouse.calibration_scores()),
    }
    if not has_answers:
        content["reason"] = _no_answer(warehouse, name)
        content["largest"] = _largest(warehouse)
    return content


def trust(scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of `calibration_scores` for a page; what the table lacks is absent.

    accuracy: a line for each number of synapses, all of them last. calibration: error before and after, and its floor. coverage,
    lowest_coverage of a neuron and the mean set_size: of the sets of synapses. neuron_coverage: of the sets of neurons.
    """
    whole = [row for row in scores if not row["class_name"]]
    accuracy = [row for row in whole if row["score"] == NEURON_ACCURACY]
    found: dict[str, Any] = {}
    if accuracy:
        found["accuracy"] = sorted(accuracy, key=lambda row: row["synapses_of_neuron"] or 2**31)
    of_all = {(row["score"], row["stage"]): row for row in whole if row["synapses_of_neuron"] is None}
    if (ERROR, "after") in of_all:
        keys = {"after": (ERROR, "after"), "before": (ERROR, "before"), "floor": (FLOOR, "after")}
        found["calibration"] = {name: of_all[key]["value"] if key in of_all else None for name, key in keys.items()}
    named = {
        "coverage": COVERED,
        "lowest_coverage": LOWEST_COVERED,
        "set_size": SET_SIZE,
        "neuron_coverage": NEURON_COVERED,
    }
    for name, score in named.items():
        if (score, "") in of_all:
            found[name] = of_all[score, ""]
    return found


def _colours(warehouse: Warehouse) -> Mapping[str, str]:
    points = warehouse.points
    named: dict[str, str] = {}
    for name in ("target", "predicted", "answer"):
        if name in points.categories:
            named |= points.colours(name)
    return {**named, UNCLEAR: UNCLEAR_COLOUR}


def _verdict(answer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The answer in a few words: `text`; and whether it is the known class: `agrees`, None if unknown or unclear."""
    if answer is None:
        return None
    clear = answer["answer"] != UNCLEAR
    among = " or ".join(answer["class_set"] or ()) or "no class is probable enough"
    known = answer["target"]
    return {
        "is_clear": clear,
        "name": answer["answer"],
        "text": answer["answer"] if clear else f"unclear: {among}",
        "probability": answer["probability"],
        "agrees": answer["answer"] == known if known and clear else None,
    }


def _no_answer(warehouse: Warehouse, name: str) -> str:
    tables = warehouse.release["tables"]
    if not len(warehouse.points.neuron_ids):
        return f"No synapse of {name} names its neuron, so there are no neurons to answer for."
    if "target" not in warehouse.points.categories:
        return (
            "There are no answers: no class of any synapse is known in this dataset, so no classifier could be fitted. Name a column of "
            f"classes in the dataset file, materialise {name} from synapse_labels on, then {name}/warehouse."
        )
    if not all(tables.get(table, {}).get("rows") for table in ("synapse_answers", "neuron_answers")):
        steps = ", ".join(f"{name}/{asset}" for asset in ("calibration", "synapse_answers", "neuron_answers"))
        return f"There are no answers of neurons in this release: materialise {steps}, then {name}/warehouse."
    return (
        "There is no answer for this neuron: none of its synapses has a calibrated answer. Materialise "
        f"{name}/synapse_answers of its brain regions, {name}/neuron_answers, then {name}/warehouse."
    )


def _known(found: Neuron) -> dict[str, Any]:
    """What is known of the neuron: class, hemilineage and cell type, the most frequent of its synapses."""
    known = {}
    for name in ("target", "hemilineage", "cell_type"):
        values = found.synapses[name].dropna() if name in found.synapses else pd.Series(dtype=object)
        if len(values):
            known[name] = str(values.mode().iloc[0])
    return known


def _regions(found: Neuron, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Its synapses by brain region, most first, and what those of each region answer."""
    counts = Counter(found.synapses["brain_region"].dropna().tolist() if "brain_region" in found.synapses else [])
    answers = found.answer["region_answers"] if found.answer else {}
    most = max(counts.values(), default=1)
    return [
        {
            "region": region,
            "count": count,
            "width": count / most,
            "answer": answers.get(region),
            "colour": colours.get(str(answers.get(region)), NOISE_COLOUR),
            "link": urlencode({"brain_region": region}),
        }
        for region, count in counts.most_common()
    ]


def _bars(title: str, counts: Mapping[str, int], colours: Mapping[str, str]) -> dict[str, Any]:
    """Counts by class as the macro `bars` shows them."""
    total = max(1, sum(counts.values()))
    lines: list[dict[str, Any]] = [
        {"value": name, "count": count, "share": count / total, "colour": colours.get(name, NOISE_COLOUR), "link": ""}
        for name, count in counts.items()
    ]
    return {
        "name": "votes",
        "title": title,
        "lines": lines,
        "largest": max((line["share"] for line in lines), default=1),
    }


def _tile(warehouse: Warehouse, found: Neuron, at: int) -> dict[str, Any]:
    """A synapse of the neuron as the macro `tile` shows it, with its support and its set."""
    of_answers = found.synapses.iloc[at].to_dict()
    support = float(of_answers.get("support", np.nan))
    return {
        **pages.facts(warehouse.points, int(found.rows[at])),
        "support": None if np.isnan(support) else support,
        "class_set": of_answers.get("class_set") or [],
    }


def _neuroglancer(dataset: Dataset, warehouse: Warehouse, found: Neuron) -> dict[str, Any]:
    """The link to all synapses of the neuron that lie in the volume of most of them."""
    volumes = warehouse.points.volumes
    if not dataset.tile_volumes or volumes is None or found.synapses.empty:
        return {}
    names = pd.Series(volumes.take(found.rows).to_pylist(), dtype=object)
    counts = names.value_counts()
    if counts.empty or counts.index[0] not in dataset.tile_volumes:
        return {}
    name = str(counts.index[0])
    there = found.synapses[(names == name).to_numpy()].head(_MOST_POINTS)
    at = there[["x_nm", "y_nm", "z_nm"]].to_numpy(dtype=np.float64).tolist()
    places = [(synapse_id, (x, y, z)) for synapse_id, (x, y, z) in zip(there["synapse_id"].tolist(), at, strict=True)]
    url = neuroglancer.link_to_all(dataset.tile_volumes[name], name, places)
    return {"neuroglancer": url, "neuroglancer_points": len(places), "volume": name}


def _largest(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The neurons with most synapses, for a release without answers."""
    points = warehouse.points
    counts = np.bincount(points.neurons[points.neurons >= 0], minlength=len(points.neuron_ids))
    largest = np.argsort(-counts, kind="stable")[:LISTED].tolist()
    return [{"neuron_id": points.neuron_ids[code].as_py(), "synapses": int(counts[code])} for code in largest]


def _with_verdict(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "verdict": _verdict(row if row.get("answer") else None)}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with None for what is missing."""
    return {str(name): None if not isinstance(value, list) and pd.isna(value) else value for name, value in row.items()}
