"""Annotations in CREMI's layout: places, pairs, and files that are not what they should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import CremiSource, EmDataset, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_TABLE
from synapse_assets.sources import RegionNames, Tally, provenance, read_source
from synapse_assets.sources.cremi import MOST_SITES
from synapse_assets.sources.listing import local_files
from synapse_assets_tests.lookalikes import write_cremi, write_cremi_annotations

VOLUME = VolumeSpec(kind="hdf5", url="unused", voxel_size_nm=(4, 4, 40))


def source(path: Path, sites: str = "presynaptic", **changes: object) -> CremiSource:
    fields = {"name": "sites", "format": "cremi", "volume": "em", "path": str(path), "sites": sites}
    return CremiSource.model_validate({**fields, **changes})


def read(path: Path, sites: str = "presynaptic", tally: Tally | None = None, **changes: object) -> pa.Table:
    return pa.concat_tables(read_source(source(path, sites, **changes), VOLUME, RegionNames("NONE"), tally))


@pytest.mark.parametrize("padded", [False, True])
def test_sites_of_both_sides_with_their_pairs(tmp_path: Path, padded: bool) -> None:
    written = write_cremi(tmp_path / "sample_A.hdf", padded=padded)
    tally = Tally()
    pre = read(tmp_path / "sample_A.hdf", "presynaptic", tally, id_prefix="a_", brain_region="CA")
    post = read(tmp_path / "sample_A.hdf", "postsynaptic", id_prefix="a_")
    assert pre.schema.equals(SYNAPSE_TABLE.arrow)
    assert tally.left_out == {"type is postsynaptic_site": 4}
    for table, ids in ((pre, written.presynaptic), (post, written.postsynaptic)):
        assert table.column("synapse_id").to_pylist() == [f"a_{number}" for number in ids]
        places = np.column_stack([table.column(f"{axis}_nm") for axis in "xyz"])
        np.testing.assert_allclose(places, [written.position_nm[number] for number in ids], rtol=0, atol=1e-6)
    assert set(pre.column("brain_region").to_pylist()) == {"CA"}
    assert set(post.column("brain_region").to_pylist()) == {"NONE"}
    assert pre.column("object_id").null_count == len(pre)
    first = {after: before for before, after in reversed(written.partners)}
    assert post.column("object_id").to_pylist() == [
        f"a_{first[number]}" if number in first else None for number in written.postsynaptic
    ]


def annotated(path: Path, **changes: Any) -> Path:
    """Two synapses, one with two partners, and ids above 2^53."""
    fields: dict[str, Any] = {
        "ids": np.array([2**63 + 1, 4, 7, 9], np.uint64),
        "types": ["presynaptic_site", "postsynaptic_site", "presynaptic_site", "postsynaptic_site"],
        "locations": np.array([[40.0, 4, 8], [80, 12, 16], [120, 20, 24], [160, 28, 32]]),
        "partners": np.array([[2**63 + 1, 4], [7, 9], [2**63 + 1, 9]], np.uint64),
    }
    with h5py.File(path, "w") as file:
        write_cremi_annotations(file, **{**fields, **changes})
    return path


def test_ids_keep_every_digit_and_the_first_partner_counts(tmp_path: Path) -> None:
    path = annotated(tmp_path / "t.h5", offset=(400.0, 40.0, 4.0))
    pre, post = read(path), read(path, "postsynaptic")
    assert pre.column("synapse_id").to_pylist() == [str(2**63 + 1), "7"]
    assert post.column("object_id").to_pylist() == [str(2**63 + 1), "7"]
    assert [pre.column(f"{axis}_nm").to_pylist() for axis in "xyz"] == [[12.0, 28.0], [44.0, 60.0], [440.0, 520.0]]


def test_other_ways_to_write_the_same(tmp_path: Path) -> None:
    """Fixed-length types, whole-number places, no pairs at all, and other kinds of annotations."""
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = file.create_group("annotations")
        group["ids"] = np.array([1, 2, 3], np.int32)
        group["types"] = np.array([b"postsynaptic_site", b"tag", b"presynaptic_site"])
        group["locations"] = np.array([[40, 4, 8], [0, 0, 0], [80, 12, 16]], np.int16)
    tally = Tally()
    assert read(tmp_path / "t.h5", "postsynaptic", tally).column("object_id").to_pylist() == [None]
    assert tally.left_out == {"type is tag": 1, "type is presynaptic_site": 1}
    assert read(tmp_path / "t.h5").column("z_nm").to_pylist() == [80.0]


def test_a_folder_of_samples_is_read_and_its_files_are_known(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_cremi(tmp_path / f"{name}.hdf", seed=ord(name))
    (tmp_path / "notes.txt").write_text("mine")
    tally = Tally()
    assert len(read(tmp_path, "presynaptic", tally)) == 6
    assert [Path(file.place).name for file in local_files(source(tmp_path), None)] == ["A.hdf", "B.hdf"]
    origins = provenance(source(tmp_path), tally, VOLUME).to_pylist()
    assert [(row["file"], row["rows"], row["units"], row["axis_order"]) for row in origins] == [
        ("A.hdf", 3, "nm", "xyz"),
        ("B.hdf", 3, "nm", "xyz"),
    ]


def test_an_em_dataset_that_groups_by_neuron_is_told_that_sites_have_none(tmp_path: Path) -> None:
    fields = {
        "name": "mine",
        "title": "Mine",
        "description": "Sites of one sample.",
        "target": "region",
        "volumes": {"em": VOLUME.model_dump(exclude_unset=True)},
        "sources": [source(tmp_path).model_dump(exclude_unset=True)],
        "tile": {"size_px": 64},
    }
    with pytest.raises(ValueError, match="no source has a column for it"):
        EmDataset.model_validate({**fields, "grouping": ["neuron_id"]})
    assert EmDataset.model_validate({**fields, "grouping": ["brain_region"], "has_neurons": False}).name == "mine"


FOUR = np.array([[40.0, 4, 8]] * 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": None}, "'annotations/ids' is missing; the group holds"),
        ({"types": None}, "'annotations/types' is missing"),
        ({"locations": None}, "'annotations/locations' is missing"),
        ({"locations": FOUR[:3]}, r"'annotations/locations' has shape \(3, 3\), but \(4, 3\) belongs to its ids"),
        ({"locations": FOUR[:, :2]}, r"has shape \(4, 2\)"),
        ({"locations": FOUR.T.copy()}, r"has shape \(3, 4\)"),
        ({"locations": FOUR.ravel()}, r"has shape \(12,\)"),
        ({"locations": np.float64(1)}, r"has shape \(\)"),
        ({"locations": h5py.Empty("f8")}, "has shape None"),
        ({"locations": np.array([[b"a"] * 3] * 4)}, "'locations' of annotations holds"),
        ({"locations": np.where(np.eye(4, 3) > 0, np.nan, FOUR)}, r"t\.h5, row 3: x is no number"),
        ({"locations": np.where(np.eye(4, 3, -1) > 0, np.inf, FOUR)}, r"t\.h5, row 3: y is no number"),
        ({"types": ["presynaptic_site"]}, r"'annotations/types' has shape \(1,\)"),
        ({"types": ["pre", "post", "pre", "post"]}, "none of its 4 annotations is a presynaptic_site"),
        ({"ids": np.array([4, 4, 7, 9], np.uint64)}, "id 4 is that of 2 annotations"),
        ({"ids": np.array([1.0, 4, 7, 9])}, "'annotations/ids' holds float64, but ids are whole numbers"),
        ({"ids": np.ones((2, 2), np.uint64)}, r"'annotations/ids' has shape \(2, 2\), but \(any\) belongs"),
        ({"partners": np.array([[7, 4, 9]], np.uint64)}, r"partners' has shape \(1, 3\), but \(any, 2\)"),
        ({"partners": np.array([7, 4], np.uint64)}, r"partners' has shape \(2,\)"),
        ({"partners": np.array([[7.0, 4.0]])}, "partners' holds float64"),
        ({"offset": (0.0, 0.0)}, r"'offset' of annotations is \[0\.0, 0\.0\], but it is three numbers"),
        ({"offset": (0.0, np.nan, 0.0)}, "but it is three numbers"),
        ({"offset": "none"}, "'offset' of annotations holds"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        read(annotated(tmp_path / "t.h5", **changes))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ([7, 5], r"row 2: \[7, 5\] should be a presynaptic_site and a postsynaptic_site, but 5 has no location"),
        ([6, 9], "6 has no location"),
        ([9, 7], "9 is a postsynaptic_site"),
        ([7, 7], "7 is a presynaptic_site"),
    ],
)
def test_a_partner_that_is_not_there_is_named(pair: list[int], message: str, tmp_path: Path) -> None:
    path = annotated(tmp_path / "t.h5", partners=np.array([[7, 9], pair], np.uint64))
    assert len(read(path)) == 2  # their own places are known
    with pytest.raises(BadInput, match=message):
        read(path, "postsynaptic")


def _other_file(folder: Path) -> Path:
    return annotated(folder / "other.h5")


def _external_group(path: Path) -> None:
    _other_file(path.parent)
    with h5py.File(path, "w") as file:
        file["annotations"] = h5py.ExternalLink("other.h5", "/annotations")


def _external_dataset(path: Path) -> None:
    _other_file(path.parent)
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/locations"]
        file["annotations/locations"] = h5py.ExternalLink("other.h5", "/annotations/locations")


def _gone(path: Path) -> None:
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/ids"]
        file["annotations/ids"] = h5py.ExternalLink("/etc/gone.h5", "/annotations/ids")


def _soft(path: Path) -> None:
    with h5py.File(annotated(path), "a") as file:
        file.move("annotations/types", "kept")
        file["annotations/types"] = h5py.SoftLink("/kept")


def _partners_elsewhere(path: Path) -> None:
    _other_file(path.parent)
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/presynaptic_site"]
        file["annotations/presynaptic_site"] = h5py.ExternalLink("other.h5", "/annotations/presynaptic_site")


def _virtual(path: Path) -> None:
    _other_file(path.parent)
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[:] = h5py.VirtualSource(path.parent / "other.h5", "annotations/locations", (4, 3))
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/locations"]
        file.create_virtual_dataset("annotations/locations", layout)


def _raw_bytes_elsewhere(path: Path) -> None:
    (path.parent / "secret").write_bytes(bytes(96))
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/locations"]
        file.create_dataset("annotations/locations", (4, 3), "f8", external=[(str(path.parent / "secret"), 0, 96)])


def _no_group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = np.zeros((2, 2, 2), np.uint8)


def _group_is_a_dataset(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["annotations"] = np.zeros(3)


def _no_rows(path: Path) -> None:
    annotated(path, ids=np.zeros(0, np.uint64), types=np.array([], object), locations=np.zeros((0, 3)), partners=None)


def _endless(path: Path) -> None:
    annotated(path, ids=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("annotations/ids", (MOST_SITES + 1,), "u8", chunks=(1024,))


def _cut_off(path: Path) -> None:
    whole = annotated(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _damaged(path: Path) -> None:
    with h5py.File(annotated(path), "a") as file:
        del file["annotations/ids"]
        dataset = file.create_dataset(
            "annotations/ids", data=np.arange(4, dtype=np.uint64), chunks=(4,), compression="gzip"
        )
        at = dataset.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(b"\xff" * 8)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_external_group, r"'annotations' is a link into another file \('other\.h5'\), which is not followed"),
        (_external_dataset, r"'locations' is a link into another file \('other\.h5'\)"),
        (_gone, r"'ids' is a link into another file \('/etc/gone\.h5'\)"),
        (_soft, "'types' is a link, which is not followed"),
        (_partners_elsewhere, "partners' is a link into another file"),
        (_virtual, "takes its values from other files"),
        (_raw_bytes_elsewhere, "takes its values from other files"),
        (_no_group, r"has no group 'annotations'; it holds \['volumes'\]"),
        (_group_is_a_dataset, "has no group 'annotations'"),
        (_no_rows, "none of its 0 annotations"),
        (_endless, "at most 10,000,000 are read"),
        (_cut_off, "cannot be read"),
        (_damaged, "'annotations/ids' cannot be read"),
        (lambda path: path.write_text("ids,types\n"), "cannot be read as HDF5"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: None, "there is no file"),
    ],
)
def test_files_that_are_none_are_refused(write: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    write(tmp_path / "t.h5")
    with pytest.raises(BadInput, match=message):
        read(tmp_path / "t.h5")
