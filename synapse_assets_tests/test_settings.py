"""What an installation is told by its environment, and the sentence for what cannot be meant."""

import os
from pathlib import Path

import duckdb
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings


@pytest.mark.parametrize("name", ["a?b", "?", "a\\b", "a\nb", "a\tb", "\x7f"], ids=repr)
@pytest.mark.parametrize("setting", ["SYNAPSE_DATA_ROOT", "SYNAPSE_LOCAL_ROOT"])
def test_folders_that_cannot_be_opened_are_refused_at_the_start(
    name: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, f"{tmp_path}/{name}/data")
    with pytest.raises(BadInput, match=f"{setting} has .* in its path, .* choose another"):
        Settings()


@pytest.mark.parametrize(
    "name",
    ["a b", "a#b", "a%b", "a%20b", "a'b", 'a"b', "a*b", "[a]", "a&b", "a;b", "a:b", "é", "{x}", "~a", "a=b", "a@b"],
)
def test_other_folders_hold_tables(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as a folder goes: DuckDB is the one that takes names apart."""
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", f"{tmp_path}/{name}")
    folder = Path(Settings().data_root)
    assert folder == tmp_path / name
    folder.mkdir()
    with duckdb.connect(f"{folder}/w.duckdb") as connection:
        connection.execute("create table t as select 7 as x")
    assert (folder / "w.duckdb").is_file()


@pytest.mark.parametrize(
    ("setting", "value"), [("SYNAPSE_TICK_SECONDS", "0"), ("SYNAPSE_TICK_SECONDS", "soon"), ("SYNAPSE_UI_URL", "lab")]
)
def test_a_value_that_cannot_be_meant_names_its_variable(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(BadInput, match=f"^{setting}: "):
        Settings()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without variables of ours, and a folder without a .env."""
    for name in [name for name in os.environ if name.upper().startswith("SYNAPSE")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIELDS = sorted(f"SYNAPSE_{name.upper()}" for name in Settings.model_fields)


@pytest.mark.parametrize("value", ["", "  ", "\t"], ids=repr)
@pytest.mark.parametrize("name", FIELDS)
def test_an_empty_variable_is_refused_by_name(
    name: str, value: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=f"^{name} is empty: give it a value, or remove it$"):
        Settings()
    monkeypatch.delenv(name)
    (alone / ".env").write_text(f"{name}={value}\n")
    with pytest.raises(BadInput, match=f"^{name} is empty: "):
        Settings()


@pytest.mark.parametrize("name", FIELDS)
def test_every_name_with_a_letter_less_or_more_is_told(name: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = name[:-2] + name[-1] + name[-2]
    for wrong in {name[:-1], f"{name}S", name.replace("SYNAPSE", "SYNAPSES"), swapped} - {name}:
        monkeypatch.setenv(wrong, "x")
        with pytest.raises(BadInput) as error:
            Settings()
        assert str(error.value) == f"{wrong} is no setting, and no dataset names it: did you mean {name}?"
        monkeypatch.delenv(wrong)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("SYNAPSE_DATASET", "SYNAPSE_DATASETS"),
        ("SYNAPSE_DATA_SETS", "SYNAPSE_DATASETS"),
        ("SYNPASE_DATASETS", "SYNAPSE_DATASETS"),
        ("SYNAPSE__DATASETS", "SYNAPSE_DATASETS"),
        ("synapse_dataset", "SYNAPSE_DATASETS"),
        ("SYNAPSE_DATAROOT", "SYNAPSE_DATA_ROOT"),
        ("SYNAPSE_LOCALROOT", "SYNAPSE_LOCAL_ROOT"),
        ("SYNAPSE_DEVISE", "SYNAPSE_DEVICE"),
        ("SYNAPSE_TIMEZONE", "SYNAPSE_TIME_ZONE"),
        ("SYNAPSE_NIGHTLY_CORN", "SYNAPSE_NIGHTLY_CRON"),
        ("SYNAPSE_POSTGRESQL_URL", "SYNAPSE_POSTGRES_URL"),
        ("SYNAPSE_WEB_HOOK_URL", "SYNAPSE_WEBHOOK_URL"),
        ("SYNAPSE_TICK_SECOND", "SYNAPSE_TICK_SECONDS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_is_meant(
    wrong: str, meant: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{wrong.upper()} is no setting, and no dataset names it: did you mean {meant}?"
    monkeypatch.setenv(wrong, "sample")
    with pytest.raises(BadInput) as error:
        Settings()
    assert str(error.value) == told
    monkeypatch.delenv(wrong)
    (alone / ".env").write_text(f"{wrong}=sample\n")
    with pytest.raises(BadInput) as error:
        Settings()
    assert str(error.value) == told


def test_variables_of_dataset_files_go_on_working(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = alone / "mine.yaml"
    file.write_text("volumes: {em: {url: '${SYNAPSE_DATA2_ROOT}/em'}}\nsources: [{path: '${SYNAPSE_DEVICES:-x}'}]\n")
    for name in (
        "SYNAPSE_DATA2_ROOT",
        "SYNAPSE_DEVICES",
        "SYNAPSE_FAFB_FOLDER",
        "SYNAPSE_LOCAL_FOLDER",
        "SYNAPSE_DATA_FOLDER",
    ):
        monkeypatch.setenv(name, "/data")
    with pytest.raises(BadInput, match=r"SYNAPSE_DATA2_ROOT is no setting, .*SYNAPSE_DEVICES is no setting"):
        Settings()
    monkeypatch.setenv("SYNAPSE_DATASETS", f"sample,{file}")
    assert Settings().unused() == ["SYNAPSE_DATA_FOLDER"]
    monkeypatch.setenv("SYNAPSE_DATASETS", f"sample,{alone}/gone.yaml")
    for name in ("SYNAPSE_DATA2_ROOT", "SYNAPSE_DEVICES"):
        monkeypatch.delenv(name)
    assert Settings().unused() == ["SYNAPSE_DATA_FOLDER"]


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:1", "mps", "cpu:0"])
def test_devices(device: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DEVICE", device)
    assert Settings().device == device


@pytest.mark.parametrize(
    "device", ["gpu", "CPU", "cpu ", "cuda1", "cuda:", "cuda:x", "cuda:-1", "auto:0", "nvidia", "0", "cuda:１"]
)
def test_what_is_no_device_is_refused(device: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DEVICE", device)
    with pytest.raises(BadInput, match=r"^SYNAPSE_DEVICE: .* is no device: give auto, cpu, cuda or mps"):
        Settings()


@pytest.mark.parametrize("value", [",", " , ", ",,"], ids=repr)
def test_commas_name_no_dataset(value: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DATASETS", value)
    with pytest.raises(BadInput, match=r"^SYNAPSE_DATASETS: .* names no dataset$"):
        Settings()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SYNAPSE_DATA_ROOT", "~nobody_here/data"),
        ("SYNAPSE_LOCAL_ROOT", "~nobody_here"),
        ("SYNAPSE_LOCAL_ROOT", "~nobody_here/a"),
    ],
)
def test_the_home_of_nobody_is_told(setting: str, value: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(BadInput, match=f"^{setting}: the home folder of '{value}' is not known: give the whole path$"):
        Settings()
