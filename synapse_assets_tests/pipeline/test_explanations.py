"""Maps of the classifiers in use: who is judged on what, which synapses are chosen, and what is stored."""

import io
import logging
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em import explanations
from synapse_assets.pipeline.em.explanations import check_explanations, explain_region, grey_map
from synapse_assets.pipeline.em.networks import Labelled
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.schema import EXPLANATION_CHECKS, EXPLANATIONS, SYNAPSE_LABELS, SYNAPSE_PREDICTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import REGIONS, TILE_PX, Lab, few_pictures, tiny_dataset

LOG = logging.getLogger(__name__)


@pytest.fixture
def copied(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """The finished installation, to be changed."""
    return DatasetStore(str(shutil.copytree(finished_lab.root, tmp_path / "data")), finished_lab.dataset.name)


def test_every_method_has_a_verdict_and_the_best_is_shown(finished_lab: Lab) -> None:
    store = finished_lab.store
    checks = store.results(EXPLANATION_CHECKS).read()
    version = store.models("synapse_classifier").current
    assert set(checks.column("classifier").to_pylist()) == {"linear_probe"}
    assert set(checks.column("version").to_pylist()) == {version}
    assert {"grad_cam", "occlusion"} <= set(checks.column("method").to_pylist())
    verdicts = dict(zip(*(checks.column(name).to_pylist() for name in ("method", "verdict")), strict=True))
    shown = store.results(EXPLANATIONS).read()
    [method] = set(shown.column("method").to_pylist())
    assert set(shown.column("verdict").to_pylist()) == {verdicts[method]}
    ranks = ["trustworthy", "partly", "not"]
    assert ranks.index(verdicts[method]) == min(map(ranks.index, verdicts.values()))
    assert set(shown.column("version").to_pylist()) == {version}


def test_maps_are_grey_pictures_of_the_tiles(finished_lab: Lab) -> None:
    store = finished_lab.store
    rows = store.results(EXPLANATIONS).read().to_pylist()
    hashes = store.tiles.read(None, ["synapse_id", "tile_hash"]).to_pylist()
    assert {(row["synapse_id"], row["tile_hash"]) for row in rows} <= {tuple(row.values()) for row in hashes}
    for row in rows:
        grey = np.asarray(Image.open(io.BytesIO(row["map"])))
        assert grey.shape == (TILE_PX, TILE_PX)
        assert grey.dtype == np.uint8
        assert row["largest"] > 0
        assert max(grey.max(), 256 - int(grey.min())) == 255, "the largest value, of either sign, has the last grey"


def test_a_map_can_be_read_back() -> None:
    values = np.array([[-2.0, 0.0], [1.0, 0.5]], np.float32)
    png, largest = grey_map(values)
    grey = np.asarray(Image.open(io.BytesIO(png))).astype(float)
    assert largest == 2
    np.testing.assert_allclose((grey - 128) / 127 * largest, values, atol=largest / 254)
    assert np.asarray(Image.open(io.BytesIO(grey_map(np.zeros((2, 2), np.float32))[0]))).tolist() == [[128, 128]] * 2


def test_few_of_each_kind_are_chosen_and_none_of_a_neuron_twice(finished_lab: Lab) -> None:
    store = finished_lab.store
    for region in REGIONS:
        rows = store.results(EXPLANATIONS).read(region).to_pylist()
        assert len(rows) <= 12
        assert max(Counter(row["chosen_as"] for row in rows).values()) <= 4
        predictions = {row["synapse_id"]: row for row in store.results(SYNAPSE_PREDICTIONS).read(region).to_pylist()}
        labels = {row["synapse_id"]: row for row in store.results(SYNAPSE_LABELS).read(region).to_pylist()}
        neurons = {
            row["synapse_id"]: row for row in store.synapses.read(region, ["synapse_id", "neuron_id"]).to_pylist()
        }
        wrong = {i for i, row in predictions.items() if row["predicted"] != labels[i]["target"]}
        for row in rows:
            assert row["class_name"] == predictions[row["synapse_id"]]["predicted"]
            assert row["probability"] == predictions[row["synapse_id"]]["probability"]
            assert (row["chosen_as"] == "error") == (row["synapse_id"] in wrong)
        right = [row["probability"] for i, row in predictions.items() if i not in wrong]
        [least] = [min(row["probability"] for row in rows if row["chosen_as"] == "uncertain")]
        assert least <= np.quantile(right, 0.2)
        for kind in {row["chosen_as"] for row in rows}:
            of_kind = [neurons[row["synapse_id"]]["neuron_id"] for row in rows if row["chosen_as"] == kind]
            assert len(of_kind) == len(set(of_kind))


def test_pictures_and_their_groups_are_in_neither_half(finished_lab: Lab) -> None:
    held = explanations._HeldOut.of(Labelled.of(finished_lab.store), finished_lab.dataset)
    assert held.reason == ""
    parts = held.parts.to_pylist()
    groups = [{row["group"] for row in parts if row["part"] == part} for part in (0, 1, 2)]
    assert not groups[0] & (groups[1] | groups[2])
    assert not groups[1] & groups[2]
    assert len(parts) == 72
    pictures = set(held.tiles.column("synapse_id").to_pylist())
    assert 8 <= len(pictures) <= 32
    assert pictures <= {row["synapse_id"] for row in parts if row["part"] == 0}
    assert held.shared_classes() == ["acetylcholine", "gaba", "glutamate"]


def divided(classes_of_group: dict[str, list[str]], dataset: EmDataset) -> explanations._HeldOut:
    """What is held out of labelled synapses, two of each class in each of these groups."""
    rows = [
        {
            "synapse_id": f"{group} {name} {turn}",
            "target": name,
            "group": group,
            "split": dataset.grouping[0],
        }
        for group, names in classes_of_group.items()
        for name in names
        for turn in range(2)
    ]
    folds = pa.Table.from_pylist(sorted(rows, key=lambda row: row["synapse_id"]))
    labelled = Labelled(folds.select(["synapse_id"]), folds, DatasetStore("", dataset.name).tiles)
    return explanations._HeldOut.of(labelled, dataset)


def test_a_group_of_several_classes_is_not_divided(tiny_inputs: Path) -> None:
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    groups = {f"g{number:02}": ["a", "b"] if number % 3 else ["b", "c"] for number in range(18)}
    parts = divided(groups, dataset).parts.to_pylist()
    assert len(parts) == 72
    for group in groups:
        assert len({row["part"] for row in parts if row["group"].endswith(group)}) == 1
    assert {row["part"] for row in parts} == {0, 1, 2}


def test_one_class_that_both_halves_have_is_too_few(tiny_inputs: Path) -> None:
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    groups = {f"g{number:02}": ["a"] for number in range(30)} | {"last": ["b"]}
    held = divided(groups, dataset)
    assert held.tiles.num_rows >= 8
    assert "label more neurons of the others" in held.reason
    assert divided(groups | {"another": ["b"]}, dataset).reason == ""


def test_what_was_judged_is_not_judged_again(copied: DatasetStore, finished_lab: Lab) -> None:
    before = copied.results(EXPLANATION_CHECKS).read()
    with few_pictures():
        report = check_explanations(copied, finished_lab.dataset, "cpu", LOG)
    assert (report.computed_rows, report.rows) == (0, before.num_rows)
    assert copied.results(EXPLANATION_CHECKS).read().equals(before)


def test_maps_of_another_version_are_neither_made_nor_released(copied: DatasetStore, finished_lab: Lab) -> None:
    build_release(copied, finished_lab.dataset, "")
    released = set((copied.release() or {})["tables"])
    assert {"explanation_checks", "explanations", "tile_attributes", "class_differences"} <= released
    checks = copied.results(EXPLANATION_CHECKS)
    rows = checks.read()
    version = rows.column_names.index("version")
    checks.write(
        rows.set_column(
            version,
            rows.schema.field(version),
            pc.replace_substring(rows.column(version), rows.column(version)[0].as_py(), "older"),
        )
    )
    build_release(copied, finished_lab.dataset, "")
    assert released - set((copied.release() or {})["tables"]) == {"explanation_checks"}
    with pytest.raises(BadInput, match=r"explanation_checks are of linear_probe older.*materialise explanation_checks"):
        explain_region(copied, finished_lab.dataset, "EB", "cpu", LOG)


def test_without_checks_or_a_classifier_there_are_no_maps(copied: DatasetStore, finished_lab: Lab) -> None:
    from synapse_assets.artifacts import NoModel

    folder = copied.models("synapse_classifier").path(str(copied.models("synapse_classifier").current))
    shutil.rmtree(folder / "linear_probe", ignore_errors=True)
    NoModel("all labelled synapses are 'gaba'").save(folder)
    report = check_explanations(copied, finished_lab.dataset, "cpu", LOG)
    assert (report.rows, report.details["result"]) == (0, "no classifier was fitted, so there is nothing to explain")
    assert explain_region(copied, finished_lab.dataset, "EB", "cpu", LOG).rows == 0
    empty = DatasetStore(copied.data_root, "elsewhere")
    with pytest.raises(BadInput, match="materialise the asset 'explanation_checks' first"):
        explain_region(empty, finished_lab.dataset, "EB", "cpu", LOG)
