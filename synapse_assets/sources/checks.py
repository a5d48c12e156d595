"""What every reader checks and names alike: is the file there and real data, are coordinates numbers."""

import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_TABLE
from synapse_assets.sources.web import is_address, shown_address


class NoRows(BadInput):
    """A file that has no rows: wrong where it is the source, ordinary where it is one of several files.

    What to do: look at the file: it may be empty, still being written, or without the rows that the filters of its source keep.
    """


_LFS_POINTER = b"version https://git-lfs"


def existing_file(path: str) -> Path:
    """`path` as a local file with content. Raises BadInput if it is absent, empty, unreadable, or a git-LFS pointer."""
    file = Path(os.path.expanduser(path.removeprefix("file://")))
    if re.match(r"[a-z][a-z0-9+.-]*://", path, re.IGNORECASE) and not path.startswith("file://"):
        raise BadInput(_of_address(path))
    if os.path.isdir(file):
        raise BadInput(f"{path} is a folder: name the file in it ({_of_folder(file)})")
    if not os.path.isfile(file) and any(mark in path for mark in "*?["):
        raise BadInput(f"{path} names several files, or none: name one of them")
    if not os.path.isfile(file):
        raise BadInput(f"there is no file {path}: check the path")
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_LFS_POINTER))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}. Is there the right to read it?") from error
    if not start:
        raise BadInput(f"{path} is empty (0 bytes): fetch it again")
    if start == _LFS_POINTER:
        raise BadInput(f"{path} is a git-LFS pointer, not the data: run 'git lfs pull' where it came from")
    return file


def _of_address(path: str) -> str:
    """What to do with an address where a file is wanted."""
    if is_address(path):
        return (
            f"{shown_address(path)} is an address, and a file on this machine is wanted: download it and name the copy; the path of "
            "a source in a dataset's YAML may be the address itself"
        )
    return (
        f"{re.sub(r'[?#].*', '?...', path)} is an address that tables are not read from: download the file and name the copy; the "
        "address of a volume is written in volumes, as its url"
    )


def _of_folder(folder: Path) -> str:
    names = set(os.listdir(folder)) if os.access(folder, os.R_OK | os.X_OK) else set()
    of_kind = {
        "zarr": {".zarray", ".zgroup", ".zattrs", "zarr.json"},
        "n5": {"attributes.json"},
        "precomputed": {"info"},
    }
    kind = next((kind for kind, marks in of_kind.items() if marks & names), None)
    return "a folder of sections is a volume, kind: images" if kind is None else f"this one is a volume, kind: {kind}"


def checked_synapses(
    columns: dict[str, pa.Array | pa.ChunkedArray], name: str, file: str, rows: int | range | np.ndarray = 1
) -> pa.Table:
    """The columns as a table of `schema.SYNAPSE_TABLE`; absent nullable columns become empty.

    name: of the source. rows: the number of each row in the file, from 1, a header not counted; or that of the first, where
    none is left out. Raises BadInput naming the first row with an empty id or a coordinate that is no number.
    """
    count = len(columns["synapse_id"])
    numbers = range(rows, rows + count) if isinstance(rows, int) else rows
    complete = {
        c.name: columns[c.name] if c.name in columns else pa.nulls(count, c.type) for c in SYNAPSE_TABLE.columns
    }
    complete["source"] = pa.repeat(pa.scalar(name, pa.string()), count)
    complete["source_file"] = pa.repeat(pa.scalar(Path(file).name, pa.string()), count)
    for axis in ("x_nm", "y_nm", "z_nm"):
        right = pc.fill_null(pc.is_finite(complete[axis]), False)
        at = pc.index(right, False).as_py()
        if at >= 0:
            raise BadInput(
                f"{file}, row {int(numbers[at])}: {axis[0]} is no number (synapse {complete['synapse_id'][at].as_py()}); "
                "every synapse needs finite coordinates"
            )
    if complete["synapse_id"].null_count:
        at = pc.index(pc.is_null(complete["synapse_id"]), True).as_py()
        raise BadInput(
            f"{file}, row {int(numbers[at])}: the synapse id is empty; fill it in the file, or leave synapse_id out of 'columns', "
            "and ids are made from the position and the neurons"
        )
    return SYNAPSE_TABLE.conform(pa.table(complete))
