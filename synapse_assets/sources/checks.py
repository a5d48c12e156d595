"""What every reader checks and names alike: is the file there and real data, are coordinates numbers, what is a region called."""

import re
from collections.abc import Mapping
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
    """A region name that is safe as a partition key, folder and SQL text: letters, digits and underscores; case is kept.

    'ME(R)' becomes 'ME_R'.
    """
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:LONGEST_REGION_NAME]
    return safe or "UNNAMED"


class RegionNames:
    """Partition keys for the region names of a dataset's sources: renamed as the dataset says, then made safe.

    missing: the key where a source names no region. renamed: source name to key, for names that would otherwise become
    the same key, or that should.
    """

    def __init__(self, missing: str, renamed: Mapping[str, str] | None = None) -> None:
        self._missing = missing
        self._renamed = dict(renamed or {})
        self._name_of: dict[str, str] = {}

    def keys(self, names: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The key of each name (string; null and blank are the missing region).

        Raises BadInput if two names would become one key without the dataset saying so.
        """
        trimmed = pc.fill_null(pc.utf8_trim_whitespace(names.cast(pa.string())), "")
        if isinstance(trimmed, pa.ChunkedArray):
            trimmed = trimmed.combine_chunks()
        encoded = trimmed.dictionary_encode()
        keys = [self._key(name) for name in encoded.dictionary.to_pylist()]
        return pa.array(keys, pa.string()).take(encoded.indices)

    def _key(self, name: str) -> str:
        if not name:
            return self._missing
        if name in self._renamed:
            return safe_region_name(self._renamed[name])
        key = safe_region_name(name)
        if self._name_of.setdefault(key, name) != name:
            raise BadInput(
                f"the regions '{self._name_of[key]}' and '{name}' would both become '{key}': give one of them another key, or both "
                f"the same, in region_names of the dataset's YAML, for instance region_names: {{'{name}': {key}}}"
            )
        return key


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
