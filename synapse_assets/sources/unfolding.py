"""How much a file may unfold to while it is read: few bytes can stand for billions of rows.

What is kept of a synapse, its position and its ids, takes some bytes however it is packed. So no table of synapses or neurons
has more rows than its file has bytes, or is a hundred times as large; real ones are 2 to 10 times as large.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.errors import BadInput

_GZIP = b"\x1f\x8b"
MOST_TIMES = 100
# Whatever a file unfolds to is accepted up to here.
ALWAYS_TAKEN = 256 << 20
ROWS_ALWAYS_TAKEN = 10_000_000
_GUNZIP = "unpack it (gunzip), and name the file that comes out"
_AS_CSV = "write it as CSV that is not compressed, and name that"
# Of a column in Parquet, the least that a value takes once it is read.
_PARQUET_BYTES = {"INT64": 8, "DOUBLE": 8, "INT96": 12, "INT32": 4, "FLOAT": 4, "BYTE_ARRAY": 4}
# See Message.fbs of Apache Arrow: kinds of messages, and the place of a field in each of its tables.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_HEADER_TYPE, _HEADER, _DATA, _BUFFERS, _COMPRESSION = 1, 2, 1, 2, 3


def is_gzip(file: Path) -> bool:
    """Whether a file is compressed with gzip, by its first bytes: browsers unpack files and leave the suffix."""
    with file.open("rb") as stream:
        return stream.read(2) == _GZIP


class Unfolding:
    """What one file has unfolded to so far."""

    def __init__(self, file: Path) -> None:
        self._file, self._size = file, file.stat().st_size
        self._bytes = self._rows = 0

    def add(self, size: int, rows: int = 0) -> None:
        """Counts bytes and rows that came out of the file, or are about to. Raises BadInput where no table can hold as many."""
        self._bytes += size
        self._rows += rows
        if self._bytes > max(ALWAYS_TAKEN, MOST_TIMES * self._size):
            self._refuse(_size_text(self._bytes), f"is {MOST_TIMES} times as large as its file")
        if self._rows > max(ROWS_ALWAYS_TAKEN, self._size):
            self._refuse(f"{self._rows:,} rows", "has more rows than its file has bytes")

    def _refuse(self, what: str, rule: str) -> None:
        raise BadInput(
            f"{self._file} unfolds to {what} or more, from {_size_text(self._size)}: no table of synapses or neurons {rule}, so it repeats "
            f"itself or was made to fill the disk. If every row of it is meant, {_GUNZIP if is_gzip(self._file) else _AS_CSV}"
        )

    def plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows without dictionaries, counted by what they take in memory. Raises BadInput like `add`, before they take it."""
        self.add(sum(map(_plain_bytes, batch.columns)), batch.num_rows)
        columns = [
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)

    def add_parquet(self, metadata: pq.FileMetaData, columns: Sequence[str]) -> None:
        """Counts these columns of a Parquet file by what the file says of them. Raises BadInput like `add`."""
        self.add(
            sum(
                max(chunk.total_uncompressed_size, chunk.num_values * _PARQUET_BYTES.get(chunk.physical_type, 0))
                for chunk in _chunks(metadata, columns)
            ),
            metadata.num_rows,
        )

    def add_feather(self, mapped: pa.MemoryMappedFile) -> None:
        """Counts the batches of a Feather file by what the file says of them. Raises BadInput like `add`."""
        mapped.seek(8)  # behind ARROW1, padded
        self.add(sum(map(_unpacked_bytes, pa.ipc.MessageReader.open_stream(mapped))))


def dictionary_columns(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[str]:
    """The columns of text that a Parquet file holds as a dictionary and numbers: read so, a text that repeats is held once."""
    # Otherwise the length of each value alone takes four bytes.
    return sorted(
        {
            chunk.path_in_schema
            for chunk in _chunks(metadata, columns)
            if chunk.physical_type == "BYTE_ARRAY" and chunk.total_uncompressed_size < 4 * chunk.num_values
        }
    )


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str]) -> Iterator[pq.ColumnChunkMetaData]:
    """What each part of the file says of these columns, and of what is nested in them."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            path = chunk.path_in_schema
            if path in columns or path.startswith(tuple(f"{column}." for column in columns)):
                yield chunk


class UnfoldedText(io.RawIOBase):
    """A stream of text as it comes out of gzip, which is refused where it is more than a table can hold."""

    def __init__(self, stream: Any, file: Path) -> None:
        self._stream, self._unfolding = stream, Unfolding(file)

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises BadInput like `Unfolding.add`."""
        count = int(self._stream.readinto(buffer))
        self._unfolding.add(count)
        return count

    def close(self) -> None:
        """Closes the file as well."""
        self._stream.close()
        super().close()


def _plain_bytes(values: pa.Array) -> int:
    """Bytes of a column once its dictionary is resolved."""
    if not pa.types.is_dictionary(values.type):
        return int(values.nbytes)
    width = _lengths(values.dictionary)
    return int(pc.sum(width.take(values.indices)).as_py() or 0)


def _lengths(values: pa.Array) -> pa.Array:
    try:
        return pc.binary_length(values).cast(pa.int64())
    except pa.ArrowNotImplementedError:
        return pa.repeat(pa.scalar(8, pa.int64()), len(values))


def _unpacked_bytes(message: pa.ipc.Message) -> int:
    """Bytes of the buffers of a message of Arrow's file format once they are unpacked; 0 where none is compressed."""
    metadata = message.metadata.to_pybytes()
    root = struct.unpack_from("<I", metadata)[0]
    kind = _field(metadata, root, _HEADER_TYPE)
    header = _table(metadata, root, _HEADER)
    if kind is not None and metadata[kind] == _DICTIONARY_BATCH and header is not None:
        header = _table(metadata, header, _DATA)
    elif kind is None or metadata[kind] != _RECORD_BATCH:
        return 0
    if header is None or _field(metadata, header, _COMPRESSION) is None:
        return 0
    buffers = _table(metadata, header, _BUFFERS)
    if buffers is None:
        return 0
    total = 0
    for number in range(struct.unpack_from("<I", metadata, buffers)[0]):
        start, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * number)
        if length:
            # The unpacked length stands before the bytes, or -1 where they are as they are.
            unpacked = struct.unpack("<q", message.body.slice(start, 8).to_pybytes())[0]
            total += length if unpacked < 0 else unpacked
    return total


def _field(content: bytes, table: int, number: int) -> int | None:
    """Where the field of a table lies in a flatbuffer; None where it is not there."""
    vtable = table - int(struct.unpack_from("<i", content, table)[0])
    if 4 + 2 * number >= struct.unpack_from("<H", content, vtable)[0]:
        return None
    offset: int = struct.unpack_from("<H", content, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None


def _table(content: bytes, table: int, number: int) -> int | None:
    """Where the table or vector lies that a field of a table points to; None where it is not there."""
    at = _field(content, table, number)
    return None if at is None else at + int(struct.unpack_from("<I", content, at)[0])


def _size_text(size: Any) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"
