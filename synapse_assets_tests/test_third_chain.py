"""A chain that the package knows nothing of is declared in one place, and has everything that the others have."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from synapse_assets.datasets import CHAINS, Dataset, load_dataset, register
from synapse_assets.definitions import build_definitions
from synapse_assets.explorer.server import create_app
from synapse_assets.query import open_warehouse
from synapse_assets.settings import Settings
from synapse_assets_tests.spines import CHAIN, SpineDataset

YAML = """
name: mine
title: My spines
description: Spines of a neuron, counted by side.
chain: spines
sides: [left, right]
tables: [{{name: heads, path: {path}}}]
"""
ROWS = "synapse_id,brain_region,head_um\na,left,0.5\nb,left,0.7\nc,right,0.4\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    register(CHAIN)
    table = tmp_path / "heads.csv"
    table.write_text(ROWS)
    file = tmp_path / "mine.yaml"
    file.write_text(YAML.format(path=table))
    yield load_dataset(str(file), str(tmp_path / "local"))
    del CHAINS[CHAIN.name]


def test_it_is_in_the_graph_with_jobs_sensor_schedule_and_automation(dataset: Dataset, tmp_path: Path) -> None:
    assert isinstance(dataset, SpineDataset)
    definitions = build_definitions(Settings(data_root=str(tmp_path / "data")), datasets=[dataset])
    graph = definitions.resolve_asset_graph()
    names = {key.path[-1] for key in graph.get_all_asset_keys()}
    assert names == {"spine_tables", "input_files", "spines", "side_spines", "spine_counts", "warehouse"}
    assert graph.get(dg.AssetKey(["mine", "side_spines"])).group_name == "mine_2_spines"
    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {"mine_ingest", "mine_count", "mine_reconcile", "mine_release"} <= jobs
    assert not {"mine_promote", "mine_fit"} & jobs
    assert {sensor.name for sensor in repository.sensor_defs} == {"automation", "failures", "mine_arrivals"}
    assert {schedule.name for schedule in repository.schedule_defs} == {"mine_nightly_look", "weekly_upkeep"}
    automated = {spec.key.path[-1] for spec in definitions.resolve_all_asset_specs() if spec.automation_condition}
    assert automated == {"spines", "spine_counts", "warehouse"}


def test_it_is_made_released_and_shown(dataset: Dataset, tmp_path: Path) -> None:
    root = str(tmp_path / "data")
    definitions = build_definitions(Settings(data_root=root), datasets=[dataset])
    with dg.instance_for_test() as instance:
        for name, side in (("spines", None), ("spine_counts", "left"), ("spine_counts", "right"), ("warehouse", None)):
            job = definitions.resolve_implicit_global_asset_job_def()
            key = dg.AssetKey(["mine", name])
            assert job.execute_in_process(asset_selection=[key], partition_key=side, instance=instance).success
        event = instance.get_latest_materialization_event(dg.AssetKey(["mine", "spine_counts"]))
        assert event is not None
        assert event.asset_materialization is not None
        link = event.asset_materialization.metadata["in the explorer, as last released"]
        assert link.value == "http://127.0.0.1:8050/mine/counts"
        release = definitions.resolve_job_def("mine_release")
        config = {"ops": {"mine_freeze_release": {"config": {"name": "first"}}}}
        assert release.execute_in_process(run_config=config, instance=instance).success
    with open_warehouse(dataset, root, release="first") as warehouse:
        counts = warehouse.sql("select brain_region, spines, mean_head_um from spine_counts order by all")
    assert counts.values.tolist() == [["left", 2, pytest.approx(0.6)], ["right", 1, pytest.approx(0.4)]]
    with TestClient(create_app([dataset], root), base_url="http://127.0.0.1:8050") as client:
        assert '<a class="button" href="/mine/counts">Counts</a>' in client.get("/").text
        page = client.get("/mine")
        assert str(page.url).endswith("/mine/counts")
        assert "left: 2 spines" in page.text
        assert "My spines" in page.text
        assert client.get("/mine/map").status_code == 404


def test_a_chain_that_nobody_declared_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(YAML.format(path="/heads.csv"))
    with pytest.raises(
        ValueError,
        match=r"mine\.yaml: chain: there is no chain 'spines'; there are detection, em, morphology, staining$",
    ):
        load_dataset(str(file), str(tmp_path))
