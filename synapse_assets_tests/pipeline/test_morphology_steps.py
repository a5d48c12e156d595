"""The steps of the morphology chain as plain functions: from workbooks to predictions, and what is refused."""

import logging
import re
from pathlib import Path

import pytest

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.morphology import FeatureChoice, HdbscanSetting, Recipe, SingleMap
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.inputs import SOURCES_GONE
from synapse_assets.pipeline.morphology.classify import fit_cluster_classifiers, predict_clusters
from synapse_assets.pipeline.morphology.clusters import assess_clusters, cluster_group, map_group, sweep_settings
from synapse_assets.pipeline.morphology.features import compute_features, fit_feature_model
from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.pipeline.morphology.recipes import compare_recipes, fit_recipes
from synapse_assets.pipeline.morphology.release import build_release
from synapse_assets.pipeline.morphology.synapses import read_synapses
from synapse_assets.pipeline.report import Picture, Report
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.defs.morphology.planted import planted_dataset, planted_workbook

LOG = logging.getLogger(__name__)
# A group whose synapses no workbook has: every step has an outcome, and none takes time.
GROUP = "nobody"
STEPS_OF_GROUP = ["projection", "parameter_sweep", "clusters", "cluster_stability", "cluster_classifier", "predictions"]


@pytest.fixture
def dataset(tmp_path: Path) -> MorphologyDataset:
    """A study and, in a folder that may become empty, new synapses."""
    (tmp_path / "new").mkdir()
    for path, new in ((tmp_path / "study.xlsx", False), (tmp_path / "new" / "new.xlsx", True)):
        planted_workbook(new=new).drop(columns="planted").to_excel(path, index=False)
    return planted_dataset(
        tmp_path / "study.xlsx",
        tmp_path / "new",
        groups={GROUP: {"neuron_id": "cb77"}},
        units={"synapse_area": "sq um"},
    )


@pytest.fixture
def store(tmp_path: Path, dataset: MorphologyDataset) -> DatasetStore:
    return DatasetStore(str(tmp_path / "data"), dataset.name)


def outcomes(report: Report) -> dict[str, bool]:
    return {check.name: check.passed for check in report.checks}


def test_rows_of_a_workbook_go_only_if_its_files_are_meant_to_be_gone(
    store: DatasetStore, dataset: MorphologyDataset, tmp_path: Path
) -> None:
    first = read_synapses(store, dataset, [])
    assert (first.rows, first.details["newly_observed"]) == (375, 15)
    assert all(outcomes(first)[name] for name in ("distances_plausible", "one_soma_per_neuron"))
    assert SOURCES_GONE not in first.details
    (tmp_path / "new" / "new.xlsx").unlink()
    with pytest.raises(BadInput, match="there is no file any more for the source new"):
        read_synapses(store, dataset, [])
    assert store.results(morphology.SYNAPSES).read().num_rows == 375
    last = read_synapses(store, dataset, ["new"])
    assert (last.rows, last.details[SOURCES_GONE]) == (360, "new")
    assert last.content_version != first.content_version


def test_a_group_without_synapses_goes_from_step_to_step(store: DatasetStore, dataset: MorphologyDataset) -> None:
    read_synapses(store, dataset, [])
    with pytest.raises(BadInput, match="no feature_model has been fitted"):
        compute_features(store, dataset)
    assert fit_feature_model(store, dataset, LOG).details["status"] == "in use"
    features = compute_features(store, dataset)
    assert features.rows == 375
    assert isinstance(features.details["positions"], Picture)
    page = (store.figures.path / "neuron_positions.html").read_text(encoding="utf-8")
    assert re.search(r"synapse area 0\.\d+ sq um\W", page)
    assert outcomes(features) == {"prediction_path_equals_fit": True, "extreme_values": True}
    assert Group(store, dataset, GROUP).missing() == STEPS_OF_GROUP

    assert outcomes(map_group(store, dataset, GROUP, LOG)) == {"enough_synapses": False}
    assert Group(store, dataset, GROUP).missing() == STEPS_OF_GROUP[1:]
    assert sweep_settings(store, dataset, GROUP).rows == 0
    clusters = cluster_group(store, dataset, GROUP, LOG)
    assert outcomes(clusters) == {"found_clusters": False, "every_synapse_has_a_row": True}
    assert outcomes(assess_clusters(store, dataset, GROUP)) == {"clusters_are_stable": False}
    classifiers = fit_cluster_classifiers(store, dataset, GROUP, LOG)
    assert outcomes(classifiers) == {"trained_on_stable_clusters": True, "carries_over_to_other_neurons": False}
    assert Group(store, dataset, GROUP).missing() == ["predictions"]
    assert outcomes(build_release(store, dataset, "http://explorer")) == {"every_group_complete": False}

    assert outcomes(predict_clusters(store, dataset, GROUP)) == {"every_new_synapse_has_a_row": True}
    release = build_release(store, dataset, "http://explorer")
    assert outcomes(release) == {"every_group_complete": True}
    assert release.rows == 375
    published = store.release() or {}
    tables = "synapses workbooks features projection parameter_sweep clusters cluster_profiles cluster_stability"
    assert set(published["tables"]) == {*tables.split(), "classifier_scores", "predictions"}
    assert set(published["models"]) == {
        "feature_model",
        *(f"{model}_{GROUP}" for model in ("projection", "clusters", "cluster_classifier")),
    }


def test_recipes_of_a_group_without_synapses_say_that_there_is_nothing(
    store: DatasetStore, dataset: MorphologyDataset
) -> None:
    one_map = Recipe(single_map=SingleMap(settings={GROUP: HdbscanSetting(min_cluster_size=5, min_samples=2)}))
    dataset = dataset.model_copy(update={"recipes": {"one_map": one_map, "consensus": Recipe()}})
    read_synapses(store, dataset, [])
    fit_feature_model(store, dataset, LOG)
    compute_features(store, dataset)
    assert fit_recipes(store, dataset, GROUP, LOG).rows == 0
    with pytest.raises(BadInput, match="materialise it first"):
        compare_recipes(store, dataset, GROUP)
    map_group(store, dataset, GROUP, LOG)
    sweep_settings(store, dataset, GROUP)
    cluster_group(store, dataset, GROUP, LOG)
    assess_clusters(store, dataset, GROUP)
    report = compare_recipes(store, dataset, GROUP)
    assert (report.rows, outcomes(report)) == (
        3,
        {"groups_whatever_the_choices": False, "published_labels_match": True},
    )
    rows = store.results(morphology.RECIPE_COMPARISON).read(GROUP).to_pylist()
    assert {row["recipe"] for row in rows} == {"ours", "one_map", "consensus"}
    assert all("There are no clusters" in row["sentence"] for row in rows)
    assert (
        fit_recipes(store, dataset, GROUP, LOG).content_version
        == fit_recipes(store, dataset, GROUP, LOG).content_version
    )


def test_a_recipe_whose_measure_the_workbook_lacks_is_named(store: DatasetStore, dataset: MorphologyDataset) -> None:
    rows = planted_workbook().drop(columns=["planted", "BoutonVolume"])
    rows.to_excel(dataset.workbooks[0].path, index=False)
    volumes = Recipe(features=FeatureChoice(shape=["bouton_volume"]))
    dataset = dataset.model_copy(update={"recipes": {"by_volume": volumes}})
    read_synapses(store, dataset, [])
    fit_feature_model(store, dataset, LOG)
    compute_features(store, dataset)
    with pytest.raises(BadInput, match=r"recipes\.by_volume of planted: 360 of 360 synapses have no bouton_volume"):
        fit_recipes(store, dataset, GROUP, LOG)
    assert store.results(morphology.RECIPE_CLUSTERS).read().num_rows == 0, "nothing is stored by halves"
