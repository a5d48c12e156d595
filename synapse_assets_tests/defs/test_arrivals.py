"""New files are noticed: the arrivals sensor and the nightly look, on a real folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import yaml
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synapse_assets.defs.asset import observed_version
from synapse_assets.defs.dagster_private import Staleness
from synapse_assets.pipeline import inputs
from synapse_assets.schema import NEURONS
from synapse_assets_tests.conftest import FIRST_NEURON, Lab, failure_reason, tiny_dataset

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
    assert "take the source out of the dataset's YAML" in str(watcher.told)


@pytest.fixture
def two_sources(lab: Lab, tiny_inputs: Path, tmp_path: Path) -> Lab:
    """The tiny dataset in two sources: `table` reads the folder `points` and has all of AL_L, `more` a glob."""
    points = pd.read_csv(lab.points)
    for name, is_of_it in (("points", points["region"] == "AL_L"), ("more", points["region"] != "AL_L")):
        (tmp_path / name).mkdir()
        points[is_of_it].to_csv(tmp_path / name / "a.csv", index=False)
    lab.points = tmp_path / "points" / "a.csv"
    dataset = tiny_dataset(tiny_inputs, tmp_path / "points")
    more = dataset.sources[0].model_copy(update={"name": "more", "path": str(tmp_path / "more" / "*.csv")})
    lab.use(dataset.model_copy(update={"sources": [*dataset.sources, more]}))
    return lab


def read_by_hand(lab: Lab, words: str = "") -> dg.ExecuteInProcessResult:
    """Materialises `synapse_table` with these words in the launchpad."""
    job = lab.definitions.resolve_implicit_global_asset_job_def()
    config = yaml.safe_load(words) if words else {}
    return job.execute_in_process(
        asset_selection=[dg.AssetKey(["tiny", "synapse_table"])],
        instance=lab.instance,
        raise_on_error=False,
        run_config={**config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def advised_words(told: str) -> str:
    """What a message says to write into the launchpad."""
    return told[told.index("ops: ") :].splitlines()[0]


def rows_of(lab: Lab) -> dict[str, int]:
    return dict(lab.store.synapse_table.regions())


def is_out_of_date(lab: Lab) -> bool:
    graph = lab.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(lab.instance, graph, LoadingContextForTest(lab.instance))
    return resolver.get_status(dg.AssetKey(["tiny", "synapse_table"]), None) != StaleStatus.FRESH


def test_one_of_two_sources_without_files_is_believed_once_a_person_says_so(two_sources: Lab) -> None:
    lab, watcher = two_sources, Watcher(two_sources)
    assert [len(watcher.tick()) for _ in range(2)] == [0, 1]
    assert read_by_hand(lab).success
    whole = rows_of(lab)
    version = observed_version(lab.instance, SOURCE)
    kept = lab.points.read_bytes()
    lab.points.unlink()
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    assert "for the source table (" in str(watcher.told)
    refused = read_by_hand(lab)
    assert not refused.success
    told = failure_reason(refused)
    assert advised_words(told) in str(watcher.told)
    assert (rows_of(lab), observed_version(lab.instance, SOURCE)) == (whole, version)

    # A person says so: its rows go, the others stay, and whoever watches believes it.
    done = read_by_hand(lab, advised_words(told))
    assert done.success
    assert rows_of(lab) == {region: count for region, count in whole.items() if region != "AL_L"}
    [event] = done.get_asset_materialization_events()
    assert event.materialization.metadata["sources_gone"].value == "table"
    assert not is_out_of_date(lab)
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    assert "nothing new" in str(watcher.told)
    assert observed_version(lab.instance, SOURCE) != version
    # From now on nothing is to be said any more.
    done = read_by_hand(lab)
    assert done.success
    assert "sources_gone" not in done.get_asset_materialization_events()[0].materialization.metadata

    # The files come back as they were, and go again: that takes a word of its own.
    lab.points.write_bytes(kept)
    assert [len(watcher.tick()) for _ in range(3)] == [0, 1, 0]
    assert is_out_of_date(lab)
    assert read_by_hand(lab).success
    assert rows_of(lab) == whole
    lab.points.unlink()
    assert not read_by_hand(lab).success
    assert rows_of(lab) == whole


def _glob_is_empty(lab: Lab) -> None:
    (lab.points.parents[1] / "more" / "a.csv").unlink()


def _both_are_empty(lab: Lab) -> None:
    lab.points.unlink()
    _glob_is_empty(lab)


def _manifest_is_empty(lab: Lab) -> None:
    manifest = lab.points.parents[1] / "all.manifest"
    manifest.write_text("# none\n")
    first, more = lab.dataset.sources
    lab.use(lab.dataset.model_copy(update={"sources": [first.model_copy(update={"path": str(manifest)}), more]}))


def _only_notes_are_left(lab: Lab) -> None:
    lab.points.rename(lab.points.with_name("README.md"))


def _renamed_and_empty(lab: Lab) -> None:
    _both_are_empty(lab)
    lab.use(
        lab.dataset.model_copy(
            update={"sources": [one.model_copy(update={"name": f"new_{one.name}"}) for one in lab.dataset.sources]}
        )
    )


def _folder_is_gone(lab: Lab) -> None:
    shutil.rmtree(lab.points.parent)


def _folder_of_the_glob_is_gone(lab: Lab) -> None:
    shutil.rmtree(lab.points.parents[1] / "more")


def _link_leads_nowhere(lab: Lab) -> None:
    lab.points.rename(lab.points.with_suffix(".bak"))
    lab.points.symlink_to("/mnt/nowhere.csv")


def _folder_is_a_file(lab: Lab) -> None:
    shutil.rmtree(lab.points.parent)
    lab.points.parent.write_text("x")


GONE = {
    "a glob that matches nothing": (_glob_is_empty, "gone: [more]"),
    "both": (_both_are_empty, "gone: [table, more]"),
    "a manifest that names none": (_manifest_is_empty, "gone: [table]"),
    "notes only": (_only_notes_are_left, "gone: [table]"),
    "renamed": (_renamed_and_empty, "gone: [new_table, new_more]"),
    "a folder that is gone": (_folder_is_gone, "take the source out of the dataset's YAML"),
    "the folder of a glob": (_folder_of_the_glob_is_gone, "take the source out of the dataset's YAML"),
    "a link to nothing": (_link_leads_nowhere, "is the disk there that it leads to?"),
    "a file instead": (_folder_is_a_file, "a table is a file that ends in"),
}


@pytest.mark.parametrize("kind", GONE)
def test_what_looks_like_a_disk_that_is_not_mounted_empties_nothing(two_sources: Lab, kind: str) -> None:
    lab = two_sources
    spoil, message = GONE[kind]
    assert read_by_hand(lab).success
    whole = rows_of(lab)
    spoil(lab)
    # Without a cursor, the sensor cannot know what there was; nor can somebody who presses Observe.
    watcher = Watcher(lab)
    watcher.tick()
    watcher.tick()
    for _ in range(2):
        refused = read_by_hand(lab)
        assert not refused.success
        assert message in failure_reason(refused)
        assert rows_of(lab) == whole
    if "gone:" in message:
        assert read_by_hand(lab, advised_words(failure_reason(refused))).success
        assert sum(rows_of(lab).values()) == (0 if kind in ("both", "renamed") else 24 if "more" in message else 48)


def test_a_disk_that_is_back_is_read_whatever_was_said(two_sources: Lab) -> None:
    lab = two_sources
    assert read_by_hand(lab).success
    whole = rows_of(lab)
    away = lab.points.rename(lab.points.parents[1] / "away.csv")
    words = advised_words(failure_reason(read_by_hand(lab)))
    away.rename(lab.points)
    assert read_by_hand(lab, words).success
    assert rows_of(lab) == whole
    refused = read_by_hand(lab, "ops: {tiny__synapse_table: {config: {gone: [tabel]}}}")
    assert "gone names ['tabel'], but the sources of tiny are ['table', 'more']" in failure_reason(refused)


def test_neurons_whose_table_is_gone_stay_until_a_person_says_so(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    table = {"name": "known", "format": "neurons", "path": str(tmp_path / "known"), "columns": {"neuron_id": "id"}}
    lab = make_lab(neurons=[table])
    (tmp_path / "known" / "n.csv").write_text(f"id\n{FIRST_NEURON}\n")
    lab.materialize("neurons")
    (tmp_path / "known" / "n.csv").unlink()
    refused = lab.materialize("neurons", raises=False)
    words = advised_words(failure_reason(refused))
    assert words == "ops: {tiny__neurons: {config: {gone: [known]}}}"
    assert lab.store.results(NEURONS).read().num_rows == 1
    job = lab.definitions.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        asset_selection=[dg.AssetKey(["tiny", "neurons"])], instance=lab.instance, run_config=yaml.safe_load(words)
    )
    assert done.success
    assert lab.store.results(NEURONS).read().num_rows == 0
    assert lab.materialize("neurons").success


def test_a_lost_cursor_observes_nothing_twice(watcher: Watcher) -> None:
    watcher.cursor = None
    assert [watcher.tick() for _ in range(3)] == [[], [], []]
    assert json.loads(str(watcher.cursor))["synapse_source"]["known"]


def test_the_nightly_look_finds_what_was_missed(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "QUIET_SECONDS", 0)
    lab = watcher.lab
    lab.materialize("synapse_table")
    lab.write(pd.read_csv(lab.points).iloc[1:])
    before = observed_version(lab.instance, SOURCE)
    lab.materialize("input_files")
    assert observed_version(lab.instance, SOURCE) != before
    # It is made from what it found, not from what was known before.
    assert not Staleness.now(lab.definitions, lab.instance).is_stale(dg.AssetKey(["tiny", "input_files"]), None)
    rows = lab.store.results(inputs.INPUT_FILES).read().to_pylist()
    assert [Path(row["file"]).name for row in rows] == ["first.csv"]


def test_regions_unknown_to_dagster_are_registered_by_the_nightly_look(
    folder_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is there, Dagster's history is not: a new database, for instance."""
    monkeypatch.setattr(inputs, "QUIET_SECONDS", 0)
    folder_lab.materialize("synapse_table")
    with dg.DagsterInstance.ephemeral() as fresh:
        folder_lab.instance = fresh
        folder_lab.materialize("input_files")
        assert fresh.get_dynamic_partitions("tiny_brain_region")
        for name in ("region_sites", "region_labels"):
            assert observed_version(fresh, dg.AssetKey(["tiny", name]), "EB")
