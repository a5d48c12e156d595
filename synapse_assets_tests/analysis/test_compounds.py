"""Likeness by well, rescue plate by plate, and ranks, of planted compounds."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.compounds import dose_curve, picture_likeness, rank_compounds, well_likeness
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import COMPOUND_WELLS, COMPOUNDS, IMAGE_PREDICTIONS, IMAGES

# Likeness of the controls of a plate, untreated and treated; the second plate is dim.
PLATES = {"P1": (0.1, 0.9), "P2": (0.3, 0.6)}
# Share of the treatment that each undoes, by dose.
RESCUE = {"strong": {1.0: 0.4, 10.0: 1.0}, "weak": {1.0: 0.0, 10.0: 0.3}, "nothing": {10.0: 0.0}}


def picture(plate: str, well: str, likeness: float, field: int = 0, **facts: Any) -> dict[str, Any]:
    return {"image_id": f"{plate}/{well}/{field}", "plate": plate, "well": well, "likeness": likeness, **facts}


def planted(noise: float = 0.0, wells: int = 4, plates: tuple[str, ...] = ("P1", "P2")) -> list[dict[str, Any]]:
    """Two pictures of each well, one above and one below its likeness."""
    rng = np.random.default_rng(0)
    rows = []
    for plate in plates:
        control, treated = PLATES[plate]
        conditions: list[tuple[float, dict[str, Any]]] = [
            (control, {"label": "control"}),
            (treated, {"label": "treated"}),
        ]
        for compound, doses in RESCUE.items():
            for dose, rescue in doses.items():
                facts = {"label": "treated", "compound": compound, "dose": dose}
                conditions.append((treated - rescue * (treated - control), facts))
        for row, (likeness, facts) in enumerate(conditions):
            for column in range(wells):
                of_well = likeness + noise * (treated - control) * rng.normal()
                well = f"{'ABCDEFGH'[row]}{column + 1:02d}"
                rows += [picture(plate, well, of_well + off, field, **facts) for field, off in enumerate((-0.02, 0.02))]
    return rows


def tables(rows: list[dict[str, Any]], classifier: str = "small_stain") -> tuple[pa.Table, pa.Table]:
    """Predictions and images of these pictures."""
    columns = dict.fromkeys(IMAGES.names)
    images = [columns | {k: v for k, v in row.items() if k in IMAGES.names} for row in rows]
    predictions = [
        {
            **dict.fromkeys(IMAGE_PREDICTIONS.names),
            "image_id": row["image_id"],
            "plate": row["plate"],
            "classifier": classifier,
            "version": "v1",
            "probabilities": {"control": 1 - row["likeness"], "treated": row["likeness"]},
        }
        for row in rows
    ]
    return (
        pa.Table.from_pylist(predictions, schema=IMAGE_PREDICTIONS.arrow),
        pa.Table.from_pylist(images, schema=IMAGES.arrow),
    )


def ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    predictions, images = tables(rows)
    wells = well_likeness(predictions, images, "treated")
    table = rank_compounds(wells, picture_likeness(predictions, images, "treated"), "control", "treated", seed=0)
    assert table.schema == COMPOUNDS.arrow
    return table.to_pylist()


def test_a_well_is_the_mean_of_its_pictures() -> None:
    rows = planted()
    predictions, images = tables(rows)
    shuffled = predictions.take(np.random.default_rng(0).permutation(len(rows)))
    wells = well_likeness(shuffled, images, "treated")
    assert wells.schema == COMPOUND_WELLS.arrow
    assert wells.equals(well_likeness(predictions, images, "treated"))
    found = wells.to_pylist()
    assert len(found) == len(rows) // 2
    first = next(row for row in found if (row["plate"], row["well"]) == ("P2", "D02"))
    assert (first["compound"], first["dose"], first["images"], first["version"]) == ("strong", 10.0, 2, "v1")
    assert first["likeness"] == pytest.approx(0.3)
    assert all(row["compound"] is None for row in found if row["well"][0] in "AB")


def test_pictures_without_well_label_or_prediction() -> None:
    rows = planted(plates=("P1",))
    rows[0]["well"] = None
    rows[3] = picture("P1", "Z", 0.5)
    predictions, images = tables(rows)
    wells = well_likeness(predictions.slice(0, len(rows) - 2), images, "treated").to_pylist()
    assert {row["well"] for row in wells if row["images"] == 1} == {"P1/A01/0", "A01", "A02"}
    assert sum(row["images"] for row in wells) == len(rows) - 3


def test_what_cannot_be_counted_is_refused() -> None:
    predictions, images = tables(planted())
    with pytest.raises(BadInput, match="no probability of 'poisoned', only of"):
        well_likeness(predictions, images, "poisoned")
    rows = planted()
    rows[-1] = {**rows[-1], "dose": 5.0}
    with pytest.raises(BadInput, match=r"well G04 of plate P2 holds pictures of several conditions"):
        well_likeness(*tables(rows), "treated")


def test_rescue_is_that_of_the_plates_own_controls() -> None:
    """The likeness of the two plates differs, what is undone of it does not."""
    rows = ranked(planted())
    found = {(row["compound"], row["dose"]): row for row in rows}
    for compound, doses in RESCUE.items():
        for dose, rescue in doses.items():
            row = found[compound, dose]
            assert row["rescue"] == pytest.approx(rescue, abs=1e-9)
            assert row["rescue_low"] == pytest.approx(rescue, abs=1e-9), "nothing varies within a plate"
            assert (row["wells"], row["images"]) == (8, 16)
    assert found["strong", 10.0]["likeness"] == pytest.approx(0.2)
    assert [row["compound"] for row in rows[:2]] == ["control", "treated"]
    assert {row["rank"] for row in rows[:2]} == {None}
    assert [(row["rank"], row["compound"], row["dose"]) for row in rows[2:]] == [
        (1, "strong", 1.0), (1, "strong", 10.0), (2, "weak", 1.0), (2, "weak", 10.0), (3, "nothing", 10.0),
    ]  # fmt: skip
    assert found["strong", 10.0]["most_untreated"][0].endswith("/0")
    assert found["strong", 10.0]["most_treated"][0].startswith("P2/")
    assert "It is the best of 5 compounds and doses" in found["strong", 10.0]["sentence"]
    assert sum("best of" in row["sentence"] for row in rows) == 1


def test_intervals_are_those_of_resampled_wells() -> None:
    rows = planted(noise=0.2, wells=6)
    found = {(row["compound"], row["dose"]): row for row in ranked(rows)}
    wells: dict[tuple[str, str], list[float]] = {}
    for row in rows[::2]:
        name = row.get("compound") or row["label"]
        if name in ("control", "treated") or (name, row["dose"]) == ("weak", 10.0):
            wells.setdefault((row["plate"], name), []).append(row["likeness"] + 0.02)
    rng = np.random.default_rng(1)
    own = [(plate, value) for (plate, name), values in wells.items() if name == "weak" for value in values]
    likeness, rescue = [], []
    for _ in range(1500):
        ends = {key: np.mean(rng.choice(values, len(values))) for key, values in wells.items() if key[1] != "weak"}
        chosen = [own[i] for i in rng.integers(len(own), size=len(own))]
        likeness.append(np.mean([value for _, value in chosen]))
        above = sum(ends[plate, "treated"] - value for plate, value in chosen)
        rescue.append(above / sum(ends[plate, "treated"] - ends[plate, "control"] for plate, _ in chosen))
    row = found["weak", 10.0]
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(likeness, [2.5, 97.5])), abs=0.02)
    assert (row["rescue_low"], row["rescue_high"]) == pytest.approx(tuple(np.percentile(rescue, [2.5, 97.5])), abs=0.04)
    assert row["rescue_low"] < 0.3 < row["rescue_high"]
    assert "beyond chance by itself" in found["strong", 10.0]["sentence"]
    assert found["nothing", 10.0]["rescue_low"] < 0
    assert "which may be chance" in found["nothing", 10.0]["sentence"]


def test_few_wells_have_no_interval_and_stand_behind_those_that_have() -> None:
    rows = planted(noise=0.05)
    lucky = [picture("P1", f"H{i:02d}", 0.0, label="treated", compound="lucky", dose=10.0) for i in (1, 2)]
    found = ranked(rows + lucky)
    row = found[-1]
    assert (row["compound"], row["rank"], row["wells"]) == ("lucky", 4, 2)
    assert row["rescue"] > 1
    assert (row["low"], row["high"], row["rescue_low"], row["rescue_high"]) == (None,) * 4
    assert "no interval: under 3 wells" in row["sentence"]


def test_plates_without_scale_are_left_out_and_said() -> None:
    rows = planted(plates=("P1",), noise=0.05)
    # no treated control on P3; controls alike on P4
    lonely = [picture("P3", f"A{i}", 0.2, label="control") for i in range(3)]
    lonely += [picture("P3", f"B{i}", 0.0, label="treated", compound="strong", dose=10.0) for i in range(3)]
    lonely += [picture("P3", f"C{i}", 0.0, label="treated", compound="only", dose=1.0) for i in range(3)]
    alike = [picture("P4", f"{name}{i}", 0.5, label=name) for name in ("control", "treated") for i in range(3)]
    alike += [picture("P4", f"C{i}", 0.1, label="treated", compound="flat", dose=None) for i in range(3)]
    found = {(row["compound"], row["dose"]): row for row in ranked(rows + lonely + alike)}
    without = {(row["compound"], row["dose"]): row for row in ranked(rows)}
    strong = found["strong", 10.0]
    assert strong["rescue"] == pytest.approx(without["strong", 10.0]["rescue"])
    assert strong["wells"] == 7
    assert "no rescue on P3: not both controls are there" in strong["sentence"]
    for key, why in ((("only", 1.0), "P3: not both controls"), (("flat", None), "P4: the controls differ by less")):
        row = found[key]
        assert (row["rescue"], row["rescue_low"], row["rank"]) == (None, None, None)
        assert why in row["sentence"]
        assert row["low"] is not None


def test_each_fitted_classifier_is_ranked_by_itself() -> None:
    rows = planted()
    both = [tables(rows, name) for name in ("one", "two")]
    predictions = pa.concat_tables([each[0] for each in both])
    wells = well_likeness(predictions, both[0][1], "treated")
    pictures = picture_likeness(predictions, both[0][1], "treated")
    found = rank_compounds(wells, pictures, "control", "treated", seed=0).to_pylist()
    assert [row["classifier"] for row in found] == ["one"] * 7 + ["two"] * 7
    first, second = (
        [{**row, "classifier": ""} for row in found if row["classifier"] == name] for name in ("one", "two")
    )
    assert first == second
    assert rank_compounds(wells.slice(0, 0), pictures.slice(0, 0), "control", "treated", 0).num_rows == 0


def test_a_dose_curve_has_the_wells_of_each_dose() -> None:
    predictions, images = tables([*planted(), picture("P1", "H1", 0.4, label="treated", compound="weak")])
    curve = dose_curve(well_likeness(predictions, images, "treated"), "weak")
    assert [dose.dose for dose in curve] == [None, 1.0, 10.0]
    assert [len(dose.likeness) for dose in curve] == [1, 8, 8]
    assert curve[2].likeness.mean() == pytest.approx((0.66 + 0.51) / 2)
