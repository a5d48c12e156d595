"""The content of each page, as plain values that the templates show. Routes belong to `server`."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from synapse_assets.analysis.clustering.verdict_power import power
from synapse_assets.analysis.evaluation.predictions import UNCLEAR
from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.explorer import neuroglancer
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.question import Question, filter_options, read_place
from synapse_assets.explorer.releases import ExplorerEntry, Releases
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import METRICS, Filters, Warehouse
from synapse_assets.query.points import CATEGORIES, NONE, NUMBERS, Points
from synapse_assets.report import REPORT_FILE
from synapse_assets.schema.colours import NOISE_COLOUR
from synapse_assets.volumes.volume import voxel_of

# Tiles of a page: of the most typical synapses, and of a random sample.
TYPICAL, SAMPLE = 6, 48
NEAREST = 8
# Lines of a composition; the rest is summed.
_LINES = 8


def summary(releases: Releases, entry: ExplorerEntry, describe_error: ErrorMessages) -> dict[str, Any]:
    """Name, title and size of an entry, and whether it has a report; or why there is nothing to see yet."""
    noun = chain_of(entry.dataset).in_words("synapse")
    content = {"name": entry.name, "title": entry.title, "description": entry.dataset.description, "noun": noun}
    try:
        warehouse = releases(entry.name)
        rows = {table: facts["rows"] for table, facts in warehouse.release["tables"].items()}
        counts = {f"{noun}s": len(warehouse.points) if entry.group else rows.get("synapses")}
        counts["mitochondria"] = rows.get("mitochondria")
        there = {what: count for what, count in counts.items() if count is not None}
        reported = releases.folder(entry.name).exists(REPORT_FILE)
        return {**content, "counts": there, "created": warehouse.release["created"], "reported": reported}
    except BadInput as error:
        return {**content, "reason": describe_error(error, entry.name)}


def default_question(dataset: Dataset, warehouse: Warehouse) -> Question:
    """The search unless the URL says otherwise: by known class, without tiles that show the query's position."""
    columns = next((name for name in ("target", "predicted", "cluster") if name in warehouse.points.categories), "")
    return Question(columns=columns, near_nm=float(dataset.same_place_nm))


def search_form(warehouse: Warehouse, question: Question, has_volume: bool) -> dict[str, Any]:
    """The choices of the form, and what is chosen. has_volume: whether a place can be searched with."""
    points = warehouse.points
    chosen = question.filters.any_of
    filters = [
        {
            "name": name,
            "title": column.title,
            "values": [
                {"value": value, "count": count, "chosen": value in chosen.get(name, ())}
                for value, count in column.counts().items()
            ],
        }
        for name, column in points.categories.items()
    ]
    numbers = [
        {"name": f"{name}_least", "title": NUMBERS[name], "value": question.filters.least.get(name, "")}
        for name in points.numbers
    ]
    sides = {name: column.title for name, column in points.categories.items()}
    return {
        "release": warehouse.release_id,
        "question": question,
        "columns": sides,
        "metrics": METRICS,
        "filters": filters,
        "numbers": numbers,
        "filtered": bool(filter_options(question.filters)),
        "by_cluster": points.are_of_clusters([question.columns, *chosen, *question.filters.least]),
        "cluster_verdict": points.cluster_verdict,
        "has_volume": has_volume,
        # An exported site lacks the encoder, and with it places and pictures.
        "takes_pictures": True,
        "has_neurons": len(points.neuron_ids) > 0,
        "example": points.ids[len(points) // 2].as_py() if len(points) else "",
        "synapses": len(points),
    }


def search(warehouse: Warehouse, dataset: Dataset, name: str, question: Question, uploads: Uploads) -> dict[str, Any]:
    """The form, the query and, in columns, the most similar synapses. Raises BadInput where the search cannot run."""
    form = search_form(warehouse, question, bool(dataset.tile_volumes))
    if not question.is_asked:
        return form
    answer = warehouse.similar(question.request(uploads))
    if question.synapse_id:
        query: dict[str, Any] = {"facts": facts(warehouse.points, warehouse.points.row(question.synapse_id))}
    elif question.upload:
        query = {"title": "Uploaded picture", "picture": f"/{quote(name)}/uploads/{question.upload}.png"}
    else:
        at = ",".join(f"{x:g}" for x in question.place_nm or ())
        query = {"title": f"Place {at} nm", "picture": f"/{quote(name)}/place.png?{urlencode({'at': at})}"}
    return {**form, "query": query, "found": _side_by_side(warehouse.points, question, answer)}


def similar_records(warehouse: Warehouse, question: Question) -> list[dict[str, Any]]:
    """The answer to a search as records. Raises BadInput where there is nothing to search for."""
    if not question.is_asked or question.upload:
        raise BadInput("name a synapse_id, or a place in nanometres")
    return records(warehouse.similar(question.request(Uploads())))


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; unknown values are null. Neuron ids are texts: they are too long for other programs' numbers."""
    plain = [
        {str(name): value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
        for row in rows.astype(object).where(rows.notna(), None).to_dict("records")
    ]
    return [{**row, "neuron_id": None if row["neuron_id"] is None else str(row["neuron_id"])} for row in plain]


def synapse(warehouse: Warehouse, dataset: Dataset, synapse_id: str, describe_error: ErrorMessages) -> dict[str, Any]:
    """The card of one synapse. Raises BadInput for an unknown id."""
    points = warehouse.points
    row = points.row(synapse_id)
    synapse_id = points.ids[row].as_py()
    position_nm = tuple(points.places_nm[row].tolist())
    content: dict[str, Any] = {
        "release": warehouse.release_id,
        "facts": facts(points, row),
        "place_nm": position_nm,
        "neuron_synapses": int((points.neurons == points.neurons[row]).sum()) if points.neurons[row] >= 0 else 0,
        "probabilities": warehouse.probabilities(synapse_id),
        "calibrated": warehouse.synapse_answer(synapse_id),
        "colours": points.colours("predicted") if "predicted" in points.categories else {},
        "cluster_verdict": points.cluster_verdict,
    }
    if dataset.tile_volumes or warehouse.has_pictures:
        name = str(points.volumes[row].as_py()) if points.volumes is not None else ""
        if name in dataset.tile_volumes:
            spec = dataset.tile_volumes[name]
            content["volume"] = name
            content["voxel"] = voxel_of(np.array([position_nm]), spec.voxel_size_nm)[0].tolist()
            content["voxel_size_nm"] = " x ".join(f"{size:g}" for size in spec.voxel_size_nm)
            content["neuroglancer"] = neuroglancer.link(spec, name, position_nm, synapse_id)
        # What a synapse lacks is explained in its place; the rest of the card stays.
        try:
            content["sections"] = range(warehouse.tile(synapse_id).shape[0])
        except BadInput as error:
            content["no_picture"] = describe_error(error, f"the picture of {synapse_id!r}")
        try:
            near_nm = default_question(dataset, warehouse).near_nm
            question = Question(synapse_id, k=NEAREST, near_nm=near_nm)
            neighbours = warehouse.similar(question.request(Uploads()))
            content["nearest"] = [_with_distance(points, neighbour) for neighbour in neighbours.itertuples()]
            content["question"] = question
            content["counterfactual"] = _counterfactual(warehouse, synapse_id, near_nm)
        except BadInput as error:
            content["no_neighbours"] = describe_error(error, f"what resembles {synapse_id!r}")
    return content


def gallery(warehouse: Warehouse, filters: Filters, seed: int, describe_error: ErrorMessages) -> dict[str, Any]:
    """The filtered synapses: the most typical, a random sample, their classes, and their neurons.

    Raises BadInput if the filters leave nothing.
    """
    points = warehouse.points
    selected = points.select(filters)
    rows = np.flatnonzero(selected)
    if not len(rows):
        raise BadInput("no synapse fulfils these filters")
    sample = np.sort(np.random.default_rng(abs(seed)).permutation(rows)[:SAMPLE])
    typical, no_typical = np.empty(0, dtype=np.int64), ""
    if warehouse.has_pictures:
        try:
            typical = warehouse.typical(selected, TYPICAL)
        except BadInput as error:
            no_typical = describe_error(error, "the most typical synapses")
    return {
        "release": warehouse.release_id,
        "filters": [
            (CATEGORIES.get(name) or f"least {NUMBERS[name.removesuffix('_least')]}", value)
            for name, value in filter_options(filters)
        ],
        "by_cluster": points.are_of_clusters([*filters.any_of, *filters.least]),
        "cluster_verdict": points.cluster_verdict,
        "address": urlencode(filter_options(filters)),
        "seed": seed,
        "count": len(rows),
        "share": len(rows) / len(points),
        "typical": [facts(points, int(row)) for row in typical],
        "no_typical": no_typical,
        "sample": [facts(points, int(row)) for row in sample],
        "pictures": warehouse.has_pictures,
        "compositions": [
            composition(points, name, selected)
            for name in ("target", "predicted", "answer", "neuron_type", "synapse_type", "brain_region", "cluster")
            if name in points.categories and name not in filters.any_of
        ],
        "neurons": _neurons(points, rows),
    }


def composition(points: Points, name: str, selected: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """How many of the selected synapses are of each class of a column: the largest classes, and the others together."""
    column = points.category(name)
    counts = [(value, count) for value, count in column.counts(selected).items() if count]
    largest = sorted(counts, key=lambda entry: (entry[0] == NONE, -entry[1]))
    total, colours = sum(count for _, count in counts), points.colours(name)
    lines: list[dict[str, Any]] = [
        {
            "value": value,
            "count": count,
            "share": count / total,
            "colour": colours[value],
            "link": urlencode({name: value}),
        }
        for value, count in largest[:_LINES]
    ]
    if rest := sum(count for _, count in largest[_LINES:]):
        title = f"{len(largest) - _LINES} others"
        lines.append({"value": title, "count": rest, "share": rest / total, "colour": NOISE_COLOUR, "link": ""})
    return {
        "name": name,
        "title": column.title,
        "lines": lines,
        "largest": max((line["share"] for line in lines), default=1),
    }


def clusters(warehouse: Warehouse) -> dict[str, Any]:
    """All clusters with their most typical synapses, and how far they can be trusted."""
    if "cluster" not in warehouse.points.categories:
        raise BadInput("no clusters were published for this dataset yet: materialise clusters and the warehouse")
    cards = [_card(warehouse.points, card) for card in _cluster_cards(warehouse)]
    kinds = ("target", "neuron_type", "brain_region", "cluster")
    colour_column = next(kind for kind in kinds if kind in warehouse.points.categories)
    return {
        "release": warehouse.release_id,
        "cards": [card for card in cards if card["cluster"] >= 0],
        "noise": next((card for card in cards if card["cluster"] < 0), None),
        "power": _power(warehouse),
        "recipes": _recipes(warehouse),
        "stability": warehouse.stability(),
        "none_is": NONE,
        "coloured": CATEGORIES[colour_column],
        "colours": warehouse.points.colours(colour_column),
    }


def cluster(warehouse: Warehouse, number: int, seed: int, describe_error: ErrorMessages) -> dict[str, Any]:
    """One cluster: its card, medoids, and what `gallery` shows. Raises BadInput for an unknown number."""
    if number < 0:
        raise BadInput("synapses in no cluster are noise; they are on the map in grey")
    content = gallery(warehouse, Filters({"cluster": [str(number)]}), seed, describe_error)
    card = next(
        (
            _card(warehouse.points, published)
            for published in _cluster_cards(warehouse)
            if published["cluster"] == number
        ),
        None,
    )
    return {**content, "number": number, "card": card, "stability": warehouse.stability()}


def classes(warehouse: Warehouse) -> dict[str, Any]:
    """Known against out-of-fold predicted classes, and the scores of the classifier."""
    points = warehouse.points
    if "target" not in points.categories:
        raise BadInput("no class of any synapse is known in this dataset: there is nothing to compare predictions with")
    target = points.categories["target"]
    content: dict[str, Any] = {
        "counts": target.counts(),
        "colours": points.colours("target"),
        "scores": warehouse.release.get("scores", {}).get("synapse_classifier"),
        "confusions": [
            _confusion(points, name)
            for name in ("predicted", "answer")
            if {name, "out_of_fold"} <= set(points.categories)
        ],
    }
    return content


def _confusion(points: Points, name: str) -> dict[str, Any]:
    """Known classes against a column of classes, of the synapses that were judged out of fold; 'unclear' comes last."""
    target, column = points.categories["target"], points.categories[name]
    scored = points.select(Filters({"out_of_fold": ["yes"]})) & (target.codes >= 0) & (column.codes >= 0)
    counts = np.zeros((len(target.names), len(column.names)), dtype=np.int64)
    np.add.at(counts, (target.codes[scored], column.codes[scored]), 1)
    order = sorted(range(len(column.names)), key=lambda code: (column.names[code] == UNCLEAR, code))
    names = [column.names[code] for code in order]
    lines: list[dict[str, Any]] = [
        {
            "known": known,
            "total": int(line.sum()),
            "cells": [
                {
                    "count": int(count),
                    "share": count / max(1, line.sum()),
                    "right": known == value,
                    "link": urlencode({"target": known, name: value, "out_of_fold": "yes"}),
                }
                for value, count in zip(names, line, strict=True)
            ],
        }
        for known, line in zip(target.names, counts[:, order], strict=True)
    ]
    total, unclear = int(counts.sum()), int(counts[:, [value == UNCLEAR for value in column.names]].sum())
    right = sum(cell["count"] for line in lines for cell in line["cells"] if cell["right"])
    return {
        "column": name,
        "names": names,
        "colours": points.colours(name),
        "lines": lines,
        "total": total,
        "unclear": unclear / max(1, total),
        "right": right / max(1, total - unclear),
    }


def facts(points: Points, row: int) -> dict[str, Any]:
    """The facts of one synapse: id, neuron, each class with its colour, scores."""
    neuron = points.neurons[row]
    content: dict[str, Any] = {
        "synapse_id": points.ids[int(row)].as_py(),
        "neuron_id": None if neuron < 0 else str(points.neuron_ids[int(neuron)].as_py()),
        "classes": [
            {
                "name": name,
                "title": column.title,
                "value": value,
                "colour": points.colours(name).get(value, NOISE_COLOUR),
            }
            for name, column in points.categories.items()
            if (value := column.value(row)) is not None and name != "out_of_fold"
        ],
        "numbers": [
            (NUMBERS[name], float(numbers[row]))
            for name, numbers in points.numbers.items()
            if not np.isnan(numbers[row])
        ],
    }
    return {**content, **{entry["name"]: entry for entry in content["classes"]}}


def released_facts(points: Points, synapse_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The facts of those of the synapses that the release has, in their order."""
    released = set(points.ids.filter(pc.is_in(points.ids, pa.array(synapse_ids, pa.string()))).to_pylist())
    return [facts(points, points.row(one)) for one in synapse_ids if one in released]


def section_png(tile: npt.NDArray[np.uint8], section: int | None) -> bytes:
    """One section of a tile (sections, height, width) as a PNG; by default the middle section. Raises BadInput for a section it lacks."""
    index = len(tile) // 2 if section is None else section
    if not 0 <= index < len(tile):
        raise BadInput(f"the tile has sections 0 to {len(tile) - 1}, not {index}")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(tile[index])).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def place_png(warehouse: Warehouse, text: str) -> bytes:
    """The middle section of a tile cut at a place, `x,y,z` in nanometres, as a PNG."""
    return section_png(warehouse.tile_at(read_place(text)), None)


def _side_by_side(points: Points, question: Question, answer: pd.DataFrame) -> list[dict[str, Any]]:
    if not question.columns:
        return [{"title": "", "colour": "", "tiles": [_with_distance(points, row) for row in answer.itertuples()]}]
    colours = points.colours(question.columns)
    return [
        {
            "title": f"cluster {name}" if question.columns == "cluster" else name,
            "colour": colours[str(name)],
            "tiles": [_with_distance(points, row) for row in rows.itertuples()],
        }
        for name, rows in answer.groupby("column", sort=False)
    ]


def _with_distance(points: Points, row: Any) -> dict[str, Any]:
    return {**facts(points, points.row(row.synapse_id)), "distance": row.distance}


def _counterfactual(warehouse: Warehouse, synapse_id: str, near_nm: float) -> dict[str, Any] | None:
    """The nearest synapse of another class, with its distance; None where there is none."""
    try:
        nearest = warehouse.counterfactual(synapse_id, near_nm)
    except BadInput:
        return None
    row = warehouse.points.row(nearest["synapse_id"])
    return {**facts(warehouse.points, row), "distance": nearest["distance"], "of_class": nearest["column"]}


def _neurons(points: Points, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The number of neurons of these synapses, and the neurons with most of them, like a `composition`."""
    codes = points.neurons[rows]
    neuron_codes, counts = np.unique(codes[codes >= 0], return_counts=True)
    lines: list[dict[str, Any]] = [
        {
            "value": str(points.neuron_ids[int(neuron_codes[index])].as_py()),
            "count": int(counts[index]),
            "share": counts[index] / len(rows),
            "colour": "var(--quiet)",
            "link": "",
            "neuron": True,
        }
        for index in np.argsort(-counts, kind="stable")[:_LINES]
    ]
    without = int((codes < 0).sum())
    title = f"neurons: {len(neuron_codes):,}" + (f", and {without:,} synapses of none" if without else "")
    largest = max((line["share"] for line in lines), default=1)
    return {"title": title, "count": len(neuron_codes), "lines": lines, "largest": largest}


def _card(points: Points, card: Mapping[str, Any]) -> dict[str, Any]:
    medoids = released_facts(points, card["medoids"])
    # Cards of older releases say nothing of it.
    explained = json.loads(card.get("explained_by") or "{}")
    parts = [{"name": name, "share": synapses / card["synapses"]} for name, synapses in explained.items()]
    card = {**card, "medoids": medoids, "explained_by": parts}
    name = str(card["cluster"]) if card["cluster"] >= 0 else NONE
    column = points.categories["cluster"]
    if name not in (NONE, *column.names):
        return {**card, "compositions": []}
    selected = column.codes == column.code(name)
    compositions = [
        composition(points, name, selected)
        for name in ("target", "neuron_type", "brain_region")
        if name in points.categories
    ]
    return {**card, "compositions": compositions}


def _cluster_cards(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The published cards; for a dataset without pictures from the points, without medoids."""
    if warehouse.has_pictures:
        return warehouse.cluster_cards()
    points = warehouse.points
    column, cards = points.category("cluster"), []
    for code, name in enumerate(column.names):
        rows = np.flatnonzero(column.codes == code)
        neurons = _neurons(points, rows)
        most = neurons["lines"][0]["share"] if neurons["lines"] else 0.0
        cards.append(
            {
                "cluster": int(name),
                "synapses": len(rows),
                "share": len(rows) / len(points),
                "medoids": [],
                "neurons": neurons["count"],
                "top_neuron_share": most,
                "one_neuron": neurons["count"] == 1,
                "verdict": points.cluster_verdict,
            }
        )
    return cards


def _power(warehouse: Warehouse) -> str:
    """What separation the verdict on a group could have seen, in a sentence; empty where there is no such verdict."""
    if "cluster_stability" not in warehouse.release["tables"]:
        return ""
    rows = warehouse.sql("select synapses from cluster_stability where investigation_group = ?", [warehouse.group])
    return "" if rows.empty else power(int(rows["synapses"].iloc[0])).sentence


def _recipes(warehouse: Warehouse) -> dict[str, Any]:
    """What other ways to cluster a group find: the paragraph, and a line for each recipe; empty where none were compared."""
    if "recipe_summary" not in warehouse.release["tables"]:
        return {}
    summary = warehouse.sql("select paragraph from recipe_summary where investigation_group = ?", [warehouse.group])
    if summary.empty:
        return {}
    rows = warehouse.sql("select * from recipe_comparison where investigation_group = ?", [warehouse.group])
    lines = [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in rows.to_dict("records")
    ]
    return {"paragraph": summary["paragraph"].iloc[0], "lines": lines}
