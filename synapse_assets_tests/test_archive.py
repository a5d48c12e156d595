"""What earlier code stored, opened by the code as it is now: nothing is out of date, nothing is computed again, all can be read.

How the archive was made says `archive.make`. Each test lays it out anew.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.analysis.clustering.consensus import Consensus
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import FittedSample, Projection
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
from synapse_assets.analysis.evaluation.predictions import Classifier
from synapse_assets.analysis.evaluation.stored import load_classifier_evaluation, load_probe_evaluation
from synapse_assets.analysis.morphology.classifiers import ClusterClassifiers
from synapse_assets.analysis.morphology.features import FeatureModel
from synapse_assets.artifacts import NoModel
from synapse_assets.query import open_warehouse
from synapse_assets.schema import SYNAPSE_PREDICTIONS, morphology
from synapse_assets.vision.encoder import Encoder
from synapse_assets_tests.archive.archived import FOLDER, PLANTED, RECORD, TINY, Archived, installation, unpack
from synapse_assets_tests.conftest import EXPLAINED, EXPLAINED_BY_REGION, REGIONS, REPORTS, few_pictures

REGION, RELEASE, GROUP = "EB", "paper", "as"
# Of a region or group, and of the whole dataset, in their order.
STEPS: dict[str, list[tuple[str | None, tuple[str, ...]]]] = {
    TINY: [
        (None, ("synapse_table", "alignment", "neurons")),
        (REGION, ("synapses", "synapse_labels", "tile_plan", "tiles")),
        (None, ("encoder", "splits")),
        (REGION, ("embeddings",)),
        (None, ("umap_model", "cluster_model", "synapse_classifier")),
        (REGION, ("umap_coordinates", "clusters", "synapse_predictions")),
        (None, ("cluster_cards", "neuron_predictions", "drift", "promotions", "vector_index")),
    ],
    PLANTED: [
        (None, ("synapses", "feature_model", "features")),
        (
            GROUP,
            ("projection", "parameter_sweep", "clusters", "cluster_stability", "cluster_classifier", "predictions"),
        ),
    ],
}
# Assets that there were not when the archive was made.
ADDED = {f"{TINY}/{name}": "MISSING" for name in (*REPORTS, "calibration", "neuron_answers", *EXPLAINED)} | {
    f"{TINY}/{name} {region}": "MISSING" for region in REGIONS for name in ("synapse_answers", *EXPLAINED_BY_REGION)
}
ADDED |= {f"{dataset}/report": "MISSING" for dataset in (TINY, PLANTED)}
# What is observed rather than made: contents of files, and of what a table holds of a region or group.
OBSERVED = [
    (TINY, None, ("synapse_source", "neuron_source")),
    (TINY, REGION, ("region_sites", "region_labels")),
    (PLANTED, None, ("synapse_workbooks",)),
    (PLANTED, GROUP, ("fitted_features", "new_features")),
]
# How what is stored of each model is loaded; of groups, by the name before the group's.
LOADERS: dict[tuple[str, str], list[Callable[[Path], Any]]] = {
    (TINY, "encoder"): [Encoder.load],
    (TINY, "umap_model"): [Projection.load, FittedSample.load],
    (TINY, "cluster_model"): [ClusterModel.load, FittedSample.load],
    (TINY, "synapse_classifier"): [Classifier.load, load_probe_evaluation],
    (PLANTED, "feature_model"): [FeatureModel.load],
    (PLANTED, f"projection_{GROUP}"): [GroupMaps.load],
    (PLANTED, f"clusters_{GROUP}"): [Consensus.load],
    (PLANTED, f"cluster_classifier_{GROUP}"): [ClusterClassifiers.load, load_classifier_evaluation],
}


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archived]:
    """The archive, laid out and opened."""
    unpack(FOLDER / "installation.tar.xz", tmp_path)
    monkeypatch.chdir(tmp_path)
    with installation(tmp_path) as found:
        yield found


def record() -> dict[str, Any]:
    """What was so when the archive was made."""
    found: dict[str, Any] = json.loads(Path(RECORD).read_text())
    return found


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What the UI shows of each asset of that run."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: {name: value.value for name, value in event.metadata.items()} for event in events}


def data_version(archived: Archived, dataset: str, name: str, part: str | None) -> str | None:
    """That of the last materialisation."""
    key = dg.AssetKey([dataset, name])
    filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[part] if part else None)
    [last] = archived.instance.fetch_materializations(filters, limit=1).records
    return (last.event_log_entry.tags or {}).get("dagster/data_version")


def test_nothing_is_out_of_date(archived: Archived) -> None:
    """But for the region that was not made to the end, and what is made since. Looking at the files and at the parts anew finds the
    same content."""
    expected = record()["out_of_date"] | ADDED
    assert archived.out_of_date() == expected
    for dataset, part, names in OBSERVED:
        archived.materialize(dataset, *names, part=part)
    assert archived.out_of_date() == expected
    with few_pictures():
        archived.materialize(TINY, *REPORTS, "calibration", "explanation_checks")
    for region in REGIONS:
        archived.materialize(TINY, "synapse_answers", *EXPLAINED_BY_REGION, part=region)
    archived.materialize(TINY, "neuron_answers", "class_differences")
    for dataset in (TINY, PLANTED):
        archived.materialize(dataset, "report")
    assert archived.out_of_date() == record()["out_of_date"], "what was added puts nothing else out of date"


@pytest.mark.parametrize("dataset", [TINY, PLANTED])
def test_made_again_everything_is_as_it_was(archived: Archived, dataset: str) -> None:
    shown: dict[str, dict[str, Any]] = {}
    for part, names in STEPS[dataset]:
        before = [data_version(archived, dataset, name, part) for name in names]
        shown |= metadata(archived.materialize(dataset, *names, part=part))
        assert [data_version(archived, dataset, name, part) for name in names] == before, names
    if dataset == TINY:
        assert {shown[name]["computed_rows"] for name in ("tiles", "embeddings")} == {0}
        assert shown["promotions"]["candidates_kept"] == 1
    fitted = {name for name, facts in shown.items() if "fitted_now" in facts}
    assert fitted == {model.removesuffix(f"_{GROUP}") for place, model in LOADERS if place == dataset}
    assert not any(shown[name]["fitted_now"] for name in fitted)
    store = archived.store(dataset)
    for model, version in record()["models"][dataset].items():
        models = store.models(model)
        assert [models.current, models.candidate, models.versions()] == version, model
    assert archived.out_of_date() == record()["out_of_date"] | ADDED
    assert archived.materialize(dataset, "warehouse").success


def test_a_killed_run_is_taken_up(archived: Archived) -> None:
    half_done = record()["half_done"]
    left = half_done["synapses"] - half_done["staged"]
    result = archived.materialize(TINY, half_done["asset"], part=half_done["region"])
    shown = metadata(result)[half_done["asset"]]
    assert (shown["resumed_rows"], shown["computed_rows"], shown["rows"]) == (
        half_done["staged"],
        left,
        half_done["synapses"],
    )
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_the_candidate_is_promoted(archived: Archived) -> None:
    models = archived.store(TINY).models("synapse_classifier")
    candidate, before = models.candidate, models.current
    assert candidate not in (None, before)
    archived.run_job(f"{TINY}_promote", **{f"{TINY}_promote_model": {"model": "synapse_classifier"}})
    assert (models.current, models.candidate) == (candidate, None)
    assert f"{TINY}/synapse_predictions {REGION}" in archived.out_of_date()
    archived.materialize(TINY, "synapse_predictions", part=REGION)
    rows = archived.store(TINY).results(SYNAPSE_PREDICTIONS).read(REGION)
    assert set(rows.column("classifier").to_pylist()) == {candidate}


@pytest.mark.parametrize("release", [RELEASE, None])
def test_releases_are_read(archived: Archived, release: str | None) -> None:
    with open_warehouse(archived.datasets[TINY], archived.data_root, release) as warehouse:
        assert len(warehouse.points) == len(warehouse.sql("select * from labelled_synapses")) == 72
        targets = warehouse.sql("select target from labelled_synapses order by synapse_id")["target"]
        now = pd.read_csv("points.csv").sort_values("id")["nt"]
        assert (targets.tolist() == now.tolist()) == (release is None), (
            "the classes changed after the release was frozen"
        )
        own = warehouse.sql("select synapse_id from tiles order by all")["synapse_id"]
        assert len(own) == 48
        similar = warehouse.similar(own[0], k=5)
        assert len(similar) == 5
        assert similar["distance"].is_monotonic_increasing
        assert warehouse.picture(similar).width > 100
        assert warehouse.embed(warehouse.tile(own[0])).shape == (96,)
    with open_warehouse(archived.datasets[PLANTED], archived.data_root, release) as warehouse:
        assert warehouse.group == GROUP
        assert len(warehouse.points) == len(warehouse.sql("select * from clusters")) + len(
            warehouse.sql("select * from predictions")
        )
        assert (warehouse.sql("select cluster from clusters")["cluster"] >= 0).any()


def test_clusters_stored_then_are_released_with_their_verdict(archived: Archived) -> None:
    """Nothing but the release is made again. The clustering of images was fitted before there were verdicts."""
    assessed = archived.store(PLANTED).results(morphology.CLUSTER_STABILITY).read(GROUP).to_pylist()
    for dataset, tables, verdict in (
        (PLANTED, ("clusters", "cluster_profiles", "classifier_scores", "predictions"), assessed[0]["verdict"]),
        (TINY, ("clusters",), None),
    ):
        with open_warehouse(archived.datasets[dataset], archived.data_root) as warehouse:
            assert warehouse.points.cluster_verdict == verdict, "told of the release of then too"
        assert archived.materialize(dataset, "warehouse").success
        with open_warehouse(archived.datasets[dataset], archived.data_root) as warehouse:
            for table in tables:
                rows = warehouse.sql(f"select verdict from {table}")["verdict"]  # noqa: S608 -- ours
                assert len(rows), table
                assert rows.isna().all() if verdict is None else set(rows) == {verdict}, table
            assert warehouse.points.cluster_verdict == verdict


def test_every_model_is_loaded(archived: Archived) -> None:
    loaded = set()
    for dataset in archived.datasets:
        store = archived.store(dataset)
        for name in store.model_names():
            models = store.models(name)
            assert models.versions()
            for version in models.versions():
                assert models.provenance(version).version == version
                for load in LOADERS[dataset, name]:
                    assert not isinstance(load(models.path(version)), NoModel)
            loaded.add((dataset, name))
    assert loaded == set(LOADERS)
