"""The content of the pages of explanations and of class differences, as plain values that the templates show. Routes belong to `server`."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.explorer import pages
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.overlays import overlay_png, stored_map
from synapse_assets.explorer.urls import alike_url, explain_url
from synapse_assets.query import Warehouse
from synapse_assets.query.explanations import VERDICTS
from synapse_assets.schema import EXPLANATIONS
from synapse_assets.schema.colours import class_colours

# Explained synapses on a page.
LISTED = 24
# Of a tile that is explained while a page waits: about a million take a network like ResNet-18 some seconds.
MOST_VALUES = 2**20
CHOSEN_AS = ("typical", "error", "uncertain")
# What each check of a method measures, in a title and a sentence.
_CHECKS = {
    "randomisation": (
        "randomised",
        "Agreement with a retrained classifier's maps less that with random weights; above 0.10 passes",
    ),
    "head": (
        "head alone",
        "Agreement with a retrained classifier's maps less that with a shuffled head; above 0 passes",
    ),
    "other_class": ("other class", "Agreement of the maps of two classes; a map that knows the class has little"),
    "deletion": (
        "deletion",
        "How much sooner the class is lost where the brightest places are taken away first, than at random",
    ),
    "insertion": (
        "insertion",
        "How much sooner the class appears where the brightest places are put in first, than at random",
    ),
    "pointing_game": ("pointing", "Share of pictures whose brightest place is a planted one"),
    "area_under_precision": ("precision", "Area under precision and recall of planted places"),
}


def explanations(
    warehouse: Warehouse, name: str, classifier: str, method: str, chosen_as: str, page: int
) -> dict[str, Any]:
    """The checks of every method by classifier, and the explained synapses of one of them. name: of the explorer's entry.

    By default the first method that is not judged untrustworthy. Raises BadInput for a classifier, method or choice that there is not.
    """
    checks = warehouse.explanation_checks()
    kept = warehouse.explained()
    verdicts = {(row["classifier"], row["method"]): row["verdict"] for row in [*kept, *checks]}
    offered = _best_first(verdicts)
    shown = {(row["classifier"], row["method"]) for row in kept}
    chosen = _chosen([key for key in offered if key in shown], verdicts, classifier, method)
    if chosen_as and chosen_as not in CHOSEN_AS:
        raise BadInput(f"chosen_as: '{chosen_as[:60]}' is none of {', '.join(CHOSEN_AS)}")
    rows = [
        row
        for row in kept
        if (row["classifier"], row["method"]) == chosen and (not chosen_as or row["chosen_as"] == chosen_as)
    ]
    rows.sort(key=lambda row: (row["chosen_as"] not in CHOSEN_AS[:1], row["chosen_as"] not in CHOSEN_AS[:2]))
    last = max(1, -(-len(rows) // LISTED))
    page = min(max(page, 1), last)
    classes = {row["class_name"] for row in kept}
    return {
        "release": warehouse.release_id,
        "checks": _CHECKS,
        "check_lines": [_line(key, verdicts[key], checks, key in shown) for key in offered],
        "classifiers": list(dict.fromkeys(key[0] for key in offered if key in shown)),
        "methods": list(dict.fromkeys(key[1] for key in offered if key in shown)),
        "chosen": chosen,
        "verdict": verdicts.get(chosen) if chosen else None,
        "choices": CHOSEN_AS,
        "chosen_as": chosen_as,
        "rows": [_explained(warehouse, row) for row in rows[(page - 1) * LISTED : page * LISTED]],
        "count": len(rows),
        "page": page,
        "last_page": last,
        "address": urlencode(
            {
                key: value
                for key, value in (("classifier", classifier), ("method", method), ("chosen_as", chosen_as))
                if value
            }
        ),
        "colours": class_colours(classes),
        "reason": ""
        if checks or kept
        else f"There are no explanations in this release: materialise {name}/explanation_checks, {name}/explanations of every region, "
        f"then {name}/warehouse.",
    }


def checks_alone(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `checks.html` shows of rows of `explanation_checks`, where their maps are on other pages."""
    verdicts = {(row["classifier"], row["method"]): row["verdict"] for row in checks}
    return {
        "checks": _CHECKS,
        "check_lines": [_line(key, verdicts[key], checks, False) for key in _best_first(verdicts)],
    }


def stored_overlay(warehouse: Warehouse, synapse_id: str, classifier: str, method: str) -> bytes:
    """The stored map of an explained synapse as a PNG to lie over its tile. Raises BadInput where the release has none."""
    for row in warehouse.explained(synapse_id):
        if (row["classifier"], row["method"]) == (classifier, method):
            png = warehouse.kept_pictures.picture(EXPLANATIONS, "map", row)
            return overlay_png(stored_map(png or b""), 1.0)
    raise BadInput(f"no map of synapse '{synapse_id[:200]}' by {method[:60]} of {classifier[:60]} in this release")


def of_card(
    warehouse: Warehouse, name: str, synapse_id: str, classifier: str, method: str, describe_error: ErrorMessages
) -> dict[str, Any]:
    """The part of a synapse's card that explains it: which classifiers can be explained, and where one is chosen its map.

    Nothing is computed, and no classifier loaded, before one is chosen. name: of the explorer's entry.
    """
    content: dict[str, Any] = {"classifier": classifier}
    try:
        content["classifiers"] = warehouse.explained_classifiers
        if not classifier:
            return content
        _require_small(warehouse)
        content["offers"] = warehouse.explaining(classifier)
        explanation = warehouse.explain(synapse_id, classifier, method or None)
        content["explanation"] = explanation
        content["over"] = explain_url(name, warehouse.release_id, synapse_id, classifier, explanation.method)
    except BadInput as error:
        content["no_explanation"] = describe_error(error, f"the explanation of {synapse_id!r}")
    return content


def computed_overlay(warehouse: Warehouse, synapse_id: str, classifier: str, method: str) -> bytes:
    """The map of a synapse, computed now, as a PNG to lie over its tile."""
    _require_small(warehouse)
    values = warehouse.explain(synapse_id, classifier, method).map
    return overlay_png(values, float(np.abs(values).max(initial=0)))


def compared(warehouse: Warehouse, name: str, synapse_id: str, other: str) -> dict[str, Any]:
    """Two tiles side by side, with what makes them alike. Raises BadInput for an unknown id. name: of the explorer's entry."""
    _require_small(warehouse)
    points = warehouse.points
    pair = [pages.facts(points, points.row(one)) for one in (synapse_id, other)]
    left, right = (one["synapse_id"] for one in pair)
    # Computed here, so that what goes wrong is said on the page; the pictures of the maps find it done.
    warehouse.alike(left, right)
    return {
        "release": warehouse.release_id,
        "cluster_verdict": points.cluster_verdict,
        "pair": [
            {**one, "over": alike_url(name, warehouse.release_id, mine, theirs)}
            for one, mine, theirs in zip(pair, (left, right), (right, left), strict=True)
        ],
    }


def alike_overlay(warehouse: Warehouse, synapse_id: str, other: str) -> bytes:
    """The parts of the first synapse's tile that make it like the other's, as a PNG to lie over it; both tiles share a scale."""
    _require_small(warehouse)
    maps = warehouse.alike(synapse_id, other)
    return overlay_png(maps[0], max(float(np.abs(values).max(initial=0)) for values in maps))


def _require_small(warehouse: Warehouse) -> None:
    """Refuses tiles whose maps would take longer than a page waits."""
    sections, height, width = warehouse.picture_shape
    if sections * height * width > MOST_VALUES:
        raise BadInput(
            f"a tile of {sections} x {height} x {width} values takes too long to explain while a page waits (at most {MOST_VALUES:,}): "
            "materialise explanations, or call Warehouse.explain in a script"
        )


def differences(warehouse: Warehouse, name: str) -> dict[str, Any]:
    """How the classes differ by what can be measured of tiles. name: of the explorer's entry."""
    rows = warehouse.class_differences()
    largest = max(
        (abs(row[end]) for row in rows for end in ("effect", "low", "high") if row[end] is not None), default=1.0
    )
    by_attribute: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_attribute.setdefault(row["attribute"], []).append(_difference(warehouse, row, largest))
    return {
        "release": warehouse.release_id,
        "attributes": [
            {
                "name": attribute,
                "rows": sorted(lines, key=_by_effect),
                "differs": any(line["differs"] for line in lines),
            }
            for attribute, lines in by_attribute.items()
        ],
        "largest": largest,
        "found": [row["sentence"] for row in sorted(rows, key=_by_effect) if row["differs"]],
        "colours": class_colours({row["class_name"] for row in rows}),
        "reason": ""
        if rows
        else f"There are no differences in this release: materialise {name}/tile_attributes of every region, {name}/class_differences, "
        f"then {name}/warehouse.",
    }


def _best_first(verdicts: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Classifiers and methods by their verdict, what was not judged last but for what failed."""
    return sorted(
        verdicts, key=lambda key: VERDICTS.index(verdicts[key]) if verdicts[key] in VERDICTS else len(VERDICTS)
    )


def _chosen(
    shown: Sequence[tuple[str, str]], verdicts: Mapping[tuple[str, str], str], classifier: str, method: str
) -> tuple[str, str] | None:
    """The classifier and method whose maps are shown: as wanted, else the first that did not fail; None where all failed."""
    for what, wanted, known in (
        ("classifier", classifier, {key[0] for key in shown}),
        ("method", method, {key[1] for key in shown}),
    ):
        if wanted and wanted not in known:
            raise BadInput(f"no maps of {what} '{wanted[:60]}'; there are {', '.join(sorted(known)) or 'none'}")
    fitting = [key for key in shown if classifier in ("", key[0]) and method in ("", key[1])]
    if method:
        return next(iter(fitting), None)
    return next((key for key in fitting if verdicts[key] != "not"), None)


def _line(key: tuple[str, str], verdict: str, checks: Sequence[Mapping[str, Any]], shown: bool) -> dict[str, Any]:
    own = [row for row in checks if (row["classifier"], row["method"]) == key]
    return {
        "classifier": key[0],
        "method": key[1],
        "verdict": verdict,
        "cells": {row["check"]: row for row in own},
        "sentence": next((row["sentence"] for row in own), ""),
        "has_maps": shown,
        "link": urlencode({"classifier": key[0], "method": key[1]}),
    }


def _explained(warehouse: Warehouse, row: Mapping[str, Any]) -> dict[str, Any]:
    """An explained synapse, with the facts of it where the release knows it."""
    return {**pages.facts(warehouse.points, warehouse.points.row(row["synapse_id"])), **row}


def _difference(warehouse: Warehouse, row: Mapping[str, Any], largest: float) -> dict[str, Any]:
    """One attribute of one class, with places from 0 to 1 of its effect and interval on a track from -largest to largest."""
    places = {end: None if row[end] is None else 0.5 + row[end] / largest / 2 for end in ("effect", "low", "high")}
    examples = {end: pages.released_facts(warehouse.points, row[end] or []) for end in ("lowest", "highest")}
    return {**row, **examples, "at": places}


def _by_effect(row: Mapping[str, Any]) -> tuple[bool, float]:
    return not row["differs"], -abs(row["effect"] or 0.0)
