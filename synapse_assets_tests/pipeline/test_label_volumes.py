"""Regions and neurons from volumes of labels, for synapses whose table names none: what is looked up, what wins, what is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorstore as ts
from pydantic import ValidationError

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.em.synapses import synapse_assets
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import SECTIONS, SIDE_PX, VOXEL_SIZE_NM, tiny_dataset

LOG = logging.getLogger(__name__)
# Voxels of the labels, x, y, z: coarser than the volume's 4 x 4 x 40 nm, and not a multiple along x.
LABEL_NM = (50.0, 64.0, 120.0)
# The first voxel of the labels; they end before the volume does.
LABEL_OFFSET = (2, 1, 0)
LABEL_SHAPE = (16, 12, 3)
NEURON = 2**60 + 1  # a double has no odd number there


def planted(seed: int) -> pd.DataFrame:
    """90 points in voxels of the volume; the table names the region of every third, the neuron of every fourth."""
    rng = np.random.default_rng(seed)
    places = rng.integers((0, 0, 0), (SIDE_PX, SIDE_PX, SECTIONS), (90, 3))
    table = pd.DataFrame(places, columns=["x", "y", "z"])
    table["id"] = [f"p{i}" for i in table.index]
    table["region"] = np.where(table.index % 3 == 0, "EB", "")
    table["neuron"] = [str(7_000 + i) if i % 4 == 0 else "" for i in table.index]
    return table


def label_ids(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """By formula: the region (1 to 3; 0 none) and the neuron of each point, 0 where nothing is or outside."""
    centre_nm = (table[["x", "y", "z"]].to_numpy() + 0.5) * VOXEL_SIZE_NM
    voxel = np.floor(centre_nm / LABEL_NM).astype(int) - LABEL_OFFSET
    inside = ((voxel >= 0) & (voxel < LABEL_SHAPE)).all(axis=1)
    x, y, z = voxel.T
    return np.where(inside, x // 4 % 4, 0), np.where(
        inside & ((x + y) % 3 > 0), NEURON + 2 * (x + 100 * y + 10_000 * z), 0
    )


def write_labels(folder: Path) -> None:
    """`regions` (precomputed, which names 1) and `neurons` (zarr) as `label_ids` has them."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in LABEL_SHAPE[::-1]), indexing="ij")
    regions = (x // 4 % 4).astype(np.uint32)
    neurons = np.where((x + y) % 3 > 0, NEURON + 2 * (x + 100 * y + 10_000 * z), 0).astype(np.uint64)
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{folder}/regions/",
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
            "scale_metadata": {
                "resolution": LABEL_NM,
                "size": LABEL_SHAPE,
                "voxel_offset": LABEL_OFFSET,
                "chunk_size": (8, 8, 2),
                "encoding": "compressed_segmentation",
            },
        },
        create=True,
        open=True,
    ).result()
    store[..., 0] = regions.transpose(2, 1, 0)
    info = json.loads((folder / "regions/info").read_text())
    (folder / "regions/info").write_text(json.dumps({**info, "segment_properties": "names"}))
    (folder / "regions/names").mkdir()
    labels = {"ids": ["1", "2"], "properties": [{"id": "label", "type": "label", "values": ["ME(R)", "lobula"]}]}
    (folder / "regions/names/info").write_text(json.dumps({"inline": labels}))
    spec = {"driver": "zarr", "kvstore": f"file://{folder}/neurons/"}
    ts.open(spec, dtype=ts.uint64, shape=neurons.shape, create=True).result()[...] = neurons


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    write_labels(folder)
    planted(0).to_csv(folder / "points.csv", index=False)
    return folder


def layer(folder: Path, of: str, **changes: Any) -> dict[str, Any]:
    place: dict[str, Any] = {
        "brain_region": {"kind": "precomputed", "url": str(folder / "regions")},
        "neuron_id": {"kind": "zarr", "url": str(folder / "neurons"), "offset_voxels": LABEL_OFFSET},
    }[of]
    labels = {**place, "voxel_size_nm": LABEL_NM, **changes.pop("labels", {})}
    return {"of": of, "labels": labels, **changes}


def dataset_of(
    inputs: Path, points: Path, layers: list[dict[str, Any]], columns: dict[str, str] | None = None, **changes: Any
) -> EmDataset:
    if columns is None:
        columns = {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region"}
    source = {"name": "table", "format": "points", "volume": "em", "path": str(points), "units": "voxel"}
    sources = changes.pop("sources", [{**source, "columns": columns}])
    return tiny_dataset(inputs, points, sources=sources, labels_from=layers, **changes)


def read(dataset: EmDataset, root: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The synapses that the dataset has, in the order of the table, and the details of the report."""
    store = DatasetStore(str(root), dataset.name)
    report = read_synapse_tables(store, dataset, [], LOG)
    parts = [
        store.synapse_table.read(region, ["synapse_id", "brain_region", "neuron_id"])
        for region in store.synapse_table.regions()
    ]
    rows = [row for part in parts for row in part.to_pylist()]
    order = {f"p{i}": i for i in range(len(rows))}
    return pd.DataFrame(sorted(rows, key=lambda row: order.get(row["synapse_id"], 0)), dtype=object), report.details


def test_what_the_table_lacks_is_looked_up_and_what_it_says_wins(
    tiny_inputs: Path, labelled: Path, tmp_path: Path
) -> None:
    layers = [layer(labelled, "brain_region", names={3: "LH_L"}), layer(labelled, "neuron_id")]
    table = planted(0)
    regions, neurons = label_ids(table)
    rows, details = read(dataset_of(tiny_inputs, labelled / "points.csv", layers), tmp_path)
    names = np.array(["UNASSIGNED", "ME_R", "lobula", "LH_L"])[regions]
    expected = np.where(table["region"] == "EB", "EB", names)
    assert rows["brain_region"].tolist() == expected.tolist()
    assert set(expected) == {"UNASSIGNED", "ME_R", "lobula", "LH_L", "EB"}
    ids = [
        int(said) if said else int(looked_up) or None for said, looked_up in zip(table["neuron"], neurons, strict=True)
    ]
    assert rows["neuron_id"].tolist() == ids
    lacked = table["region"] == ""
    assert details["region_from_labels"] == (lacked & (regions > 0)).sum() > 20
    assert details["without_region"] == (lacked & (regions == 0)).sum() > 5
    assert details["neuron_from_labels"] == ((table["neuron"] == "") & (neurons > 0)).sum() > 10
    assert details["without_neuron"] == ((table["neuron"] == "") & (neurons == 0)).sum() > 5


def test_a_table_of_bare_points_gets_everything_from_labels(tiny_inputs: Path, labelled: Path, tmp_path: Path) -> None:
    """Ids without a name are regions all the same, and names go the way of those in a table: vocabulary, then region_names."""
    dataset = dataset_of(
        tiny_inputs,
        labelled / "points.csv",
        [layer(labelled, "brain_region"), layer(labelled, "neuron_id")],
        columns={"synapse_id": "id"},
        region_vocabulary="flywire",
        region_names={"region_3": "THIRD"},
    )
    regions, neurons = label_ids(planted(0))
    rows, details = read(dataset, tmp_path)
    assert rows["brain_region"].tolist() == np.array(["UNASSIGNED", "ME_R", "lobula", "THIRD"])[regions].tolist()
    assert rows["neuron_id"].fillna(0).tolist() == neurons.tolist()
    assert (details["region_from_labels"], details["without_region"]) == ((regions > 0).sum(), (regions == 0).sum())
    store = DatasetStore(str(tmp_path), dataset.name)
    assert store_region_synapses(store, dataset, "THIRD").rows == (regions == 3).sum()


def test_without_labels_nothing_is_looked_up(tiny_inputs: Path, labelled: Path, tmp_path: Path) -> None:
    rows, details = read(dataset_of(tiny_inputs, labelled / "points.csv", []), tmp_path)
    assert set(rows["brain_region"]) == {"UNASSIGNED", "EB"}
    assert not {name for name in details if "labels" in name or "without" in name}


def test_the_trial_limit_counts_the_regions_that_were_looked_up(
    tiny_inputs: Path, labelled: Path, tmp_path: Path
) -> None:
    dataset = dataset_of(
        tiny_inputs, labelled / "points.csv", [layer(labelled, "brain_region")], {"synapse_id": "id"}, trial_limit=5,
        grouping=["brain_region"],
    )  # fmt: skip
    rows, _ = read(dataset, tmp_path)
    assert rows["brain_region"].value_counts().to_dict() == {"UNASSIGNED": 5, "ME_R": 5, "lobula": 5, "region_3": 5}


def test_the_second_of_two_layers_fills_what_the_first_leaves(
    tiny_inputs: Path, labelled: Path, tmp_path: Path
) -> None:
    ones = {"driver": "zarr", "kvstore": f"file://{tmp_path}/everywhere/"}
    ts.open(ones, dtype=ts.uint8, shape=(4, 40, 40), create=True, fill_value=0).result()[...] = 9
    everywhere = {"kind": "zarr", "url": str(tmp_path / "everywhere"), "voxel_size_nm": (100, 100, 120)}
    layers = [
        layer(labelled, "brain_region"),
        {"of": "brain_region", "labels": everywhere, "volume": "em", "names": {9: "rest"}},
    ]
    regions, _ = label_ids(planted(0))
    rows, details = read(
        dataset_of(tiny_inputs, labelled / "points.csv", layers, {"synapse_id": "id"}, grouping=["brain_region"]),
        tmp_path,
    )
    assert rows["brain_region"].tolist() == np.array(["rest", "ME_R", "lobula", "region_3"])[regions].tolist()
    assert (details["region_from_labels"], details["without_region"]) == (90, 0)


def test_labels_belong_to_one_volume_each(tiny_inputs: Path, labelled: Path, tmp_path: Path) -> None:
    """The synapses of another volume are not looked up in them, though their numbers would fit."""
    em = {"kind": "images", "url": str(tiny_inputs / "em"), "voxel_size_nm": VOXEL_SIZE_NM}
    source = {
        "format": "points",
        "path": str(labelled / "points.csv"),
        "units": "voxel",
        "columns": {"synapse_id": "id"},
    }
    dataset = dataset_of(
        tiny_inputs,
        labelled / "points.csv",
        [layer(labelled, "brain_region", volume="other")],
        volumes={"em": em, "other": em},
        sources=[{**source, "name": name, "volume": name, "id_prefix": f"{name}_"} for name in ("em", "other")],
        grouping=["brain_region"],
    )
    regions, _ = label_ids(planted(0))
    rows, details = read(dataset, tmp_path)
    of_other = rows["synapse_id"].str.startswith("other_")
    assert set(rows["brain_region"][~of_other]) == {"UNASSIGNED"}
    assert (
        (rows["brain_region"][of_other] != "UNASSIGNED").sum() == details["region_from_labels"] == (regions > 0).sum()
    )
    assert details["without_region"] == 90 + (regions == 0).sum()


def test_labels_that_cannot_be_read_leave_what_is_stored(tiny_inputs: Path, labelled: Path, tmp_path: Path) -> None:
    points = labelled / "points.csv"
    good = [layer(labelled, "brain_region"), layer(labelled, "neuron_id")]
    store = DatasetStore(str(tmp_path / "store"), "tiny")
    read_synapse_tables(store, dataset_of(tiny_inputs, points, good), [], LOG)
    before = store.synapse_table.version

    for name, values in (("floats", np.float32), ("large", np.uint64)):
        spec = {"driver": "zarr", "kvstore": f"file://{tmp_path}/{name}/"}
        ts.open(spec, dtype=values, shape=(40, 40, 40), create=True).result()[...] = 2**63
    for url, words in (
        ("floats", "values are float32, but a volume of labels holds whole numbers"),
        ("large", r"holds the id 9223372036854775808, above .* \(2\^63 - 1\)"),
        ("absent", "there is no file or folder"),
    ):
        bad = layer(labelled, "neuron_id", labels={"url": str(tmp_path / url), "offset_voxels": None})
        with pytest.raises(BadInput, match=words):
            read_synapse_tables(store, dataset_of(tiny_inputs, points, [bad]), [], LOG)
    other_scale = layer(labelled, "brain_region", labels={"voxel_size_nm": (4, 4, 40)})
    with pytest.raises(BadInput, match="no scale of voxel_size_nm 4x4x40; there are 50x64x120: set voxel_size_nm"):
        read_synapse_tables(store, dataset_of(tiny_inputs, points, [other_scale]), [], LOG)
    assert store.synapse_table.version == before


def test_names_that_become_one_key_are_refused(tiny_inputs: Path, labelled: Path, tmp_path: Path) -> None:
    clash = [layer(labelled, "brain_region", names={1: "ME(R)", 2: "ME[R]"})]
    with pytest.raises(BadInput, match=r"'ME\(R\)' and 'ME\[R\]' would both become 'ME_R'.*region_names"):
        read(dataset_of(tiny_inputs, labelled / "points.csv", clash), tmp_path)


FAFB = {"kind": "images", "url": "em", "voxel_size_nm": VOXEL_SIZE_NM, "space": "FAFB14"}


@pytest.mark.parametrize(
    ("layers", "changes", "words"),
    [
        ([{"volume": "vnc"}], {}, r"labels_from names the volume 'vnc', which is not one of \['em'\]"),
        (
            [{}],
            {"volumes": {"em": FAFB, "more": FAFB}},
            r"does not say for which of the volumes \['em', 'more'\] its neuron_id is: add volume: em",
        ),
        (
            [{}],
            {"volumes": {"em": FAFB}},
            "the neuron_id labels are in space local, volume 'em' in FAFB14: .* add space: FAFB14 to the labels",
        ),
        (
            [{"labels": {"space": "FAFB14.1"}}],
            {"volumes": {"em": FAFB}},
            "are in space FAFB14.1, volume 'em' in FAFB14",
        ),
        ([{"names": {1: "A"}}], {}, "names are for labels of brain_region; ids of neurons stay numbers"),
        (
            [{}],
            {"has_neurons": False, "grouping": ["brain_region"]},
            "labels_from says the neurons .* has_neurons is false",
        ),
        ([{"of": "cell_type"}], {}, "Input should be 'brain_region' or 'neuron_id'"),
        ([{"of": "brain_region", "names": {0: "none"}}], {}, "greater than 0"),
        ([{"of": "brain_region", "names": {1: ""}}], {}, "at least 1 character"),
        ([{"labels": {"axis_order": "xyz", "kind": "hdf5"}}], {}, "axis_order is for zarr and n5, not for hdf5"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_the_file_is_read(
    layers: list[dict[str, Any]], changes: dict[str, Any], words: str, tiny_inputs: Path, labelled: Path
) -> None:
    given = [
        {
            **layer(labelled, "neuron_id", labels=dict(one.get("labels", {}))),
            **{k: v for k, v in one.items() if k != "labels"},
        }
        for one in layers
    ]
    with pytest.raises(ValidationError, match=f"(?s){words}"):
        dataset_of(tiny_inputs, labelled / "points.csv", given, **changes)


def test_neurons_may_come_from_labels_alone(tiny_inputs: Path, labelled: Path) -> None:
    columns = {"synapse_id": "id"}
    with pytest.raises(ValidationError, match="grouping names neuron_id, but no source has a column for it"):
        dataset_of(tiny_inputs, labelled / "points.csv", [layer(labelled, "brain_region")], columns)
    assert dataset_of(tiny_inputs, labelled / "points.csv", [layer(labelled, "neuron_id")], columns).grouping == [
        "neuron_id"
    ]


def test_other_labels_are_another_code_version_and_patience_is_not(tiny_inputs: Path, labelled: Path) -> None:
    def version(layers: list[dict[str, Any]]) -> str | None:
        dataset = dataset_of(tiny_inputs, labelled / "points.csv", layers)
        [spec] = [
            spec for asset in synapse_assets(dataset) for spec in asset.specs if spec.key.path[-1] == "synapse_table"
        ]
        return spec.code_version

    one = layer(labelled, "brain_region")
    versions = [
        version([]),
        version([one]),
        version([layer(labelled, "brain_region", names={1: "A"})]),
        version([layer(labelled, "brain_region", labels={"missing_chunks": "error"})]),
        version([one, layer(labelled, "neuron_id")]),
    ]
    assert len(set(versions)) == len(versions)
    assert version([layer(labelled, "brain_region", labels={"timeout_s": 7})]) == versions[1]
