"""What automation requests, and what it leaves alone. Conditions are evaluated by Dagster itself, runs are really made."""

import datetime as dt
import functools
import gc
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.defs.automation import InUnfinishedRun, followed, followed_by_part
from synapse_assets.query import open_warehouse
from synapse_assets.schema import SYNAPSE_LABELS, UMAP_COORDINATES
from synapse_assets.settings import Settings
from synapse_assets_tests.conftest import REGIONS, Kept, Lab

WHOLE = ""
LABELS = (
    "follows its inputs",
    "follows its inputs, part by part",
    "follows its inputs, and after every fit",
    "follows its inputs, and what it does not wait for",
    "refitted when needed",
    "after every fit",
)
MODELS = {"encoder", "umap_model", "cluster_model", "synapse_classifier"}
# Made of the predictions of one region once what was calibrated, or judged, on all is up to date.
ANSWERS = {"synapse_answers", "explanations"}
# From a change of places in one region to the warehouse.
OF_A_REGION = {
    "synapses",
    "tile_plan",
    "tiles",
    "embeddings",
    "umap_coordinates",
    "clusters",
    "synapse_predictions",
    "tile_attributes",
}


@dataclass
class Automation:
    """A lab, and the daemon's part played by hand: look, run what is requested, look again."""

    lab: Lab
    cursor: Any = None
    now: dt.datetime = field(default_factory=lambda: dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC))

    def observe(self) -> None:
        """What the arrivals sensor does at the first still look."""
        from synapse_assets.defs.chain import lineage_of
        from synapse_assets.pipeline.inputs import content_of, watched_inputs

        for one in watched_inputs(lineage_of(self.lab.dataset).inputs(self.lab.dataset)):
            key = dg.AssetKey([self.lab.dataset.name, one.asset])
            tags = {"dagster/data_version": content_of(one)[0]}
            self.lab.instance.report_runless_asset_event(dg.AssetObservation(key, tags=tags))

    def tick(self) -> dict[str, set[str]]:
        """One look: the assets that are requested, each with its regions (or `WHOLE`)."""
        self.now += dt.timedelta(seconds=30)
        with pytest.MonkeyPatch.context() as patch:
            # The tester asks thousands of times for the same regions, the daemon once.
            known = functools.cache(self.lab.instance.get_dynamic_partitions)
            patch.setattr(self.lab.instance, "get_dynamic_partitions", known)
            result = dg.evaluate_automation_conditions(
                self.lab.definitions, self.lab.instance, cursor=self.cursor, evaluation_time=self.now
            )
            self.cursor = result.cursor
            keys = self.lab.definitions.resolve_asset_graph().materializable_asset_keys
            found = {key.path[-1]: {part or WHOLE for part in result.get_requested_partitions(key)} for key in keys}
        return {name: parts for name, parts in found.items() if parts}

    def run(self, requested: dict[str, set[str]]) -> list[dg.ExecuteInProcessResult]:
        """Runs what is requested, one run a region, as the daemon does."""
        results = []
        for part in sorted(set().union(*requested.values())):
            names = [name for name, parts in requested.items() if part in parts]
            results.append(self.lab.materialize(*names, region=part or None, raises=False))
        return results

    def settle(self, until: str = "") -> list[dict[str, set[str]]]:
        """Looks and runs until nothing is requested any more, or `until` is; gives what was requested at each look."""
        looks = []
        for _ in range(20):
            requested = self.tick()
            if not requested:
                return looks
            looks.append(requested)
            if until in requested:
                return looks
            self.run(requested)
        raise AssertionError(f"it does not come to rest: {looks[-2:]}")


def made(looks: list[dict[str, set[str]]]) -> dict[str, set[str]]:
    """All that was requested, by asset."""
    found: dict[str, set[str]] = {}
    for look in looks:
        for name, parts in look.items():
            found.setdefault(name, set()).update(parts)
    return found


def times(looks: list[dict[str, set[str]]], name: str, part: str = WHOLE) -> int:
    """How often that part of an asset was requested."""
    return sum(part in look.get(name, set()) for look in looks)


@dataclass(frozen=True)
class Settled:
    """A lab that automation has brought from nothing to the warehouse: where it was, the lab, cursor, and what was requested."""

    place: Path
    kept: Kept
    cursor: Any
    looks: list[dict[str, set[str]]]


@pytest.fixture(scope="module")
def settled(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """See the class."""
    place = tmp_path_factory.mktemp("automated")
    with dg.DagsterInstance.ephemeral() as instance:
        automation = Automation(Lab(tiny_inputs, place, instance))
        automation.observe()
        looks = automation.settle()
        folder = place.rename(place.with_name("kept"))
        yield Settled(place, Kept(tiny_inputs, folder, instance), automation.cursor, looks)


@pytest.fixture
def automation(settled: Settled) -> Iterator[Automation]:
    """The settled lab, as it was and where it was."""
    shutil.rmtree(settled.place, ignore_errors=True)
    with settled.kept.again(settled.place) as lab:
        yield Automation(lab, settled.cursor)


def change(automation: Automation, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Changes the points table, and observes it."""
    automation.lab.write(how(pd.read_csv(automation.lab.points)))
    automation.observe()


def moved(region: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Two synapses of a region lie one voxel further."""

    def how(points: pd.DataFrame) -> pd.DataFrame:
        rows = points.index[points["region"] == region][:2]
        points.loc[rows, "x"] += 1
        return points

    return how


def test_from_nothing_to_the_warehouse(settled: Settled) -> None:
    """All was missing before the first look, and every region and model is made, once."""
    looks = settled.looks
    assert looks[0] == {"synapse_table": {WHOLE}}
    requested = made(looks)
    assert all(requested[name] == set(REGIONS) for name in (*OF_A_REGION, "synapse_labels"))
    assert {"encoder", "umap_model", "cluster_model", "synapse_classifier", "warehouse"} <= set(requested)
    for name in (*OF_A_REGION, *ANSWERS, "synapse_labels"):
        assert all(times(looks, name, region) == 1 for region in REGIONS), name
    models = ("encoder", "umap_model", "cluster_model", "synapse_classifier")
    for name in ("synapse_table", *models, "calibration", "neuron_answers", "explanation_checks"):
        assert times(looks, name) == 1, name
    assert times(looks, "warehouse") == 2, "and once more with the neurons' answers"


def test_only_the_region_that_changed_is_made_again(automation: Automation) -> None:
    change(automation, moved("EB"))
    looks = automation.settle()
    requested = made(looks)
    assert {name: parts for name, parts in requested.items() if parts != {WHOLE}} == {
        name: {"EB"} for name in OF_A_REGION | ANSWERS
    }
    for name in OF_A_REGION | ANSWERS:
        assert times(looks, name, "EB") == 1, name
    assert times(looks, "warehouse") == 2, "and once more with the neurons' answers"
    latest = {
        name: automation.lab.instance.fetch_materializations(dg.AssetKey(["tiny", name]), limit=1)
        .records[0]
        .asset_materialization
        for name in ("warehouse", "report")
    }
    of_release = latest["warehouse"].tags["dagster/data_version"]
    assert latest["report"].tags["dagster/input_data_version/tiny/warehouse"] == of_release, "it is of the last release"
    assert "report" in requested
    assert not {"encoder", "umap_model", "cluster_model", "synapse_classifier"} & set(requested), "nothing is refitted"
    with open_warehouse("tiny", automation.lab.root) as warehouse:
        released = warehouse.sql(
            "select (select count(*) from synapse_answers) = (select count(*) from synapses) "
            "and (select sum(synapses) from neuron_answers) = (select count(*) from synapses) as whole"
        )
    assert released["whole"].tolist() == [True]


def test_the_same_content_again_requests_nothing(automation: Automation) -> None:
    automation.observe()
    points = pd.read_csv(automation.lab.points)
    automation.lab.write(points)
    automation.observe()
    assert automation.settle() == []
    # Other bytes, the same rows: the table is read again, and that is all.
    change(automation, lambda points: points.iloc[::-1])
    assert set(made(automation.settle())) == {"synapse_table"}


def test_labels_alone_rerun_what_depends_on_labels(automation: Automation) -> None:
    def relabelled(points: pd.DataFrame) -> pd.DataFrame:
        row = points.index[points["region"] == "AL_L"][0]
        points.loc[row, "nt"] = "gaba" if points.loc[row, "nt"] != "gaba" else "glutamate"
        return points

    change(automation, relabelled)
    requested = made(automation.settle())
    assert requested["synapse_labels"] == {"AL_L"}
    assert not OF_A_REGION & set(requested)
    assert {"splits", "cluster_cards", "neuron_predictions", "calibration", "neuron_answers", "warehouse"} <= set(
        requested
    )
    assert requested["synapse_answers"] == set(REGIONS), "one label changes the calibration of all"
    assert requested["explanations"] == {"AL_L"}, "what was judged of a classifier stays"
    labels = automation.lab.store.results(SYNAPSE_LABELS).read("AL_L", ["synapse_id", "target"]).to_pandas()
    points = pd.read_csv(automation.lab.points).query("region == 'AL_L'")
    assert labels.set_index("synapse_id")["target"].to_dict() == points.set_index("id")["nt"].to_dict()


def test_a_region_that_is_gone_empties_and_a_new_one_comes(automation: Automation) -> None:
    change(automation, lambda points: points.assign(region=points["region"].replace("EB", "FB")))
    requested = made(automation.settle())
    assert all(requested[name] == {"EB", "FB"} for name in OF_A_REGION | ANSWERS)
    counts = automation.lab.store.synapses.regions()
    assert "EB" not in counts
    assert counts["FB"] == 24
    assert automation.lab.store.results(UMAP_COORDINATES).partitions()["EB"] == 0
    import duckdb

    with duckdb.connect(str(automation.lab.store.warehouse_path), read_only=True) as warehouse:
        rows = warehouse.execute("SELECT DISTINCT brain_region FROM clusters ORDER BY 1").fetchall()
    assert [row[0] for row in rows] == ["AL_L", "FB", "LH_L"]


def test_a_lost_cursor_makes_no_difference(automation: Automation) -> None:
    automation.cursor = None
    assert automation.settle() == []
    # A change that came while nobody looked is found by the first look.
    change(automation, moved("LH_L"))
    automation.lab.materialize("synapse_table")
    automation.cursor = None
    requested = made(automation.settle())
    assert all(requested[name] == {"LH_L"} for name in OF_A_REGION)


def test_a_region_that_fails_waits_for_a_change_or_the_night(automation: Automation) -> None:
    right = moved("LH_L")(pd.read_csv(automation.lab.points))
    change(automation, lambda _: right.assign(x=right["x"].where(right["region"] != "EB", 20_000)))
    looks = automation.settle()
    assert times(looks, "synapses", "EB") == 1, "it is not tried again and again"
    # What changed elsewhere is not held up: it is published beside what the failed region had before.
    assert all(times(looks, name, "LH_L") == 1 for name in OF_A_REGION)
    assert times(looks, "warehouse") == 2, "and once more with the neurons' answers"
    with open_warehouse("tiny", automation.lab.root) as warehouse:
        found = warehouse.sql("select synapse_id, x_nm from synapses").set_index("synapse_id")["x_nm"]
    # A whole number names a voxel of 4 nm, and means the middle of it.
    assert found.to_dict() == ((right.set_index("id")["x"] + 0.5) * 4).to_dict()
    assert all(automation.tick() == {} for _ in range(3))
    automation.now = automation.now.replace(hour=2, minute=59, second=45) + dt.timedelta(days=1)
    assert automation.tick()["synapses"] == {"EB"}, "the nightly look tries it once more"
    assert automation.tick() == {}
    automation.lab.write(right)
    change(automation, moved("AL_L"))
    requested = made(automation.settle())
    assert requested["synapses"] == {"AL_L", "EB"}, "fixed input is taken up"
    assert "EB" not in automation.tick().get("synapses", set())


def test_regions_wait_until_the_table_is_whole(automation: Automation) -> None:
    """A look that falls between the observation of a region and the end of the table's run: alignment is not out of date yet."""
    lab, seen = automation.lab, []
    change(automation, moved("EB"))
    assert automation.tick() == {"synapse_table": {WHOLE}}

    def look(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type_value == "ASSET_OBSERVATION" and event.partition == "EB":
            seen.append(automation.tick())

    run_id = str(uuid4())
    lab.instance.add_event_listener(run_id, look)
    lab.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(["tiny", "synapse_table"])], instance=lab.instance, run_id=run_id
    )
    assert seen == [{}]
    looks = automation.settle()
    assert not [asset for asset, parts in made(looks).items() if parts - {"EB", WHOLE}]
    assert {times(looks, asset, "EB") for asset in OF_A_REGION} == {1}
    assert lab.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == []


def views_alive() -> int:
    """Dagster's views of the graph in memory: each holds all that its tick has read."""
    gc.collect()
    return sum(type(seen).__name__ == "AssetGraphView" for seen in gc.get_objects())


def test_what_an_unfinished_run_makes_is_not_requested_again(automation: Automation) -> None:
    """Also where the events that say what the run plans were lost: only its own record is there."""
    lab = automation.lab
    change(automation, moved("EB"))
    lab.materialize("synapse_table", "alignment")
    requested = {dg.AssetKey(["tiny", name]) for name, parts in automation.tick().items() if "EB" in parts}
    assert {key.path[-1] for key in requested} >= {"synapses", "tiles"}
    run = dg.DagsterRun(
        "__ASSET_JOB",
        asset_selection=frozenset(requested),
        tags={"dagster/partition": "EB"},
        status=dg.DagsterRunStatus.STARTED,
    )
    lab.instance.add_run(run)
    automation.cursor = None
    assert not any("EB" in parts for parts in automation.tick().values())
    lab.instance.report_run_canceled(run)
    automation.cursor = None
    assert automation.tick()["synapses"] == {"EB"}
    kept = views_alive()
    automation.tick()
    automation.tick()
    assert views_alive() <= kept, "what a look has read is forgotten with the next"


def test_a_run_of_a_part_that_is_gone_counts_for_no_part() -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), automation_condition=InUnfinishedRun())
    def made() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance:
        for part in ("a", "gone"):
            tags = {"dagster/partition": part}
            selection, status = frozenset([made.key]), dg.DagsterRunStatus.STARTED
            instance.add_run(dg.DagsterRun("__ASSET_JOB", asset_selection=selection, tags=tags, status=status))
        result = dg.evaluate_automation_conditions(dg.Definitions(assets=[made]), instance)
        assert result.get_requested_partitions(made.key) == {"a"}


def test_one_of_two_hundred_regions_is_followed() -> None:
    """What follows from all regions is requested once for the one that changed, is new, or came where there was none."""
    settings, regions = Settings(datasets=[]), dg.DynamicPartitionsDefinition(name="regions")

    @dg.asset(code_version="1", partitions_def=regions, automation_condition=followed_by_part(settings, (), (), ()))
    def tiles() -> None: ...

    all_regions = dg.AssetDep(tiles, partition_mapping=dg.AllPartitionMapping())

    @dg.asset(code_version="1", deps=[all_regions], automation_condition=followed(settings, ()))
    def cards() -> None: ...

    definitions = dg.Definitions([tiles, cards])
    with dg.DagsterInstance.ephemeral() as instance:
        automation = Automation(SimpleNamespace(instance=instance, definitions=definitions))  # type: ignore[arg-type]

        def make(*names: str, content: str = "old") -> None:
            instance.add_dynamic_partitions("regions", names)
            tags = {"dagster/data_version": content, "dagster/code_version": "1"}
            for name in names:
                instance.report_runless_asset_event(dg.AssetMaterialization(tiles.key, partition=name, tags=tags))

        def follow() -> dict[str, set[str]]:
            requested = automation.tick()
            if requested:
                job = definitions.resolve_implicit_global_asset_job_def()
                job.execute_in_process(asset_selection=[cards.key], instance=instance)
                assert automation.tick() == {}
            return requested

        assert follow() == {"cards": {WHOLE}}
        make(*(f"R{number:03d}" for number in range(200)))
        assert follow() == {"cards": {WHOLE}}
        make("R150")
        assert follow() == {}, "made again, with the same content"
        make("R150", content="new")
        assert follow() == {"cards": {WHOLE}}
        make("R200")
        assert follow() == {"cards": {WHOLE}}


def test_blocking_checks_are_waited_for(automation: Automation) -> None:
    instance, key = automation.lab.instance, dg.AssetKey(["tiny", "alignment"])
    change(automation, moved("EB"))
    automation.lab.materialize("synapse_table", "alignment")
    automation.lab.materialize("synapses", "tile_plan", region="EB")
    # The alignment is looked at again, with the same verdict but for its check.
    last = instance.get_latest_materialization_event(key)
    assert last is not None
    tags = {name: text for name, text in (last.tags or {}).items() if "version" in name or "pointer" in name}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))
    severity = dg.AssetCheckSeverity.ERROR
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(key, "coordinates_fit", False, metadata={}, severity=severity)
    )
    assert not any("tiles" in automation.tick() for _ in range(2))
    automation.lab.materialize("alignment")
    assert automation.tick()["tiles"] == {"EB"}


def test_a_changed_setting_is_followed(automation: Automation) -> None:
    dataset = automation.lab.dataset.model_dump()
    dataset["volumes"]["em"]["offset_voxels"] = (1, 0, 0)
    automation.lab.use(type(automation.lab.dataset).model_validate(dataset))
    automation.observe()
    requested = made(automation.settle(until="tiles"))
    assert requested["tiles"] == set(REGIONS)
    assert "synapse_table" not in requested


def test_a_new_encoder_reaches_every_region_through_refitted_models(automation: Automation) -> None:
    """Promoting an encoder: all regions are embedded anew, then what is fitted on it is, then regions are placed anew."""
    lab = automation.lab
    dataset = lab.dataset.model_dump()
    dataset["encoder"]["crop_px"] = 16
    lab.use(type(lab.dataset).model_validate(dataset))
    lab.materialize("encoder")
    assert lab.store.models("encoder").candidate is not None
    assert not set(made(automation.settle())) & {"embeddings", "umap_model"}, "a candidate touches no region"
    job = lab.definitions.resolve_job_def("tiny_promote")
    config = {"ops": {"tiny_promote_model": {"config": {"model": "encoder"}}}}
    assert job.execute_in_process(instance=lab.instance, run_config=config).success
    looks = automation.settle()
    requested = made(looks)
    assert requested["embeddings"] == set(REGIONS)
    assert {"umap_model", "cluster_model", "synapse_classifier", "warehouse"} <= set(requested)
    assert requested["synapse_answers"] == set(REGIONS)
    order = [
        next(i for i, look in enumerate(looks) if name in look)
        for name in ("embeddings", "umap_model", "umap_coordinates", "clusters")
    ]
    assert order == sorted(order)
    assert times(looks, "warehouse") == 2, "and once more with the neurons' answers"
    assert not lab.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))


def test_models_are_refitted_when_drift_advises_it(automation: Automation) -> None:
    """The check of `drift` is what counts, not the drift itself (see test_refits.py)."""
    lab = automation.lab
    key = dg.AssetKey(["tiny", "drift"])
    lab.instance.report_runless_asset_event(dg.AssetMaterialization(key))
    assert not MODELS & set(automation.tick())
    lab.instance.report_runless_asset_event(dg.AssetMaterialization(key))
    lab.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name="refit_not_due",
            passed=False,
            metadata={},
            severity=dg.AssetCheckSeverity.WARN,
        )
    )
    # One after the other, as they build on each other; unchanged content is not fitted again.
    looks = automation.settle(until="umap_model")
    assert "encoder" in looks[0]
    assert "umap_model" not in looks[0]
    assert set(made(looks)) >= MODELS
    automation.run(looks[-1])
    assert not {"encoder", "umap_model", "synapse_classifier"} & set(automation.tick()), "once"


def test_the_scorecard_is_made_again_after_a_fit_that_gives_a_candidate(automation: Automation) -> None:
    """The encoder in use stays, so no input of the scorecard changes; yet there is one encoder more to judge."""
    lab = automation.lab
    key, in_use = dg.AssetKey(["tiny", "encoder"]), str(lab.store.models("encoder").current)
    assert automation.tick() == {}
    lab.instance.report_runless_asset_event(
        dg.AssetMaterialization(key, tags={"dagster/data_version": in_use, "dagster/code_version": "1"})
    )
    requested = automation.tick()
    assert requested["retrieval_scorecard"] == {WHOLE}
    automation.run(requested)
    assert "retrieval_scorecard" not in made(automation.settle())


def test_every_condition_is_labelled(automation: Automation) -> None:
    graph = automation.lab.definitions.resolve_asset_graph()
    # The nightly look is the clock's affair.
    for key in graph.materializable_asset_keys - {dg.AssetKey(["tiny", "input_files"])}:
        condition = graph.get(key).automation_condition
        assert condition is not None, key
        assert condition.get_label() in LABELS, key
        assert all(child.get_label() or child.children for child in condition.children), key
