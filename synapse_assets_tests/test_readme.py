"""The README's Python runs as it stands, on the tiny dataset in the place of the sample. That of the chain without images is run
in `defs/morphology/test_chain.py`."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from synapse_assets.cli.materialization import waves
from synapse_assets.datasets import DetectionDataset, EmDataset, MorphologyDataset, StainingDataset, load_dataset
from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.definitions import build_definitions
from synapse_assets.pipeline.em.inputs import synapse_source
from synapse_assets.pipeline.inputs import made_by_others
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.releases import freeze_release, released_names
from synapse_assets.volumes import decode_tiles, encode_tiles
from synapse_assets_tests.conftest import Lab

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "sample_cbp" not in block]
RELEASES = [block for block in BLOCKS if "release=" in block]


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) == 4
    assert len(RELEASES) == 1


@pytest.mark.parametrize("block", BLOCKS, ids=["release", "package", "plain", "tile"])
def test_a_block_runs(block: str, finished_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(finished_lab.root))
    if block in RELEASES and "2026-11-21" not in released_names(finished_lab.store):
        freeze_release(finished_lab.store, "2026-11-21")
    program = block.replace("data/sample/", f"{finished_lab.root}/tiny/").replace('"sample"', '"tiny"')
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 -- our own README


@pytest.mark.parametrize("codec", ["png", "zstd"])
def test_a_stored_tile_is_read_without_the_package(codec: TileCodec, finished_lab: Lab, tmp_path: Path) -> None:
    store, copy = finished_lab.store, DatasetStore(str(tmp_path), "tiny")
    rows = store.tiles.read("EB", store.tiles.table.names)
    tiles = decode_tiles(rows.column("image"))
    at = rows.column_names.index("image")
    copy.tiles.replace_region("EB", rows.set_column(at, rows.schema.field(at), encode_tiles(tiles, codec)), [])
    [block] = [block for block in BLOCKS if "def tile(" in block]
    names: dict[str, Any] = {}
    exec(compile(block.replace("data/sample/", f"{tmp_path}/tiny/"), "README.md", "exec"), names)  # noqa: S102 -- our own README
    for expected, stored in zip(tiles, copy.tiles.read("EB", ["image"]).column(0).to_pylist(), strict=True):
        np.testing.assert_array_equal(names["tile"](stored), expected)


def written(name: str, folder: Path) -> str:
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if name in b)
    path = folder / name
    path.write_text(block)
    return str(path)


def test_the_yaml_of_interneurons_is_valid(tmp_path: Path) -> None:
    dataset = load_dataset(written("my_interneurons.yaml", tmp_path), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    assert list(dataset.groups) == ["as", "as-pv"]
    assert dataset.workbooks[0].columns.synapse_area == "Syn Area"


def test_the_yaml_of_stained_neurons_is_valid(tmp_path: Path) -> None:
    dataset = load_dataset(written("my_stain.yaml", tmp_path), "/nowhere")
    assert isinstance(dataset, StainingDataset)
    assert dataset.treated == "treated"
    assert dataset.map_network == dataset.answering == "vgg"
    assert dataset.networks["vgg"].later_learning_rate == 2e-5
    assert dataset.names_compounds


def test_the_yaml_of_a_volume_and_of_its_synapses_is_valid(tmp_path: Path) -> None:
    volume = load_dataset(written("my_volume.yaml", tmp_path), "/nowhere")
    assert isinstance(volume, DetectionDataset)
    assert list(volume.searched) == ["em"]
    assert (volume.synapse_detector, volume.mitochondria_detector) == ("synapses", "mitochondria")
    synapses = load_dataset(written("my_synapses.yaml", tmp_path), "/nowhere")
    assert isinstance(synapses, EmDataset)
    assert made_by_others(synapse_source(synapses), synapses.name, "/nowhere") == [(volume.name, "detections")]
    assert synapses.mitochondria_from == volume.name
    assert synapses.volumes["em"].voxel_size_nm == volume.voxel_size_nm
    both = build_definitions(Settings(data_root="/nowhere", datasets=[]), datasets=[synapses, volume])
    graph = both.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["my_synapses", "synapse_source"])).parent_keys == {
        dg.AssetKey([volume.name, "detections"])
    }
    assert list(dict.fromkeys(keys[0].path[0] for _, keys in waves(both))) == [volume.name, synapses.name]


def test_the_yaml_of_a_fourth_dataset_is_valid(tmp_path: Path) -> None:
    dataset = load_dataset(written("my_brain.yaml", tmp_path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    assert dataset.grouping == ["neuron_id", "hemilineage"]
    assert [source.name for source in dataset.neurons] == ["known"]


def test_the_yaml_of_volumes_of_labels_is_valid_in_that_dataset(tmp_path: Path) -> None:
    path = Path(written("my_brain.yaml", tmp_path))
    [block] = [b for b in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if b.startswith("labels_from:")]
    path.write_text(path.read_text() + block)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    assert [labels.of for labels in dataset.labels_from] == ["brain_region", "neuron_id"]
    assert dataset.labels_from[0].names == {1: "ME_R", 2: "LO_R"}
