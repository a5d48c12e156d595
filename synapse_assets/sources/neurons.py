"""Tables of neurons: what is known of each neuron, by its id.

Predictions are not read: a class here is one that is known from elsewhere. The tables are small beside those of synapses
(139,255 neurons in FlyWire's snapshot 783) and read whole.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import NeuronTable, SynisterNeurons
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURONS
from synapse_assets.sources.checks import NoRows, existing_file
from synapse_assets.sources.files import open_table
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames, only_class
from synapse_assets.sources.values import Place, figures, identifiers, is_one_of, whole_numbers

# What tables write where no hemilineage is known: the names of Synister's file, and the catch-all of FlyWire's annotations for
# presumed primary neurons, born in the embryo, which share no hemilineage.
_NO_HEMILINEAGE = re.compile(
    r"|NA\d*|NAN|NULL|NONE|NEW\d*|NEW2_POSTERIOR|UNKNOWN\d*|(PUTATIVE_)?PRIMARY", re.IGNORECASE
)
_SIDES = {
    **dict.fromkeys(("left", "l", "lhs"), "left"),
    **dict.fromkeys(("right", "r", "rhs"), "right"),
    **dict.fromkeys(("center", "centre", "c", "central", "middle", "midline", "m"), "center"),
}
_NO_SIDE = frozenset({"", "na", "n/a", "nan", "none", "null", "unknown"})
# The files of a whole export are a few MiB.
_LARGEST_JSON = 512 << 20
# A table may have one row a synapse: so many rows at a time are reduced to one a neuron.
_JOINED_ROWS = 1_000_000
_FACTS = ("known_classes", "hemilineage", "cell_type", "side")


def read_table(source: NeuronTable, classes: ClassNames, tally: Tally) -> pa.Table:
    """`schema.NEURONS` from one file of neurons, one row a neuron.

    Rows that repeat a neuron with the same facts are counted in `tally` as left out. Raises BadInput naming
    file, column and row, or the neuron whose rows contradict each other.
    """
    file = open_table(source.path, source.header, source.table)
    uses = {use: column for use, column in source.columns.model_dump().items() if column is not None}
    filters = {f"known_class_from {column}": column for column in source.known_class_from}
    file.require({**uses, **filters})
    return from_batches(file.batches([*uses.values(), *filters.values()]), source, classes, tally)


def from_batches(batches: Iterable[pa.RecordBatch], source: NeuronTable, classes: ClassNames, tally: Tally) -> pa.Table:
    """As `read_table`, of rows that are already read."""
    uses = {use: column for use, column in source.columns.model_dump().items() if column is not None}
    neurons = NEURONS.empty()
    tables: list[pa.Table] = []
    first_row = 1
    for batch in batches:
        tables.append(_convert(batch, first_row, uses, source, classes))
        first_row += batch.num_rows
        if sum(table.num_rows for table in tables) > _JOINED_ROWS:
            neurons = _with_tables(neurons, tables, source.path, tally)
            tables = []
    if first_row == 1:
        raise NoRows(f"{source.path} holds no neurons")
    return _with_tables(neurons, tables, source.path, tally) if tables else neurons


def _with_tables(neurons: pa.Table, tables: list[pa.Table], path: str, tally: Tally) -> pa.Table:
    return one_row_each(pa.concat_tables([neurons, _neurons(pa.concat_tables(tables), path)]).combine_chunks(), tally)


def read_synister(source: SynisterNeurons, classes: ClassNames, tally: Tally) -> pa.Table:
    """`schema.NEURONS` of the skeletons of a Synister version 3 export; see `read_table`.

    A hemilineage whose name says that it is not known is empty. Raises BadInput for a key that is no id, and for a skeleton
    whose hemilineage the other file does not have.
    """
    names = {
        _id(key, source.hemi_lineages): _hemilineage(fields.get("hemi_lineage_name"))
        for key, fields in _objects(source.hemi_lineages).items()
    }
    rows: dict[str, list[Any]] = {"neuron_id": [], "known_classes": [], "hemilineage": []}
    for key, fields in _objects(source.path).items():
        hemilineage = fields.get("hemi_lineage_id")
        number = (
            None if hemilineage is None else _id(str(hemilineage), f"{source.path}, skeleton {key}, hemi_lineage_id")
        )
        if number is not None and number not in names:
            raise BadInput(
                f"{source.path}, skeleton {key}: hemi_lineage_id {number} is not in {source.hemi_lineages}; do both files come from "
                "the same export?"
            )
        known = fields.get("nt_known") or []
        rows["neuron_id"].append(_id(key, source.path))
        rows["known_classes"].append(known if isinstance(known, str) else ";".join(map(str, known)))
        rows["hemilineage"].append(None if number is None else names[number])
    if not rows["neuron_id"]:
        raise BadInput(f"{source.path} holds no skeletons")
    table = {
        "neuron_id": pa.array(rows["neuron_id"], pa.int64()),
        "known_classes": classes.known(pa.array(rows["known_classes"], pa.string()), {}),
        "hemilineage": pa.array(rows["hemilineage"], pa.string()),
    }
    return one_row_each(_neurons(pa.table(table), source.path), tally)


def join_neurons(tables: list[pa.Table]) -> pa.Table:
    """All neurons of these tables (`schema.NEURONS`) by id, one row each; where two tables give the same fact the first counts.

    `source_file` names every table that has the neuron. Raises BadInput if rows of one table contradict each other.
    """
    if not tables:
        return NEURONS.empty()
    unique = [one_row_each(NEURONS.conform(table), Tally()) for table in tables]
    joined = _first_facts(pa.concat_tables(unique))
    return NEURONS.conform(joined.sort_by("neuron_id"))


def hemilineages(values: pa.Array) -> pa.Array:
    """Names of hemilineages (string), trimmed; null where they say that it is not known."""
    return _each(values, _hemilineage)


def _hemilineage(name: str | None) -> str | None:
    name = (name or "").strip()
    return None if _NO_HEMILINEAGE.fullmatch(name.replace(" ", "_")) else name


def _convert(
    batch: pa.RecordBatch, first_row: int, uses: Mapping[str, str], source: NeuronTable, names: ClassNames
) -> pa.Table:
    rows = range(first_row, first_row + batch.num_rows)

    def column(name: str, known_names: Collection[str] = ()) -> pa.Array:
        return figures(batch.column(name), Place(source.path, name, rows), known_names)

    id_column = source.columns.neuron_id
    place = Place(source.path, id_column, rows)
    columns = {"neuron_id": identifiers(batch.column(id_column), place, source.neuron_id_offset)}
    if columns["neuron_id"].null_count:
        at = pc.index(pc.is_null(columns["neuron_id"]), True).as_py()
        value = whole_numbers(batch.column(id_column), place)[at].as_py()
        problem = "empty" if value is None else f"{value}, and ids begin at 1"
        raise BadInput(f"{place.at(at)}: the id of the neuron is {problem}; every row of a table of neurons needs one")
    if "known_classes" in uses:
        classes = column(uses["known_classes"], source.class_names)
        for name, accepted in source.known_class_from.items():
            passed = is_one_of(column(name, accepted), Place(source.path, name, rows), accepted)
            classes = pc.if_else(passed, classes, pa.scalar(None, pa.string()))
        columns["known_classes"] = names.known(classes, source.class_names)
    if "hemilineage" in uses:
        columns["hemilineage"] = hemilineages(column(uses["hemilineage"]))
    if "cell_type" in uses:
        columns["cell_type"] = _each(column(uses["cell_type"]), lambda name: name.strip() or None)
    if "side" in uses:
        side = Place(source.path, uses["side"], rows)
        columns["side"] = _sides(column(uses["side"]), side)
    return pa.table(columns)


def _sides(values: pa.Array, place: Place) -> pa.Array:
    """left, right or center; null for other words, such as 'bilateral'. Raises BadInput where there are only other words."""
    sides = _each(values, lambda name: _SIDES.get(name.strip().casefold()))
    words = [
        name for name in pc.unique(values).to_pylist() if name is not None and name.strip().casefold() not in _NO_SIDE
    ]
    if words and sides.null_count == len(sides):
        raise BadInput(
            f"{place.at(pc.index(values, words[0]).as_py())}: {words[0]!r} is no side, nor is any other value of the column: name "
            "the column that says left, right or center, or leave 'side' out of 'columns'"
        )
    return sides


def _each(values: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """`change` of each text; it is called once for every distinct text."""
    encoded = values.dictionary_encode()
    return pa.array([change(name) for name in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _neurons(columns: pa.Table, path: str) -> pa.Table:
    """`schema.NEURONS` of the columns that there are; the target is the class where exactly one is known."""
    count = columns.num_rows
    complete: dict[str, Any] = {
        column.name: columns.column(column.name).combine_chunks()
        if column.name in columns.column_names
        else pa.nulls(count, column.type)
        for column in NEURONS.columns
    }
    if "known_classes" not in columns.column_names:
        complete["known_classes"] = pa.array([[]], NEURONS.arrow.field("known_classes").type).take(
            pa.repeat(pa.scalar(0), count)
        )
    complete["target"] = only_class(complete["known_classes"])
    complete["source_file"] = pa.repeat(pa.scalar(Path(path).name, pa.string()), count)
    return NEURONS.conform(pa.table(complete))


def one_row_each(table: pa.Table, tally: Tally) -> pa.Table:
    """The table (`schema.NEURONS`) with one row a neuron; repetitions are counted in `tally`.

    Raises BadInput if two rows of a neuron contradict each other.
    """
    if pc.count_distinct(table.column("neuron_id")).as_py() == table.num_rows:
        return table
    facts = _flat(table)
    distinct_counts = facts.group_by("neuron_id").aggregate([(name, "count_distinct") for name in _FACTS])
    for name in _FACTS:
        several = distinct_counts.filter(pc.greater(distinct_counts.column(f"{name}_count_distinct"), 1))
        if several.num_rows:
            neuron = several.column("neuron_id")[0].as_py()
            entries = facts.filter(pc.equal(facts.column("neuron_id"), neuron)).column(name).drop_null()
            values = [value.replace(_JOINT, ", ") for value in pc.unique(entries).to_pylist()]
            raise BadInput(
                f"{table.column('source_file')[0].as_py()}: rows of neuron {neuron} tell different things of its {name}: {values}; "
                "keep one of them"
            )
    joined = _first_facts(table)
    tally.left_out["repeats a neuron"] += table.num_rows - joined.num_rows
    return joined


# Between classes that stand in one text while tables are joined; no text has it.
_JOINT = "\x1f"


def _flat(table: pa.Table) -> pa.Table:
    """The table with its classes as one text each, null where none is known."""
    index = table.column_names.index("known_classes")
    joint = pc.binary_join(table.column("known_classes"), _JOINT)
    return table.set_column(
        index, "known_classes", pc.if_else(pc.equal(joint, ""), pa.scalar(None, pa.string()), joint)
    )


def _first_facts(table: pa.Table) -> pa.Table:
    """One row a neuron, in order of first occurrence: the first non-null value of every fact, and all source files."""
    flat = _flat(table)
    aggregates = [*((name, "first") for name in _FACTS), ("source_file", "distinct")]
    grouped = flat.group_by("neuron_id", use_threads=False).aggregate(aggregates)
    classes = pc.split_pattern(pc.fill_null(grouped.column("known_classes_first"), ""), _JOINT).combine_chunks()
    known = pc.is_valid(grouped.column("known_classes_first")).combine_chunks()
    classes = pc.if_else(known, classes, pa.scalar([], classes.type))
    columns = {name: grouped.column(f"{name}_first") for name in _FACTS if name != "known_classes"}
    return NEURONS.conform(
        pa.table(
            {
                "neuron_id": grouped.column("neuron_id"),
                "known_classes": classes,
                "target": only_class(classes),
                **columns,
                "source_file": pc.binary_join(grouped.column("source_file_distinct"), ", "),
            }
        )
    )


def _id(key: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", key) or int(key) >= 2**63:
        raise BadInput(f"{where}: '{key}' is no id; ids are whole numbers of 64 bits, kept to the last digit")
    return int(key)


def _objects(path: str) -> dict[str, dict[str, Any]]:
    """The objects of a JSON file by their key. Raises BadInput for another shape, or a key that comes twice."""
    file = existing_file(path)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            keys = [key for key, _ in pairs]
            raise BadInput(
                f"{file}: the key '{next(k for k in mapping if keys.count(k) > 1)}' comes more than once; keep one"
            )
        return mapping

    if file.stat().st_size > _LARGEST_JSON:
        raise BadInput(f"{file} is larger than {_LARGEST_JSON >> 20} MiB: is it the file of the skeletons?")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except BadInput:
        raise
    except RecursionError as error:
        raise BadInput(f"{file} nests too deep: it is no export of Synister") from error
    except ValueError as error:
        raise BadInput(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{file} should be one JSON object keyed by id")
    wrong = next((key for key, fields in content.items() if not isinstance(fields, dict)), None)
    if wrong is not None:
        raise BadInput(f"{file}: '{wrong}' should hold an object with fields, not {content[wrong]!r}")
    return content
