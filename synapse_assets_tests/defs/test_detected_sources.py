"""Synapses that a detection dataset found are a source of an em dataset: lineage, what the sensor sees of them, and tiles."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.sources import fill_in_format
from synapse_assets.defs.asset import observed_version
from synapse_assets.pipeline.em.inputs import em_inputs
from synapse_assets.pipeline.inputs import made_by_others
from synapse_assets.schema import SYNAPSE_SOURCES
from synapse_assets.schema.detection import DETECTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles
from synapse_assets_tests.conftest import (
    TILE_PX,
    Lab,
    failure_reason,
    planted_points,
    planted_volume,
    tiny_dataset,
)
from synapse_assets_tests.defs.test_arrivals import Watcher, is_out_of_date
from synapse_assets_tests.detected import BLOCKS, FINDER, VERSION, detections, write_detections

SOURCE = dg.AssetKey(["tiny", "synapse_source"])
FOUND = dg.AssetKey([FINDER, "detections"])


def reading(inputs: Path, path: object, **fields: object) -> EmDataset:
    """The tiny dataset, which reads detected synapses from there."""
    source = {"name": "detected", "format": "detections", "volume": "em", "path": str(path), **fields}
    return tiny_dataset(inputs, Path("unused"), sources=[fill_in_format(source)])


def finder_of(lab: Lab) -> DatasetStore:
    return DatasetStore(str(lab.root), FINDER)


@pytest.fixture
def finding(lab: Lab, tiny_inputs: Path) -> Lab:
    """Two blocks were searched, the second with nothing in it, and the tiny dataset reads what was found."""
    write_detections(finder_of(lab), BLOCKS[0], detections(BLOCKS[0]))
    write_detections(finder_of(lab), BLOCKS[1], DETECTIONS.empty())
    lab.use(reading(tiny_inputs, lab.root / FINDER / "tables" / "synapses"))
    return lab


# Lineage -------------------------------------------------------------------------------------------------------------------


def upstream(lab: Lab, name: str = "synapse_source") -> set[str]:
    graph = lab.definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.get(dg.AssetKey(["tiny", name])).parent_keys}


def test_the_source_comes_from_the_dataset_that_found_the_synapses(finding: Lab) -> None:
    assert upstream(finding) == {"finder/detections"}
    assert finding.definitions.resolve_asset_graph().get(FOUND).is_external, "it need not be enabled here"
    assert upstream(finding, "synapse_table") == {"tiny/synapse_source"}


PARTS = ("", "/block=em_0_0_0", "/*/data.parquet", "/../synapses")
ELSEWHERE = {
    "its own": "{root}/tiny/tables/synapses",
    "another root": "{root}/../finder/tables/synapses",
    "no table": "{root}/finder/tables",
    "another table": "{root}/finder/tables/somas/data.parquet",
    "another folder": "{root}/finder/raw/synapses",
    "an address": "https://somewhere.invalid/finder/tables/synapses/data.parquet",
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("start", ["", "file://"])
def test_a_part_of_the_table_comes_from_there_too(tiny_inputs: Path, tmp_path: Path, part: str, start: str) -> None:
    [source, *_] = em_inputs(reading(tiny_inputs, f"{start}{tmp_path}/finder/tables/synapses{part}"))
    assert made_by_others(source, "tiny", str(tmp_path)) == [(FINDER, "detections")]


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_lies_elsewhere_comes_from_no_dataset(tiny_inputs: Path, tmp_path: Path, place: str) -> None:
    [source, *_] = em_inputs(reading(tiny_inputs, place.format(root=tmp_path)))
    assert made_by_others(source, "tiny", str(tmp_path)) == []
    assert made_by_others(source, "tiny", "s3://bucket/root") == []


# What is seen of it --------------------------------------------------------------------------------------------------------


def test_a_block_that_is_searched_again_is_read_again(finding: Lab) -> None:
    finding.materialize("synapse_table")
    watcher = Watcher(finding)
    assert [len(watcher.tick()) for _ in range(3)] == [0, 1, 0]
    finding.materialize("synapse_table")
    assert not is_out_of_date(finding)
    before = observed_version(finding.instance, SOURCE)

    # Written again as it was: nothing follows.
    write_detections(finder_of(finding), BLOCKS[0], detections(BLOCKS[0]))
    assert [len(watcher.tick()) for _ in range(3)] == [0, 0, 0]
    assert not is_out_of_date(finding)

    write_detections(finder_of(finding), BLOCKS[1], detections(BLOCKS[1]))
    assert [len(watcher.tick()) for _ in range(3)] == [0, 1, 0]
    assert observed_version(finding.instance, SOURCE) != before
    assert is_out_of_date(finding)
    finding.materialize("synapse_table")
    assert sum(finding.store.synapse_table.regions().values()) == len(planted_points())


def test_a_block_that_is_written_meanwhile_is_not_read_by_half(finding: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    finding.materialize("synapse_table")
    before = finding.store.synapse_table.version
    from synapse_assets.sources import points

    read = points.read

    def written_meanwhile(*arguments):  # type: ignore[no-untyped-def]
        yield from read(*arguments)
        write_detections(finder_of(finding), BLOCKS[0], detections(BLOCKS[0]).slice(3), version="f" * 12)

    monkeypatch.setattr(points, "read", written_meanwhile)
    result = finding.materialize("synapse_table", raises=False)
    assert "changed while it was being read: wait until it is written" in failure_reason(result)
    assert finding.store.synapse_table.version == before


def test_no_block_yet_is_said(lab: Lab, tiny_inputs: Path) -> None:
    lab.use(reading(tiny_inputs, lab.root / FINDER / "tables" / "synapses"))
    watcher = Watcher(lab)
    assert [watcher.tick() for _ in range(2)] == [[], []]
    assert "there is no file" in str(watcher.told)


# What becomes of it --------------------------------------------------------------------------------------------------------


def test_detected_synapses_have_regions_neurons_and_tiles(finding: Lab) -> None:
    write_detections(finder_of(finding), BLOCKS[1], detections(BLOCKS[1]))
    finding.materialize("synapse_table", "alignment")
    finding.everywhere("synapses", "synapse_labels", "tile_plan", "tiles")
    store, points = finding.store, planted_points()
    stored = store.synapses.read(None, ["synapse_id", "brain_region", "neuron_id", "score", "source_file", "volume"])
    stored = stored.sort_by("synapse_id")
    assert stored.column("synapse_id").to_pylist() == [f"found_{name}" for name in points["id"]]
    assert stored.column("brain_region").to_pylist() == points["region"].tolist()
    assert stored.column("neuron_id").to_pylist() == points["neuron"].tolist()
    assert set(stored.column("source_file").to_pylist()) == {f"block={block}/data.parquet" for block in BLOCKS}
    assert stored.column("score").to_numpy().min() == 0.2
    tiles = {row["synapse_id"]: row["image"] for row in store.tiles.read(None, ["synapse_id", "image"]).to_pylist()}
    volume = planted_volume(points)
    for row in points.itertuples():
        [tile] = decode_tiles(pa.array([tiles[f"found_{row.id}"]]))
        x, y = row.x - TILE_PX // 2, row.y - TILE_PX // 2
        np.testing.assert_array_equal(tile, volume[3:6, y : y + TILE_PX, x : x + TILE_PX])


def test_where_they_came_from_is_kept(finding: Lab) -> None:
    write_detections(finder_of(finding), BLOCKS[1], detections(BLOCKS[1]), version="f" * 12)
    finding.materialize("synapse_table")
    rows = finding.store.results(SYNAPSE_SOURCES).read().to_pylist()
    assert [(row["file"], json.loads(row["made_from"])) for row in rows] == [
        (f"block={block}/data.parquet", {"dataset": FINDER, "sites": version})
        for block, version in zip(BLOCKS, (VERSION, "f" * 12), strict=True)
    ]
    assert [row["rows"] for row in rows] == [36, 36]
