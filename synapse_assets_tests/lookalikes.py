"""Small files in the layouts of the training volumes that packaged datasets name: planted, with none of their data.

What is written is returned, so that tests compare it with what is read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

Labels = npt.NDArray[np.uint64]
NO_CLEFT = np.iinfo(np.uint64).max
"""What CREMI writes where there is no cleft."""


@dataclass(frozen=True)
class Cremi:
    """What a file in CREMI's layout holds. Arrays are z, y, x; positions x, y, z in nm of the volume `raw`.

    first_voxel: x, y, z, of the labels in `raw`. partners: (presynaptic id, postsynaptic id).
    """

    raw: npt.NDArray[np.uint8]
    clefts: Labels
    neuron_ids: Labels
    first_voxel: tuple[int, int, int]
    position_nm: dict[int, tuple[float, float, float]]
    presynaptic: tuple[int, ...]
    postsynaptic: tuple[int, ...]
    partners: tuple[tuple[int, int], ...]


def write_cremi(path: Path, *, padded: bool = False, seed: int = 0) -> Cremi:
    """A file as CREMI's samples: 4 x 4 x 40 nm; padded, `raw` reaches beyond the labels on all sides, and their offset says so."""
    rng = np.random.default_rng(seed)
    shape, margin = (10, 48, 56), (3, 8, 12)
    around = tuple(size + 2 * edge for size, edge in zip(shape, margin, strict=True)) if padded else shape
    raw = rng.integers(0, 256, around, dtype=np.uint8)
    clefts = np.full(shape, NO_CLEFT)
    clefts[2:4, 10:14, 20:40], clefts[7, 30:34, 5:25] = 21, 40
    neuron_ids = rng.integers(1, 2**60, (2, 3, 4), dtype=np.uint64).repeat(5, 0).repeat(16, 1).repeat(14, 2)
    ids, post = (1000, 1003, 1001), (1002, 1004, 1005, 1006)
    partners = ((1000, 1002), (1000, 1004), (1003, 1005))  # 1001 and 1006 have none
    local = {number: rng.uniform((0, 0, 0), np.array(shape) * (40, 4, 4)) for number in (*ids, *post)}
    offset_nm = np.array(margin) * (40, 4, 4) if padded else np.zeros(3)
    order = rng.permutation([*ids, *post]).tolist()
    with h5py.File(path, "w") as file:
        _volume(file, "volumes/raw", raw, None)
        for name, values in (("clefts", clefts), ("neuron_ids", neuron_ids)):
            _volume(file, f"volumes/labels/{name}", values, offset_nm if padded else None)
        write_cremi_annotations(
            file,
            ids=np.array(order, np.uint64),
            types=["presynaptic_site" if number in ids else "postsynaptic_site" for number in order],
            locations=np.array([local[number] for number in order]),
            partners=np.array(partners, np.uint64),
            offset=offset_nm if padded else None,
        )
    first_voxel = tuple(int(edge) for edge in margin[::-1]) if padded else (0, 0, 0)
    return Cremi(
        raw,
        clefts,
        neuron_ids,
        (first_voxel[0], first_voxel[1], first_voxel[2]),
        {number: tuple((place + offset_nm)[::-1].tolist()) for number, place in local.items()},
        tuple(number for number in order if number in ids),
        tuple(number for number in order if number in post),
        partners,
    )


def write_cremi_annotations(
    file: h5py.File, *, ids: Any, types: Any, locations: Any, partners: Any = None, offset: Any = None
) -> None:
    """The group `annotations` of such a file; what is None is left out."""
    group = file.create_group("annotations")
    if offset is not None:
        group.attrs["offset"] = offset
    for name, values in (("ids", ids), ("locations", locations), ("presynaptic_site/partners", partners)):
        if values is not None:
            group.create_dataset(name, data=values)
    if types is not None:
        group.create_dataset("types", data=types, dtype=h5py.string_dtype())


def _volume(file: h5py.File, name: str, values: npt.NDArray[Any], offset_nm: npt.NDArray[Any] | None) -> None:
    dataset = file.create_dataset(name, data=values, chunks=(4, 16, 16), compression="gzip")
    dataset.attrs["resolution"] = (40.0, 4.0, 4.0)
    if offset_nm is not None:
        dataset.attrs["offset"] = offset_nm.astype(float)


@dataclass(frozen=True)
class Stack:
    """A volume and a label volume of the same voxels, z, y, x."""

    raw: npt.NDArray[np.uint8]
    labels: Labels


def write_lucchi(folder: Path, seed: int = 0) -> dict[str, Stack]:
    """`training` and `testing` as TIFF files of many pages, masks of 0 and 255 beside them."""
    rng = np.random.default_rng(seed)
    stacks = {}
    for name in ("training", "testing"):
        raw = rng.integers(0, 256, (6, 40, 64), dtype=np.uint8)
        mask = np.zeros(raw.shape, np.uint8)
        mask[1:5, 8:24, 10:30] = mask[3:, 30:38, 40:60] = 255
        tifffile.imwrite(folder / f"{name}.tif", raw, photometric="minisblack")
        tifffile.imwrite(folder / f"{name}_groundtruth.tif", mask, photometric="minisblack")
        stacks[name] = Stack(raw, mask.astype(np.uint64))
    return stacks


def write_em_r50(folder: Path, seed: int = 0) -> dict[str, Stack]:
    """`synapses` and `mitochondria` with their picture, each array the dataset `main` of a file of its own.

    The nth synapse has the id 2n - 1 on its presynaptic side, 2n on the other.
    """
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (8, 48, 48), dtype=np.uint8)
    polarity, mitochondria = np.zeros(raw.shape, np.uint16), np.zeros(raw.shape, np.uint16)
    for number, (z, y, x) in enumerate(((1, 6, 6), (3, 20, 28)), start=1):
        polarity[z : z + 3, y : y + 4, x : x + 12] = 2 * number - 1
        polarity[z : z + 3, y + 4 : y + 8, x : x + 12] = 2 * number
        mitochondria[z : z + 4, y + 12 : y + 20, x : x + 16] = number
    for name, values in (("im", raw), ("syn", polarity), ("mito", mitochondria)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("main", data=values, compression="gzip")
    return {
        "synapses": Stack(raw, polarity.astype(np.uint64)),
        "mitochondria": Stack(raw, mitochondria.astype(np.uint64)),
    }


@dataclass(frozen=True)
class Vnc:
    """Two blocks of sections, where the masks of the first are above 0, and the middles of its synapses (voxels, x, y, z)."""

    stack1: npt.NDArray[np.uint8]
    stack2: npt.NDArray[np.uint8]
    synapses: Labels
    mitochondria: Labels
    middles: dict[str, tuple[float, float, float]]


def write_vnc(folder: Path, seed: int = 0) -> Vnc:
    """Sections as files of their own: TIFF pictures, PNG masks, of 1 bit or of 8 with smoothed outlines, and a table of components."""
    rng = np.random.default_rng(seed)
    stacks = {
        name: rng.integers(0, 256, (count, 64, 64), dtype=np.uint8) for name, count in (("stack1", 5), ("stack2", 7))
    }
    masks = {name: np.zeros(stacks["stack1"].shape, np.uint8) for name in ("synapses", "mitochondria")}
    masks["synapses"][1:3, 10:14, 20:30] = masks["synapses"][3:, 40:50, 6:12] = 255
    masks["mitochondria"][:, 20:36, 36:56] = 255
    for name, stack in stacks.items():
        _sections(folder / name / "raw", stack, "tif")
    for name, mask in masks.items():
        _sections(folder / "stack1" / name, mask, "png")
        for number in (0, 3):
            Image.fromarray(mask[number] > 0).save(folder / "stack1" / name / f"{number:02d}.png")
        smoothed = np.where(mask[1] > 0, rng.integers(1, 256, mask[1].shape), 0)
        Image.fromarray(smoothed.astype(np.uint8)).save(folder / "stack1" / name / "01.png")
    middles = {"1": (24.5, 11.5, 1.5), "2": (8.5, 44.5, 3.5)}
    rows = [f"{number},{x},{y},{z},80" for number, (x, y, z) in middles.items()]
    (folder / "synapse_instances_stack1.csv").write_text("\n".join(["instance_id,x,y,z,voxels", *rows]) + "\n")
    return Vnc(stacks["stack1"], stacks["stack2"], *(masks[name].astype(np.uint64) for name in masks), middles)


def _sections(folder: Path, values: npt.NDArray[np.uint8], suffix: str) -> None:
    folder.mkdir(parents=True)
    for number, section in enumerate(values):
        Image.fromarray(section).save(folder / f"{number:02d}.{suffix}")
