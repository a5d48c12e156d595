"""Synister exports: the awkward cases of real files."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import SynisterSource, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_TABLE
from synapse_assets.sources import RegionNames, Tally, read_source, synister

VOLUME = VolumeSpec(kind="images", url="unused", voxel_size_nm=(4, 4, 40))
SYNAPSE = {"x": 4000, "y": 8000, "z": 400, "skeleton_id": 16, "brain_region": "EB", "splits": {"skeleton": "train"}}
ROOT = 720575940612345679  # above 2^53: a float would make it ...680
CONNECTOR = {
    "skid": 16,
    "flywire_id": None,
    "connector_id": 700001,
    "x": 4000.5,
    "y": 8000.0,
    "z": 360.0,
    "hemilineage": "ALad1",
    "lineage": "ALad1",
    "compartment": "axon",
    "region": "CA_R",
    "neurotransmitter": "kc_acetylcholine",
}


def export(folder: Path, content: Any, version: str = "synister_v3", **changes: object) -> SynisterSource:
    path = folder / "synapses.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    values = {"name": "export", "format": version, "volume": "em", "path": str(path)}
    return SynisterSource.model_validate({**values, **changes})


def read(source: SynisterSource, regions: RegionNames | None = None) -> pa.Table:
    return pa.concat_tables(read_source(source, VOLUME, regions or RegionNames("UNASGD")))


def test_awkward_cases_of_version_3(tmp_path: Path) -> None:
    synapses = {
        "1": SYNAPSE,
        "2": {**SYNAPSE, "skeleton_id": None, "brain_region": None},
        "3": {**SYNAPSE, "skeleton_id": 9007199254740993, "brain_region": ["ME(R)", "LO_R"], "x": 4000.25},
        "4": {**SYNAPSE, "skeleton_id": "99", "brain_region": []},
    }
    tally = Tally()
    source = export(tmp_path, synapses, id_prefix="v3_")
    table = pa.concat_tables(read_source(source, VOLUME, RegionNames("UNASGD"), tally))
    assert table.schema.equals(SYNAPSE_TABLE.arrow)
    assert table.column("synapse_id").to_pylist() == ["v3_1", "v3_2", "v3_3", "v3_4"]
    assert table.column("x_nm").to_pylist() == [4000.0, 4000.0, 4000.25, 4000.0]
    assert table.column("neuron_id").to_pylist() == [16, None, 9007199254740993, 99]
    assert table.column("brain_region").to_pylist() == ["EB", "UNASGD", "ME_R", "UNASGD"]
    assert set(table.column("source_file").to_pylist()) == {"synapses.json"}
    # What is known of the neurons is in the table of neurons.
    for column in ("target", "known_classes", "hemilineage"):
        assert table.column(column).null_count == 4
    assert (tally.rows, dict(tally.left_out)) == (4, {})


def test_awkward_cases_of_version_4(tmp_path: Path) -> None:
    # The neuron is the skeleton, else FlyWire's root; a repeated place without a connector is numbered.
    nowhere = {
        **CONNECTOR,
        "skid": None,
        "flywire_id": ROOT,
        "connector_id": None,
        "region": "unknown",
        "hemilineage": "NA",
    }
    synapses = [
        CONNECTOR,
        {**nowhere, "neurotransmitter": "unknown"},
        {**nowhere, "neurotransmitter": None},
        {**CONNECTOR, "connector_id": 700002, "region": None, "hemilineage": "", "neurotransmitter": "SER"},
        {**CONNECTOR, "connector_id": 700003, "hemilineage": "unknown2", "neurotransmitter": "gaba;octopamine"},
        {**nowhere, "flywire_id": None, "connector_id": "unknown"},
    ]
    source = export(tmp_path, synapses, "synister_v4", id_prefix="v4_")
    table = read(source, RegionNames("UNASGD", vocabulary="flywire"))
    assert table.schema.equals(SYNAPSE_TABLE.arrow)
    assert table.column("neuron_id").to_pylist() == [16, ROOT, ROOT, 16, 16, None]
    place = f"v4_4000.5_8000_360_{ROOT}"
    assert table.column("synapse_id").to_pylist() == [
        *("v4_700001", place, f"{place}_2", "v4_700002", "v4_700003", "v4_4000.5_8000_360_")
    ]
    assert table.column("brain_region").to_pylist() == ["MB_CA_R", "UNASGD", "UNASGD", "UNASGD", "MB_CA_R", "UNASGD"]
    assert table.column("hemilineage").to_pylist() == ["ALad1", None, None, None, None, None]
    one = ["acetylcholine"]
    assert table.column("known_classes").to_pylist() == [one, [], [], ["serotonin"], ["gaba", "octopamine"], one]
    assert table.column("target").to_pylist() == ["acetylcholine", None, None, "serotonin", None, "acetylcholine"]
    # z is in the space of the volumes already; nothing is shifted.
    assert table.column("z_nm").to_pylist() == [360.0] * 6
    again = read(source, RegionNames("UNASGD", vocabulary="flywire"))
    assert again.equals(table)


def test_small_batches_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {**CONNECTOR, "connector_id": None}
    synapses = [{**row, "x": float(i % 3)} for i in range(10)]
    whole = read(export(tmp_path, synapses, "synister_v4"))
    assert len(set(whole.column("synapse_id").to_pylist())) == 10
    monkeypatch.setattr(synister, "BATCH_ROWS", 4)
    batches = list(read_source(export(tmp_path, synapses, "synister_v4"), VOLUME, RegionNames("UNASGD")))
    assert [batch.num_rows for batch in batches] == [4, 4, 2]
    assert pa.concat_tables(batches).equals(whole)
    # Row numbers in messages go on over batches.
    synapses[9] = {**row, "y": "far"}
    with pytest.raises(BadInput, match=r"synapses\.json, row 10: y 'far' is not a number"):
        read(export(tmp_path, synapses, "synister_v4"))


def test_a_region_of_every_row_fills_the_gaps(tmp_path: Path) -> None:
    source = export(tmp_path, {"1": SYNAPSE, "2": {**SYNAPSE, "brain_region": None}}, brain_region="PB")
    assert read(source).column("brain_region").to_pylist() == ["EB", "PB"]


def test_the_named_transform_is_applied(tmp_path: Path) -> None:
    source = export(tmp_path, {"1": SYNAPSE}, space="FAFB14_CATMAID", transform="catmaid_to_n5")
    assert read(source).column("z_nm").to_pylist() == [360.0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"y": None}, r"row 2: y is no number \(synapse 8\)"),
        ({"z": "deep"}, r"synapse 8 \(row 2\): z 'deep' is not a number"),
        ({"z": True}, r"synapse 8 \(row 2\): z True is not a number"),
        ({"skeleton_id": 1.5}, r"synapse 8 \(row 2\): skeleton_id 1\.5 is not a whole number"),
        # A rounded root is whole, and still another neuron.
        ({"skeleton_id": float(ROOT)}, r"synapse 8 \(row 2\): skeleton_id 7\.20.*e\+17 is not a whole number"),
        ({"skeleton_id": "DA1"}, r"synapse 8 \(row 2\): skeleton_id 'DA1' is not a whole number"),
    ],
)
def test_a_broken_field_names_the_synapse(tmp_path: Path, broken: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(export(tmp_path, {"7": SYNAPSE, "8": {**SYNAPSE, **broken}}))


def test_a_missing_field_names_the_synapse(tmp_path: Path) -> None:
    broken = {key: value for key, value in SYNAPSE.items() if key != "y"}
    with pytest.raises(BadInput, match=r"synapse 8 \(row 2\): field \['y'\] is missing; there are \['brain_region'"):
        read(export(tmp_path, {"7": SYNAPSE, "8": broken}))
    broken = {key: value for key, value in CONNECTOR.items() if key not in ("skid", "flywire_id")}
    with pytest.raises(BadInput, match=r"row 2: field \['skid'\] is missing"):
        read(export(tmp_path, [CONNECTOR, broken], "synister_v4"))
    with pytest.raises(BadInput, match=r"synapse 7 \(row 1\): 3 is no object"):
        read(export(tmp_path, {"7": 3}))


@pytest.mark.parametrize(
    ("content", "version", "message"),
    [
        ({}, "synister_v3", "holds no synapses"),
        ([], "synister_v4", "holds no synapses"),
        ([CONNECTOR], "synister_v3", r"is a list of synapses, as in format synister_v4; .* says synister_v3"),
        ({"7": SYNAPSE}, "synister_v4", "is an object keyed by id, as in format synister_v3"),
        (json.dumps({"7": SYNAPSE, "8": SYNAPSE})[:-4], "synister_v3", "breaks off, or is not valid JSON"),
        (json.dumps([CONNECTOR, CONNECTOR])[:-4], "synister_v4", "breaks off, or is not valid JSON"),
        ('{"7": {"x": NaN', "synister_v3", "breaks off, or is not valid JSON"),
        ("", "synister_v3", "is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "synister_v4", "git-LFS pointer"),
    ],
)
def test_files_that_are_no_export_say_so(tmp_path: Path, content: Any, version: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as error:
        read(export(tmp_path, content, version))
    assert "synapses.json" in str(error.value)


@pytest.mark.parametrize(
    ("version", "content", "where"),
    [
        ("synister_v3", '{"1": %s, "2": {"x": 1, "x": 2, "y": 3, "z": 4}}', "'2'"),
        ("synister_v3", '{"7": {"skeleton_id": 1, "x": 1, "y": 3, "z": 4, "skeleton_id": 2}, "1": %s}', "'7'"),
        ("synister_v4", '[%s, {"x": 1, "y": 3, "z": 4, "z": 4}]', "row 2"),
    ],
)
def test_a_field_twice_is_refused(tmp_path: Path, version: str, content: str, where: str) -> None:
    whole = json.dumps(SYNAPSE if version == "synister_v3" else CONNECTOR)
    with pytest.raises(BadInput, match=f"{where}: the field '.*' comes more than once; keep one"):
        read(export(tmp_path, content % whole, version))
