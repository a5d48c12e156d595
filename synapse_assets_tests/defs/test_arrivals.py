"""New files are noticed: the arrivals sensor and the nightly look, on a real folder."""

import json
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.defs import arrivals
from synapse_assets.defs.metadata import observed_version
from synapse_assets_tests.conftest import Lab, tiny_dataset

SOURCE = dg.AssetKey(["tiny", "synapse_source"])


@pytest.fixture
def folder_lab(lab: Lab, tiny_inputs: Path, tmp_path: Path) -> Lab:
    """The tiny dataset, read from all tables in a folder."""
    folder = tmp_path / "points"
    folder.mkdir()
    lab.points.rename(folder / "first.csv")
    lab.points = folder / "first.csv"
    lab.use(tiny_dataset(tiny_inputs, folder))
    return lab


class Watcher:
    """The sensor with its cursor, ticked by hand; observations go into the instance as the daemon writes them."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.cursor = lab, None
        self.sensor = lab.definitions.resolve_sensor_def("tiny_arrivals")

    def tick(self) -> list[dg.AssetObservation]:
        context = dg.build_sensor_context(instance=self.lab.instance, cursor=self.cursor)
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests, "the sensor only observes"
        self.cursor, self.told = result.cursor, result.skip_reason
        for event in result.asset_events:
            self.lab.instance.report_runless_asset_event(event)
        return [event for event in result.asset_events if event.asset_key == SOURCE]


@pytest.fixture
def watcher(folder_lab: Lab) -> Watcher:
    watcher = Watcher(folder_lab)
    assert watcher.tick() == [], "one look cannot tell whether a file is still being written"
    assert len(watcher.tick()) == 1
    assert watcher.tick() == []
    return watcher


def test_a_new_file_is_observed_once_when_it_is_still(watcher: Watcher) -> None:
    folder = watcher.lab.points.parent
    file = folder / "second.csv"
    file.write_text("id,x,y,z,neuron,region,nt\n")
    assert watcher.tick() == []
    with file.open("a") as stream:
        stream.write("n0,24,276,4,1,EB,gaba\n")
    assert watcher.tick() == [], "it has grown since the last look"
    assert "second.csv" in str(watcher.told)
    (observed,) = watcher.tick()
    assert observed.tags["dagster/data_version"]
    assert watcher.tick() == watcher.tick() == []


def test_touching_changes_nothing_and_taking_back_is_the_old_version(watcher: Watcher) -> None:
    before = observed_version(watcher.lab.instance, SOURCE)
    watcher.lab.points.touch()
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    kept = watcher.lab.points.read_bytes()
    watcher.lab.write(pd.read_csv(watcher.lab.points).iloc[1:])
    assert [len(watcher.tick()) for _ in range(3)] == [0, 1, 0]
    watcher.lab.points.write_bytes(kept)
    assert [len(watcher.tick()) for _ in range(3)] == [0, 1, 0]
    assert observed_version(watcher.lab.instance, SOURCE) == before


def test_files_that_are_all_gone_are_not_believed(watcher: Watcher) -> None:
    before = observed_version(watcher.lab.instance, SOURCE)
    watcher.lab.points.unlink()
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    assert "drive not mounted" in str(watcher.told)
    assert observed_version(watcher.lab.instance, SOURCE) == before
    watcher.lab.points.parent.rmdir()
    assert watcher.tick() == []
    assert "there is no file" in str(watcher.told)


def test_a_lost_cursor_observes_nothing_twice(watcher: Watcher) -> None:
    watcher.cursor = None
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    assert json.loads(str(watcher.cursor))["synapse_source"]["known"]


def test_the_nightly_look_finds_what_was_missed(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "QUIET_SECONDS", 0)
    lab = watcher.lab
    lab.materialize("synapse_table")
    lab.write(pd.read_csv(lab.points).iloc[1:])
    before = observed_version(lab.instance, SOURCE)
    lab.materialize("input_files")
    assert observed_version(lab.instance, SOURCE) != before
    rows = lab.store.results(arrivals.INPUT_FILES).read().to_pylist()
    assert [Path(row["file"]).name for row in rows] == ["first.csv"]


def test_regions_unknown_to_dagster_are_registered_by_the_nightly_look(
    folder_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is there, Dagster's history is not: a new database, for instance."""
    monkeypatch.setattr(arrivals, "QUIET_SECONDS", 0)
    folder_lab.materialize("synapse_table")
    with dg.DagsterInstance.ephemeral() as fresh:
        folder_lab.instance = fresh
        folder_lab.materialize("input_files")
        assert fresh.get_dynamic_partitions("tiny_brain_region")
        for name in ("region_sites", "region_labels"):
            assert observed_version(fresh, dg.AssetKey(["tiny", name]), "EB")
