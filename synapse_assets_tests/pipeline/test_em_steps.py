"""The first steps of the electron-microscopy chain as plain functions: from a table of points to tiles, and what is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset, TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.alignment import examine_sources
from synapse_assets.pipeline.em.clusters import make_cards
from synapse_assets.pipeline.em.inputs import em_inputs, synapse_source
from synapse_assets.pipeline.em.labels import label_region
from synapse_assets.pipeline.em.synapses import read_synapse_tables, region_versions, store_region_synapses
from synapse_assets.pipeline.em.tiles import cut_tiles, plan_tiles
from synapse_assets.pipeline.em.vector_index import index_vectors
from synapse_assets.pipeline.inputs import confirm_removed, watched_inputs
from synapse_assets.pipeline.report import Json, Markdown, Picture, Report
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, TILES, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles
from synapse_assets.volumes.tile_codec import encode_tile
from synapse_assets_tests.conftest import REGIONS, SECTIONS, TILE_PX, VOXEL_SIZE_NM, tiny_dataset
from synapse_assets_tests.stores.samples import coordinates, names, synapses, tiles

LOG = logging.getLogger(__name__)
REGION = REGIONS[1]


@pytest.fixture
def dataset(tiny_inputs: Path) -> EmDataset:
    return tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")


@pytest.fixture
def store(tmp_path: Path, dataset: EmDataset) -> DatasetStore:
    """The tiny points, read and split."""
    store = DatasetStore(str(tmp_path), dataset.name)
    read_synapse_tables(store, dataset, [], LOG)
    return store


def outcomes(report: Report) -> dict[str, bool]:
    return {check.name: check.passed for check in report.checks}


def test_a_table_is_read_and_split_by_region(store: DatasetStore, dataset: EmDataset) -> None:
    before = region_versions(store, REGION)
    report = read_synapse_tables(store, dataset, [], LOG)
    assert (report.rows, report.computed_rows, report.details["regions"]) == (72, 72, 3)
    assert outcomes(report) == {"one_row_per_site": True, "regions_known": True}
    assert str(report.details["synapses_by_region"]).count("| 24 |") == 3
    assert region_versions(store, REGION) == before
    assert {rows for _, rows in before.values()} == {24}
    assert {version for version, _ in region_versions(store, "nowhere").values()} == {"no synapses"}


def test_tiles_are_cut_once_the_coordinates_were_examined(store: DatasetStore, dataset: EmDataset) -> None:
    report = store_region_synapses(store, dataset, REGION)
    assert (report.rows, report.details["changed_rows"], report.details["neurons"]) == (24, 24, 12)
    with pytest.raises(BadInput, match="have not been examined: materialise the asset 'alignment' first"):
        cut_tiles(store, dataset, REGION, LOG)
    assert outcomes(examine_sources(store, dataset, LOG))["coordinates_fit"]

    plan = plan_tiles(store, dataset, REGION)
    first = cut_tiles(store, dataset, REGION, LOG)
    assert plan.details["tiles_to_cut"] == first.rows == first.computed_rows == 24
    assert isinstance(first.details["tile_sheet"], Picture)
    assert outcomes(first) == {"one_tile_per_synapse": True, "tiles_whole": True}

    again, replanned = cut_tiles(store, dataset, REGION, LOG), plan_tiles(store, dataset, REGION)
    assert (again.rows, again.computed_rows, replanned.details["tiles_to_cut"]) == (24, 0, 0)
    assert (again.content_version, replanned.content_version) == (first.content_version, plan.content_version)


def test_another_codec_is_for_new_tiles_and_cuts_none_again(store: DatasetStore, dataset: EmDataset) -> None:
    store_region_synapses(store, dataset, REGION)
    examine_sources(store, dataset, LOG)
    plan, first = plan_tiles(store, dataset, REGION), cut_tiles(store, dataset, REGION, LOG)
    before = store.tiles.read(REGION, ["synapse_id", "image"])
    as_zstd = dataset.model_copy(update={"tile": TileSpec(**dataset.tile.model_dump(exclude={"codec"}), codec="zstd")})

    replanned, again = plan_tiles(store, as_zstd, REGION), cut_tiles(store, as_zstd, REGION, LOG)
    assert (again.computed_rows, replanned.details["tiles_to_cut"]) == (0, 0)
    assert (again.content_version, replanned.content_version) == (first.content_version, plan.content_version)
    assert store.tiles.read(REGION, ["synapse_id", "image"]).equals(before)

    store.tiles.replace_region(REGION, TILES.empty(), before.column("synapse_id").to_pylist()[::2])
    mixed = cut_tiles(store, as_zstd, REGION, LOG)
    assert (mixed.rows, mixed.computed_rows, mixed.content_version) == (24, 12, first.content_version)
    assert outcomes(mixed) == {"one_tile_per_synapse": True, "tiles_whole": True}
    stored = store.tiles.read(REGION, ["synapse_id", "image"])
    starts = [image[:4] for image in stored.column("image").to_pylist()]
    assert starts == [b"ZTL1", b"\x89PNG"] * 12
    np.testing.assert_array_equal(decode_tiles(stored.column("image")), decode_tiles(before.column("image")))


def test_classes_of_a_region_come_from_the_table_of_synapses(store: DatasetStore, dataset: EmDataset) -> None:
    report = label_region(store, dataset, REGION)
    assert (report.rows, report.details["labelled_rows"]) == (24, 24)
    assert report.details["classes"] == Json({"acetylcholine": 8, "gaba": 8, "glutamate": 8})
    assert outcomes(report) == {"labels_agree": True}


def test_without_an_encoder_there_is_nothing_to_search(store: DatasetStore, dataset: EmDataset) -> None:
    report = index_vectors(store, dataset, LOG)
    assert (report.rows, report.details["rows"], report.content_version) == (None, 0, "nothing")
    assert outcomes(report) == {"recall_at_10_per_region": True}


@pytest.fixture
def two_sources(tiny_inputs: Path) -> EmDataset:
    values: dict[str, Any] = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv").model_dump()
    [source] = values["sources"]
    values["sources"] = [{**source, "name": name, "path": f"/lab/{name}", "id_prefix": name} for name in ("a", "b")]
    return EmDataset.model_validate(values)


@pytest.mark.parametrize(
    ("without_files", "had_rows", "gone", "named"),
    [
        ([], {"a", "b"}, ["a"], None),
        (["a"], {"b"}, [], None),
        (["a"], {"a", "b"}, ["a"], "a"),
        # One of two under another name: its rows are replaced by those of the name it has now.
        (["b"], {"a", "older"}, [], None),
        (["a", "b"], {"older"}, ["a", "b"], "a, b"),
        (["a", "b"], set(), [], None),
    ],
)
def test_rows_go_with_their_files_where_a_person_says_so(
    two_sources: EmDataset, without_files: list[str], had_rows: set[str], gone: list[str], named: str | None
) -> None:
    details = confirm_removed(synapse_source(two_sources), "tiny", without_files, had_rows, gone)
    assert details == ({} if named is None else {"sources_gone": named})


@pytest.mark.parametrize(
    ("without_files", "had_rows", "gone", "text"),
    [
        (["a"], {"a", "b"}, [], r"no file any more for the source a \(/lab/a\).*tiny__synapse_table: .*gone: \[a\]"),
        (["a", "b"], {"a", "b"}, ["b"], r"for the sources a, b \(/lab/a, /lab/b\)"),
        # Where nothing at all is left, the rows are of these sources, whatever their names are now.
        (["a", "b"], {"older"}, ["a"], "for the sources a, b"),
        ([], {"a"}, ["c"], r"gone names \['c'\], but the sources of tiny are \['a', 'b'\]"),
    ],
)
def test_rows_stay_where_nobody_said_that_their_files_are_gone(
    two_sources: EmDataset, without_files: list[str], had_rows: set[str], gone: list[str], text: str
) -> None:
    with pytest.raises(BadInput, match=text):
        confirm_removed(synapse_source(two_sources), "tiny", without_files, had_rows, gone)


def test_volumes_are_read_but_not_watched(dataset: EmDataset) -> None:
    assert [source_input.asset for source_input in em_inputs(dataset)] == ["synapse_source", "em_volume"]
    assert [source_input.asset for source_input in watched_inputs(em_inputs(dataset))] == ["synapse_source"]


def test_cards_say_what_explains_a_cluster(tiny_inputs: Path, tmp_path: Path) -> None:
    """A stack of serial sections: tiles of its first and last section are padded, and each makes a cluster of its own. Cluster
    2 has low contrast in its middle section. Four more lie in a volume that the dataset no longer has, or have no tile."""
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", grouping=["section"], has_neurons=False)
    store = DatasetStore(str(tmp_path), dataset.name)
    ids = names("s", 124)
    section = [0] * 20 + [SECTIONS - 1] * 20 + [1 + i % (SECTIONS - 2) for i in range(80)] + [4] * 4
    contrast = (
        [30 + i % 20 / 10 for i in range(40)] + [5 + i / 10 for i in range(20)] + [30 + i / 20 for i in range(64)]
    )
    sites, cut = synapses(REGION, ids), tiles(REGION, ids)
    columns = {
        "volume": ["em"] * 122 + ["gone"] * 2,
        "z_nm": [VOXEL_SIZE_NM[2] * (z + 0.5) for z in section],
        "neuron_id": [None] * 124,
    }
    pictures = {
        "image": [encode_tile(np.zeros((3, TILE_PX, TILE_PX), dtype=np.uint8))] * 124,
        "valid_fraction": [2 / 3] * 40 + [1.0] * 84,
        "section_contrast": [[0.0, value, 77.0] for value in contrast],
    }
    sites, cut = replaced(sites, columns), replaced(cut, pictures)
    store.synapses.replace_region(REGION, sites, [])
    store.tiles.replace_region(REGION, cut.slice(0, 120), [])
    store.results(UMAP_COORDINATES).write_partition(REGION, coordinates(REGION, ids))
    cluster = pa.array([0] * 20 + [1] * 20 + [2] * 20 + [-1] * 64, pa.int32())
    rows = {"synapse_id": ids, "brain_region": [REGION] * 124, "cluster": cluster, "cluster_model": ["m1"] * 124}
    store.results(CLUSTERS).write_partition(REGION, pa.table(rows, schema=CLUSTERS.arrow))

    report = make_cards(store, dataset)
    cards = {card["cluster"]: card for card in store.results(CLUSTER_CARDS).read().to_pylist()}
    explained = {number: card["explained_by"] for number, card in cards.items()}
    assert {number: json.loads(text) for number, text in explained.items() if text} == {
        0: {"padded": 20, "one section": 20},
        1: {"padded": 20, "one section": 20},
        2: {"one contrast": 20},
    }
    assert explained[-1] is None
    assert cards[1]["explanation"] == (
        "the tiles of 100 % of its synapses reach beyond the volume and are padded (32 % of all); "
        "100 % of its synapses lie in section 8 of em (16 % of all)"
    )
    assert cards[2]["explanation"] == (
        "it is one contrast: 100 % of its synapses have a standard deviation of 5.0 to 6.9 grey values (0 % of the others)"
    )
    assert (report.details["explained_clusters"], report.details["one_neuron_clusters"]) == (3, 0)
    listed = report.details["explained"]
    assert isinstance(listed, Markdown)
    assert f"- cluster 2: {cards[2]['explanation']}" in listed.text


def replaced(table: pa.Table, columns: dict[str, Any]) -> pa.Table:
    """The table with other values in these columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def test_cards_of_no_clusters(dataset: EmDataset, tmp_path: Path) -> None:
    report = make_cards(DatasetStore(str(tmp_path), dataset.name), dataset)
    assert (report.rows, report.details) == (0, {"one_neuron_clusters": 0, "explained_clusters": 0})
