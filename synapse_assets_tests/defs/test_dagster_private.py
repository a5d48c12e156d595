"""What this project relies on beyond Dagster's public interface. Each test says what breaks here when Dagster moves."""

import importlib
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.remote_origin import CodeLocationOrigin, InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceLoadTarget
from dagster_graphql.schema import create_schema
from dagster_webserver.version import __version__

from synapse_assets.defs import dagster_private as private
from synapse_assets.serving import LOCATION, write_workspace


class Asked(dg.AutomationCondition[dg.AssetKey]):
    """Requests nothing; keeps what `Staleness` says."""

    def __init__(self) -> None:
        self.stale: dict[str, bool] = {}
        self.causes: dict[str, set[dg.AssetKey | None]] = {}

    @property
    def requires_cursor(self) -> bool:
        return False

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        staleness, name = private.Staleness(context.asset_graph_view), context.key.to_user_string()
        self.stale[name] = staleness.is_stale(context.key, None)
        self.causes[name] = staleness.causes(context.key, None)
        return dg.AutomationResult(context, context.get_empty_subset())


def line(asked: Asked) -> list[dg.AssetsDefinition]:
    """raw -> model -> applied."""

    @dg.asset(code_version="1", automation_condition=asked)
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(context.run.tags.get("content", "old")))

    @dg.asset(code_version="1", deps=[raw], automation_condition=asked)
    def model() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("first"))

    @dg.asset(code_version="1", deps=[model], automation_condition=asked)
    def applied() -> None: ...

    return [raw, model, applied]


def test_automation_knows_what_is_out_of_date_and_on_whose_account() -> None:
    asked = Asked()
    assets = line(asked)
    with dg.instance_for_test() as instance:
        dg.evaluate_automation_conditions(dg.Definitions(assets), instance)
        assert asked.stale == {"raw": True, "model": True, "applied": True}
        dg.materialize(assets, instance=instance)
        dg.evaluate_automation_conditions(dg.Definitions(assets), instance)
        assert asked.stale == {"raw": False, "model": False, "applied": False}
        dg.materialize(assets[:1], instance=instance, tags={"content": "new"})
        dg.evaluate_automation_conditions(dg.Definitions(assets), instance)
        assert asked.stale == {"raw": False, "model": True, "applied": False}
        assert asked.causes["model"] == {dg.AssetKey("raw")}


def test_a_promotion_gives_a_model_a_data_version_and_leaves_it_up_to_date() -> None:
    asked = Asked()
    assets = line(asked)
    model = dg.AssetKey("model")
    with dg.instance_for_test() as instance:
        dg.materialize(assets, instance=instance)
        fitted = instance.get_latest_materialization_event(model)
        assert fitted is not None
        assert private.data_version(fitted.tags or {}) == "first"
        tags = {**private.provenance_tags(fitted.tags or {}), **private.data_version_tags("second")}
        instance.report_runless_asset_event(dg.AssetMaterialization(model, tags=tags))
        promoted = instance.get_latest_materialization_event(model)
        assert promoted is not None
        assert private.data_version(promoted.tags or {}) == "second"
        dg.evaluate_automation_conditions(dg.Definitions(assets), instance)
        assert asked.stale == {"raw": False, "model": False, "applied": True}
        assert asked.causes["applied"] == {model}


def test_names_of_assets_are_found_in_a_selection_whatever_stands_around_them() -> None:
    selection = """+tiles and (key:"clusters"+2 or not tile*) and tag:tiles="drift" and kind:tiles"""
    replaced = private.asset_names_replaced(selection, lambda name: f"brain/{name}")
    assert replaced == (
        """+key:"brain/tiles" and (key:"brain/clusters"+2 or not key:"brain/tile*") and tag:tiles="drift" and kind:tiles"""
    )
    assert private.parsed_selection(replaced) == dg.AssetSelection.from_string(replaced)
    with pytest.raises(ValueError, match="token recognition error at: '-'"):
        private.asset_names_replaced("ti-les", str)
    with pytest.raises(ValueError, match="Invalid selection string: tiles and"):
        private.parsed_selection("tiles and")


def test_what_is_out_of_date_is_known_outside_of_automation() -> None:
    assets = line(Asked())
    with dg.instance_for_test() as instance:
        dg.materialize(assets, instance=instance)
        dg.materialize(assets[:1], instance=instance, tags={"content": "new"})
        staleness = private.Staleness.now(dg.Definitions(assets), instance)
        assert [staleness.is_stale(dg.AssetKey(name), None) for name in ("raw", "model", "applied")] == [
            False,
            True,
            False,
        ]
        assert staleness.causes(dg.AssetKey("model"), None) == {dg.AssetKey("raw")}


PARTS = dg.DynamicPartitionsDefinition(name="parts")
OBSERVED, MADE = dg.AssetKey("observed"), dg.AssetKey("made")
ALL_PARTS = dg.AllPartitionMapping()


def over_parts() -> list[dg.AssetsDefinition]:
    """observed -> made -> whole -> report; applied: of each part of `observed` and `made`, with the whole, and of all parts of `made`."""

    @dg.multi_observable_source_asset(specs=[dg.AssetSpec(OBSERVED)], partitions_def=PARTS)
    def observed() -> Iterator[dg.ObserveResult]:
        yield dg.ObserveResult(OBSERVED)

    @dg.asset(key=MADE, code_version="1", deps=[OBSERVED], partitions_def=PARTS)
    def made() -> None: ...

    of_all = [dg.AssetDep(OBSERVED, partition_mapping=ALL_PARTS), dg.AssetDep(MADE, partition_mapping=ALL_PARTS)]

    @dg.asset(code_version="1", deps=of_all)
    def whole() -> None: ...

    @dg.asset(code_version="1", deps=[whole])
    def report() -> None: ...

    @dg.asset(
        code_version="1", deps=[OBSERVED, whole, dg.AssetDep(MADE, partition_mapping=ALL_PARTS)], partitions_def=PARTS
    )
    def applied() -> None: ...

    return [observed, made, whole, report, applied]


def add_parts(instance: dg.DagsterInstance, parts: Iterable[str], version: str = "1") -> None:
    """Makes parts of `made`, each with content of that version."""
    instance.add_dynamic_partitions("parts", list(parts))
    tags = {**private.data_version_tags(version), "dagster/code_version": "1"}
    for part in parts:
        instance.report_runless_asset_event(dg.AssetMaterialization(MADE, partition=part, tags=tags))


def test_a_whole_asset_follows_every_one_of_two_hundred_parts() -> None:
    """Dagster gives up at 100: it would say for ever that the whole is up to date."""
    definitions, whole = dg.Definitions(over_parts()), dg.AssetKey("whole")
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        versions = []

        def make_whole() -> None:
            job.execute_in_process(asset_selection=[whole], instance=instance)
            event = instance.get_latest_materialization_event(whole)
            versions.append(private.data_version((event.tags if event else None) or {}))

        def causes() -> set[dg.AssetKey | None]:
            staleness = private.Staleness.now(definitions, instance)
            found = staleness.causes(whole, None)
            assert staleness.is_stale(whole, None) == bool(found)
            return found

        make_whole()
        add_parts(instance, [f"part {number}" for number in range(200)])
        assert causes() == {MADE}, "there was no part when it was made, and now there are"
        make_whole()
        assert causes() == set()
        add_parts(instance, ["part 3", "part 150"])
        assert causes() == set(), "made again, with the same content"
        for part, version in (("part 150", "2"), ("part 3", "2"), ("new", "2")):
            add_parts(instance, [part], version)
            assert causes() == {MADE}, part
            make_whole()
            assert causes() == set(), part
        # What follows from the whole is told apart by what that was made from, whichever part changed last.
        assert len(set(versions)) == len(versions)


def test_what_was_recorded_with_a_hundred_parts_by_dagster_alone_still_counts() -> None:
    """A run of before the update named the last event it saw, and the version of that alone: enough to see what changed since."""
    definitions, whole = dg.Definitions(over_parts()), dg.AssetKey("whole")
    with dg.DagsterInstance.ephemeral() as instance:
        add_parts(instance, [f"part {number}" for number in range(120)])
        seen = instance.event_log_storage.get_maximum_record_id()
        tags = {
            "dagster/code_version": "1",
            "dagster/input_data_version/made": "1",
            "dagster/input_event_pointer/made": str(seen),
            "dagster/input_data_version/observed": "INITIAL",
            "dagster/input_event_pointer/observed": "NULL",
        }
        instance.report_runless_asset_event(
            dg.AssetMaterialization(whole, tags={**tags, **private.data_version_tags("1")})
        )
        assert private.Staleness.now(definitions, instance).causes(whole, None) == set()
        add_parts(instance, ["part 7"], "2")
        assert private.Staleness.now(definitions, instance).causes(whole, None) == {MADE}


@pytest.mark.parametrize("seed", range(4))
def test_parts_read_together_give_the_answers_that_dagster_finds_one_by_one(seed: int) -> None:
    """Random histories: parts made, observed, made again with the same or other content, from inputs of any time before, wiped."""
    definitions, chance = dg.Definitions(over_parts()), random.Random(seed)
    graph = definitions.resolve_asset_graph()
    parts = [f"part {number}" for number in range(4)]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("parts", parts)
        for step in range(60):
            key = chance.choice(sorted(graph.get_all_asset_keys()))
            part = chance.choice(parts) if graph.get(key).is_partitioned else None
            tags = private.data_version_tags(chance.choice("12"))
            if key == OBSERVED:
                instance.report_runless_asset_event(dg.AssetObservation(key, partition=part, tags=tags))
                continue
            if chance.random() < 0.9:
                tags["dagster/code_version"] = chance.choice("1112")
                for parent in graph.get(key).parent_keys - ({MADE} if chance.random() < 0.05 else set()):
                    tags[f"dagster/input_data_version/{parent.to_user_string()}"] = chance.choice("12")
                    tags[f"dagster/input_event_pointer/{parent.to_user_string()}"] = str(chance.randint(1, step + 1))
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=part, tags=tags))
            if chance.random() < 0.1:
                instance.wipe_assets([key])
        found = set()
        view = AssetGraphView.for_test(definitions, instance)
        one_by_one, together = CachingStaleStatusResolver(instance, graph, view), private.Staleness(view)
        for key in graph.get_all_asset_keys():
            together.read(key, parts if graph.get(key).is_partitioned else [])
            for part in parts if graph.get(key).is_partitioned else [None]:
                expected = {cause.dependency_asset_key for cause in one_by_one.get_stale_causes(key, part)}
                assert together.causes(key, part) == expected, (key, part)
                assert together.is_stale(key, part) == (one_by_one.get_status(key, part) != StaleStatus.FRESH)
                found.add((one_by_one.get_status(key, part), frozenset(expected)))
        assert len(found) > 3, "the histories have all kinds of answers"


def test_upkeep_knows_the_events_that_a_materialisation_was_made_from() -> None:
    assets = line(Asked())
    with dg.instance_for_test() as instance:
        dg.materialize(assets, instance=instance)
        raw = instance.fetch_materializations(dg.AssetKey("raw"), limit=1).records[0]
        fitted = instance.get_latest_materialization_event(dg.AssetKey("model"))
    assert fitted is not None
    assert list(private.events_made_from(fitted.tags or {})) == [(dg.AssetKey("raw"), raw.storage_id)]


def test_the_clock_is_checked_by_what_the_scheduler_goes_by() -> None:
    assert [private.is_cron(cron) for cron in ("0 3 * * *", "60 3 * * *", "daily")] == [True, False, False]
    after = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert next(private.ticks("0 3 * * *", "Europe/Berlin", after)) == datetime(2026, 1, 1, 2, tzinfo=UTC)
    with pytest.raises(Exception, match="find"):
        next(private.ticks("0 3 30 2 *", "UTC", after))
    private.require_time_zone("Europe/Berlin")
    with pytest.raises((ValueError, LookupError, OSError)):
        private.require_time_zone("Europe/Berln")


@pytest.mark.filterwarnings("ignore:Error loading repository location")
def test_the_ui_serves_the_code_locations_of_a_workspace_file(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "workspace.yaml", {"socket": str(tmp_path / "nobody")})
    with dg.instance_for_test() as instance, private.served_workspace(instance, workspace, __version__) as context:
        assert set(context.create_request_context().get_code_location_entries()) == {LOCATION}


@dataclass(frozen=True)
class InThisProcess(WorkspaceLoadTarget):
    """A workspace whose code is loaded here, not by a server."""

    file: Path

    def create_origins(self) -> list[CodeLocationOrigin]:
        target = LoadableTargetOrigin(python_file=str(self.file), executable_path=sys.executable)
        return [InProcessCodeLocationOrigin(target, location_name=LOCATION)]


def test_the_ui_shows_what_follows_from_more_than_a_hundred_parts(tmp_path: Path) -> None:
    """As our own server of the UI answers the page of an asset."""
    file = tmp_path / "definitions.py"
    file.write_text(f"import dagster as dg\nfrom {__name__} import over_parts\ndefs = dg.Definitions(over_parts())\n")
    query = '{assetNodeOrError(assetKey: {path: ["whole"]}) {... on AssetNode {staleStatus staleCauses {reason}}}}'
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    with dg.instance_for_test() as instance:
        add_parts(instance, [f"part {number}" for number in range(120)])
        dg.Definitions(over_parts()).resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey("whole")], instance=instance
        )
        found, schema = [], create_schema()
        with (
            private.served_workspace(instance, tmp_path / "workspace.yaml", __version__),
            WorkspaceProcessContext(instance, workspace_load_target=InThisProcess(file)) as served,
        ):
            for version in ("1", "2"):
                add_parts(instance, ["part 7"], version)
                request = served.create_request_context()
                found.append(schema.execute(query, context_value=request).data["assetNodeOrError"])
                assert isinstance(request.stale_status_loader, private._Resolver), "hundreds of parts take no minutes"
    assert found[0] == {"staleStatus": "FRESH", "staleCauses": []}
    assert found[1] == {"staleStatus": "STALE", "staleCauses": [{"reason": "has a new data version"}]}


def test_the_daemon_is_started_as_a_module_with_a_workspace_file() -> None:
    assert importlib.util.find_spec(f"{private.DAEMON_MODULE}.__main__") is not None
    command = importlib.import_module(f"{private.DAEMON_MODULE}.cli").create_dagster_daemon_cli().commands["run"]
    assert "--workspace" in {option for parameter in command.params for option in parameter.opts}
