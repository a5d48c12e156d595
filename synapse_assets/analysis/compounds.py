"""Whether a compound makes treated cells look untreated again: likeness by well, dose curves and ranks.

Belongs here: rows of `schema.staining.COMPOUND_WELLS` and `COMPOUNDS`. Does not belong here: what a picture is called (`vision`), drawing.

Many compounds are ranked, and the best of many is there by luck too: an interval is of one compound taken by itself, so the figures of the
first ranks are too good, and a compound counts once new wells show it again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.scores import Interval, percentile_interval
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import COMPOUND_WELLS, COMPOUNDS, IMAGES

Float64 = npt.NDArray[np.float64]

FEWEST_WELLS = 3
"""Wells below which no interval is given."""
LEAST_GAP = 0.1
"""Likeness by which the controls of a plate have to differ: with less there is no scale to put a compound on."""
_DRAWS = 2000
_PICTURES = 3
_FACTS = ("plate", "well", "label", "compound", "dose")

PICTURES = pa.schema(
    [(name, IMAGES.arrow.field(name).type) for name in ("image_id", *_FACTS)]
    + [("classifier", pa.string()), ("version", pa.string()), ("likeness", pa.float64())]
)


@dataclass(frozen=True)
class Dose:
    """A dose of a compound, None where it is unknown, with the likeness of each of its wells (n,)."""

    dose: float | None
    likeness: Float64


def picture_likeness(predictions: pa.Table, images: pa.Table, treated: str) -> pa.Table:
    """The likeness of each picture to the treated class: `PICTURES`, sorted.

    `predictions` are rows of `schema.staining.IMAGE_PREDICTIONS`, `images` of `IMAGES`. Counted are pictures that are in both, and either
    have a compound or are labelled. Where the well is unknown, a picture stands for a well of its own name. Predictions of controls have
    to be out of fold: otherwise the controls are too far apart, and every compound looks weaker than it is.

    Raises BadInput where predictions know no class of that name.
    """
    facts = {row["image_id"]: row for row in images.select(["image_id", *_FACTS]).to_pylist()}
    rows = []
    for row in predictions.select(["image_id", "classifier", "version", "probabilities"]).to_pylist():
        of_image = facts.get(row["image_id"])
        if of_image is None or not (of_image["compound"] or of_image["label"]):
            continue
        probability = dict(row["probabilities"]).get(treated)
        if probability is None:
            raise BadInput(
                f"picture '{row['image_id']}' has no probability of '{treated}', only of {[name for name, _ in row['probabilities']]}: "
                "name the classes of the dataset as its classifier was fitted, or fit it anew"
            )
        of_classifier = {"classifier": row["classifier"], "version": row["version"]}
        well = of_image["well"] or row["image_id"]
        rows.append({**of_image, **of_classifier, "well": well, "likeness": probability})
    rows.sort(key=lambda row: (row["classifier"], row["version"], row["plate"], row["well"], row["image_id"]))
    return pa.Table.from_pylist(rows, schema=PICTURES)


def well_likeness(predictions: pa.Table, images: pa.Table, treated: str) -> pa.Table:
    """`schema.staining.COMPOUND_WELLS`: the mean likeness of the pictures of each well, as `picture_likeness` has it.

    Raises BadInput as that, and for a well whose pictures differ in label, compound or dose.
    """
    by_well: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in picture_likeness(predictions, images, treated).to_pylist():
        by_well[row["classifier"], row["version"], row["plate"], row["well"]].append(row)
    rows = []
    for (classifier, version, plate, well), pictures in by_well.items():
        conditions = {(row["label"], row["compound"], row["dose"]) for row in pictures}
        if len(conditions) > 1:
            raise BadInput(
                f"well {well} of plate {plate} holds pictures of several conditions (label, compound, dose): "
                f"{sorted(conditions, key=str)}; a well has one, so correct the table of pictures"
            )
        likeness = float(np.mean([row["likeness"] for row in pictures]))
        facts = {name: pictures[0][name] for name in _FACTS}
        rows.append(
            {**facts, "classifier": classifier, "version": version, "images": len(pictures), "likeness": likeness}
        )
    return COMPOUND_WELLS.conform(pa.Table.from_pylist(rows, schema=COMPOUND_WELLS.arrow))


def dose_curve(wells: pa.Table, compound: str) -> list[Dose]:
    """The doses of a compound in rows of `schema.staining.COMPOUND_WELLS`, ascending, one that is unknown first."""
    by_dose: dict[float | None, list[float]] = defaultdict(list)
    for row in wells.to_pylist():
        if row["compound"] == compound:
            by_dose[row["dose"]].append(row["likeness"])
    return [Dose(dose, np.array(by_dose[dose])) for dose in sorted(by_dose, key=_dose_order)]


def rank_compounds(wells: pa.Table, pictures: pa.Table, control: str, treated: str, seed: int) -> pa.Table:
    """`schema.staining.COMPOUNDS`: the controls, then every compound and dose, by rank.

    `wells` are rows of `COMPOUND_WELLS`, `pictures` what `picture_likeness` gives, both of the classes' dataset; each classifier and
    version is ranked by itself. Controls are wells without a compound that are labelled `control` and `treated`.

    Rescue is (treated - x) / (treated - control), with the controls of each well's own plate: the sum over the wells of the numerator, by
    that of the denominator, so that plates count by how far their controls are apart. Plates without both controls, or whose controls
    differ by less than 0.1, give no scale and are left out of it; without any other, rescue is empty. Intervals (95 %) are a percentile
    bootstrap (Efron 1979) of the compound's wells, and with them of the control wells of each plate; empty below 3 wells of the compound
    or, for rescue, of either control on its plates. Such an interval of few wells is too narrow.

    The rank is by the best dose: by the lower end of its rescue where there is an interval, since the value itself would favour compounds
    of few wells; then, by the value, compounds without an interval. One without rescue has no rank.
    """
    rows: list[dict[str, Any]] = []
    table, of_pictures = wells.to_pylist(), pictures.to_pylist()
    for key in sorted({_fitted(row) for row in table}):
        chosen = [[row for row in each if _fitted(row) == key] for each in (table, of_pictures)]
        rows += _ranked(chosen[0], chosen[1], control, treated, seed)
    return COMPOUNDS.conform(pa.Table.from_pylist(rows, schema=COMPOUNDS.arrow))


def _fitted(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["classifier"], row["version"]


def _dose_order(dose: float | None) -> tuple[bool, float]:
    return dose is not None, dose or 0.0


Condition = tuple[str | None, float | None]


def _ranked(
    wells: Sequence[dict[str, Any]], pictures: Sequence[dict[str, Any]], control: str, treated: str, seed: int
) -> list[dict[str, Any]]:
    """Rows of one fitted classifier."""
    by_condition: dict[Condition, list[dict[str, Any]]] = defaultdict(list)
    seen: dict[Condition, list[dict[str, Any]]] = defaultdict(list)
    for rows, into in ((wells, by_condition), (pictures, seen)):
        for row in rows:
            into[(row["compound"], row["dose"]) if row["compound"] else (None, None)].append(row)
    rows_of_controls = [
        _row(
            name,
            None,
            [row for row in by_condition[None, None] if row["label"] == name],
            [row for row in seen[None, None] if row["label"] == name],
            np.random.default_rng(seed),
        )
        for name in (control, treated)
    ]
    controls = _Controls.of(by_condition.pop((None, None)), control, treated)
    conditions = sorted(by_condition, key=lambda each: (str(each[0]), _dose_order(each[1])))
    found = []
    for compound, dose in conditions:
        of_condition = by_condition[compound, dose]
        # each condition has its own draws, whatever other compounds there are
        rng = np.random.default_rng(seed)
        row = _row(str(compound), dose, of_condition, seen[compound, dose], rng)
        found.append({**row, **_rescue(of_condition, controls, rng)})
    first = _rank(found)
    for row in found:
        row["sentence"] = _sentence(row, control, treated, len(found) if row is first else 1)
    for row in rows_of_controls:
        end = "0, like treated cells" if row["compound"] == treated else "1, like untreated cells"
        row["sentence"] = (
            f"{row['compound']}: likeness {_with_interval(row, 'likeness', '')}; on every plate this is rescue {end}."
        )
    found.sort(key=lambda row: (row["rank"] is None, row["rank"] or 0, row["compound"], _dose_order(row["dose"])))
    return [row for row in rows_of_controls if row["wells"]] + found


def _row(
    name: str,
    dose: float | None,
    wells: Sequence[dict[str, Any]],
    pictures: Sequence[dict[str, Any]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What is known of one condition without the controls."""
    ordered = [row["image_id"] for row in sorted(pictures, key=lambda row: (row["likeness"], row["image_id"]))]
    likeness = np.array([row["likeness"] for row in wells])
    interval: Interval | None = None
    if len(likeness) >= FEWEST_WELLS:
        interval = percentile_interval(likeness[rng.integers(len(likeness), size=(_DRAWS, len(likeness)))].mean(axis=1))
    low, high = interval or (None, None)
    return {
        "rank": None,
        "compound": name,
        "dose": dose,
        "classifier": wells[0]["classifier"] if wells else "",
        "version": wells[0]["version"] if wells else "",
        "images": sum(row["images"] for row in wells),
        "wells": len(wells),
        "likeness": float(likeness.mean()) if len(likeness) else 0.0,
        "low": low,
        "high": high,
        "rescue": None,
        "rescue_low": None,
        "rescue_high": None,
        "most_untreated": ordered[:_PICTURES],
        "most_treated": ordered[::-1][:_PICTURES],
    }


@dataclass(frozen=True)
class _Controls:
    """Likeness of the control wells (n,) and of the treated ones (m,), by plate."""

    untreated: Mapping[str, Float64]
    treated: Mapping[str, Float64]

    @classmethod
    def of(cls, wells: Sequence[dict[str, Any]], control: str, treated: str) -> "_Controls":
        def by_plate(label: str) -> dict[str, Float64]:
            found: dict[str, list[float]] = defaultdict(list)
            for row in wells:
                if row["label"] == label:
                    found[row["plate"]].append(row["likeness"])
            return {plate: np.array(values) for plate, values in found.items()}

        return cls(by_plate(control), by_plate(treated))

    def gap(self, plate: str) -> float | None:
        """How much more the treated wells of a plate look treated; None without both controls."""
        if plate not in self.untreated or plate not in self.treated:
            return None
        return float(self.treated[plate].mean() - self.untreated[plate].mean())


def _rescue(wells: Sequence[dict[str, Any]], controls: _Controls, rng: np.random.Generator) -> dict[str, Any]:
    """Rescue of one condition with its interval; `why` says what is missing of it, in words."""
    plates = sorted({row["plate"] for row in wells})
    gaps = {plate: controls.gap(plate) for plate in plates}
    useful = [plate for plate in plates if (gaps[plate] or 0.0) >= LEAST_GAP]
    why = []
    without = [plate for plate in plates if gaps[plate] is None]
    if without:
        why.append(f"no rescue on {', '.join(without)}: not both controls are there")
    alike = [plate for plate in plates if plate not in useful and plate not in without]
    if alike:
        why.append(f"no rescue on {', '.join(alike)}: the controls differ by less than {LEAST_GAP}")
    of_useful = [row for row in wells if row["plate"] in useful]
    if not of_useful:
        return {"why": why}
    place = np.array([useful.index(row["plate"]) for row in of_useful])
    likeness = np.array([row["likeness"] for row in of_useful])
    treated = np.array([controls.treated[plate].mean() for plate in useful])
    untreated = np.array([controls.untreated[plate].mean() for plate in useful])
    found: dict[str, Any] = {"rescue": float(_ratio(likeness[None], place[None], treated[None], untreated[None])[0])}
    fewest = min(len(of_useful), *(sum(len(of[p]) for p in useful) for of in (controls.treated, controls.untreated)))
    if fewest < FEWEST_WELLS:
        why.append(f"no interval: under {FEWEST_WELLS} wells of it or of a control")
        return {**found, "why": why}
    drawn = rng.integers(len(likeness), size=(_DRAWS, len(likeness)))
    of_treated, of_untreated = (
        np.stack([of[p][rng.integers(len(of[p]), size=(_DRAWS, len(of[p])))].mean(axis=1) for p in useful], axis=1)
        for of in (controls.treated, controls.untreated)
    )
    ratios = _ratio(likeness[drawn], place[drawn], of_treated, of_untreated)
    if np.isnan(ratios).mean() > 0.025:
        return {**found, "why": [*why, "no interval: the controls overlap"]}
    low, high = percentile_interval(ratios) or (None, None)
    return {**found, "rescue_low": low, "rescue_high": high, "why": why}


def _ratio(likeness: Float64, place: npt.NDArray[np.int64], treated: Float64, untreated: Float64) -> Float64:
    """Rescue (B,) of wells (B, n) on plates `place` (B, n), whose controls have those likenesses (B, P); NaN where they are not apart."""
    top = np.take_along_axis(treated, place, axis=1)
    gap = (top - np.take_along_axis(untreated, place, axis=1)).sum(axis=1)
    return np.where(gap > 0, (top - likeness).sum(axis=1) / np.where(gap > 0, gap, 1), np.nan)


def worth(row: Mapping[str, Any]) -> tuple[bool, float]:
    """By what the doses of compounds that have rescue are compared, rows of `schema.staining.COMPOUNDS`: the larger the better."""
    bounded = row["rescue_low"] is not None
    return bounded, row["rescue_low"] if bounded else row["rescue"]


def _rank(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Writes its rank into every row of a compound that has rescue; gives the row of the best dose of the first."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["rescue"] is not None and worth(row) >= worth(best.get(row["compound"], row)):
            best[row["compound"]] = row
    order = sorted(best, key=lambda name: (worth(best[name]), name), reverse=True)
    for row in rows:
        row["rank"] = order.index(row["compound"]) + 1 if row["compound"] in best else None
    return best[order[0]] if order else None


def _with_interval(row: Mapping[str, Any], value: str, prefix: str) -> str:
    low, high = row[f"{prefix}low"], row[f"{prefix}high"]
    return f"{row[value]:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def _sentence(row: dict[str, Any], control: str, treated: str, best_of: int) -> str:
    """The outcome in words; takes `why` from the row."""
    why = row.pop("why")
    dose = "" if row["dose"] is None else f" at {row['dose']:g}"
    number = f"{row['wells']} well{'s' * (row['wells'] != 1)}"
    text = f"{row['compound']}{dose}, {number}: likeness to {treated} {_with_interval(row, 'likeness', '')}"
    if row["rescue"] is None:
        return f"{text}. It cannot be put on the scale from {treated} to {control}: {'; '.join(why)}."
    text += f", rescue {_with_interval(row, 'rescue', 'rescue_')}"
    if row["rescue_low"] is not None:
        low, high = row["rescue_low"], row["rescue_high"]
        text += (
            ", beyond chance by itself"
            if low > 0
            else ", more treated than the treated"
            if high < 0
            else ", which may be chance"
        )
    text += "".join(f"; {each}" for each in why) + "."
    if best_of > 1:
        text += f" It is the best of {best_of} compounds and doses, so the figure is likely too high: new wells have to show it again."
    return text
