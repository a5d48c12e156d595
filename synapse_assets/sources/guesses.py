"""What the columns of a table seem to hold, from their names and their numbers. Guesses, each with its reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Files of the public FAFB v14 volume count voxels of 4 x 4 x 40 nm up to these (its info file).
_FAFB_VOXELS = np.array([248_156, 133_718, 7_062])
_FAFB_VOXEL_NM = np.array([4, 4, 40])
# No fly has more voxels of 8 nm along an axis (MANC and the hemibrain stay below 50,000).
_LARGEST_8_NM = 60_000
# Sections are 4 to 50 nm thick; points in nm that span less than this lie in a few of them.
_THINNEST_STACK_NM = 100
# Names that columns go by, the best first; compared in lower case.
_NAMES = {
    "synapse_id": ("synapse_id", "syn_id", "connector_id", "site_id", "id"),
    "neuron_id": (
        *(
            "pre_pt_root_id",
            "pre_root_id",
            "pre_root_id_720575940",
            "pre_skel_id",
            "id_skel_pre",
            "segmentid_pre",
            "pre_id",
        ),
        *("neuron_id", "skeleton_id", "skid", "bodyid", "body", "root_id", "flywire_id", "skel_id", "pre"),
    ),
    "partner_id": (
        *(
            "post_pt_root_id",
            "post_root_id",
            "post_root_id_720575940",
            "post_skel_id",
            "id_skel_post",
            "segmentid_post",
        ),
        *("post_id", "partner_id", "post"),
    ),
    "brain_region": ("brain_region", "neuropil", "roi", "region"),
    "target": ("neurotransmitter", "known_nt", "transmitter", "nt_known", "nt", "target", "class", "label"),
    "hemilineage": ("hemilineage", "ito_lee_hemilineage", "hemi_lineage"),
    "cell_type": ("cell_type", "primary_type"),
    "side": ("side",),
    "score": ("score", "confidence", "conf", "cleft_score", "scores", "connection_score"),
}


@dataclass(frozen=True)
class Scale:
    """What positions seem to count: units (nm or voxel), axis order of the file, why, and whether it could well be otherwise."""

    units: str
    axis_order: str
    reason: str
    certain: bool


def columns_by_name(names: Sequence[str]) -> dict[str, str]:
    """The column for each use (as in `Columns` and `NeuronColumns`) that has one of its usual names."""
    by_name = {name.lower(): name for name in names}
    found = {use: next((by_name[name] for name in usual if name in by_name), None) for use, usual in _NAMES.items()}
    return {use: name for use, name in found.items() if name is not None}


def position_columns(names: Sequence[str], sample: pa.Table) -> list[str]:
    """One column of positions, or those of x, y and z: the presynaptic ones, then those named plainly, then any."""
    triples = []
    for name in names:
        for match in re.finditer(r"(?<![a-z])x(?![a-z])", name, re.IGNORECASE):
            other = [
                name[: match.start()] + axis + name[match.end() :] for axis in ("yz" if match.group() == "x" else "YZ")
            ]
            if set(other) <= set(names):
                triples.append([name, *other])
    single = [[name] for name in names if _holds_positions(sample.column(name))]

    def rank(columns: list[str]) -> tuple[int, int]:
        first = columns[0].lower()
        return (0 if "pre" in first else 2 if "post" in first else 1), len(first)

    return min(triples + single, key=rank, default=[])


def _holds_positions(values: pa.ChunkedArray) -> bool:
    first = next((value for value in values.slice(0, 100).to_pylist() if value not in (None, "")), None)
    if isinstance(first, list):
        return len(first) == 3 and all(isinstance(number, int | float) for number in first)
    number = r"-?\d+(\.\d+)?"
    return isinstance(first, str) and bool(
        re.fullmatch(rf"[\[(]?\s*{number}[\s,]+{number}[\s,]+{number}\s*[\])]?", first)
    )


def scale_of(values: np.ndarray) -> Scale:
    """Units and axis order of positions (n, 3), finite, in the order of the file."""
    highest = values.max(axis=0)
    by_40 = [bool(np.all(values[:, axis] % 40 == 0)) and highest[axis] > 0 for axis in range(3)]
    flat_first = highest[0] * 10 < highest[2] and highest[0] <= _FAFB_VOXELS[2]
    order = "zyx" if not by_40[2] and (by_40[0] or flat_first) else "xyz"
    xyz, z_by_40 = (highest, by_40[2]) if order == "xyz" else (highest[::-1], by_40[0])
    in_voxels, in_nm = bool(np.all(xyz <= _FAFB_VOXELS)), bool(np.all(xyz <= _FAFB_VOXELS * _FAFB_VOXEL_NM))
    if z_by_40 and not in_voxels:
        where = "inside FAFB's extent in nm, beyond it in voxels" if in_nm else "beyond the extent of FAFB"
        return Scale("nm", order, f"every z is a multiple of 40 nm, the thickness of a section; {where}", True)
    if not np.all(values == np.floor(values)):
        depth = np.ptp(values[:, 2 if order == "xyz" else 0])
        if in_voxels and depth < _THINNEST_STACK_NM:
            return Scale("voxel", order, f"fractions, but z spans {depth:.0f}: a section or two, were it nm", False)
        return Scale("nm", order, "not whole numbers", False)
    if in_voxels and xyz[2] * 4 < max(xyz[0], xyz[1]):
        extent = " x ".join(f"{size:,}" for size in _FAFB_VOXELS)
        return Scale(
            "voxel", order, f"whole numbers that would fit FAFB's {extent} voxels, and fewer sections than pixels", True
        )
    reason = f"whole numbers up to {xyz.max():,.0f}"
    if xyz.max() <= _LARGEST_8_NM:
        return Scale("voxel", order, f"{reason}, as of voxels of 8 x 8 x 8 nm: say voxel_size_nm", False)
    return Scale("nm", order, f"{reason}, more than voxels of a brain", False)
