"""The content of the pages of a detection dataset, as plain values that the templates show. Routes belong to `detection`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.explorer import neuroglancer, precomputed
from synapse_assets.explorer.detection_views import LEAST_SPAN, NO_LAYER, View, Window
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.section_pictures import TARGET_COLOURS
from synapse_assets.explorer.urls import section_url
from synapse_assets.query import Warehouse
from synapse_assets.query.detection import OUTCOMES, DetectionResults, Found, MapBlock, Searched, Section

# Points that are drawn on the sections of a page, lines of the list beside, and points in a link to Neuroglancer.
MOST_MARKS, LISTED, MOST_POINTS = 1_500, 12, 100
# Tiles of each outcome on a page.
TILES = 12
# Sections from the middle of an object to which it may reach.
_REACH = 32
_UNREACHABLE = "Some maps lie where Neuroglancer cannot reach them from this browser: on the server's machine, or on storage of its own."
# The headline, and what flatters.
HEADLINE, FLATTERING = "block", "next_sections"
_ORDER = ("presynaptic", "cleft", "postsynaptic", "mitochondria")
MEASURES = {
    "precision": ("precision", "Share of what was found that is annotated, matched one to one"),
    "recall": ("recall", "Share of what is annotated that was found, matched one to one"),
    "f1": ("F1", "Harmonic mean of precision and recall"),
    "pair_f1": ("F1 of pairs", "The same of pairs of a presynaptic and a postsynaptic site"),
    "dice": ("Dice", "Twice the shared voxels over the sum of both"),
    "iou": ("IoU", "Shared voxels over those of either"),
    "average_precision": ("AP", "Average precision of the objects, by their scores"),
    "cremi_score": ("CREMI score", "Mean of the two distances; smaller is better"),
    "adgt_nm": ("ADGT", "Mean distance of a voxel marked wrongly to the annotation; smaller is better"),
    "adf_nm": ("ADF", "Mean distance of an annotated voxel to what is marked; smaller is better"),
}


# Sections


def sections(
    warehouse: Warehouse, name: str, window: Window, base: str, describe_error: ErrorMessages
) -> dict[str, Any]:
    """A run of sections with their maps and what was found there. name: of the explorer's entry. base: address of this server for
    Neuroglancer, "" where it lends nothing. Raises BadInput for an unknown layer."""
    results, volume = warehouse.detection, window.volume
    layers = _layers(results.maps(volume.name))
    layer = window.view.layer or next(iter(layers), NO_LAYER)
    if layer != NO_LAYER and layer not in layers:
        raise BadInput(f"no map '{layer[:80]}' of volume {volume.name}; there are {', '.join(layers) or 'none'}")
    view = replace(window.view, layer=layer)
    blocks = layers.get(layer, [])
    score = _headline(warehouse, blocks)
    marks, undrawn = _marks(results, window, name, view)
    panels = [_panel(warehouse, name, window, layer, z, blocks, marks) for z in window.run]
    here = next(panel for panel in panels if panel["z"] == window.z)
    content = {
        "release": warehouse.release_id,
        "window": window,
        "view": view,
        "volume": volume,
        "volumes": list(results.volumes),
        "layers": {key: _layer_title(key) for key in layers},
        "no_layer": NO_LAYER,
        "colour": TARGET_COLOURS.get(layer.partition("/")[2], "#888888"),
        "colours": TARGET_COLOURS,
        "versions": list(dict.fromkeys(block.version for block in blocks)),
        "panels": panels,
        "here": here,
        "undrawn": undrawn,
        "place_nm": volume.middle_nm(window.middle),
        "score": score,
        "least_span": LEAST_SPAN,
        "noun_found": "synapses" if "synapses" in warehouse.release["tables"] else "",
        "has_mitochondria": "mitochondria" in warehouse.release["tables"],
        "listed": sorted((mark for mark in here["marks"] if mark["is_here"]), key=lambda mark: -mark["score"])[:LISTED],
        **_said_of_section(results, window, layer, blocks, name, describe_error),
        **_zoom(results, window),
    }
    return {**content, **_neuroglancer(results, name, window, layers, base, describe_error)}


def section_of(warehouse: Warehouse, window: tuple[str, int, int, int, int, int], layer: str) -> Section:
    """The section of a picture: volume, z, first x and y, width and height in voxels. Raises BadInput as `DetectionResults.section`."""
    detector, _, target = ("", "", "") if layer == NO_LAYER else layer.partition("/")
    return warehouse.detection.section(*window, detector=detector, target=target)


def threshold_of(warehouse: Warehouse, layer: str) -> float | None:
    """The probability from which a voxel of a layer counts; None where no score says it."""
    blocks = _layers([block for volume in warehouse.detection.volumes for block in warehouse.detection.maps(volume)])
    row = _headline(warehouse, blocks.get(layer, []))
    return None if row is None else row["threshold"]


def _layers(blocks: Iterable[MapBlock]) -> dict[str, list[MapBlock]]:
    """The blocks of each map, by `detector/target`; those that synapses are found by come first."""
    layers: dict[str, list[MapBlock]] = {}
    for block in blocks:
        layers.setdefault(f"{block.detector}/{block.target}", []).append(block)
    return dict(sorted(layers.items(), key=lambda one: (_ORDER.index(one[0].partition("/")[2]), one[0])))


def _layer_title(key: str) -> str:
    detector, _, target = key.partition("/")
    return f"{target} by {detector}"


def _headline(warehouse: Warehouse, blocks: Sequence[MapBlock]) -> dict[str, Any] | None:
    """The F1 of the detector and version that blocks were searched by, with a block held out; any row of it where it has no F1."""
    if not blocks:
        return None
    wanted = blocks[0].detector, blocks[0].version, blocks[0].target
    rows = [
        row
        for row in warehouse.detection.scores()
        if (row["detector"], row["version"], row["target"]) == wanted and row["split"] == HEADLINE
    ]
    best = sorted(rows, key=lambda row: (row["measure"] != "f1", row["objects"] != "limited"))
    return best[0] if best else None


def _panel(
    warehouse: Warehouse,
    name: str,
    window: Window,
    layer: str,
    z: int,
    blocks: Sequence[MapBlock],
    marks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What is shown of one section of a run."""
    box = window.volume.name, z, window.x0, window.y0, window.width, window.height
    of_z = [{**mark, "is_here": mark["z"] == z} for mark in marks if mark["first"] <= z <= mark["last"]]
    has_map = any(_touches(block, window, z) for block in blocks)
    return {
        "z": z,
        "z_nm": window.volume.middle_nm((0, 0, z))[2],
        "grey": section_url(name, warehouse.release_id, "grey", box, ""),
        "map": section_url(name, warehouse.release_id, "map", box, layer) if has_map else "",
        "marks": of_z,
        "synapses": sum(mark["kind"] == "synapses" and mark["is_here"] for mark in of_z),
        "mitochondria": sum(mark["kind"] == "mitochondria" for mark in of_z),
    }


def _touches(block: MapBlock, window: Window, z: int) -> bool:
    return (
        block.low[2] <= z < block.high[2]
        and block.low[0] < window.x0 + window.width
        and window.x0 < block.high[0]
        and block.low[1] < window.y0 + window.height
        and window.y0 < block.high[1]
    )


def _marks(results: DetectionResults, window: Window, name: str, view: View) -> tuple[list[dict[str, Any]], int]:
    """What was found in the window on the run of sections, in voxels, with its first and last section; and how many are not drawn."""
    volume = window.volume
    x_nm, y_nm, z_nm = volume.voxel_size_nm
    low = window.x0 * x_nm, window.y0 * y_nm, (window.run[0] - _REACH) * z_nm
    high = (window.x0 + window.width) * x_nm, (window.y0 + window.height) * y_nm, (window.run[-1] + 1 + _REACH) * z_nm
    marks: list[dict[str, Any]] = []
    undrawn = 0
    kinds: tuple[Found, ...] = ("synapses", "mitochondria")
    for kind in kinds:
        rows, count = results.found(kind, volume.name, low, high, MOST_MARKS)
        undrawn += count - len(rows)
        marks += [_mark(row, kind, volume, name, view) for row in rows]
    return [mark for mark in marks if mark["last"] >= window.run[0] and mark["first"] <= window.run[-1]], undrawn


def _mark(row: Mapping[str, Any], kind: Found, volume: Searched, name: str, view: View) -> dict[str, Any]:
    x, y, z = volume.voxel_of((row["x_nm"], row["y_nm"], row["z_nm"]))
    around = max(0, (row["sections"] or 1) - 1)
    id_ = row["synapse_id" if kind == "synapses" else "mitochondrion_id"]
    about = f"{'synapse' if kind == 'synapses' else 'mitochondrion'} {id_}, score {row['score']:.2f}"
    if row["volume_nm3"] is not None and row["sections"]:
        size = f"{row['volume_nm3'] / 1e9:.3g} µm³"
        about += f", {size} in {row['sections']} section{'s' if row['sections'] != 1 else ''}"
    if row.get("partners") is not None:
        about += f", {row['partners']} postsynaptic site{'s' if row['partners'] != 1 else ''}"
    if row.get("cut_off"):
        about += ", goes on beyond the volume"
    post = None
    if row.get("post_x_nm") is not None:
        x_nm, y_nm, _ = volume.voxel_size_nm
        post = row["post_x_nm"] / x_nm, row["post_y_nm"] / y_nm
    return {
        "kind": kind,
        "id": id_,
        "row": row,
        "score": row["score"],
        "title": about,
        "x": row["x_nm"] / volume.voxel_size_nm[0],
        "y": row["y_nm"] / volume.voxel_size_nm[1],
        "z": z,
        "first": z - around // 2,
        "last": z + (around + 1) // 2,
        "post": post,
        "link": replace(view, x=x, y=y, z=z).address(name)
        if all(low <= one < high for one, low, high in zip((x, y, z), volume.low, volume.high, strict=True))
        else "",
    }


def _said_of_section(
    results: DetectionResults,
    window: Window,
    layer: str,
    blocks: Sequence[MapBlock],
    name: str,
    describe_error: ErrorMessages,
) -> dict[str, Any]:
    """What is odd about the section that is shown first: whether the volume has it, and whether it has a map."""
    said: dict[str, Any] = {"notes": [], "unreadable": "", "filled": 0}
    detector, _, target = ("", "", "") if layer == NO_LAYER else layer.partition("/")
    try:
        section = results.section(
            window.volume.name,
            window.z,
            window.x0,
            window.y0,
            window.width,
            window.height,
            detector=detector,
            target=target,
        )
    except BadInput as error:
        return {**said, "unreadable": describe_error(error, f"section {window.z} of {window.volume.name}")}
    if section.is_missing:
        said["notes"].append(f"Section {window.z} is missing here: the volume has no data for this part.")
    elif section.is_black:
        said["notes"].append(f"Section {window.z} is black here: every voxel of this part is 0.")
    elif not section.valid.all():
        said["notes"].append("Dark stripes: the volume has no data there.")
    if layer == NO_LAYER:
        if not results.maps(window.volume.name):
            said["notes"].append(
                f"No map of this volume has been made: materialise {name}/probability_maps of its blocks, then {name}/warehouse."
            )
        return said
    if not section.mapped.all():
        block = results.block_at(window.volume.name, window.middle)
        made = any(one.block == block for one in blocks)
        what = f": materialise {name}/probability_maps of {block}, then {name}/warehouse" if block and not made else ""
        where = "where there are grey stripes" if section.mapped.any() else "on this section"
        said["notes"].append(f"There is no map {where}{what}. What is shown there is the volume alone.")
    said["filled"] = sum(one.filled_sections for one in blocks if one.low[2] <= window.z < one.high[2])
    return said


def _zoom(results: DetectionResults, window: Window) -> dict[str, Any]:
    """Whether there is a step out, and if not, why."""
    low, high = window.volume.low, window.volume.high
    if window.view.span >= max(high[0] - low[0], high[1] - low[1]):
        return {"no_out": "This is all of the volume"}
    try:
        most = results.most_voxels(window.volume.name)
    except (BadInput, ConnectionError):
        most = window.view.span
    return {"no_out": "" if 2 * window.view.span <= most else "The volume has no coarser scale to look at more of it"}


def _neuroglancer(
    results: DetectionResults,
    name: str,
    window: Window,
    layers: Mapping[str, Sequence[MapBlock]],
    base: str,
    describe_error: ErrorMessages,
) -> dict[str, Any]:
    """The link to the place with the volume, all maps and the points around; or why there is none."""
    volume = window.volume
    try:
        spec = results.spec(volume.name)
        source, reason = precomputed.source_of_volume(results, volume.name, name, base)
        if source is None:
            return {"neuroglancer": "", "no_neuroglancer": reason}
        maps, unreachable = [], 0
        for key, blocks in layers.items():
            for block in {one.path: one for one in blocks}.values():
                found = precomputed.source_of_map(results, volume.name, block, name, base)
                title = f"{_layer_title(key)} ({block.version})"
                if found is None:
                    unreachable += 1
                else:
                    maps.append(neuroglancer.MapLayer(title, found, TARGET_COLOURS.get(block.target, "#ffffff")))
    except (BadInput, ConnectionError) as error:
        return {"neuroglancer": "", "no_neuroglancer": describe_error(error, f"the Neuroglancer link to {volume.name}")}
    middle = volume.middle_nm(window.middle)
    rows, _ = results.found("synapses", volume.name, *_box_nm(window), MOST_MARKS)
    places = sorted(
        ((str(row["synapse_id"]), (row["x_nm"], row["y_nm"], row["z_nm"])) for row in rows),
        key=lambda one: sum((a - b) ** 2 for a, b in zip(one[1], middle, strict=True)),
    )[:MOST_POINTS]
    return {
        "neuroglancer": neuroglancer.link_to_maps(spec, volume.name, source, maps, middle, places),
        "neuroglancer_points": len(places),
        "lent": bool(base) and f"{base}/" in source + "".join(one.source for one in maps),
        "no_neuroglancer": _UNREACHABLE if unreachable else "",
    }


def _box_nm(window: Window) -> tuple[list[float], list[float]]:
    sizes = window.volume.voxel_size_nm
    low, high = (
        (window.x0, window.y0, window.run[0]),
        (
            window.x0 + window.width,
            window.y0 + window.height,
            window.run[-1] + 1,
        ),
    )
    return [a * size for a, size in zip(low, sizes, strict=True)], [
        b * size for b, size in zip(high, sizes, strict=True)
    ]


# Sites


def sites(warehouse: Warehouse, dataset: DetectionDataset, name: str, examined: str, page: int) -> dict[str, Any]:
    """What was found, missed and invented in the test with a block held out, side by side. name: of the explorer's entry. examined:
    `detector/target`, "" for the first. Raises BadInput for one that was not examined."""
    results = warehouse.detection
    known = {f"{detector}/{target}": (detector, target) for detector, target in results.examined_detectors()}
    if not known:
        return {
            "known": {},
            "reason": _nothing("No sites were examined", dataset, name),
        }
    chosen = examined or next(iter(known))
    if chosen not in known:
        raise BadInput(f"'{examined[:80]}' was not examined in this release; there are {', '.join(known)}")
    detector, target = known[chosen]
    counts = {outcome: results.examined(detector, target, outcome, 0)[1] for outcome in OUTCOMES}
    last = max(1, -(-max(counts.values()) // TILES))
    page = min(max(page, 1), last)
    columns = []
    for outcome in OUTCOMES:
        rows, count = results.examined(detector, target, outcome, TILES, (page - 1) * TILES)
        tiles = [{**row, "link": _link_of_site(results, row, name)} for row in rows]
        columns.append({"outcome": outcome, "count": count, "tiles": tiles})
    rows = [
        row
        for row in results.scores()
        if (row["detector"], row["target"], row["split"]) == (detector, target, HEADLINE)
    ]
    return {
        "release": warehouse.release_id,
        "known": {key: _layer_title(key) for key in known},
        "chosen": chosen,
        "target": target,
        "detector": detector,
        "colour": TARGET_COLOURS.get(target, "#888888"),
        "columns": columns,
        "page": page,
        "last_page": last,
        "address": urlencode({"examined": chosen}),
        "lines": _lines(rows),
        "measures": MEASURES,
        "reason": "",
    }


def _link_of_site(results: DetectionResults, row: Mapping[str, Any], name: str) -> str:
    """The place of a site on Sections; "" where the volume is not searched, or has no such place."""
    volume = results.volumes.get(row["volume"])
    if volume is None:
        return ""
    x, y, z = volume.voxel_of((row["x_nm"], row["y_nm"], row["z_nm"]))
    inside = all(low <= one < high for one, low, high in zip((x, y, z), volume.low, volume.high, strict=True))
    layer = f"{row['detector']}/{row['target']}"
    shown = any(f"{block.detector}/{block.target}" == layer for block in results.maps(volume.name))
    view = View(volume.name, layer if shown else "", x, y, z, span=384)
    return view.address(name) if inside else ""


# Detectors


def detectors(warehouse: Warehouse, dataset: DetectionDataset, name: str) -> dict[str, Any]:
    """How well each detector marks and finds what it was not trained on. name: of the explorer's entry."""
    rows = warehouse.detection.scores()
    kinds = dict.fromkeys((row["detector"], row["target"]) for row in rows)
    in_use = warehouse.release.get("models", {}).get("detector")
    fitted = warehouse.release.get("scores", {}).get("detector") or {}
    return {
        "in_use": in_use,
        "measures": MEASURES,
        "detectors": [
            _detector([row for row in rows if (row["detector"], row["target"]) == kind], in_use, fitted)
            for kind in kinds
        ],
        "reason": "" if rows else _nothing("There are no scores", dataset, name),
    }


def _nothing(what: str, dataset: DetectionDataset, name: str) -> str:
    """Why a release has no tests of detectors."""
    if dataset.detector_from is not None:
        return f"{what} here: the detectors are those of {dataset.detector_from}, and how well they find is said there."
    return f"{what} in this release: materialise {name}/detector, {name}/detector_scores, and {name}/warehouse."


def _detector(rows: Sequence[Mapping[str, Any]], in_use: str | None, fitted: Mapping[str, float]) -> dict[str, Any]:
    first = rows[0]
    held_out = [row for row in rows if row["split"] == HEADLINE]
    beside = [row for row in rows if row["split"] == FLATTERING]
    return {
        "detector": first["detector"],
        "target": first["target"],
        "version": first["version"],
        "is_in_use": first["version"] == in_use,
        "colour": TARGET_COLOURS.get(first["target"], "#888888"),
        "seconds": fitted.get(f"{first['detector']}_seconds") if first["version"] == in_use else None,
        "threshold": (held_out or rows)[0]["threshold"],
        "tolerance_nm": next((row["tolerance_nm"] for row in rows if row["tolerance_nm"] is not None), None),
        "columns": [key for key in MEASURES if any(row["measure"] == key for row in rows)],
        "held_out": _lines(held_out),
        "beside": _lines(beside),
        "sentences": list(dict.fromkeys(row["sentence"] for row in (*held_out, *beside) if row["sentence"])),
        "headline": next((row["sentence"] for row in _by_measure(held_out, "f1", "dice") if row["sentence"]), ""),
    }


def _by_measure(rows: Sequence[Mapping[str, Any]], *measures: str) -> list[Mapping[str, Any]]:
    """The rows of the first of these measures that there is, those within the limits of size first."""
    for measure in measures:
        found = [row for row in rows if row["measure"] == measure]
        if found:
            return sorted(found, key=lambda row: row["objects"] != "limited")
    return []


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for all objects and one for those within the limits of size, each with its rows by measure."""
    lines = []
    for objects in dict.fromkeys(row["objects"] for row in rows):
        of_objects = {row["measure"]: row for row in rows if row["objects"] == objects}
        some = of_objects.get("f1") or next(iter(of_objects.values()))
        lines.append(
            {
                "objects": objects,
                "scores": of_objects,
                "annotated": some["annotated"],
                "found": some["found"],
                "tolerance_nm": some["tolerance_nm"],
            }
        )
    return lines
