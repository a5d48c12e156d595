"""The content of the pages of stained pictures, as plain values that the templates show. Routes belong to `staining`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.staining import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.explorer import stained_layers
from synapse_assets.explorer.explanations import checks_alone
from synapse_assets.explorer.urls import layer_url
from synapse_assets.query import Warehouse
from synapse_assets.query.stained_pictures import ONLY, UNCERTAIN, PictureRequest
from synapse_assets.schema.colours import UNCLEAR_COLOUR, class_colours
from synapse_assets.schema.staining import COMPOUND_WELLS, COMPOUNDS

# Pictures on a page of the list.
LISTED = 48
# The split that deals crops of one picture to both sides: what it claims is shown for the leak alone.
_LEAK = "random_crops"
_SCORES = {
    "f1": ("F1", "Harmonic mean of precision and recall, mean over the classes"),
    "balanced_accuracy": ("balanced accuracy", "Mean over the classes of the share named rightly"),
    "roc_auc": ("ROC", "Area under the receiver operating characteristic, mean of the classes one against the rest"),
}
_FACTS = {
    "plate": "plate",
    "well": "well",
    "field": "field",
    "culture": "culture",
    "stain": "stain",
    "compound": "compound",
    "dose": "dose",
}


def pictures(warehouse: Warehouse, name: str, request: PictureRequest, classifier: str, page: int) -> dict[str, Any]:
    """The plates, and the pictures that a request names. Raises BadInput for an unknown classifier. name: of the explorer's entry."""
    stained = warehouse.stained
    chosen = _classifier(warehouse, classifier)
    answers = stained.values("answer", chosen)
    count = stained.listed(request, chosen, 0, 0)[1]
    last = max(1, -(-count // LISTED))
    page = min(max(page, 1), last)
    rows, _ = stained.listed(request, chosen, LISTED, (page - 1) * LISTED)
    address = {key: value for key, value in asdict(request).items() if value}
    if classifier:
        address["classifier"] = classifier
    return {
        "release": warehouse.release_id,
        "wanted": request,
        "only": {key: title for key, (title, _) in ONLY.items()},
        "plates": stained.plates(chosen),
        "labels": stained.values("label", chosen),
        "answers": answers,
        "classifiers": stained.classifiers,
        "classifier": chosen,
        "pictures": rows,
        "count": count,
        "page": page,
        "last_page": last,
        "address": urlencode(address),
        "colours": _colours(warehouse, chosen),
        "reason": "" if stained.classifiers else _no_answers(name),
    }


def picture(
    warehouse: Warehouse, dataset: StainingDataset, name: str, image_id: str, choice: stained_layers.Choice
) -> dict[str, Any]:
    """One picture: its facts, what each classifier says, and its layers. Raises UnknownPicture. name: of the explorer's entry."""
    stained = warehouse.stained
    chosen = _classifier(warehouse, "")
    row = stained.picture(image_id, chosen)
    said = [
        {**one, "probabilities": sorted(one["probabilities"], key=lambda entry: -entry[1])}
        for one in stained.rows("image_predictions", "image_id = $id order by classifier", {"id": image_id})
    ]
    layers = stained_layers.layers_of(warehouse, image_id)
    layer = choice.layer or layers.first
    if layer and layer not in layers.titles:
        raise BadInput(f"no layer '{layer[:60]}' of this picture; there are {', '.join(layers.titles) or 'none'}")
    unit = dataset.dose_unit
    return {
        "release": warehouse.release_id,
        "picture": row,
        "facts": [
            (title, f"{row[column]:g} {unit}".strip() if column == "dose" else row[column])
            for column, title in _FACTS.items()
            if row[column] is not None
        ],
        "said": said,
        "colours": _colours(warehouse, chosen),
        "uncertain": UNCERTAIN,
        "layers": layers,
        "layer": layer,
        "palettes": stained_layers.PALETTES,
        "palette": choice.palette,
        "under": layer_url(name, warehouse.release_id, "original", image_id, choice.palette) if layers.titles else "",
        "over": layer_url(name, warehouse.release_id, layer, image_id, choice.palette)
        if layer in ("coloured", "dense")
        else "",
    }


def stain_scores(warehouse: Warehouse, name: str) -> dict[str, Any]:
    """How well each classifier tells the classes by each split, and the thresholds. name: of the explorer's entry."""
    rows = warehouse.stained.rows("stain_scores")
    kinds = dict.fromkeys((row["classifier"], row["split"], row["level"]) for row in rows)
    lines = [_score_line([row for row in rows if _kind(row) == kind]) for kind in kinds]
    honest = [line for line in lines if not line["is_leak"]]
    order = {split: number for number, split in enumerate(dict.fromkeys(row["split"] for row in rows))}
    thresholds = warehouse.stained.rows("stain_thresholds", "true order by classifier, level, class_name")
    return {
        **checks_alone(warehouse.explanation_checks()),
        "columns": _SCORES,
        "lines": sorted(honest, key=lambda line: (order[line["split"]], line["classifier"], line["level"])),
        "leaks": [line for line in lines if line["is_leak"]],
        "by_class": [row for row in rows if row["class_name"]],
        "thresholds": thresholds,
        "colours": class_colours([row["class_name"] for row in (*rows, *thresholds) if row["class_name"]]),
        "reason": ""
        if rows
        else f"There are no scores in this release: materialise {name}/stain_network, {name}/stain_scores, then {name}/warehouse.",
    }


def compounds(warehouse: Warehouse, dataset: StainingDataset, name: str) -> dict[str, Any]:
    """The compounds by rank with their dose curves, the controls, and the wells of each plate. name: of the explorer's entry."""
    rows = warehouse.stained.rows("compounds", "true order by rank nulls last, compound, dose nulls first")
    wells = warehouse.stained.rows("compound_wells", "true order by plate, well")
    controls = [row for row in rows if row["rank"] is None]
    ranked: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["rank"] is not None:
            ranked.setdefault(row["compound"], []).append(row)
    return {
        "release": warehouse.release_id,
        "controls": controls,
        "compounds": [_compound(doses) for doses in ranked.values()],
        "unit": dataset.dose_unit,
        "treated": dataset.treated,
        "control": dataset.control,
        "classifier": rows[0]["classifier"] if rows else "",
        "has_doses": any(row["rank"] is not None and row["dose"] is not None for row in rows),
        "plates": list(dict.fromkeys(well["plate"] for well in wells)),
        "reason": ""
        if rows
        else f"There are no compounds in this release: name them in the sources, materialise {name}/compounds, then {name}/warehouse.",
    }


def doses(warehouse: Warehouse, dataset: StainingDataset) -> bytes:
    """The dose curves of the best compounds as PNG."""
    from synapse_assets.figures.staining import dose_curves_figure

    rows = pa.Table.from_pylist(warehouse.stained.rows("compounds", "true order by rank, dose"), COMPOUNDS.arrow)
    return dose_curves_figure(rows, _wells(warehouse), dataset.control, dataset.treated, dataset.dose_unit)


def plate(warehouse: Warehouse, dataset: StainingDataset, name: str) -> bytes:
    """The wells of a plate by their likeness as PNG. Raises BadInput for a plate without scored wells."""
    from synapse_assets.figures.staining import plate_figure

    wells = _wells(warehouse)
    of_plate = wells.filter(pc.equal(wells.column("plate"), name))
    if not of_plate.num_rows:
        raise BadInput(f"no plate '{name[:60]}' with scored wells in this release")
    return plate_figure(of_plate, dataset.control, dataset.treated)


def _wells(warehouse: Warehouse) -> pa.Table:
    rows = warehouse.stained.rows("compound_wells", "true order by plate, well")
    return pa.Table.from_pylist(rows, COMPOUND_WELLS.arrow)


def _classifier(warehouse: Warehouse, wanted: str) -> str:
    """The classifier whose answers are shown: the wanted one, else the first, "" where there is none. Raises BadInput for others."""
    known = warehouse.stained.classifiers
    if wanted and wanted not in known:
        raise BadInput(f"no classifier '{wanted[:60]}' in this release; there are {', '.join(known) or 'none'}")
    return wanted or next(iter(known), "")


def _no_answers(name: str) -> str:
    return (
        f"There are no answers in this release: materialise {name}/stain_network, {name}/image_predictions of every plate, then "
        f"{name}/warehouse."
    )


def _colours(warehouse: Warehouse, classifier: str) -> dict[str, str]:
    """The colour of every class and of an uncertain answer."""
    named = {*warehouse.stained.values("label", classifier), *warehouse.stained.values("answer", classifier)}
    return {**class_colours(named - {UNCERTAIN}), UNCERTAIN: UNCLEAR_COLOUR}


def _kind(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["classifier"], row["split"], row["level"]


def _score_line(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The scores over all classes of one classifier by one split at one level, by name; `sentence` is that of the balanced accuracy."""
    whole = {row["score"]: row for row in rows if not row["class_name"]}
    return {
        "classifier": rows[0]["classifier"],
        "split": rows[0]["split"],
        "level": rows[0]["level"],
        "is_leak": rows[0]["split"] == _LEAK,
        "images": rows[0]["images"],
        "wells": rows[0]["wells"],
        "scores": whole,
        "sentence": whole["balanced_accuracy"]["sentence"] if "balanced_accuracy" in whole else "",
        "sentences": list(dict.fromkeys(row["sentence"] for row in whole.values() if row["sentence"])),
    }


def _compound(doses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One compound: its best dose, which ranks it, and all of its doses."""
    known = [row for row in doses if row["rescue"] is not None]
    best = max(known or doses, key=lambda row: row["rescue"] or 0.0)
    on_track = {
        end: None if best[end] is None else min(max(best[end], 0.0), 1.0)
        for end in ("rescue", "rescue_low", "rescue_high")
    }
    return {
        "name": best["compound"],
        "rank": best["rank"],
        "best": best,
        "doses": doses,
        "place": on_track["rescue"],
        "low": on_track["rescue_low"],
        "high": on_track["rescue_high"],
    }
