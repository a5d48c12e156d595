"""The whole chain on a tiny dataset, through Dagster."""

import json
import logging
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import httpx
import pyarrow.compute as pc
import pytest

from synapse_assets.explorer import create_app
from synapse_assets.pipeline.em.clusters import fit_clustering
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.query import open_warehouse
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import FIRST_NEURON, REGIONS, Lab
from synapse_assets_tests.explorer.conftest import Served


def test_every_synapse_comes_out_at_the_end(finished_lab: Lab) -> None:
    store = finished_lab.store
    assert store.synapses.regions() == dict.fromkeys(REGIONS, 24)
    ids = sorted(store.synapses.read(None, ["synapse_id"]).column("synapse_id").to_pylist())
    for table in (store.tiles, vectors_in_use(store)):
        assert table.read(None, ["synapse_id"]).column("synapse_id").to_pylist() == ids
    for results in (UMAP_COORDINATES, CLUSTERS, SYNAPSE_PREDICTIONS):
        assert sorted(store.results(results).read().column("synapse_id").to_pylist()) == ids
    release = store.release()
    assert release["tables"]["synapses"]["rows"] == len(ids)
    assert release["models"]["encoder"] == store.models("encoder").current


def test_the_verdict_on_the_clusters_stands_wherever_they_are_shown(finished_lab: Lab) -> None:
    store = finished_lab.store
    models = store.models("cluster_model")
    made = models.provenance(str(models.current))
    assert made.verdict in ("stable", "fragile", "not distinguishable from noise")
    cards = store.results(CLUSTER_CARDS).read().to_pylist()
    assert {card["verdict"] for card in cards if card["cluster"] >= 0} == {made.verdict}
    with open_warehouse(finished_lab.dataset, finished_lab.root) as warehouse:
        assert set(warehouse.sql("select verdict from clusters")["verdict"]) == {made.verdict}
        assert set(warehouse.points.frame(range(72))["cluster_verdict"]) == {made.verdict}
        assert warehouse.stability()["sentence"] == made.verdict_reason
    for name in ("clusters", "cluster_cards"):
        event = finished_lab.instance.get_latest_materialization_event(dg.AssetKey(["tiny", name]))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["verdict"].value == made.verdict
    scores = store.release()["scores"]["cluster_model"]
    assert (scores["verdict"], scores["verdict_reason"]) == (made.verdict, made.verdict_reason)
    assert "verdict" not in store.release()["scores"]["umap_model"]
    key = dg.AssetKey(["tiny", "cluster_model"])
    event = finished_lab.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["verdict"].value == made.verdict
    check = finished_lab.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(key, "found_clusters")]
    )
    (found,) = [record.event.asset_check_evaluation for record in check.values() if record.event is not None]
    assert found is not None
    assert found.passed == (made.verdict == "stable")
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert f"{made.verdict}: {made.verdict_reason}" in str(found.description)


@pytest.mark.parametrize(
    ("verdict", "released"),
    [
        ("stable", "stable"),
        ("fragile", "fragile"),
        ("not distinguishable from noise", "not distinguishable from noise"),
        ("not assessed", None),
    ],
)
def test_only_stable_clusters_pass_and_every_released_cluster_has_its_verdict(
    finished_lab: Lab, tmp_path: Path, verdict: str, released: str | None
) -> None:
    """What an earlier fit stored is fitted no more: its verdict is taken as it is, and beside the rows of before."""
    root = shutil.copytree(finished_lab.root, tmp_path / "data")
    store = DatasetStore(str(root), finished_lab.dataset.name)
    models = store.models("cluster_model")
    provenance = models.path(str(models.current)) / "provenance.json"
    provenance.write_text(json.dumps({**json.loads(provenance.read_text()), "verdict": verdict}))
    report = fit_clustering(store, finished_lab.dataset, logging.getLogger(__name__))
    assert report.details["fitted_now"] is False
    [check] = report.checks
    assert (check.name, check.passed, check.warn) == ("found_clusters", verdict == "stable", True)
    assert verdict in check.description
    build_release(store, finished_lab.dataset, "")
    with open_warehouse(finished_lab.dataset, root) as warehouse:
        rows = warehouse.sql("select cluster, verdict from clusters")
        assert len(rows) == 72
        assert rows["verdict"].isna().all() if released is None else set(rows["verdict"]) == {released}
        assert warehouse.points.cluster_verdict == released
        assert warehouse.stability()["verdict"] == verdict


def test_neuron_ids_above_2_to_the_53_stay_exact(finished_lab: Lab) -> None:
    ids = pc.unique(finished_lab.store.synapses.read(None, ["neuron_id"]).column("neuron_id")).to_pylist()
    assert sorted(ids) == [FIRST_NEURON + i for i in range(12)]


def test_results_link_to_the_pages_that_show_them(finished_lab: Lab) -> None:
    pages = {
        "tiles": "gallery",
        "vector_index": "search",
        "umap_coordinates": "map",
        "clusters": "clusters",
        "cluster_cards": "clusters",
        "synapse_predictions": "classes",
    }
    served = Served(create_app([finished_lab.dataset], finished_lab.root))
    try:
        for name, page in pages.items():
            event = finished_lab.instance.get_latest_materialization_event(dg.AssetKey(["tiny", name]))
            assert event is not None
            assert event.asset_materialization is not None
            link = event.asset_materialization.metadata["in the explorer, as last released"].value
            assert link == f"http://127.0.0.1:8050/tiny/{page}"
            assert httpx.get(served.url + urlsplit(str(link)).path, timeout=60).status_code == 200, link
    finally:
        served.stop()
