"""Synapses of Synister exports, streamed: version 3, one JSON object keyed by id, and the consolidated list of version 4.

Both hold positions in nanometres. A region is a name, a list of names or null, of which the first counts. What is known of
the neurons of version 3 lies in files of its own (`neurons.read_synister`); version 4 repeats it with every synapse.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import SynisterSource
from synapse_assets.errors import BadInput
from synapse_assets.sources.checks import NoRows, checked_synapses, existing_file
from synapse_assets.sources.content import START_BYTES, refuse_json_lines
from synapse_assets.sources.files import JsonText, json_items
from synapse_assets.sources.neurons import hemilineages
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames, only_class
from synapse_assets.sources.values import Place, figures

# Larger batches are slower: Python's collector then walks over all of their objects.
BATCH_ROWS = 16_384
_REGION_FIELD = {"synister_v3": "brain_region", "synister_v4": "region"}
# Version 4 names the neuron by its skeleton in CATMAID, its root in FlyWire, or its body in the hemibrain and MANC.
_NEURON_FIELDS = {"synister_v3": ("skeleton_id",), "synister_v4": ("skid", "flywire_id", "body_id")}
_SHAPE = {"synister_v3": (b"{", "an object keyed by id"), "synister_v4": (b"[", "a list of synapses")}
_EMPTY = frozenset({"", "NA", "unknown"})
# Kenyon cells are marked in the tables that version 4 is made of; their transmitter is the common one.
_CLASS_NAMES = {"kc_acetylcholine": "acetylcholine"}


def read(source: SynisterSource, regions: RegionNames, classes: ClassNames, tally: Tally) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSE_TABLE` in nm, in file order; nothing is left out, so `tally` stays as it is.

    Version 4 gives class and hemilineage too; a synapse without a connector gets an id made of its position and neuron, like
    those of tables without ids, numbered where several share it. Raises BadInput naming the file and the synapse.
    """
    file = existing_file(source.path)
    _check_shape(file, source.format)
    made_ids: Counter[str] = Counter()
    first_row = 1
    with file.open("rb") as stream:
        try:
            items = json_items(JsonText(stream, file), keyed=source.format == "synister_v3")
            while rows := list(islice(items, BATCH_ROWS)):
                yield _Batch(rows, first_row, source).table(regions, classes, made_ids)
                first_row += len(rows)
        except ijson.JSONError as error:
            raise BadInput(
                f"{file} breaks off, or is not valid JSON, after synapse {first_row - 1:,}: {error}"
            ) from error
    if first_row == 1:
        raise NoRows(f"{file} holds no synapses")


def _check_shape(file: Path, version: str) -> None:
    with file.open("rb") as stream:
        content = stream.read(START_BYTES)
    refuse_json_lines(content, file)
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    for other, (bracket, shape) in _SHAPE.items():
        if start == bracket and other != version:
            raise BadInput(f"{file} is {shape}, as in format {other}; the dataset's YAML says {version}")


class _Batch:
    """Consecutive synapses of the file, with the key of each where the file has keys."""

    def __init__(self, rows: list[tuple[str | None, Any]], first_row: int, source: SynisterSource) -> None:
        self._keys = [key for key, _ in rows]
        self._fields: list[dict[str, Any]] = [fields for _, fields in rows]
        self._first_row, self._source = first_row, source
        neurons = _NEURON_FIELDS[source.format]
        for index, fields in enumerate(self._fields):
            if not isinstance(fields, dict):
                raise BadInput(f"{self._at(index)}: {fields!r} is no object with the fields of a synapse")
            if not ("x" in fields and "y" in fields and "z" in fields and any(name in fields for name in neurons)):
                missing = [name for name in ("x", "y", "z", neurons[0]) if name not in fields]
                raise BadInput(f"{self._at(index)}: field {missing} is missing; there are {sorted(fields)}")

    def table(self, regions: RegionNames, classes: ClassNames, made_ids: Counter[str]) -> pa.Table:
        """The synapses as `schema.SYNAPSE_TABLE`. Raises BadInput naming the synapse and the field."""
        source, version = self._source, self._source.format
        region_names = pa.array([_first(region) for region in self._column(_REGION_FIELD[version])], pa.string())
        columns: dict[str, pa.Array | pa.ChunkedArray] = {
            "brain_region": regions.keys(pc.coalesce(region_names, pa.scalar(source.brain_region, pa.string()))),
            "volume": pa.repeat(pa.scalar(source.volume, pa.string()), len(region_names)),
            "neuron_id": self._neurons(),
            **{f"{axis}_nm": self._numbers(axis) for axis in "xyz"},
        }
        ids = self._keys if version == "synister_v3" else self._connectors(columns, made_ids)
        columns["synapse_id"] = pa.array([f"{source.id_prefix}{str(key).strip()}" for key in ids], pa.string())
        if version == "synister_v4":
            columns["hemilineage"] = hemilineages(self._texts("hemilineage"))
            columns["known_classes"] = classes.known(self._texts("neurotransmitter"), _CLASS_NAMES)
            columns["target"] = only_class(columns["known_classes"])
        return checked_synapses(columns, source.name, source.path, self._first_row)

    def _neurons(self) -> pa.Array:
        first, *others = _NEURON_FIELDS[self._source.format]
        ids = self._column(first)
        for name in others:
            if None in ids:
                ids = [
                    fields.get(name) if value is None else value
                    for value, fields in zip(ids, self._fields, strict=True)
                ]
        return self._whole(ids, first)

    def _connectors(self, columns: dict[str, pa.Array | pa.ChunkedArray], made_ids: Counter[str]) -> list[str]:
        """The id of each connector, or one made of position (nm) and neuron where there is none."""
        connectors: list[int | None] = self._whole(self._column("connector_id"), "connector_id").to_pylist()
        if None not in connectors:
            return [str(connector) for connector in connectors]
        rows = range(self._first_row, self._first_row + len(connectors))
        parts = [figures(columns[f"{axis}_nm"], Place(self._source.path, axis, rows)) for axis in "xyz"]
        parts.append(columns["neuron_id"].cast(pa.string()))
        made = pc.binary_join_element_wise(*parts, "_", null_handling="replace", null_replacement="").to_pylist()
        ids = []
        for connector, name in zip(connectors, made, strict=True):
            if connector is None:
                made_ids[name] += 1
                ids.append(name if made_ids[name] == 1 else f"{name}_{made_ids[name]}")
            else:
                ids.append(str(connector))
        return ids

    def _column(self, field: str) -> list[Any]:
        return [fields.get(field) for fields in self._fields]

    def _numbers(self, field: str) -> pa.Array:
        values = self._column(field)
        self._check(values, field, (int, float), "a number")
        return pa.array(values, pa.float64())

    def _texts(self, field: str) -> pa.Array:
        values = self._column(field)
        self._check(values, field, (str,), "text")
        return pa.array([None if value in _EMPTY else value for value in values], pa.string())

    def _whole(self, values: list[Any], field: str) -> pa.Array:
        """Ids as int64; digits in text are accepted, floats are not."""
        if not set(map(type, values)) <= {int, type(None)}:
            values = [None if value in _EMPTY else value for value in values]
            values = [int(value) if type(value) is str and value.isdecimal() else value for value in values]
            self._check(values, field, (int,), "a whole number; ids are kept to the last digit")
        try:
            return pa.array(values, pa.int64())
        except OverflowError:
            at = next(index for index, value in enumerate(values) if value is not None and value >= 2**63)
            raise BadInput(f"{self._at(at)}: {field} {values[at]} does not fit 64 bits") from None

    def _check(self, values: list[Any], field: str, kinds: tuple[type, ...], expected: str) -> None:
        if not set(map(type, values)) <= {*kinds, type(None)}:
            at = next(index for index, value in enumerate(values) if value is not None and type(value) not in kinds)
            raise BadInput(f"{self._at(at)}: {field} {values[at]!r} is not {expected}")

    def _at(self, index: int) -> str:
        key = self._keys[index]
        row = self._first_row + index
        return f"{self._source.path}, row {row}" if key is None else f"{self._source.path}, synapse {key} (row {row})"


def _first(region: Any) -> str | None:
    """A synapse lies in one region: the first that is named."""
    if isinstance(region, list):
        region = region[0] if region else None
    return None if region is None or region in _EMPTY else str(region)
