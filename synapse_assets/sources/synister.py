"""Synister version 3 exports: three JSON objects of synapses, skeletons and hemilineages, keyed by their ids as text.

Fields as in funkelab/synister: positions are whole nanometres; a skeleton has no, one or several known transmitters; a region
is a name, a list of names or null. The synapse file is streamed; the other two are small and read whole.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import ijson
import pyarrow as pa

from synapse_assets.datasets import SynisterSource
from synapse_assets.schema import BadInput
from synapse_assets.sources.checks import RegionNames, checked_synapses, existing_file

BATCH_ROWS = 65_536
# Names that the hemilineage file uses for "not known".
_UNKNOWN_HEMILINEAGE = re.compile(r"(NA\d*|NONE|NEW\d*|NEW2_POSTERIOR|UNKNOWN\d*)", re.IGNORECASE)


def read(source: SynisterSource, regions: RegionNames) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSES`; the target is the neuron's transmitter where exactly one is known."""
    file = existing_file(source.synapses)
    neurons = _neurons(source)
    first_row = 1
    rows: list[tuple[str, dict[str, Any]]] = []
    with file.open("rb") as stream:
        try:
            for key, fields in ijson.kvitems(stream, "", use_float=True):
                rows.append((key, fields))
                if len(rows) == BATCH_ROWS:
                    yield _convert(rows, neurons, source, regions, first_row)
                    first_row += len(rows)
                    rows = []
        except ijson.JSONError as error:
            raise BadInput(f"{file} is not one JSON object of synapses: {error}") from error
    if rows:
        yield _convert(rows, neurons, source, regions, first_row)
    elif first_row == 1:
        raise BadInput(f"{file} holds no synapses")


def _load(path: str) -> dict[str, dict[str, Any]]:
    file = existing_file(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{file} should be one JSON object keyed by id")
    return content


def _neurons(source: SynisterSource) -> dict[int, tuple[list[str], str | None]]:
    """Known transmitters and hemilineage of every skeleton, by skeleton id."""
    names: dict[int, str | None] = {}
    for key, fields in _load(source.hemi_lineages).items():
        name = fields.get("hemi_lineage_name")
        names[int(key)] = None if name is None or _UNKNOWN_HEMILINEAGE.fullmatch(name) else name
    neurons: dict[int, tuple[list[str], str | None]] = {}
    for key, fields in _load(source.skeletons).items():
        hemilineage = fields.get("hemi_lineage_id")
        known = sorted(fields.get("nt_known") or [])
        neurons[int(key)] = (known, None if hemilineage is None else names.get(int(hemilineage)))
    return neurons


def _convert(
    rows: list[tuple[str, dict[str, Any]]],
    neurons: dict[int, tuple[list[str], str | None]],
    source: SynisterSource,
    regions: RegionNames,
    first_row: int,
) -> pa.Table:
    file = source.synapses
    for index, (key, fields) in enumerate(rows):
        missing = [name for name in ("x", "y", "z", "skeleton_id") if name not in fields]
        if missing:
            raise BadInput(
                f"{file}, synapse {key} (row {first_row + index}): field {missing} is missing; there are {sorted(fields)}"
            )
    skeletons = [fields["skeleton_id"] for _, fields in rows]
    ids = [_neuron_id(skeleton, key, file) for skeleton, (key, _) in zip(skeletons, rows, strict=True)]
    unknown: tuple[list[str], str | None] = ([], None)
    known = [neurons.get(neuron, unknown) if neuron is not None else unknown for neuron in ids]
    named = [_first(fields.get("brain_region")) for _, fields in rows]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "synapse_id": pa.array([source.id_prefix + key for key, _ in rows], pa.string()),
        "brain_region": regions.keys(pa.array(named, pa.string())),
        "volume": pa.array([source.volume] * len(rows), pa.string()),
        "neuron_id": pa.array(ids, pa.int64()),
        "hemilineage": pa.array([hemilineage for _, hemilineage in known], pa.string()),
        "target": pa.array([labels[0] if len(labels) == 1 else None for labels, _ in known], pa.string()),
        "known_classes": pa.array([labels for labels, _ in known], pa.list_(pa.string())),
    }
    for axis in "xyz":
        columns[f"{axis}_nm"] = _numbers([fields[axis] for _, fields in rows], file, axis, first_row, rows)
    return checked_synapses(columns, file, first_row)


def _neuron_id(skeleton: Any, synapse: str, file: str) -> int | None:
    if skeleton is None:
        return None
    if isinstance(skeleton, float) or not str(skeleton).isdigit():
        raise BadInput(
            f"{file}, synapse {synapse}: skeleton_id {skeleton!r} is not a whole number; ids are kept to the last digit"
        )
    return int(skeleton)


def _first(region: str | list[str] | None) -> str | None:
    """A synapse lies in one region: the first that is named."""
    if isinstance(region, list):
        return region[0] if region else None
    return region


def _numbers(
    values: list[Any], file: str, axis: str, first_row: int, rows: list[tuple[str, dict[str, Any]]]
) -> pa.Array:
    try:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    except (TypeError, ValueError):
        for index, value in enumerate(values):
            if not isinstance(value, int | float):
                raise BadInput(
                    f"{file}, synapse {rows[index][0]} (row {first_row + index}): {axis} is {value!r}, not a number"
                ) from None
        raise
