"""What every reader checks and names alike: is the file there and real data, are coordinates numbers, what is a region called."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.schema import SYNAPSES, BadInput

LONGEST_REGION_NAME = 80
_LFS_POINTER = b"version https://git-lfs"


def existing_file(path: str) -> Path:
    """`path` as a local file with content. Raises BadInput if it is absent, empty, or a git-LFS pointer."""
    file = Path(path.removeprefix("file://")).expanduser()
    if not file.is_file():
        raise BadInput(f"no file {path}: check the path in the dataset's YAML")
    with file.open("rb") as stream:
        start = stream.read(len(_LFS_POINTER))
    if not start:
        raise BadInput(f"{path} is empty (0 bytes): fetch it again")
    if start == _LFS_POINTER:
        raise BadInput(f"{path} is a git-LFS pointer, not the data: run 'git lfs pull' where it came from")
    return file


def safe_region_name(name: str) -> str:
    """A region name that is safe as a partition key, folder and SQL text: letters, digits and underscores.

    'ME(R)' becomes 'ME_R'. Names that differ only in other characters become one region; case is kept.
    """
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:LONGEST_REGION_NAME]
    return safe or "UNNAMED"


def safe_regions(names: pa.Array | pa.ChunkedArray, missing_region: str) -> pa.Array:
    """Region names (string, nulls and blanks allowed) as safe partition keys, `missing_region` where there is none."""
    encoded = pc.fill_null(pc.utf8_trim_whitespace(names.cast(pa.string())), "")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    encoded = encoded.dictionary_encode()
    renamed = pa.array(
        [safe_region_name(name or missing_region) for name in encoded.dictionary.to_pylist()], pa.string()
    )
    return renamed.take(encoded.indices)


def checked_synapses(columns: dict[str, pa.Array | pa.ChunkedArray], file: str, first_row: int) -> pa.Table:
    """The columns as a table of `schema.SYNAPSES`; absent nullable columns become empty.

    Raises BadInput naming the first row (numbered from 1, header not counted) with an empty id or a coordinate that is no
    number.
    """
    rows = len(columns["synapse_id"])
    complete = {c.name: columns.get(c.name, pa.nulls(rows, c.type)) for c in SYNAPSES.columns}
    complete["source_file"] = pa.array([Path(file).name] * rows, pa.string())
    for axis in ("x_nm", "y_nm", "z_nm"):
        wrong = pc.invert(pc.fill_null(pc.is_finite(complete[axis]), False))
        at = pc.index(wrong, True).as_py()
        if at >= 0:
            raise BadInput(
                f"{file}, row {first_row + at}: {axis[0]} is no number (synapse {complete['synapse_id'][at].as_py()}); "
                "every synapse needs finite coordinates"
            )
    at = pc.index(pc.is_null(complete["synapse_id"]), True).as_py()
    if at >= 0:
        raise BadInput(f"{file}, row {first_row + at}: the synapse id is empty")
    return SYNAPSES.conform(pa.table(complete))
