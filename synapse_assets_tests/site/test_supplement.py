"""The tables beside a site: the rows of the release, what they mean, and nothing that is private or of this machine."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from synapse_assets.datasets import Author, Publication
from synapse_assets.site.folder import SiteFolder
from synapse_assets.site.public import public_release
from synapse_assets.site.supplement import SuppliedTable, write_supplement
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON, Lab

PUBLISH: dict[str, Any] = {"title": "A paper", "authors": [Author(name="Ada Lovelace")], "licence": "CC-BY-4.0"}


def supplement(store: DatasetStore, lab: Lab, out: Path, *leave_out: str) -> list[SuppliedTable]:
    dataset = lab.dataset.model_copy(update={"publish": Publication(**PUBLISH, leave_out=list(leave_out))})
    with public_release(store, dataset) as public:
        return write_supplement(SiteFolder(out), public, dataset)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tables_are_those_of_the_release_and_are_described(finished_lab: Lab, tmp_path: Path) -> None:
    tables = {table.table: table for table in supplement(finished_lab.store, finished_lab, tmp_path)}
    released = json.loads((finished_lab.root / "tiny" / "release.json").read_text())
    assert {name: table.rows for name, table in tables.items()} == {
        name: entry["rows"] for name, entry in released["tables"].items()
    }
    with duckdb.connect(str(finished_lab.store.warehouse_path), read_only=True) as connection:
        for table in tables.values():
            stored = pq.read_table(tmp_path / table.file)
            assert stored.to_pylist() == connection.table(table.table).to_arrow_table().to_pylist()
            assert [column.column for column in table.columns] == stored.column_names
            assert all(column.meaning for column in table.columns)
            assert (tmp_path / table.file).stat().st_size == table.bytes
    units = {column.column: column.unit for table in tables.values() for column in table.columns}
    assert (units["x_nm"], units["vesicle_diameter_nm"], units["neuron_id"], units["target"]) == ("nm", "nm", "", "")
    dictionary = json.loads((tmp_path / "data_dictionary.json").read_text())
    assert [entry["table"] for entry in dictionary["tables"]] == sorted(tables)
    assert pq.read_schema(tmp_path / "data/synapses.parquet").field("x_nm").metadata[b"description"]


def test_the_release_and_the_readme_say_what_belongs_together(finished_lab: Lab, tmp_path: Path) -> None:
    supplement(finished_lab.store, finished_lab, tmp_path)
    release = json.loads((tmp_path / "release.json").read_text())
    stored = finished_lab.store.release()
    assert (release["models"], release["scores"]) == (stored["models"], stored["scores"])
    assert (release["title"], release["authors"][0]["name"], release["licence"]) == (
        "A paper",
        "Ada Lovelace",
        "CC-BY-4.0",
    )
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("# A paper\n")
    assert "| [synapses](data/synapses.parquet) | 72 | " in readme
    code = readme.split("```python\n")[1].split("```")[0].replace('"data/', f'"{tmp_path}/data/')
    exec(code)  # noqa: S102 -- what a reader is told to run


def test_the_same_release_gives_the_same_bytes(finished_lab: Lab, tmp_path: Path) -> None:
    for name in ("one", "two"):
        supplement(finished_lab.store, finished_lab, tmp_path / name, "hemilineage")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_left_out_is_in_no_file(finished_lab: Lab, tmp_path: Path) -> None:
    tables = supplement(finished_lab.store, finished_lab, tmp_path, "neuron_id", "splits.fold", "source_file")
    columns = {(table.table, column.column) for table in tables for column in table.columns}
    assert {column for _, column in columns}.isdisjoint({"neuron_id", "source_file", "group"})
    assert ("splits", "fold") not in columns
    assert not [name for name, content in contents(tmp_path).items() if str(FIRST_NEURON).encode() in content]
    read = [row for table in tables for row in pq.read_table(tmp_path / table.file).to_pylist()]
    assert str(FIRST_NEURON) not in str(read)


def test_texts_and_places_of_this_machine_stay_here(finished_lab: Lab, tmp_path: Path) -> None:
    """Names of annotators, what they wrote, tokens, addresses with passwords and paths are planted wherever they could come from."""
    root = tmp_path / "data"
    shutil.copytree(finished_lab.root / "tiny", root / "tiny")
    store = DatasetStore(str(root), "tiny")
    planted = ("Annette-Planted", "note-planted", "token-planted", "hunter2-planted")
    (root / "tiny" / "annotations.sqlite").write_text(" ".join(planted))
    with duckdb.connect(str(store.warehouse_path)) as connection:
        connection.execute("create table annotations as select 'Annette-Planted' annotator, 'note-planted' note")
        connection.execute("update synapse_sources set file = 's3://me:hunter2-planted@host/x?token=token-planted'")
        connection.execute("update synapses set source_file = ?", [str(root / "tiny" / "points.csv")])
    supplement(store, finished_lab, tmp_path / "out")
    told = str([pq.read_table(path).to_pylist() for path in (tmp_path / "out").rglob("*.parquet")])
    told += "".join(path.read_text() for path in (tmp_path / "out").glob("*.*"))
    assert not [text for text in (*planted, str(tmp_path)) if text in told]
    assert "points.csv" in told
