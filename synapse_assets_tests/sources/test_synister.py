"""Synister exports: the awkward cases of real files."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import SynisterSource, VolumeSpec
from synapse_assets.schema import SYNAPSES, BadInput
from synapse_assets.sources import RegionNames, read_source
from synapse_assets.sources.checks import safe_region_name

VOLUME = VolumeSpec(kind="images", url="unused", voxel_size_nm=(4, 4, 40))
SYNAPSE = {"x": 4000, "y": 8000, "z": 400, "skeleton_id": 16, "brain_region": "EB", "splits": {}}
SKELETONS = {
    "16": {"hemi_lineage_id": 1, "nt_known": ["acetylcholine"]},
    "17": {"hemi_lineage_id": 2, "nt_known": None},
    "9007199254740993": {"hemi_lineage_id": 1, "nt_known": ["gaba", "dopamine"]},
}
HEMI_LINEAGES = {
    "1": {"nt_guess": ["acetylcholine"], "hemi_lineage_name": "ALad1"},
    "2": {"nt_guess": None, "hemi_lineage_name": "unknown2"},
}


def export(folder: Path, synapses: dict[str, Any]) -> SynisterSource:
    contents = {"synapses": synapses, "skeletons": SKELETONS, "hemi_lineages": HEMI_LINEAGES}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    paths = {name: str(folder / f"{name}.json") for name in contents}
    return SynisterSource.model_validate({"name": "export", "format": "synister_v3", "volume": "em", **paths})


def read(source: SynisterSource) -> pa.Table:
    return pa.concat_tables(read_source(source, VOLUME, RegionNames("UNASGD")))


def test_awkward_cases(tmp_path: Path) -> None:
    table = read(
        export(
            tmp_path,
            {
                "1": SYNAPSE,
                "2": {**SYNAPSE, "skeleton_id": 17, "brain_region": None},
                "3": {**SYNAPSE, "skeleton_id": 9007199254740993, "brain_region": ["ME(R)", "LO_R"]},
                "4": {**SYNAPSE, "skeleton_id": 99, "brain_region": []},
            },
        )
    )
    assert table.schema.equals(SYNAPSES.arrow)
    assert table.column("x_nm").to_pylist() == [4000.0] * 4
    assert table.column("neuron_id").to_pylist() == [16, 17, 9007199254740993, 99]
    assert table.column("brain_region").to_pylist() == ["EB", "UNASGD", "ME_R", "UNASGD"]
    # One known transmitter is a target; none or two are not.
    assert table.column("target").to_pylist() == ["acetylcholine", None, None, None]
    assert table.column("known_classes").to_pylist() == [["acetylcholine"], [], ["dopamine", "gaba"], []]
    # A hemilineage named "unknown2" is unknown.
    assert table.column("hemilineage").to_pylist() == ["ALad1", None, "ALad1", None]


def test_a_missing_field_names_the_synapse(tmp_path: Path) -> None:
    broken = {key: value for key, value in SYNAPSE.items() if key != "y"}
    with pytest.raises(BadInput, match=r"synapse 8 \(row 2\): field \['y'\] is missing"):
        read(export(tmp_path, {"7": SYNAPSE, "8": broken}))


def test_a_null_coordinate_names_the_synapse(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"row 2: z is no number \(synapse 8\)"):
        read(export(tmp_path, {"7": SYNAPSE, "8": {**SYNAPSE, "z": None}}))


def test_truncated_json_is_an_error(tmp_path: Path) -> None:
    source = export(tmp_path, {"7": SYNAPSE})
    path = Path(source.synapses)
    path.write_text(path.read_text()[:-4])
    with pytest.raises(BadInput, match=r"synapses\.json is not one JSON object"):
        read(source)


def test_an_export_without_synapses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no synapses"):
        read(export(tmp_path, {}))


@pytest.mark.parametrize(
    ("name", "safe"),
    [("ME(R)", "ME_R"), ("EB", "EB"), ("a...b|c/d", "a_b_c_d"), ("  '; drop--", "drop"), ("(((", "UNNAMED")],
)
def test_region_names_become_safe(name: str, safe: str) -> None:
    assert safe_region_name(name) == safe


def test_two_names_do_not_silently_become_one_region() -> None:
    names = pa.array(["α lobe", "EB", "β lobe", None])
    with pytest.raises(BadInput, match="'α lobe' and 'β lobe' would both become 'lobe'"):
        RegionNames("UNASGD").keys(names)
    renamed = RegionNames("UNASGD", {"β lobe": "MB_beta", "ME(R)": "ME_R"})
    assert renamed.keys(names).to_pylist() == ["lobe", "EB", "MB_beta", "UNASGD"]
    assert renamed.keys(pa.array(["ME_R", "ME(R)"])).to_pylist() == ["ME_R", "ME_R"]


def test_rounded_skeleton_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"synapse 7: skeleton_id 1\.5 is not a whole number"):
        read(export(tmp_path, {"7": {**SYNAPSE, "skeleton_id": 1.5}}))
