"""What is odd in a workbook that could be read is named, and what is well is not."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.sources.workbook_checks import far_from_soma, neurons_below, several_somas, uneven_micrometres
from synapse_assets.sources.workbooks import read_workbooks
from synapse_assets_tests.defs.morphology.planted import planted_dataset, planted_workbook


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    planted_workbook().drop(columns="planted").to_excel(tmp_path / "study.xlsx", index=False)
    return read_workbooks(planted_dataset(tmp_path / "study.xlsx"), tmp_path)[0].to_pandas()


def table(rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows, preserve_index=False)


def test_a_sound_workbook_has_nothing_to_tell(rows: pd.DataFrame) -> None:
    found = table(rows)
    assert (far_from_soma(found), several_somas(found), uneven_micrometres(found)) == ([], [], [])
    assert neurons_below(found, 5) == {}


def test_distances_beyond_a_brain_are_named_with_the_likely_cause(rows: pd.DataFrame) -> None:
    rows.loc[0, "x_um"] += 6000
    told = far_from_soma(table(rows))
    assert len(told) == 1
    assert told[0].startswith(f"{rows.loc[0, 'synapse_id']} lies 6,")
    rows.loc[1:4, "x_um"] += 6000
    assert [one.split()[0] for one in far_from_soma(table(rows))] == rows.loc[:4, "synapse_id"].tolist()
    rows.loc[5, "x_um"] += 6000
    assert far_from_soma(table(rows))[5:] == ["and 1 more; are the micron columns in another unit?"]
    rows["y_um"] += 9000
    assert "355 more; are the micron columns in another unit" in far_from_soma(table(rows))[-1]


def test_a_neuron_with_two_somas(rows: pd.DataFrame) -> None:
    rows.loc[rows["neuron_id"] == "pv2", "soma_z_um"] += [0.0] * 89 + [1.0]
    assert several_somas(table(rows)) == ["pv2 has 2 somas"]


def test_micrometres_that_do_not_follow_the_corrected_position(rows: pd.DataFrame) -> None:
    rows.loc[7, "y_um"] += 3.0
    assert uneven_micrometres(table(rows)) == ["y: 1 of 360 rows differ from the factor 0.01"]
    assert uneven_micrometres(table(rows.assign(corrected_x=None, corrected_y=None, corrected_z=None))) == []
    # Rounded to a hundredth of a micrometre, as spreadsheets do, is no difference.
    rows.loc[7, "y_um"] -= 3.0
    assert uneven_micrometres(table(rows.assign(y_um=rows["y_um"].round(2)))) == []


def test_neurons_with_few_synapses_are_counted(rows: pd.DataFrame) -> None:
    kept = rows[(rows["neuron_id"] != "cb2") | (rows.groupby("neuron_id").cumcount() < 4)]
    assert neurons_below(table(kept), 5) == {"cb2": 4}
