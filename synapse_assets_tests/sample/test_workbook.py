"""The sample workbooks: the study's shape to the cell, repeatable, read back whole, with the planted structure and no other."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openpyxl
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from synapse_assets.datasets import MorphologyDataset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.sample import WorkbookTruth, draw_sample_workbook
from synapse_assets.sample import workbook as drawn
from synapse_assets.sources.workbooks import read_workbooks

STUDY, NEW = "neuron_synapse_raw_data.xlsx", "new_synapses.xlsx"
# As the study's workbook has them (knowledge/connectomics.md, 2.9), letter by letter.
COLUMNS = [
    *("NeuronId", "SynType", "SynId", "x", "y", "z", "soma_x", "soma_y", "soma_z"),
    *("corr_x", "corr_y", "corr_z", "corr_soma_x", "corr_soma_y", "corr_soma_z"),
    *("SynArea", "BoutonArea", "BoutonVolume"),
    *("corr_x_micron", "corr_y_micron", "corr_z_micron"),
    *("corr_soma_x_micron", "corr_soma_y_micron", "corr_soma_z_micron"),
]
SEEDS = (0, 1, 2)
Float64 = npt.NDArray[np.float64]


def sheet(folder: Path, name: str) -> list[tuple[Any, ...]]:
    """All rows of the one sheet, header first."""
    book = openpyxl.load_workbook(folder / name)
    assert book.sheetnames == ["Tabelle1"]
    return list(book["Tabelle1"].iter_rows(values_only=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the sample workbooks where the packaged dataset looks for them."""
    root = tmp_path_factory.mktemp("root")
    draw_sample_workbook(root / "sample_cbp" / "raw")
    return root


@pytest.fixture(scope="module")
def raw(root: Path) -> Path:
    return root / "sample_cbp" / "raw"


@pytest.fixture(scope="module")
def truth(raw: Path) -> WorkbookTruth:
    return draw_sample_workbook(raw)


@pytest.fixture(scope="module", params=SEEDS)
def by_seed(request: pytest.FixtureRequest) -> tuple[WorkbookTruth, list[list[Any]]]:
    """The truth and the rows of the study's workbook, of several seeds."""
    found, tables = drawn._draw(request.param)
    return found, tables[STUDY]


BySeed = tuple[WorkbookTruth, list[list[Any]]]


def column(rows: list[list[Any]], *names: str) -> Float64:
    return np.array([[row[COLUMNS.index(name)] for name in names] for row in rows])


def identifiers(rows: list[list[Any]]) -> list[str]:
    return [f"{row[0]}/{row[1]}/{row[2]}" for row in rows]


# The study's shape ----------------------------------------------------------------------------------------------------------


def test_columns_counts_and_types_are_the_studys(raw: Path) -> None:
    header, *rows = sheet(raw, STUDY)
    assert list(header) == COLUMNS
    assert len(rows) == 764
    neurons = {"pv3": 250, "pv2": 178, "cb1": 107, "pv1": 68, "cr2": 49, "cr1": 42, "cb2": 36, "cr3": 28, "cb3": 6}
    assert Counter(row[0] for row in rows) == neurons
    assert Counter(row[1] for row in rows) == {"as": 643, "ss": 121}
    for row in rows:
        assert [type(cell) for cell in row[:3]] == [str, str, int]
        assert all(isinstance(cell, int | float) and cell > 0 for cell in row[3:])
    # Excel, and so openpyxl, stores 7.0 as 7; but as a column they are fractions.
    for place, name in list(enumerate(COLUMNS))[3:]:
        assert sum(isinstance(row[place], float) for row in rows) > 500, name


def test_the_new_workbook_has_thirty_rows_with_whole_z(raw: Path) -> None:
    header, *rows = sheet(raw, NEW)
    assert list(header) == COLUMNS
    assert Counter(row[0] for row in rows) == {"cb3": 10, "cr2": 10, "pv1": 10}
    assert {type(row[5]) for row in rows} == {int}
    for place in (3, 4, 11, 15, 20):
        assert sum(isinstance(row[place], float) for row in rows) > 20


def test_numbers_restart_in_every_neuron_and_type(raw: Path) -> None:
    for name in (STUDY, NEW):
        numbers: dict[tuple[str, str], list[int]] = {}
        for neuron, kind, number, *_ in sheet(raw, name)[1:]:
            numbers.setdefault((neuron, kind), []).append(number)
        assert len(numbers) == (18 if name == STUDY else 6)
        for found in numbers.values():
            assert found == list(range(1, len(found) + 1))


def test_the_packaged_dataset_reads_them(root: Path, truth: WorkbookTruth) -> None:
    dataset = load_dataset("sample_cbp", str(root))
    assert isinstance(dataset, MorphologyDataset)
    synapses, provenance = read_workbooks(dataset, root / "unused")
    assert provenance.column("rows").to_pylist() == [764, 30]
    assert provenance.column("sheet").to_pylist() == ["Tabelle1"] * 2
    ids = synapses.column("synapse_id").to_pylist()
    assert set(ids) == set(truth.planted_class)
    assert len(set(ids)) == len(ids) == truth.synapses + truth.new_synapses == 794
    assert [i.startswith("new/") for i in ids] == [
        used == "prediction" for used in synapses.column("used_for").to_pylist()
    ]
    assert set(synapses.column("brain_region").to_pylist()) == {"V1"}
    for name in synapses.column_names:
        assert synapses.column(name).null_count == 0
    kinds = dict(zip(ids, synapses.column("neuron_type").to_pylist(), strict=True))
    for synapse, planted in truth.planted_class.items():
        assert {"pv": "parvalbumin", "cb": "calbindin", "cr": "calretinin"}[planted[:2]] == kinds[synapse]


# Positions ------------------------------------------------------------------------------------------------------------------


def numbers_of(table: pa.Table, *names: str) -> Float64:
    return np.stack([table.column(name).to_numpy() for name in names], axis=1)


def test_positions_agree_with_one_another(root: Path) -> None:
    dataset = load_dataset("sample_cbp", str(root))
    assert isinstance(dataset, MorphologyDataset)
    synapses = read_workbooks(dataset, root / "unused")[0]
    neurons = np.array(synapses.column("neuron_id").to_pylist())
    somata = set()
    for prefix in ("", "soma_"):
        traced = numbers_of(synapses, *(f"{prefix}{axis}" for axis in "xyz"))
        corrected = numbers_of(synapses, *(f"corrected_{prefix}{axis}" for axis in "xyz"))
        um = numbers_of(synapses, *(f"{prefix}{axis}_um" for axis in "xyz"))
        np.testing.assert_allclose(um, corrected * drawn.VOXEL_SIZE_UM, rtol=0, atol=1e-6)
        moved = (corrected - traced) * drawn.VOXEL_SIZE_UM
        assert 0.01 < np.abs(moved).mean() < np.abs(moved).max() < 60
    for neuron in np.unique(neurons):
        soma = numbers_of(synapses, *(f"soma_{axis}_um" for axis in "xyz"))[neurons == neuron]
        assert (soma == soma[0]).all()
        somata.add(tuple(soma[0]))
    assert len(somata) == 9


def test_each_neuron_has_axes_of_its_own_that_can_be_told_apart(by_seed: BySeed) -> None:
    _, rows = by_seed
    place = column(rows, *(f"corr_{a}_micron" for a in "xyz")) - column(rows, *(f"corr_soma_{a}_micron" for a in "xyz"))
    neurons = np.array([row[0] for row in rows])
    first = []
    for neuron in np.unique(neurons):
        points = place[neurons == neuron]
        _, spread, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
        spread /= np.sqrt(len(points))
        assert (spread[:-1] > 1.4 * spread[1:]).all()
        assert 30 < spread[0] < 160
        # The soma lies to one side along every axis, or their signs would be a matter of chance.
        assert (np.abs(axes @ points.mean(axis=0)) > 0.4 * spread).all()
        first.append(axes[0])
    angles = np.abs(np.array(first) @ np.array(first).T)[np.triu_indices(len(first), 1)]
    assert angles.min() < 0.5
    assert np.linalg.norm(place, axis=1).max() < 500


# Planted truth --------------------------------------------------------------------------------------------------------------


def test_sixteen_rows_are_extreme_and_no_others(by_seed: BySeed) -> None:
    truth, rows = by_seed
    areas = column(rows, "SynArea", "BoutonArea")
    low, high = np.quantile(areas, [0.25, 0.75], axis=0)
    outside = (areas > high + 3 * (high - low)) | (areas < low - 3 * (high - low))
    found = [synapse for synapse, out in zip(identifiers(rows), outside.any(axis=1), strict=True) if out]
    assert found == truth.extreme
    assert len(found) == 16
    assert outside.sum(axis=0).tolist() == [8, 8]
    assert not any(synapse.startswith("cb3") for synapse in found)


def shape_of(neuron_type: str, by_seed: BySeed) -> tuple[Float64, list[str]]:
    """Robustly scaled areas of the type's synapses that are not extreme, and their planted classes."""
    truth, rows = by_seed
    areas = column(rows, "SynArea", "BoutonArea")
    low, middle, high = np.quantile(areas, [0.25, 0.5, 0.75], axis=0)
    scaled = (areas - middle) / (high - low)
    ids = identifiers(rows)
    taken = [n for n, i in enumerate(ids) if i.startswith(neuron_type) and i not in truth.extreme]
    return scaled[taken], [truth.planted_class[ids[n]] for n in taken]


def gap(shape: Float64, classes: list[str]) -> float:
    """Smallest distance between centres of classes, in standard deviations of the classes along the line between them."""
    named = np.array(classes)
    smallest = np.inf
    for first in set(classes):
        for second in set(classes) - {first}:
            one, other = shape[named == first], shape[named == second]
            line = np.linalg.inv(np.cov(one.T) + np.cov(other.T)) @ (one.mean(axis=0) - other.mean(axis=0))
            apart = abs(line @ (one.mean(axis=0) - other.mean(axis=0)))
            smallest = min(smallest, apart / np.sqrt((np.var(one @ line) + np.var(other @ line)) / 2))
    return float(smallest)


def test_the_classes_of_pv_are_found_by_any_method(by_seed: BySeed) -> None:
    shape, classes = shape_of("pv", by_seed)
    assert set(classes) == {"pv-slender", "pv-even", "pv-broad"}
    assert min(Counter(classes).values()) > 100
    assert gap(shape, classes) > 6
    assert adjusted_rand_score(classes, KMeans(3, n_init=10, random_state=0).fit_predict(shape)) > 0.9
    assert adjusted_rand_score(classes, GaussianMixture(3, n_init=3, random_state=0).fit_predict(shape)) > 0.97


def test_neither_area_alone_tells_the_classes_of_pv(by_seed: BySeed) -> None:
    shape, classes = shape_of("pv", by_seed)
    for measure in shape.T:
        found = KMeans(3, n_init=10, random_state=0).fit_predict(measure[:, None])
        assert adjusted_rand_score(classes, found) < 0.85


def test_every_pv_neuron_has_every_class(by_seed: BySeed) -> None:
    truth, _ = by_seed
    pairs = {(i.split("/")[0], planted) for i, planted in truth.planted_class.items() if i.startswith("pv")}
    assert len(pairs) == 9


def test_the_classes_of_cb_overlap_once_place_is_added(by_seed: BySeed) -> None:
    shape, classes = shape_of("cb", by_seed)
    assert set(classes) == {"cb-slender", "cb-broad"}
    # Place adds about 0.15 to the spread of every feature.
    noisy = shape + np.random.default_rng(0).normal(scale=0.15, size=shape.shape)
    assert 1.0 < gap(noisy, classes) < 4.0


def test_cr_has_one_class_of_independent_areas(by_seed: BySeed) -> None:
    shape, classes = shape_of("cr", by_seed)
    assert set(classes) == {"cr"}
    assert abs(np.corrcoef(shape.T)[0, 1]) < 0.25
    for pieces in (2, 3, 4):
        one = GaussianMixture(1, random_state=0).fit(shape).bic(shape)
        assert GaussianMixture(pieces, n_init=3, random_state=0).fit(shape).bic(shape) > one


def test_the_volume_follows_the_area_of_the_bouton(by_seed: BySeed) -> None:
    _, rows = by_seed
    area, volume = column(rows, "BoutonArea", "BoutonVolume").T
    assert np.corrcoef(np.log(area), np.log(volume))[0, 1] > 0.97


# Drawing --------------------------------------------------------------------------------------------------------------------


def test_the_truth_lies_beside_and_names_the_groups(raw: Path, truth: WorkbookTruth) -> None:
    assert {path.name for path in raw.iterdir()} == {STUDY, NEW, "sample_workbook.json"}
    assert json.loads((raw / "sample_workbook.json").read_text())["extreme"] == truth.extreme
    assert truth.structure == {"pv": "separated", "cb": "overlapping", "cr": "none", "as": "mixed", "ss": "mixed"}


def test_the_same_seed_gives_the_same_cells(raw: Path, truth: WorkbookTruth, tmp_path: Path) -> None:
    assert draw_sample_workbook(tmp_path / "again") == truth
    other = draw_sample_workbook(tmp_path / "other", seed=1)
    assert other.planted_class != truth.planted_class
    for name in (STUDY, NEW):
        assert sheet(tmp_path / "again", name) == sheet(raw, name)
        assert sheet(tmp_path / "other", name) != sheet(raw, name)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def copied(raw: Path, folder: Path) -> Path:
    return Path(shutil.copytree(raw, folder / "raw"))


def test_it_is_drawn_once_and_what_is_missing_again(raw: Path, truth: WorkbookTruth, tmp_path: Path) -> None:
    folder = copied(raw, tmp_path)
    before = times(folder)
    assert draw_sample_workbook(folder) == truth
    assert times(folder) == before
    (folder / NEW).unlink()
    assert draw_sample_workbook(folder) == truth
    assert times(folder)[STUDY] == before[STUDY]
    assert sheet(folder, NEW) == sheet(raw, NEW)
    content = (folder / STUDY).read_bytes()
    (folder / STUDY).write_bytes(content[:5000])
    (folder / "sample_workbook.json").write_text(json.dumps({"version": 0}))
    assert draw_sample_workbook(folder) == truth
    assert sheet(folder, STUDY) == sheet(raw, STUDY)
    assert json.loads((folder / "sample_workbook.json").read_text())["version"] == truth.version


def test_another_seed_or_version_is_drawn_anew(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(raw, tmp_path)
    assert draw_sample_workbook(folder, seed=1).seed == 1
    assert sheet(folder, STUDY) != sheet(raw, STUDY)
    before = times(folder)
    monkeypatch.setattr(drawn, "VERSION", 99)
    assert draw_sample_workbook(folder, seed=1).version == 99
    assert all(times(folder)[name] != before[name] for name in (STUDY, NEW, "sample_workbook.json"))


@pytest.mark.parametrize("name", [STUDY, NEW])
@pytest.mark.parametrize("beside", [True, False])
def test_a_workbook_of_ones_own_is_never_replaced(raw: Path, tmp_path: Path, name: str, beside: bool) -> None:
    folder = copied(raw, tmp_path)
    book = openpyxl.Workbook()
    book.active.append(["mine"])
    book.save(folder / name)
    if not beside:
        (folder / "sample_workbook.json").unlink()
    content = (folder / name).read_bytes()
    with pytest.raises(BadInput, match=f"{name} is no sample workbook: move it away"):
        draw_sample_workbook(folder)
    assert (folder / name).read_bytes() == content


def test_a_broken_file_without_the_truth_beside_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / STUDY).write_text("mine")
    with pytest.raises(BadInput, match="is no sample workbook"):
        draw_sample_workbook(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STUDY]
