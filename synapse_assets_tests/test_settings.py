"""What an installation is told by its environment, and the sentence for what cannot be meant."""

from pathlib import Path

import duckdb
import pytest

from synapse_assets.schema import BadInput
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
