"""What commands say: of a home that they cannot use (it is its owner's alone, whoever shares the data), and of a long run."""

import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from threading import Barrier
from time import sleep
from uuid import uuid4

import dagster as dg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from synapse_assets.cli import app, prepare_home, progress
from synapse_assets.cli.home import make_history
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import report_progress
from synapse_assets.settings import Settings

NOBODY = 65_534
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data root as a lab shares it by group; what `prepare_home` puts in the environment is taken back."""
    for name in ("DAGSTER_HOME", "SYNAPSE_DATA_ROOT", "SYNAPSE_LOCAL_ROOT", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(0o2775)
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(root))
    monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", str(root))
    monkeypatch.chdir(tmp_path)
    old = os.umask(0o002)
    yield root
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode) & 0o777


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): mode(path) for path in (folder, *folder.rglob("*")) if not path.is_symlink()}


def test_a_new_home_is_its_owners_alone(root: Path) -> None:
    home = prepare_home(Settings())
    assert {name: mode(root / name) for name in (".", ".cache", ".dagster", ".dagster/dagster.yaml")} == {
        ".": 0o775,
        ".cache": 0o700,
        ".dagster": 0o700,
        ".dagster/dagster.yaml": 0o600,
    }
    assert "concurrency" in (home / "dagster.yaml").read_text()
    assert os.environ["DAGSTER_HOME"] == str(home) == str(root / ".dagster")


def test_the_history_of_a_new_home_is_made_once_for_all_who_start_together(root: Path) -> None:
    home = root / ".dagster"
    home.mkdir()
    os.environ["DAGSTER_HOME"] = str(home)
    together = Barrier(4)

    def start() -> None:
        together.wait(60)
        make_history(home)

    with ThreadPoolExecutor(4) as starters:
        for started in [starters.submit(start) for _ in range(4)]:
            started.result()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0


def test_the_home_of_an_older_installation_is_closed_with_what_lies_in_it(root: Path, tmp_path: Path) -> None:
    home = root / ".dagster"
    (home / "history" / "runs").mkdir(parents=True)
    (home / "schedules").mkdir()
    (home / "storage").mkdir()
    kept = {
        "schedules/schedules.db": 0o664,
        "history/runs.db": 0o664,
        "history/runs/a.db": 0o666,
        "storage/log": 0o444,
        "program": 0o775,
        "dagster.yaml": 0o644,
    }
    for name, permissions in kept.items():
        (home / name).write_text("old")
        (home / name).chmod(permissions)
    table, shared = root / "table.parquet", tmp_path / "shared"
    table.write_text("rows")
    table.chmod(0o664)
    shared.mkdir()
    (shared / "logs").write_text("lines")
    shared.chmod(0o777)
    (home / "logs").symlink_to(shared)
    (home / "gone").symlink_to(tmp_path / "nowhere")
    (home / ".dagster.yaml.1").write_text("unfinished")
    for folder in (home, home / "history", home / "history" / "runs", home / "schedules", home / "storage"):
        folder.chmod(0o777)
    prepare_home(Settings())
    assert modes(home) == {
        ".": 0o700,
        ".lock": 0o664,  # made since
        "history": 0o700,
        "history/runs": 0o700,
        "schedules": 0o700,
        "schedules/schedules.db": 0o600,
        "storage": 0o700,
        "history/runs.db": 0o600,
        "history/runs/a.db": 0o600,
        "storage/log": 0o400,
        "program": 0o700,
        "dagster.yaml": 0o600,
        ".dagster.yaml.1": 0o600,
    }
    assert (home / "history" / "runs.db").read_text() == "old"
    assert (mode(table), mode(shared), mode(shared / "logs")) == (0o664, 0o777, 0o664)
    before = modes(root)
    prepare_home(Settings())
    assert modes(root) == before


def test_runs_write_what_a_lab_shares_as_before(root: Path) -> None:
    prepare_home(Settings())
    (root / "table.parquet").write_text("rows")
    assert mode(root / "table.parquet") == 0o664


@pytest.mark.skipif(not AS_ROOT, reason="only root can be somebody else")
def test_nobody_else_reads_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log = Path(folder) / ".dagster" / "run.log"
        log.parent.mkdir()
        log.write_text("s3cret")

        def looked() -> subprocess.CompletedProcess[str]:
            command = ["cat", str(log)]
            return subprocess.run(command, user=NOBODY, group=NOBODY, capture_output=True, text=True, check=False)

        assert looked().stdout == "s3cret"
        monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", folder)
        prepare_home(Settings())
        assert "Permission denied" in looked().stderr
        assert looked().stdout == ""


def foreign(home: Path, kind: str, folder: Path) -> None:
    """Somebody else's folder in the place of the home."""
    if kind == "folder":
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
    elif kind == "link to theirs":
        home.symlink_to("/" if not AS_ROOT else folder)
        if AS_ROOT:
            os.chown(folder, NOBODY, NOBODY)
    else:
        home.symlink_to(folder)
        os.lchown(home, NOBODY, NOBODY)


@pytest.mark.parametrize("kind", ["folder", "link to theirs", "their link to ours"])
@pytest.mark.parametrize(
    "command", ["materialize", "serve webserver", "serve code", "serve daemon", "ui", "promote a b"]
)
def test_a_home_of_somebody_else_is_refused_in_one_sentence(
    root: Path, tmp_path: Path, kind: str, command: str
) -> None:
    if not AS_ROOT and kind != "link to theirs":
        pytest.skip("only root can give a folder away")
    home, folder = root / ".dagster", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_text("text")
    folder.chmod(0o775)
    foreign(home, kind, folder)
    before = modes(tmp_path) if AS_ROOT else {}
    with pytest.raises(BadInput, match="belongs to"):
        prepare_home(Settings())
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert f"{home}, the folder of the run history, belongs to " in result.output
    assert "set SYNAPSE_LOCAL_ROOT to a folder of your own" in result.output
    assert not AS_ROOT or modes(tmp_path) == before


def test_the_way_out_works(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".dagster").symlink_to("/" if not AS_ROOT else tmp_path / "gone")
    with pytest.raises(BadInput):
        prepare_home(Settings())
    monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", str(tmp_path / "mine"))
    assert prepare_home(Settings()) == tmp_path / "mine" / ".dagster"
    assert mode(tmp_path / "mine" / ".dagster") == 0o700


@pytest.mark.parametrize("kind", ["file", "root is a file", "broken link"])
def test_a_home_that_cannot_be_made_is_told_in_one_sentence(root: Path, kind: str) -> None:
    if kind == "file":
        (root / ".dagster").write_text("text")
    elif kind == "broken link":
        (root / ".dagster").symlink_to(root / "gone" / "deeper")
    else:
        root.rmdir()
        root.write_text("text")
    result = CliRunner().invoke(app, ["materialize"])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "cannot be made: " in result.output
    assert "set SYNAPSE_LOCAL_ROOT to a folder of your own" in result.output


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_root_without_the_right_to_write_is_told_in_one_sentence(root: Path) -> None:
    root.chmod(0o555)
    with pytest.raises(BadInput, match="cannot be made: Permission denied"):
        prepare_home(Settings())
    root.chmod(0o755)
    (root / ".dagster").mkdir(mode=0o500)
    with pytest.raises(BadInput, match="cannot be written: give this user the right"):
        prepare_home(Settings())


@pytest.mark.parametrize(
    ("command", "variables", "told"),
    [
        (
            "materialize",
            {
                "SYNAPSE_DATA_ROOT": "s3://bucket/lab",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
            },
            "s3://bucket/lab cannot be reached or refuses (endpoint http://127.0.0.1:9): check the address",
        ),
        (
            "status",
            {"SYNAPSE_POSTGRES_URL": "postgresql://synapse:pa55word@127.0.0.1:9/history"},
            "SYNAPSE_POSTGRES_URL: the database of the run history does not let us in: start it, or correct user",
        ),
    ],
)
def test_a_server_that_is_down_is_told_in_one_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: str, variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SYNAPSE_DATASETS", "sample_cbp")
    # Dagster waits between its attempts.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert told in result.output
    assert "pa55word" not in result.output
    assert "Traceback" not in result.output


def test_other_bad_input_is_one_sentence_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DATASETS", "nothing")
    for command in ("explore", "materialize", "promote nothing encoder"):
        result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 2, command
        assert "no dataset 'nothing'" in result.output
        assert result.output.count("\n") == 1


def test_a_long_run_is_told_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = StringIO()

    def wait_for(line: str) -> None:
        for _ in range(600):
            if line in file.getvalue():
                return
            sleep(0.05)

    @dg.asset(key_prefix="brain")
    def tiles(context: dg.AssetExecutionContext) -> None:
        wait_for("brain EB: tiles\n")
        context.log.debug("what nobody reads")
        context.log.info("EB [left]: 5 of 9")
        wait_for("5 of 9\n")
        report_progress("EB: pieces", 1_234, 2_000)
        wait_for("1,234 of 2,000\n")

    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.05)
    console = Console(file=file, width=40)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        progress.shown_progress(console, "[1/7]", "brain EB") as event,
    ):
        run_id = str(uuid4())
        instance.add_event_listener(run_id, event)
        job = dg.Definitions(assets=[tiles]).resolve_implicit_global_asset_job_def()
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        assert job.execute_in_process(instance=instance, run_id=run_id, run_config=quiet).success
    lines = file.getvalue().splitlines()
    assert all(line.startswith("[1/7]    ") for line in lines)
    told = list(dict.fromkeys(line.partition("...   ")[2] for line in lines))
    assert told[-3:] == [
        "brain EB: tiles",
        "brain EB: tiles: EB [left]: 5 of 9",
        "brain EB: tiles: pieces: 1,234 of 2,000",
    ]
    ended = len(lines)
    sleep(0.2)
    assert len(file.getvalue().splitlines()) == ended


COMMANDS = (
    "materialize",
    "ui",
    "explore",
    "serve code",
    "serve webserver",
    "serve daemon",
    "promote a b",
    "inspect none",
)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SYNAPSE_WEEKLY_CRON", "saturday", "SYNAPSE_WEEKLY_CRON: 'saturday' names no time: it is five fields"),
        ("SYNAPSE_TIME_ZONE", "Berlin", "SYNAPSE_TIME_ZONE: there is no time zone 'Berlin': "),
        ("SYNAPSE_DATASET", "sample", "SYNAPSE_DATASET is no setting, and no dataset names it: did you mean SYNAPSE_DATASETS?"),
        ("SYNAPSE_DEVICE", "", "SYNAPSE_DEVICE is empty: give it a value, or remove it"),
        ("SYNAPSE_DEVICE", "gpu", "SYNAPSE_DEVICE: 'gpu' is no device: give auto, cpu, cuda or mps"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_a_setting_in_one_sentence(
    root: Path, command: str, name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 2
    assert result.output.startswith(told)
    assert result.output.count("\n") == 1
    assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0
    assert list(root.iterdir()) == []


def test_inspect_shortens_examples_before_anything_else(root: Path) -> None:
    (root / "table.csv").write_text("id,note\n" + "".join(f"{row},{'long ' * 4}{row}\n" for row in range(3)) + "3,\n")
    result = CliRunner(env={"COLUMNS": "50"}).invoke(app, ["inspect", str(root / "table.csv")])
    lines = [line.split() for line in result.output.splitlines()]
    assert ["column", "type", "examples", "empty"] in lines
    assert [(line[0], line[-1]) for line in lines if line[1:2] == ["text"]] == [("note", "1")]


def test_a_variable_without_effect_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "table.csv").write_text("id,x,y,z\na,1,2,3\n")
    monkeypatch.setenv("SYNAPSE_DATA_FOLDER", "/data")
    result = CliRunner().invoke(app, ["inspect", str(root / "table.csv")])
    assert result.exit_code == 0
    assert "SYNAPSE_DATA_FOLDER: no setting, and no dataset names it; it has no effect" in result.stderr
