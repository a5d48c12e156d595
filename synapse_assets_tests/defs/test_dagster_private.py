"""What this project relies on beyond Dagster's public interface. Each test says what breaks here when Dagster moves."""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
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


def test_the_daemon_is_started_as_a_module_with_a_workspace_file() -> None:
    assert importlib.util.find_spec(f"{private.DAEMON_MODULE}.__main__") is not None
    command = importlib.import_module(f"{private.DAEMON_MODULE}.cli").create_dagster_daemon_cli().commands["run"]
    assert "--workspace" in {option for parameter in command.params for option in parameter.opts}
