"""Dataset files: the packaged ones are valid, a fourth one needs no code, and mistakes name file and field."""

from pathlib import Path

import pytest

from synapse_assets.datasets import load_dataset
from synapse_assets.schema import BadInput

FOURTH = """
name: mine
title: My brain
description: A fourth dataset.
volumes:
  em: {kind: zarr, url: /somewhere/em.zarr, voxel_size_nm: [8, 8, 8]}
sources:
  - {name: table, format: points, volume: em, path: "${MY_FOLDER}/points.csv", units: nm}
grouping: [brain_region]
has_neurons: false
tile: {size_px: 64, sections: 3}
"""


@pytest.mark.parametrize("name", ["sample", "fafb", "vnc_sstem"])
def test_packaged_datasets_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_FAFB_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_VNC_SSTEM_FOLDER", "/somewhere")
    assert load_dataset(name, "/nowhere").name == name


def test_a_dataset_of_ones_own_needs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH)
    monkeypatch.setenv("MY_FOLDER", "/tables")
    dataset = load_dataset(str(path), "/nowhere")
    assert dataset.sources[0].model_dump()["path"] == "/tables/points.csv"


def test_an_unset_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH)
    monkeypatch.delenv("MY_FOLDER", raising=False)
    with pytest.raises(BadInput, match=r"mine\.yaml.*environment variable MY_FOLDER is not set"):
        load_dataset(str(path), "/nowhere")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("volume: em,", "volume: other,", "source 'table' lies in volume 'other'"),
        ("size_px: 64", "size_pixels: 64", r"tile\.size_px"),
        ("[8, 8, 8]", "[8, 8, -8]", r"volumes\.em\.voxel_size_nm"),
        ("grouping: [brain_region]", "grouping: [neuron_id]", "needs neurons"),
    ],
)
def test_mistakes_name_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH.replace(old, new))
    monkeypatch.setenv("MY_FOLDER", "/tables")
    with pytest.raises(BadInput, match=message) as error:
        load_dataset(str(path), "/nowhere")
    assert "mine.yaml" in str(error.value)


def test_an_unknown_name_lists_the_packaged_ones() -> None:
    with pytest.raises(BadInput, match="'fafb', 'sample', 'vnc_sstem'"):
        load_dataset("nothing", "/nowhere")
