"""Parquet results by region, and the split of the whole source."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import CLUSTER_CARDS, SYNAPSE_TABLE, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files, segment
from synapse_assets_tests.stores.samples import coordinates, names, source_rows


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path), "sample")


def test_regions_are_replaced_one_by_one(store: DatasetStore) -> None:
    table = store.results(UMAP_COORDINATES)
    assert table.read().num_rows == 0
    assert table.partitions() == {}
    assert table.version == ""
    table.write_partition("A", coordinates("A", names("a", 5)))
    table.write_partition("B(L)/2", coordinates("B(L)/2", ["b"]))
    first = table.version
    table.write_partition("A", coordinates("A", ["a0"], 2.0))
    assert table.version != first
    table.write_partition("empty", coordinates("empty", []), made_from={"umap_model": "v1"})
    assert (table.made_from("empty"), table.made_from("A"), table.made_from("gone")) == ({"umap_model": "v1"}, {}, None)
    # In this order: the version hashes the files one after the other.
    assert [path.split("/")[-2] for path in table.files()] == sorted(path.split("/")[-2] for path in table.files())
    assert table.partitions() == {"A": 1, "B(L)/2": 1, "empty": 0}
    assert table.read("A", ["umap_1"]).column(0).to_pylist() == [2.0]
    assert sorted(table.read(columns=["synapse_id"]).column(0).to_pylist()) == ["a0", "b"]
    assert table.read().schema.equals(UMAP_COORDINATES.arrow)
    assert table.read("nowhere").num_rows == 0
    table.remove_partition("A")
    table.remove_partition("A")
    assert list(table.partitions()) == ["B(L)/2", "empty"]


def test_a_version_names_content_and_partitions(tmp_path: Path) -> None:
    versions = set()
    for number, regions in enumerate(("A", "B", "AB", "")):
        table = DatasetStore(str(tmp_path / str(number)), "sample").results(UMAP_COORDINATES)
        for region in regions:
            table.write_partition(region, coordinates(region, []))
        versions.add(table.version)
    table.write_partition("A", coordinates("A", []))
    assert table.version in versions, "the same content in another place"
    table.write_partition("A", coordinates("A", ["a"], 1.0))
    versions.add(table.version)
    table.write_partition("A", coordinates("A", ["a"], 2.0))
    versions.add(table.version)
    assert len(versions) == 6


def test_plain_readers_see_the_region_once(store: DatasetStore) -> None:
    table = store.results(UMAP_COORDINATES)
    for region in ("A", "B(L)/2"):
        table.write_partition(region, coordinates(region, [region]))
    pattern = f"{store.folder.root}/tables/umap_coordinates/*/data.parquet"
    for hive in ("true", "false"):
        rows = duckdb.sql(f"SELECT brain_region, synapse_id FROM read_parquet('{pattern}', hive_partitioning={hive})")  # noqa: S608
        assert sorted(rows.fetchall()) == [("A", "A"), ("B(L)/2", "B(L)/2")]
        assert rows.columns == ["brain_region", "synapse_id"]
    whole = pq.read_table(str(Path(pattern).parent.parent), partitioning=None)
    assert sorted(whole.column("brain_region").to_pylist()) == ["A", "B(L)/2"]


def test_a_table_without_regions_is_one_file(store: DatasetStore) -> None:
    table = store.results(CLUSTER_CARDS)
    table.write(CLUSTER_CARDS.empty())
    assert table.read().schema.equals(CLUSTER_CARDS.arrow)
    assert table.files() == [f"{store.folder.root}/tables/cluster_cards/data.parquet"]
    whole = store.results(UMAP_COORDINATES)
    whole.write(pa.concat_tables([coordinates("A", ["a"]), coordinates("B", ["b"])]))
    assert whole.read("B", ["synapse_id"]).to_pylist() == [{"synapse_id": "b"}]
    with pytest.raises(BadInput, match="stored as one file"):
        whole.write_partition("A", coordinates("A", []))


def test_wrong_rows_change_nothing(store: DatasetStore) -> None:
    table = store.results(UMAP_COORDINATES)
    table.write_partition("A", coordinates("A", ["a"]))
    with pytest.raises(BadInput, match="rows of \\['B'\\]"):
        table.write_partition("A", coordinates("B", ["a"]))
    with pytest.raises(BadInput, match="'umap_1' is missing"):
        table.write_partition("A", coordinates("A", ["b"]).drop_columns(["umap_1"]))
    with pytest.raises(BadInput, match="by brain_region"):
        table.write(coordinates("A", []))
    with pytest.raises(BadInput, match="no column \\['nose'\\]"):
        table.read("A", ["nose"])
    assert table.read("A", ["synapse_id"]).to_pylist() == [{"synapse_id": "a"}]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "ME_R", "α", "a=b", "a%2Fb", ".hidden"])
def test_a_region_of_any_name_stays_in_its_folder(store: DatasetStore, name: str) -> None:
    assert "/" not in segment(name)
    assert not segment(name).startswith(".")
    table = store.results(UMAP_COORDINATES)
    table.write_partition(name, coordinates(name, ["a"]))
    assert table.partitions() == {name: 1}
    staging = store.staging("tiles", name, name)
    staging.append(coordinates(name, ["a"]))
    assert store.staging("tiles", name, name).done_ids() == {"a"}
    with pytest.raises(BadInput, match="empty"):
        segment("")


def split(store: DatasetStore, *parts: pa.Table) -> None:
    split_all(store, parts)


def split_all(store: DatasetStore, parts: Iterable[pa.Table]) -> None:
    with store.synapse_table.replace() as writer:
        for part in parts:
            writer.write(part)


def test_the_source_is_split_by_region_whatever_the_order_of_its_rows(store: DatasetStore) -> None:
    with pytest.raises(BadInput, match="materialise synapse_table first"):
        store.synapse_table.read("A")
    mixed = pa.concat_tables([source_rows("A", ["a1"]), source_rows("B", ["b1"]), source_rows("A", ["a2"])])
    split(store, *(pa.Table.from_batches([batch]) for batch in mixed.to_batches()))
    table = store.synapse_table
    assert table.regions() == {"A": 2, "B": 1}
    assert table.read("A").column("synapse_id").to_pylist() == ["a1", "a2"]
    assert table.read("none").num_rows == 0
    assert table.site_hash("none") == ""
    version, hashes = table.version, (table.site_hash("A"), table.site_hash("B"))
    assert [len(one) for one in (version, *hashes)] == [12, 16, 16]
    split(store, mixed.take([2, 1, 0]))
    assert (table.version, (table.site_hash("A"), table.site_hash("B"))) == (version, hashes)
    split(store, mixed.take([0, 1]))
    assert table.version != version
    assert table.site_hash("A") != hashes[0]
    assert table.site_hash("B") == hashes[1]


def test_large_sources_are_written_in_pieces(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_assets.stores.partitioned_source._BUFFERED_ROWS", 30)
    split(store, *(source_rows("AB"[part % 2], names(f"{part}-", 20)) for part in range(10)))
    assert store.synapse_table.regions() == {"A": 100, "B": 100}
    assert pc.count_distinct(store.synapse_table.read("B").column("synapse_id")).as_py() == 100


def test_ids_that_repeat_are_named_with_their_files_and_change_nothing(store: DatasetStore) -> None:
    split(store, source_rows("A", ["a1"]))
    version = store.synapse_table.version
    with pytest.raises(BadInput, match=r"'s1' in left\.csv, right\.csv \(1 ids in all\).*id_prefix"):
        split(store, source_rows("A", ["s1"], "left.csv"), source_rows("B", ["s1", "s2"], "right.csv"))
    with pytest.raises(BadInput, match="'x_nm' is missing"):
        split(store, source_rows("A", ["s1"]).drop_columns(["x_nm"]))

    def broken() -> Iterator[pa.Table]:
        yield source_rows("A", ["s1"])
        raise RuntimeError("source broke")

    with pytest.raises(RuntimeError, match="source broke"):
        split_all(store, broken())
    assert store.synapse_table.version == version
    assert store.synapse_table.regions() == {"A": 1}


def test_the_split_before_is_kept_and_older_ones_go(store: DatasetStore) -> None:
    for number in range(4):
        split(store, source_rows("A", names("a", number + 1)))
    assert store.synapse_table.regions() == {"A": 4}
    folders = [path for path in store.synapse_table.folder.path.iterdir() if path.is_dir()]
    assert len(folders) == 2
    split(store)
    assert store.synapse_table.regions() == {}


def test_places_and_labels_are_told_apart(store: DatasetStore) -> None:
    split(store, source_rows("A", ["a1", "a2"]), source_rows("B", ["b1"]))
    table = store.synapse_table
    sites, labels, version = table.site_hash("A"), table.label_hash("A"), table.version
    split(store, source_rows("A", ["a1", "a2"], target="glutamate"), source_rows("B", ["b1"]))
    assert table.site_hash("A") == sites
    assert table.label_hash("A") != labels
    assert table.version != version
    moved = source_rows("A", ["a1", "a2"], target="glutamate")
    moved = moved.set_column(moved.column_names.index("x_nm"), moved.schema.field("x_nm"), pa.array([1.0, 2.0]))
    relabelled = table.label_hash("A")
    split(store, moved, source_rows("B", ["b1"]))
    assert table.site_hash("A") != sites
    assert table.label_hash("A") == relabelled


# Which hashes show a change of one column alone.
SITE, LABEL, SOURCE = "site_hash", "label_hash", "source_hash"
SHOWN_IN: dict[str, tuple[object, set[str]]] = {
    "synapse_id": ("a9", {SITE, LABEL, SOURCE}),
    "volume": ("other", {SITE, SOURCE}),
    "x_nm": (1.0, {SITE, SOURCE}),
    "y_nm": (1.0, {SITE, SOURCE}),
    "z_nm": (1.0, {SITE, SOURCE}),
    "neuron_id": (2**60 + 2, {SITE}),
    "section": (7, {SITE}),
    "object_id": ("vesicle", {SITE}),
    "score": (0.25, {SITE}),
    "source": ("other", {SITE, SOURCE}),
    "source_file": ("other.csv", {SITE}),
    "hemilineage": ("08B", {LABEL}),
    "target": ("glutamate", {LABEL}),
    "known_classes": (["gaba", "glutamate"], {LABEL}),
}


def with_values(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    field = rows.schema.field(name)
    return rows.set_column(rows.column_names.index(name), field, pa.array(values, field.type))


def hashes(store: DatasetStore) -> dict[str, str]:
    table = store.synapse_table
    return {SITE: table.site_hash("A"), LABEL: table.label_hash("A"), SOURCE: table.source_hash("table")}


def test_each_column_alone_changes_its_hashes_and_no_other(store: DatasetStore) -> None:
    assert set(SHOWN_IN) == set(SYNAPSE_TABLE.names) - {"brain_region"}
    rows, elsewhere = source_rows("A", ["a1", "a2"]), source_rows("B", ["b1"])
    split(store, rows, elsewhere)
    before, version, other = hashes(store), store.synapse_table.version, store.synapse_table.site_hash("B")
    for name, (value, shown_in) in SHOWN_IN.items():
        # The first row has the value, the second keeps its own; and then the value changes rows.
        one = with_values(rows, name, [value, rows.column(name)[1].as_py()])
        split(store, one, elsewhere)
        assert store.synapse_table.version != version, name
        after = hashes(store)
        assert {which for which in before if after[which] != before[which]} == shown_in, name
        assert store.synapse_table.site_hash("B") == other, name
        if name not in ("synapse_id", "source"):
            swapped = with_values(one, name, one.column(name).to_pylist()[::-1])
            split(store, swapped, elsewhere)
            changed = {which for which, known in hashes(store).items() if known != after[which]}
            assert changed == shown_in, f"{name} of two rows exchanged"


def test_a_synapse_that_changes_region_keeps_its_place_in_the_source(store: DatasetStore) -> None:
    split(store, source_rows("A", ["a1", "a2"]))
    place, sites = store.synapse_table.source_hash("table"), store.synapse_table.site_hash("A")
    split(store, source_rows("A", ["a1"]), source_rows("B", ["a2"]))
    assert store.synapse_table.source_hash("table") == place
    assert store.synapse_table.site_hash("A") not in (sites, "")
    assert store.synapse_table.site_hash("B") not in (store.synapse_table.site_hash("A"), "")


@pytest.mark.parametrize("column", ["volume", "x_nm", "y_nm", "z_nm"])
def test_another_volume_or_another_number_of_three_is_another_place(store: DatasetStore, column: str) -> None:
    rows = source_rows("A", ["p", "q"])
    for axis in ("x_nm", "y_nm", "z_nm"):
        rows = with_values(rows, axis, [1.0, 1.0])
    rows = with_values(rows, column, ["em", "other"] if column == "volume" else [1.0, 2.0])
    with store.synapse_table.replace(merge_partners=True) as writer:
        writer.write(rows)
    assert (store.synapse_table.regions(), store.synapse_table.places()) == ({"A": 2}, 2)


def test_partners_at_one_site_are_counted_and_merged_on_request(store: DatasetStore) -> None:
    rows = source_rows("A", ["p1", "p3", "p2", "q"])
    for axis in ("x_nm", "y_nm", "z_nm"):
        rows = rows.set_column(rows.column_names.index(axis), rows.schema.field(axis), pa.array([1.0, 1.0, 1.0, 2.0]))
    # The smallest id counts, whatever its score.
    rows = with_values(rows, "score", [0.1, 0.9, None, 0.5])
    other_neuron = rows.slice(0, 1).set_column(0, rows.schema.field(0), pa.array(["r"]))
    neuron = rows.column_names.index("neuron_id")
    other_neuron = other_neuron.set_column(neuron, rows.schema.field(neuron), pa.array([7], pa.int64()))
    unknown = [
        rows.slice(0, 1)
        .set_column(0, rows.schema.field(0), pa.array([name]))
        .set_column(neuron, rows.schema.field(neuron), pa.array([None], pa.int64()))
        for name in ("u1", "u2")
    ]
    split(store, rows, other_neuron, *unknown)
    assert (store.synapse_table.regions(), store.synapse_table.places()) == ({"A": 7}, 2)
    with store.synapse_table.replace(merge_partners=True) as writer:
        for part in (rows, other_neuron, *unknown):
            writer.write(part)
    # One of each neuron's rows at the site; whether unknown neurons are one, nobody knows.
    assert store.synapse_table.read("A", ["synapse_id"]).column(0).to_pylist() == ["p1", "q", "r", "u1", "u2"]
    assert store.synapse_table.read("A").schema.equals(SYNAPSE_TABLE.arrow)


def test_which_partner_stays_does_not_depend_on_the_order_of_rows(store: DatasetStore) -> None:
    """Made ids are alike where a file names no partner."""
    rows = source_rows("A", ["p"] * 4)
    score = rows.column_names.index("score")
    rows = rows.set_column(score, rows.schema.field(score), pa.array([0.1, 0.9, None, 0.4]))
    versions = set()
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        with store.synapse_table.replace(merge_partners=True) as writer:
            writer.write(rows.take(order))
        versions.add(store.synapse_table.version)
    assert len(versions) == 1
    assert store.synapse_table.read("A", ["score"]).column(0).to_pylist() == [0.9]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("source_file", ["b.csv", "a.csv"]),
        ("section", [3, None]),
        ("object_id", ["o2", "o1"]),
        ("target", ["glutamate", "gaba"]),
        ("hemilineage", ["08B", "07B"]),
        ("known_classes", [["gaba", "glutamate"], ["gaba"]]),
    ],
)
def test_of_rows_that_are_alike_but_for_one_column_the_same_one_stays(
    store: DatasetStore, column: str, values: list[Any]
) -> None:
    rows = with_values(source_rows("A", ["p", "p"]), column, values)
    kept = []
    for order in ([0, 1], [1, 0]):
        with store.synapse_table.replace(merge_partners=True) as writer:
            writer.write(rows.take(order))
        kept += store.synapse_table.read("A", [column]).column(0).to_pylist()
    assert kept[0] == kept[1]


def test_rare_regions_do_not_keep_whole_batches_in_memory(store: DatasetStore) -> None:
    many, few = names("a", 20_000), names("b", 10)
    before = pa.total_allocated_bytes()
    with store.synapse_table.replace() as writer:
        for part in range(12):
            writer.write(
                pa.concat_tables(
                    [
                        source_rows("A", [f"{part}-{one}" for one in many]),
                        source_rows("B", [f"{part}-{one}" for one in few]),
                    ]
                )
            )
            writer._flush("A")
        # 120 rare rows are held; twelve batches would be some 40 MB.
        assert pa.total_allocated_bytes() - before < 15e6
    assert store.synapse_table.regions() == {"A": 240_000, "B": 120}


def test_a_sample_depends_on_content_and_seed_alone(store: DatasetStore) -> None:
    rows = source_rows("A", names("a", 50))
    split(store, rows, source_rows("B", names("b", 50), source="other"))
    table = store.synapse_table
    first = table.sample("table", 10, seed=0).column("synapse_id").to_pylist()
    assert len(set(first)) == 10
    assert all(name.startswith("a") for name in first)
    assert table.sample("table", 10, seed=1).column("synapse_id").to_pylist() != first
    assert table.sample("elsewhere", 10, seed=0).num_rows == 0
    split(store, source_rows("B", names("b", 50), source="other"), rows.take(list(reversed(range(50)))))
    assert table.sample("table", 10, seed=0).column("synapse_id").to_pylist() == first


def test_one_split_at_a_time(store: DatasetStore) -> None:
    with store.synapse_table.replace() as writer:
        writer.write(source_rows("A", ["a"]))
        with pytest.raises(BadInput, match="another run"), store.synapse_table.replace():
            pass
    assert store.synapse_table.regions() == {"A": 1}


def test_files_of_other_roots_are_reached_by_url(tmp_path: Path) -> None:
    folder = Files(f"file://{tmp_path}/data")
    folder.write_json("a.json", {"x": 1})
    assert Files(f"{tmp_path}/data").read_json("a.json") == {"x": 1}
    assert folder.names() == ["a.json"]
    assert not Files("mock:///bucket").is_local
    with pytest.raises(BadInput, match="not on a local disk"):
        Files("mock:///bucket").path  # noqa: B018
