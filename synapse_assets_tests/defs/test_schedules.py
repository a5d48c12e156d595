"""The clock: which crons and time zones are taken, and what is said of others, in the browser too."""

from pathlib import Path

import dagster as dg
import pytest

from synapse_assets.definitions import build_definitions
from synapse_assets.defs.schedules import check_clock
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

VARIABLES = ("SYNAPSE_NIGHTLY_CRON", "SYNAPSE_WEEKLY_CRON", "SYNAPSE_UPKEEP_CRON")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*VARIABLES, "SYNAPSE_TIME_ZONE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "cron",
    ["0 3 * * *", "*/15 * * * *", "0 4 * * sat", "0 0 1 jan *", "0 0 L * *", "0 3 * * sun#1", "@daily", "30 1-5/2 * * 1-5", "0 0 29 2 *",
     "0,30 3 * * *", "0 0 * * 7", "59 23 31 12 *"],
)  # fmt: skip
def test_crons_that_dagster_takes(cron: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, cron)
    definitions = build_definitions(Settings(data_root="/nowhere", datasets=["sample"]))
    schedules = [one for one in definitions.schedules or () if isinstance(one, dg.ScheduleDefinition)]
    assert [one.cron_schedule for one in schedules] == [cron] * len(schedules) != []


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    "cron",
    ["3:00", "daily", "0 3 * *", "0 3 * * * *", "60 3 * * *", "0 24 * * *", "0 3 32 * *", "0 3 * 13 *", "0 3 * * 8", "0 3 30 2 *",
     "0 0 31 4 *", "0 3 * * funday", "* * * * * x", "*/90 * * * *", "0 */25 * * *", "5-1-2 * * * *", "@never", "0 3 * * *; rm"],
)  # fmt: skip
def test_other_crons_are_refused_by_name(name: str, cron: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, cron)
    with pytest.raises(BadInput) as error:
        check_clock(Settings())
    told = f"{name}: {cron!r} names no time: it is five fields, minute hour day month weekday, such as '0 "
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Etc/GMT+2", "EST5EDT"])
def test_time_zones(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_TIME_ZONE", zone)
    check_clock(Settings())


@pytest.mark.parametrize(
    ("zone", "advice"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berlin ", "did you mean Europe/Berlin?"),
        ("America/New York", "did you mean America/New_York?"),
        ("Amerika/New_York", "did you mean America/New_York?"),
        ("Zürich", "give one such as Europe/Berlin, or UTC"),
        ("UTC+1", "did you mean UTC?"),
        ("Utc", "did you mean UTC?"),
        ("Europe", ""),
        ("Europe/", ""),
        ("../etc/passwd", ""),
        ("/etc/localtime", ""),
        ("12", ""),
        ("CEST", ""),
    ],
)
def test_other_time_zones_are_refused_with_one_that_may_be_meant(
    zone: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPSE_TIME_ZONE", zone)
    with pytest.raises(BadInput) as error:
        check_clock(Settings())
    assert str(error.value).startswith(f"SYNAPSE_TIME_ZONE: there is no time zone {zone!r}: ")
    assert str(error.value).endswith(advice)


def test_the_browser_says_why_the_definitions_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page of code locations shows."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget

    monkeypatch.setenv("SYNAPSE_UPKEEP_CRON", "3:00")
    target = ModuleTarget("synapse_assets.definitions", None, ".", "synapse_assets")
    with dg.instance_for_test() as instance, WorkspaceProcessContext(instance, target) as context:
        entry = context.create_request_context().get_code_location_entries()["synapse_assets"]
    assert entry.load_error is not None
    assert "SYNAPSE_UPKEEP_CRON: '3:00' names no time: it is five fields" in entry.load_error.to_string()
