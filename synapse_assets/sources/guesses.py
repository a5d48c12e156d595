"""What the columns of a table seem to hold, from their names and their numbers. Guesses, each with its reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

# Files of the public FAFB v14 volume count voxels of 4 x 4 x 40 nm up to these (its info file).
_FAFB_VOXELS = np.array([248_156, 133_718, 7_062])
_FAFB_VOXEL_NM = np.array([4, 4, 40])
# No fly has more voxels of 8 nm along an axis (MANC and the hemibrain stay below 50,000).
_LARGEST_8_NM = 60_000
# Sections are 4 to 50 nm thick; points in nm that span less than this lie in a few of them.
_THINNEST_STACK_NM = 100
# So many different z that are all multiples of a section's thickness are no chance.
_FEWEST_SECTIONS = 4
# A name is a side and a stem: bodyId_pre and pre_bodyId are the side pre and the stem bodyid.
Side = Literal["", "pre", "post"]
_SIDES: dict[str, Side] = {
    **dict.fromkeys(("pre", "presyn", "presynaptic", "presynapse"), "pre"),
    **dict.fromkeys(("post", "postsyn", "postsynaptic", "postsynapse"), "post"),
}
_REST_OF_SIDE = frozenset(("syn", "synaptic", "synapse"))
_NUMBER_OF_FLYWIRE = "720575940"
_OF_NEURONS = (
    *("ptrootid", "rootid", f"rootid{_NUMBER_OF_FLYWIRE}", "skelid", "idskel", "skeletonid", "skid", "segmentid"),
    *("bodyid", "body", "neuronid", "neuron", "skeleton", "cellid", "cell", "flywireid", "rootids", "segid", "id"),
)
# Stems that columns go by, the best first, and the sides that they may be of.
_NAMES: dict[str, tuple[tuple[Side, ...], tuple[str, ...]]] = {
    "synapse_id": (
        ("",),
        ("synapseid", "synid", "connectorid", "siteid", "tbarid", "linkid", "annotationid", "instanceid", "id"),
    ),
    "neuron_id": (("pre",), _OF_NEURONS),
    "partner_id": (("post",), _OF_NEURONS),
    "brain_region": (
        ("pre", ""),
        (
            *("brainregion", "neuropil", "roi", "region", "primaryroi", "neuropilname", "roiname", "regionname"),
            *("brainregionname", "brainneuropil", "npname"),
        ),
    ),
    # What is known comes before what may be predicted; a name that says predicted is not read.
    "target": (
        ("pre", ""),
        (
            *("gtneurotransmitter", "gtnt", "ntgt", "neurotransmittergt", "verifiednt", "ntverified"),
            *("verifiedneurotransmitter", "neurotransmitterverified", "knownnt", "ntknown", "knownneurotransmitter"),
            *("neurotransmitterknown", "knowntransmitter", "knownclassictransmitter", "truent", "nttrue"),
            *("neurotransmitter", "transmitter", "nt", "ntclass", "ntlabel", "ntname", "groundtruth", "gtclass"),
            *("gtlabel", "gt", "target", "class", "label"),
        ),
    ),
    "hemilineage": (("", "pre"), ("hemilineage", "itoleehemilineage", "hemilineagename")),
    "cell_type": (("",), ("celltype", "primarytype", "type")),
    "side": (("",), ("side", "somaside", "rootside")),
    "score": (
        ("", "pre"),
        (
            *(
                "score",
                "confidence",
                "conf",
                "cleftscore",
                "scores",
                "cleftscores",
                "connectionscore",
                "confidencescore",
            ),
            *("probability", "prob"),
        ),
    ),
}
# Names without a side that are those of the neuron itself, or of the partner.
_WITHOUT_SIDE = {
    "neuron_id": (
        *("neuronid", "skeletonid", "skid", "bodyid", "body", "rootid", "ptrootid", "flywireid", "skelid", "neuron"),
        *("skeleton", "segmentid", "cellid"),
    ),
    "partner_id": ("partnerid", "partner"),
}
# Two ends of a connection in tables of graphs.
_ENDS = (("source", "target"), ("from", "to"), ("upstream", "downstream"), ("sender", "receiver"), ("src", "dst"))
_WEIGHTS = frozenset(
    (
        *("weight", "weights", "syncount", "synapsecount", "synapses", "nsyn", "nsynapses", "count", "counts"),
        *("numsynapses", "numsyn", "weighthp", "synweight", "connections", "n"),
    )
)
_WORD = re.compile(r"[xyz](?=(?:nm|um|px|vx|vox)(?![a-z]))|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_EXTENTS = frozenset(("resolution", "size", "shape", "extent", "bb", "bbox", "box", "bounding", "bounds"))
_UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), "nm"),
    **dict.fromkeys(("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), "um"),
    **dict.fromkeys(("voxel", "voxels", "vox", "vx", "px", "pixel", "pixels"), "voxel"),
}


@dataclass(frozen=True)
class Scale:
    """What positions seem to count: units (nm or voxel), axis order of the file, why, and whether that is certain.

    voxel_size_nm: the size of the voxels, where it is stated.
    """

    units: str
    axis_order: str
    reason: str
    certain: bool
    voxel_size_nm: tuple[float, float, float] | None = None


def side_and_stem(name: str) -> tuple[Side, str]:
    """What a column's name says: the side of the synapse, if any, and the rest in lower case without separators."""
    words = _words(name)
    at = next((index for index, word in enumerate(words) if word in _SIDES), None)
    if at is None:
        return "", "".join(words)
    rest = words[at + 1 :]
    return _SIDES[words[at]], "".join(words[:at] + (rest[1:] if rest and rest[0] in _REST_OF_SIDE else rest))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name.replace("\u00b5", "u").replace("\u03bc", "u"))]


def columns_by_name(names: Sequence[str]) -> dict[str, str]:
    """The column for each use (as in `Columns` and `NeuronColumns`) that has one of its usual names."""
    by_name: dict[tuple[Side, str], str] = {}
    for name in names:
        by_name.setdefault(side_and_stem(name), name)
    columns = {}
    for use, (sides, stems) in _NAMES.items():
        usual = [(side, stem) for side in sides for stem in stems]
        usual += [("", stem) for stem in _WITHOUT_SIDE.get(use, ())]
        usual += [(side, "") for side in sides if use in _WITHOUT_SIDE]
        names_of_use = [by_name[key] for key in usual if key in by_name]
        if names_of_use:
            columns[use] = names_of_use[0]
    return columns


def connection_columns(names: Sequence[str]) -> list[str]:
    """The two columns of a pair of neurons and those that count their synapses; none where the names say no such pair."""
    uses = columns_by_name(names)
    pair = [uses.get("neuron_id", ""), uses.get("partner_id", "")]
    has_sides = side_and_stem(pair[0])[0] == "pre" or side_and_stem(pair[1])[1] in _WITHOUT_SIDE["partner_id"]
    if not all(pair) or not has_sides:
        by_words = {tuple(_words(name)): name for name in names}
        pairs = (
            [name, by_words[counterpart]]
            for name in names
            for first, second in _ENDS
            if first in _words(name)
            and (counterpart := tuple(second if word == first else word for word in _words(name))) in by_words
        )
        pair = next(pairs, [])
    return [*pair, *(name for name in names if side_and_stem(name)[1] in _WEIGHTS)] if pair else []


def common_part(neuron_column: str) -> int:
    """What is left out of all ids of a column, because its name says it; 0 where it says nothing."""
    return int(_NUMBER_OF_FLYWIRE) * 10**9 if _NUMBER_OF_FLYWIRE in _words(neuron_column) else 0


def position_columns(names: Sequence[str], sample: pa.Table) -> list[str]:
    """One column of positions, or those of x, y and z: the presynaptic ones, then those named plainly, then any."""
    lists = [[name] for name in names if not _is_size(name) and _holds_positions(sample.column(name))]

    def rank(columns: list[str]) -> tuple[int, int]:
        side = side_and_stem(columns[0])[0]
        return (0 if side == "pre" else 2 if side == "post" else 1), len(columns[0])

    return min([triple for triple in _triples(names) if not _is_size(triple[0])] + lists, key=rank, default=[])


def _triples(names: Sequence[str]) -> list[list[str]]:
    """Columns of x, y and z that have one name but for that letter."""
    triples = []
    for name in names:
        for match in _WORD.finditer(name):
            if match.group() in ("x", "X"):
                further_axes = [
                    name[: match.start()] + axis + name[match.end() :]
                    for axis in ("yz" if match.group() == "x" else "YZ")
                ]
                if set(further_axes) <= set(names):
                    triples.append([name, *further_axes])
    return triples


def _is_size(name: str) -> bool:
    """Whether a column holds the size of a voxel, a box or another extent, rather than a position."""
    return not _EXTENTS.isdisjoint(_words(name))


def _holds_positions(values: pa.ChunkedArray) -> bool:
    first = next((value for value in values.slice(0, 100).to_pylist() if value not in (None, "")), None)
    if isinstance(first, list):
        return len(first) == 3 and all(isinstance(number, int | float) for number in first)
    number = r"-?\d+(\.\d+)?"
    return isinstance(first, str) and bool(
        re.fullmatch(rf"[\[(]?\s*{number}[\s,]+{number}[\s,]+{number}\s*[\])]?", first)
    )


def stated_scale(columns: Sequence[str], table: pa.Table, attributes: Mapping[str, Any]) -> Scale | None:
    """What the names of the columns of positions, columns beside them, or the attributes of the table say of units and voxel
    size; None: nothing.

    The units are 'um' for micrometres, which no source has. CAVE's resolution of 1 nm says nothing: some of its tables have voxels
    and that resolution.
    """
    scale = _stated(columns, table, attributes)
    return None if scale and is_of_cave(columns) and (scale.units, scale.voxel_size_nm) == ("nm", (1, 1, 1)) else scale


def _stated(columns: Sequence[str], table: pa.Table, attributes: Mapping[str, Any]) -> Scale | None:
    resolution = attributes.get("dataframe_resolution")
    if isinstance(resolution, list) and len(resolution) == 3:
        return _of_voxels(resolution, "the file's dataframe_resolution")
    words = {word for name in columns for word in _words(name)}
    # x_4nm may count voxels of 4 nm.
    units = sorted({_UNITS[word] for word in words if word in _UNITS and not any(map(str.isdigit, words))})
    if len(units) == 1:
        return Scale(units[0], "xyz", f"the name of {columns[0]} says so", True)
    for name in table.column_names:
        if _words(name) in (["unit"], ["units"]) and name not in columns:
            stated_units = {_UNITS.get(str(value).strip().lower()) for value in table.column(name).unique().to_pylist()}
            if len(stated_units) == 1 and None not in stated_units:
                return Scale(str(stated_units.pop()), "xyz", f"column {name} says so", True)
    for size in [triple for triple in _triples(table.column_names) if _is_size(triple[0])]:
        values = [table.column(name).unique().to_pylist() for name in size]
        if is_voxel_size(size[0]) and all(len(distinct) == 1 for distinct in values):
            return _of_voxels([distinct[0] for distinct in values], f"column {size[0]}")
    for name in table.column_names:
        if is_voxel_size(name) and _holds_positions(table.column(name)):
            rows = {str(value) for value in table.column(name).to_pylist()}
            if len(rows) == 1:
                return _of_voxels(re.findall(r"[0-9.]+", rows.pop()), f"column {name}")
    return None


def is_voxel_size(name: str) -> bool:
    """Whether a column is called as one that holds the size of a voxel."""
    words = _words(name)
    return "resolution" in words or ("voxel" in words and "size" in words)


def _of_voxels(size: Sequence[Any], where: str) -> Scale | None:
    try:
        x, y, z = (float(value) for value in size)
    except (TypeError, ValueError):
        return None
    if not min(x, y, z) > 0:
        return None
    if x == y == z == 1:
        return Scale("nm", "xyz", f"{where} says voxels of 1 nm", True, (x, y, z))
    return Scale("voxel", "xyz", f"{where} says voxels of {x:g} x {y:g} x {z:g} nm", True, (x, y, z))


def is_of_cave(columns: Sequence[str]) -> bool:
    """Whether these are positions as CAVE names them: pre_pt_position, ctr_pt_position_x."""
    return any("".join(_words(name)).removesuffix("x").endswith("ptposition") for name in columns)


def is_of_neuprint(names: Sequence[str]) -> bool:
    """Whether a table has the ids of neuPrint, bodyId."""
    return any(side_and_stem(name)[1] == "bodyid" for name in names)


def scale_of(values: np.ndarray, order: str | None = None) -> Scale:
    """Units and axis order of positions (n, 3), finite, in the order of the file, which may be known."""
    highest = values.max(axis=0)
    by_40 = [bool(np.all(values[:, axis] % 40 == 0)) and highest[axis] > 0 for axis in range(3)]
    flat_first = highest[0] * 10 < highest[2] and highest[0] <= _FAFB_VOXELS[2]
    order = order or ("zyx" if not by_40[2] and (by_40[0] or flat_first) else "xyz")
    xyz, z_by_40 = (highest, by_40[2]) if order == "xyz" else (highest[::-1], by_40[0])
    in_voxels, in_nm = bool(np.all(xyz <= _FAFB_VOXELS)), bool(np.all(xyz <= _FAFB_VOXELS * _FAFB_VOXEL_NM))
    if z_by_40 and not in_voxels:
        where = "inside FAFB's extent in nm, beyond it in voxels" if in_nm else "beyond the extent of FAFB"
        return Scale("nm", order, f"every z is a multiple of 40 nm, the thickness of a section; {where}", True)
    if z_by_40 and len(np.unique(values[:, 2 if order == "xyz" else 0])) >= _FEWEST_SECTIONS:
        return Scale("nm", order, "every z is a multiple of 40 nm, the thickness of a section", True)
    if not np.all(values == np.floor(values)):
        depth = np.ptp(values[:, 2 if order == "xyz" else 0])
        if in_voxels and depth < _THINNEST_STACK_NM:
            return Scale("voxel", order, f"fractions, but z spans {depth:.0f}: a section or two, were it nm", False)
        return Scale("nm", order, "not whole numbers", False)
    steps = np.gcd.reduce(np.abs(values).astype(np.int64), axis=0)
    if order == "zyx":
        steps = steps[::-1]
    if in_voxels and len(np.unique(values, axis=0)) >= _FEWEST_SECTIONS and (min(steps[:2]) > 1 or steps[2] >= 10):
        step_size = " x ".join(map(str, steps))
        return Scale("nm", order, f"whole numbers in steps of {step_size}, as of voxels of that size in nm", False)
    if in_voxels and xyz[2] * 4 < max(xyz[0], xyz[1]):
        extent = " x ".join(f"{size:,}" for size in _FAFB_VOXELS)
        return Scale(
            "voxel", order, f"whole numbers that would fit FAFB's {extent} voxels, and fewer sections than pixels", True
        )
    reason = f"whole numbers up to {xyz.max():,.0f}"
    if xyz.max() <= _LARGEST_8_NM:
        return Scale("voxel", order, f"{reason}, as of voxels of 8 x 8 x 8 nm", False)
    return Scale("nm", order, f"{reason}, more than voxels of a brain", False)
