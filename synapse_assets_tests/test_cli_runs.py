"""Runs from the command line: what is selected, made, shown meanwhile, taken up after a kill, and what `status` says of it."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pandas as pd
import pytest
import yaml
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner, Result

from synapse_assets.cli import app, progress
from synapse_assets.cli.materialization import next_commands
from synapse_assets.cli.resuming import COMMAND_TAG, is_abandoned, taken_up
from synapse_assets.cli.selection import Selection, check_inputs, select, select_assets
from synapse_assets.cli.status import AssetStatus, Status, print_status
from synapse_assets.definitions import build_definitions
from synapse_assets.defs.asset import observed_version
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em import tiles as tile_steps
from synapse_assets.pipeline.report import progress_logger
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.staging import Staging
from synapse_assets_tests.conftest import REGIONS, tiny_dataset

FIRST, SECOND, THIRD = REGIONS


# What is selected ----------------------------------------------------------------------------------------------------------


Select = Callable[[str | None], set[str]]


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Select:
    """What gives the names of the assets that a selection names of the tiny dataset."""
    folder = tmp_path_factory.mktemp("nothing")
    datasets = {"tiny": tiny_dataset(folder, folder / "points.csv")}
    definitions = build_definitions(Settings(data_root=str(folder), datasets=[]), datasets=[*datasets.values()])
    return lambda assets: {key.path[-1] for key in select_assets(definitions, datasets, assets)}


@pytest.mark.parametrize(
    ("assets", "names"),
    [
        ("tiles", {"tiles"}),
        ("tiny/tiles", {"tiles"}),
        ('"tiny/tiles"', {"tiles"}),
        ("key:tiles", {"tiles"}),
        ('key:"*/tiles"', {"tiles"}),
        ("tile*", {"tiles", "tile_plan", "tile_attributes"}),
        ("tiles or umap_model", {"tiles", "umap_model"}),
        ("2+synapses", {"synapses", "synapse_table"}),
        ("synapse_table+1", {"synapse_table", "alignment"}),
        ("+tiles", {"tiles", "tile_plan", "alignment", "synapses", "synapse_table"}),
        ("+tiles and tile*", {"tiles", "tile_plan"}),
        ("+(tiles) and not (alignment or group:tiny_2_synapses)", {"tiles", "tile_plan"}),
        ('group:"*_5_maps" and kind:parquet and not cluster_cards', {"umap_coordinates", "clusters"}),
        ("synapse_source+1 and not input_files", {"synapse_table"}),
        ("sinks(warehouse or umap_model)", {"warehouse"}),
    ],
)
def test_assets_are_selected_in_the_syntax_of_dagster(selected: Select, assets: str, names: set[str]) -> None:
    assert selected(assets) == names


def test_a_selection_may_reach_everything_that_follows(selected: Select) -> None:
    following = selected("tiles+")
    assert {"tiles", "embeddings", "umap_model", "clusters", "warehouse"} <= following
    assert following.isdisjoint({"tile_plan", "synapses", "neurons"})
    assert selected(None) == selected("*") > following


@pytest.mark.parametrize(
    ("assets", "message"),
    [
        ("tile", "there is no asset 'tile' in tiny; did you mean tiles or tile_plan?"),
        ("tiles or tiny/umap_modell+", "there is no asset 'tiny/umap_modell' in tiny; did you mean tiny/umap_model"),
        ("other/tiles", "there is no asset 'other/tiles' in tiny; did you mean tiny/tiles"),
        ("zzz", "there is no asset 'zzz' in tiny; there are alignment, calibration, class_differences, "),
        ("", "'' cannot be read as a selection"),
        ("tiles and", "'tiles and' cannot be read as a selection"),
        ("tiles,clusters", "'tiles,clusters' cannot be read as a selection: give names of assets, such as 'tiles'"),
        ("ti-les", "'ti-les' cannot be read as a selection"),
        ("status:missing", "'status:missing' cannot be read as a selection"),
        ("synapse_source", "selects only what is read and not made here: tiny/synapse_source"),
        ("group:maps", "'group:maps' selects no asset of tiny. Their groups: tiny_1_raw, tiny_2_synapses, "),
    ],
)
def test_a_selection_that_is_wrong_says_what_was_meant(selected: Select, assets: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        selected(assets)
    assert message in str(error.value)


# What is made --------------------------------------------------------------------------------------------------------------


@dataclass
class Installed:
    """An installation with the tiny dataset in a file, and a history on disk."""

    file: Path
    root: Path

    @classmethod
    def at(cls, folder: Path, inputs: Path) -> "Installed":
        """A new one, with nothing made."""
        dataset = tiny_dataset(inputs, folder / "points.csv", encoder={"origin": "texture"})
        pd.read_csv(inputs / "points.csv").to_csv(folder / "points.csv", index=False)
        file = folder / "tiny.yaml"
        file.write_text(yaml.safe_dump(dataset.model_dump(mode="json", exclude_unset=True)))
        return cls(file, folder / "data")

    @property
    def points(self) -> Path:
        return self.file.parent / "points.csv"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SYNAPSE_DATASETS": str(self.file),
            "SYNAPSE_DATA_ROOT": str(self.root),
            "SYNAPSE_LOCAL_ROOT": str(self.root),
            "SYNAPSE_DEVICE": "cpu",
            "DAGSTER_HOME": str(self.root / ".dagster"),
            "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "300",
        }

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Its settings, and what a command adds to the environment, until the end."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def run(self, *arguments: str) -> Result:
        with self.entered():
            return CliRunner().invoke(app, list(arguments))

    def selection(self, assets: str, regions: str | None = None) -> Selection:
        with self.entered():
            return select(Settings(), ["tiny"], assets, regions)

    @contextmanager
    def history(self) -> Iterator[dg.DagsterInstance]:
        with self.entered(), dg.DagsterInstance.get() as instance:
            yield instance

    @property
    def store(self) -> DatasetStore:
        return DatasetStore(str(self.root), "tiny", str(self.root))

    def materialize(self, assets: str, regions: str | None = None) -> Result:
        return self.run("materialize", "tiny", "--assets", assets, *(["--regions", regions] if regions else []))

    def status(self) -> dict[str, dict[str, Any]]:
        """What `status --json` says of the assets, by name."""
        result = self.run("status", "--json")
        assert result.exit_code == 0
        return {asset["asset"].removeprefix("tiny/"): asset for asset in json.loads(result.output)["assets"]}

    def runs(self) -> list[dg.DagsterRun]:
        """All runs of the history, the first one first."""
        with self.history() as instance:
            return list(reversed(instance.get_runs()))

    def tiles(self) -> dict[str, set[str]]:
        """The synapses that have a tile, by region."""
        tiles = self.store.tiles
        return {region: set(tiles.read(region, ["synapse_id"]).column(0).to_pylist()) for region in REGIONS}


def lines_of(result: Result) -> list[str]:
    """What was done where: `done tiny EB: tiles`."""
    numbered = (line.split() for line in result.output.splitlines() if line.startswith("["))
    return [" ".join(words[3:]) for words in numbered]


@pytest.fixture(scope="module")
def untouched(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An installation in which nothing is made."""
    return Installed.at(tmp_path_factory.mktemp("untouched"), tiny_inputs)


def kill_in_second_region(environment: dict[str, str], arguments: list[str]) -> None:
    """A command that dies by SIGKILL while it cuts the tiles of its second region."""
    os.environ.update(environment)
    append, folders = Staging.append, set()

    def append_or_die(self: Staging, rows: object) -> None:
        folders.add(str(self.region_folder))
        if len(folders) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        append(self, rows)

    Staging.append = append_or_die  # type: ignore[method-assign]
    app(arguments)


def copy_of(installed: Installed, folder: Path) -> Installed:
    """The same installation elsewhere, to be changed; its dataset reads the same points."""
    shutil.copytree(installed.root, folder / "data")
    shutil.copy(installed.file, folder / "tiny.yaml")
    return Installed(folder / "tiny.yaml", folder / "data")


@dataclass
class Killed:
    """A command that was killed, and the same again. before: what the history and `status` said in between."""

    installed: Installed
    before: list[dg.DagsterRun]
    status: Result
    again: Result


@pytest.fixture(scope="module")
def killed(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """`+tiles` of the tiny dataset, killed in the second region and run again."""
    installed = Installed.at(tmp_path_factory.mktemp("killed"), tiny_inputs)
    arguments = (installed.environment, ["materialize", "tiny", "--assets", "+tiles"])
    process = multiprocessing.get_context("spawn").Process(target=kill_in_second_region, args=arguments)
    process.start()
    process.join(240)
    assert process.exitcode == -signal.SIGKILL
    before, status = installed.runs(), installed.run("status")
    return Killed(installed, before, status, installed.materialize("+tiles"))


def test_a_killed_command_goes_on_where_it_was(killed: Killed) -> None:
    assert [(run.tags.get("dagster/partition"), run.status.value) for run in killed.before] == [
        (None, "SUCCESS"),
        (FIRST, "SUCCESS"),
        (SECOND, "STARTED"),
    ]
    assert killed.again.exit_code == 0
    assert lines_of(killed.again) == [
        "done tiny: synapse_table, alignment",
        f"kept tiny {FIRST}: synapses, tile_plan, tiles",
        f"done tiny {SECOND}: tiles",
        f"done tiny {THIRD}: synapses, tile_plan, tiles",
    ]
    assert {region: len(ids) for region, ids in killed.installed.tiles().items()} == dict.fromkeys(REGIONS, 24)


def test_no_run_of_a_killed_command_stays_at_work(killed: Killed) -> None:
    ghost = killed.before[-1].run_id
    assert f"stopped: tiny/synapses, tiny/tile_plan, tiny/tiles of {SECOND}   (run {ghost[:8]})" in killed.status.output
    runs = killed.installed.runs()
    assert [run.run_id for run in runs if run.status is dg.DagsterRunStatus.CANCELED] == [ghost]
    assert all(run.is_finished for run in runs)
    assert len({run.tags[COMMAND_TAG] for run in runs[:6]}) == 1


def test_a_command_that_ended_well_begins_anew(killed: Killed) -> None:
    for _ in range(2):
        assert lines_of(killed.installed.materialize("tile_plan", SECOND)) == [f"done tiny {SECOND}: tile_plan"]


def test_what_was_made_is_up_to_date_when_the_ui_looks_for_the_first_time(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    with installed.history() as instance:
        assert observed_version(instance, dg.AssetKey(["tiny", "synapse_source"])) is not None
        definitions, cursor = installed.selection("*").definitions, None
        for _ in range(2):
            context = dg.build_sensor_context(instance, cursor=cursor, definitions=definitions)
            found = definitions.resolve_sensor_def("tiny_arrivals")(context)
            assert isinstance(found, dg.SensorResult)
            cursor = found.cursor
            assert not found.asset_events
        assert "known" in json.loads(str(cursor))["synapse_source"]
    assert installed.status()["synapse_table"]["out_of_date"] == {}


def test_only_the_regions_that_are_named_are_made(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    points = pd.read_csv(killed.installed.points)
    first_rows = points.groupby("region").head(1).set_index("region").loc[[FIRST, SECOND]]
    points[~points.id.isin(first_rows.id)].to_csv(installed.points, index=False)
    yaml_text = installed.file.read_text().replace(str(killed.installed.points), str(installed.points))
    installed.file.write_text(yaml_text)
    before = installed.tiles()
    result = installed.materialize("+tiles", SECOND)
    assert (result.exit_code, lines_of(result)) == (
        0,
        ["done tiny: synapse_table, alignment", f"done tiny {SECOND}: synapses, tile_plan, tiles"],
    )
    assert installed.tiles() == {**before, SECOND: before[SECOND] - {first_rows.id[SECOND]}}
    assert len(installed.tiles()[SECOND]) == 23
    # There is nothing to explore yet.
    assert result.output.partition("Next:\n")[2].split()[:2] == ["synapse-assets", "ui"]
    assert "explore" not in result.output
    status = installed.status()
    assert status["synapses"]["out_of_date"] == {FIRST: ["region_sites"]}
    assert {name for name, asset in status.items() if asset["behind"]} >= {"tile_plan", "tiles", "umap_model"}
    assert (status["tiles"]["out_of_date"], status["tiles"]["behind"]) == ({}, ["synapses"])
    assert "3 of 3    up to date (synapses is not)" in installed.run("status").output


def test_what_comes_next_can_be_pasted(untouched: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "tiny"
    root.mkdir()
    (root / "release.json").write_text("{}")
    monkeypatch.setattr("sys.argv", [".venv/bin/synapse-assets"])
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(datasets=["sample"], data_root=str(tmp_path), local_root=str(tmp_path))
    selection = select(settings, [str(untouched.file)])
    assert [line.partition("  ")[0] for line in next_commands(settings, selection)] == [
        f"export SYNAPSE_DATASETS=sample,{untouched.file}",
        ".venv/bin/synapse-assets ui",
        ".venv/bin/synapse-assets explore",
    ]


def test_a_region_that_fails_is_red_and_the_others_are_done(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    [plan] = (installed.root / "tiny" / "tables" / "tile_plan").glob(f"*={FIRST}")
    shutil.rmtree(plan)
    plan.write_text("a file where the folder of a region should be")
    result = installed.materialize("tile_plan", f"{SECOND},{FIRST}")
    assert result.exit_code == 1
    assert lines_of(result) == [f"failed tiny {FIRST}: tile_plan", f"done tiny {SECOND}: tile_plan"]
    [reason] = [line for line in result.output.splitlines() if line.startswith(f"tiny {FIRST}: tiny__tile_plan: ")]
    [[region, told]] = installed.status()["tile_plan"]["failed"].items()
    assert (region, reason) == (FIRST, f"tiny {FIRST}: tiny__tile_plan: {told}")
    assert f"3 of 3    failed ({FIRST}: {told})" in installed.run("status").output

    plan.unlink()
    again = installed.materialize("tile_plan", f"{FIRST},{SECOND}")
    assert again.exit_code == 0
    assert lines_of(again) == [f"done tiny {FIRST}: tile_plan", f"kept tiny {SECOND}: tile_plan"]
    assert installed.status()["tile_plan"]["failed"] == {}


def test_ctrl_c_ends_a_run_as_cancelled(killed: Killed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = copy_of(killed.installed, tmp_path)
    monkeypatch.setattr(tile_steps, "plan_tiles", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    result = installed.materialize("tile_plan")
    assert result.exit_code == 130
    assert result.output.splitlines()[-1] == "Stopped. What was finished stays; the same command goes on from here."
    assert [run.status.value for run in installed.runs()][-1] == "CANCELED"
    assert len(installed.runs()) == len(killed.installed.runs()) + 1


# What is refused before anything runs --------------------------------------------------------------------------------------


def test_what_was_never_made_is_named_with_the_command_that_makes_it(untouched: Installed) -> None:
    said = {
        ("tiles", None): "tiny/tiles is made from alignment, which was never made; this makes it too: "
        "synapse-assets materialize tiny --assets +tiles",
        ("tiles+", None): "synapse-assets materialize tiny --assets '+(tiles+)'",
        ("tiles", SECOND): "--regions: no region is known before synapse_table was made; run this first: "
        "synapse-assets materialize tiny --assets +synapse_table",
        ("synapse_table", SECOND): "--regions: nothing that is selected is made region by region: leave --regions out",
        ("tiles", " , "): "--regions names no region: give some with commas between them",
    }
    for (assets, regions), message in said.items():
        result = untouched.materialize(assets, regions)
        assert result.exit_code == 2
        assert message in result.output
    assert untouched.runs() == []


def test_a_status_of_nothing_says_what_to_begin_with(untouched: Installed) -> None:
    result = untouched.run("status", "tiny")
    assert (result.exit_code, result.output) == (
        0,
        "tiny   nothing was made yet: begin with `synapse-assets materialize tiny`\n",
    )


def test_a_region_that_there_is_not_is_refused(killed: Killed) -> None:
    installed = killed.installed
    runs = len(installed.runs())
    result = installed.materialize("tiles", f"{FIRST},EBB")
    assert (result.exit_code, result.output) == (2, "--regions: there is no 'EBB'; did you mean EB?\n")
    result = installed.materialize("embeddings or encoder", "zzz")
    assert f"there is no 'zzz'; there are {', '.join(REGIONS)}" in result.output
    assert len(installed.runs()) == runs


def test_a_region_without_its_inputs_may_be_left_out(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    with installed.history() as instance:
        instance.add_dynamic_partitions("tiny_brain_region", ["NEW"])
    result = installed.materialize("tiles")
    assert (result.exit_code, result.output.splitlines()) == (
        2,
        [
            "tiny/tiles is made from synapses, which was never made for NEW; this makes it too: "
            "synapse-assets materialize tiny --assets +tiles",
            f"or leave NEW out: --regions {','.join(REGIONS)}",
        ],
    )
    with installed.history() as instance:
        check_inputs(installed.selection("tiles", FIRST), instance)
        check_inputs(installed.selection("encoder or +tiles"), instance)
    assert installed.status()["tiles"]["missing"] == ["NEW"]
    assert "3 of 4    out of date (NEW: never made)" in installed.run("status").output


def test_the_same_command_runs_once_at_a_time(untouched: Installed) -> None:
    assert untouched.run("status").exit_code == 0
    home, selection = untouched.root / ".dagster", untouched.selection("+tiles")
    with dg.DagsterInstance.ephemeral() as instance, taken_up(home, selection, instance) as command:
        assert not is_abandoned(home, {COMMAND_TAG: command.id})
        result = untouched.materialize("+tiles")
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert "the same command is at work in another process" in result.output
    assert is_abandoned(home, {COMMAND_TAG: command.id})
    assert not is_abandoned(home, {})
    assert not is_abandoned(home, {COMMAND_TAG: "of-another-installation"})


# What is said --------------------------------------------------------------------------------------------------------------


def test_a_status_says_what_is_known_of_an_asset(killed: Killed) -> None:
    status = killed.installed.status()
    made = datetime.fromisoformat(status["tiles"].pop("made"))
    assert 0 <= time.time() - made.timestamp() < 3_600
    assert status["tiles"] == {
        "asset": "tiny/tiles",
        "stage": "3_tiles",
        "regions": list(REGIONS),
        "missing": [],
        "out_of_date": {},
        "behind": [],
        "failed": {},
        "running": [],
        "checks": [],
        "candidate": None,
    }
    assert [(check["name"], check["severity"]) for check in status["alignment"]["checks"]] == [
        ("verdict_clear", "WARN")
    ]
    assert status["umap_model"]["made"] is None


def test_a_status_says_what_is_at_work(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    run = dg.DagsterRun(
        "__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey(["tiny", "tiles"])}),
        tags={"dagster/partition": SECOND},
    )
    with installed.history() as instance:
        instance.add_run(run)
    assert installed.status()["tiles"]["running"] == [SECOND]
    lines = installed.run("status").output.splitlines()
    assert lines[-1] == f"running: tiny/tiles of {SECOND}   (run {run.run_id[:8]})"
    assert any(line.endswith(f"3 of 3    running ({SECOND})") for line in lines)


def test_what_is_out_of_date_or_waits_is_said(killed: Killed, tmp_path: Path) -> None:
    installed = copy_of(killed.installed, tmp_path)
    installed.file.write_text(installed.file.read_text().replace("size_px: 24", "size_px: 32"))
    installed.store.models("umap_model").folder.write_json("candidate.json", {"version": "0123456789"})
    lines = installed.run("status").output.splitlines()
    said = {line.split()[0]: line for line in lines if line.startswith("    ")}
    assert said["tiles"].endswith("3 of 3    out of date (its method or settings changed)")
    assert said["synapses"].endswith("3 of 3    up to date")
    assert said["umap_model"].endswith("never made; candidate 01234567 waits: synapse-assets promote tiny umap_model")


def test_a_status_has_colours_in_a_terminal_only(killed: Killed) -> None:
    status = killed.installed.run("status").output
    assert "\x1b[" not in status
    [asset] = [AssetStatus("tiny/tiles", "3_tiles", None, [], [""], {}, [], {"": "no volume"}, [], [], None)]
    file = StringIO()
    print_status(
        Console(file=file, force_terminal=True, width=80), Status([asset]), killed.installed.selection("tiles")
    )
    assert "\x1b[31mfailed\x1b[0m (no volume)" in file.getvalue()
    assert [line.split(maxsplit=1)[0] for line in status.splitlines()[:3]] == ["tiny", "1_raw", "input_files"]
    assert f"    tiles                {killed.installed.status()['tiles']['made'][:16]}  3 of 3    up to date" in status


def test_a_terminal_shows_count_rate_and_remaining_time() -> None:
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=120, height=20)

    @dg.asset(key_prefix="brain")
    def tiles(context: dg.AssetExecutionContext) -> None:
        count = progress_logger(context.log.info, "EB: tiles", 2400)
        time.sleep(0.3)
        count(1200)
        time.sleep(0.3)

    with (
        dg.DagsterInstance.ephemeral() as instance,
        progress.shown_progress(console, "[3/9]", "brain EB", "2 of 4, 1:10 to go") as event,
    ):
        run_id = str(uuid4())
        instance.add_event_listener(run_id, event)
        job = dg.Definitions(assets=[tiles]).resolve_implicit_global_asset_job_def()
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        assert job.execute_in_process(instance=instance, run_id=run_id, run_config=quiet).success
    shown = Text.from_ansi(file.getvalue()).plain
    assert "[3/9] brain EB: tiles   2 of 4, 1:10 to go" in shown
    assert re.search(r"  tiles [━╺╸]+ 1,200 of 2,400   [\d,]+/s   0:0\d left", shown)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (65, "1:05"), (671, "11:11"), (3_723, "1:02:03")]
)
def test_a_remaining_time_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text
