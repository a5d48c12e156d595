"""The cluster labels that a study has published of its workbooks, matched to the synapses that were read from these.

The table has the study's shape, one row a synapse and investigation group: a synapse stands there once under each group that it is
in, and is known by its neuron, type and number, as in the workbook. Rows are numbered as Excel shows them: the header is row 1.
Reading the workbooks belongs to `workbooks`, which synapses are in a group and how far clusters agree to `analysis`.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import LabelFile
from synapse_assets.errors import BadInput
from synapse_assets.schema import morphology
from synapse_assets.sources.checks import NoRows
from synapse_assets.sources.files import TableFile, kind_of, open_table
from synapse_assets.sources.listing import LARGEST_WORKBOOK, SourceFile, local_files, unchanged
from synapse_assets.sources.values import Place, figures, whole_numbers

COLUMNS = {
    "investigation_group": "clusterid",
    "neuron_id": "NeuronId",
    "synapse_type": "SynType",
    "number": "SynId",
    "label": "Cluster",
}
"""The columns that are read; the study's table has others beside them."""
_NOISE_IN_WORDS = "noise"
# In files that semicolons separate the comma may be the decimal sign: 3,0 is 3.
_WHOLE_WITH_COMMA = r"^(\s*[+-]?[0-9]+),(0+\s*)$"
_MOST_NAMED = 5


@dataclass(frozen=True)
class Unmatched:
    """What of published labels and of a dataset's synapses does not match; none of it is among the labels.

    other_groups: rows by the name of a group that the dataset does not have. not_in_workbooks: rows of a synapse that no
    workbook for the fit has; not_in_group: rows of a synapse that the dataset does not have in that group; the first few of
    both by name. repeated: rows that repeat another one, label included. without_label: by group of the dataset, its synapses
    that have no label; groups that lack none are left out. groups_without_label: those in which no synapse has one.
    """

    other_groups: Mapping[str, int]
    not_in_workbooks: int
    first_not_in_workbooks: tuple[str, ...]
    not_in_group: int
    first_not_in_group: tuple[str, ...]
    repeated: int
    without_label: Mapping[str, int]
    groups_without_label: tuple[str, ...]

    def notes(self) -> list[str]:
        """All of it, a sentence each; empty where everything matches."""
        parts = [
            (
                sum(self.other_groups.values()),
                f"of groups that the dataset does not have: {_counts(self.other_groups)}",
            ),
            (self.not_in_workbooks, f"of synapses that no workbook has: {_first(self.first_not_in_workbooks)}"),
            (self.not_in_group, f"of synapses that are not in that group here: {_first(self.first_not_in_group)}"),
            (self.repeated, "repeat another row, label included"),
        ]
        notes = [f"{rows:,} rows {what}" for rows, what in parts if rows]
        if self.without_label:
            notes.append(f"synapses without a published label, by group: {_counts(self.without_label)}")
        if self.groups_without_label:
            notes.append(f"no published label in the groups {', '.join(self.groups_without_label)}")
        return notes


def read_published_labels(
    source: LabelFile, synapses: pa.Table, groups: Mapping[str, Collection[str]], raw: Path
) -> tuple[pa.Table, Unmatched]:
    """The published labels as `schema.morphology.PUBLISHED_LABELS`, by group and id, and what does not match.

    synapses: `schema.morphology.SYNAPSES`; those of workbooks for the fit can have a label. groups: the ids of those synapses in
    each investigation group of the dataset. raw: the dataset's local folder, which a file at an address is fetched into.
    A label is text: 3, 3.0 and ' 3 ' are '3'; -1 and noise, in capitals or not, are '-1'. A row that repeats another counts once.
    Rows that are empty in all columns read are passed over. The file is read batch by batch; only labels that match are held.

    Raises BadInput where there is no such file, it cannot be read or lacks a column, a cell that is read is empty or SynId is no
    whole number, two rows give a synapse of one group different labels, a row may be of two workbooks, or no row matches at all.
    """
    (file,) = local_files(source, raw)
    matching = _Matching(file.shown, _ids_by_key(synapses), {name: frozenset(ids) for name, ids in groups.items()})
    with unchanged(file):
        for row, cells in _rows(file):
            matching.add(row, *cells)
    if not matching.labels:
        matching.refuse()
    return matching.table(), matching.unmatched()


def _ids_by_key(synapses: pa.Table) -> dict[str, list[str]]:
    """The ids of the synapses of workbooks for the fit by neuron/type/number, which several workbooks may share."""
    fitted = synapses.filter(pc.equal(synapses.column("used_for"), "fit"))
    names = ("neuron_id", "synapse_type", "number", "synapse_id")
    ids: dict[str, list[str]] = {}
    for neuron, kind, number, synapse in zip(*(fitted.column(name).to_pylist() for name in names), strict=True):
        ids.setdefault(f"{neuron}/{kind}/{number}", []).append(synapse)
    return ids


@dataclass
class _Matching:
    """The rows of a file so far, against the synapses by key and the ids in each group. labels: with its row, by group and id."""

    file: str
    ids_by_key: Mapping[str, Sequence[str]]
    groups: Mapping[str, frozenset[str]]
    labels: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    other_groups: Counter[str] = field(default_factory=Counter)
    not_in_workbooks: int = 0
    not_in_group: int = 0
    first_not_in_workbooks: list[str] = field(default_factory=list)
    first_not_in_group: list[str] = field(default_factory=list)
    repeated: int = 0

    def add(self, row: int, group: str, neuron: str, kind: str, number: str, label: str) -> None:
        """Takes a row in. Raises BadInput where it contradicts another one, or may be of two workbooks."""
        key = f"{neuron}/{kind}/{number}"
        if group not in self.groups:
            self.other_groups[group] += 1
            return
        if key not in self.ids_by_key:
            self.not_in_workbooks += 1
            _name(key, self.first_not_in_workbooks)
            return
        ids = [synapse for synapse in self.ids_by_key[key] if synapse in self.groups[group]]
        if not ids:
            self.not_in_group += 1
            _name(f"{key} in {group}", self.first_not_in_group)
            return
        if len(ids) > 1:
            raise BadInput(
                f"{self.file}, row {row}: {key} may be {' or '.join(ids)}, as two workbooks for the fit have it: published labels "
                "are of one study, so take the other workbook out of the dataset's YAML, or published_labels"
            )
        label = morphology.NOISE_LABEL if label.casefold() == _NOISE_IN_WORDS else label
        first_label, first_row = self.labels.setdefault((group, ids[0]), (label, row))
        if first_label != label:
            raise BadInput(
                f"{self.file}: rows {first_row} and {row} give {key} in group '{group}' different labels, '{first_label}' and "
                f"'{label}': delete the one that is wrong"
            )
        self.repeated += first_row != row

    def refuse(self) -> None:
        """Raises BadInput for a file of which no row matches."""
        if not (self.other_groups or self.not_in_workbooks or self.not_in_group):
            raise NoRows(f"{self.file} has a header but no rows: is it the right file?")
        if not (self.not_in_workbooks or self.not_in_group):
            raise BadInput(
                f"{self.file}: no row is of a group of the dataset: column '{COLUMNS['investigation_group']}' has "
                f"{_first(list(self.other_groups))}, and groups in the dataset's YAML are {_first(list(self.groups))}: name them "
                "alike"
            )
        found = [*self.first_not_in_workbooks, *self.first_not_in_group][:_MOST_NAMED]
        raise BadInput(
            f"{self.file}: no row is of a synapse that a workbook for the fit has in that group: the file has {_first(found)}, the "
            f"workbooks have {_first(list(self.ids_by_key)) or 'none'}: are the labels of another study, or the neurons named "
            "otherwise?"
        )

    def table(self) -> pa.Table:
        """The labels, by group in the order of the dataset, and by id."""
        order = {group: number for number, group in enumerate(self.groups)}
        keys = sorted(self.labels, key=lambda key: (order[key[0]], key[1]))
        columns = {
            "investigation_group": [group for group, _ in keys],
            "synapse_id": [synapse for _, synapse in keys],
            "label": [self.labels[key][0] for key in keys],
        }
        return morphology.PUBLISHED_LABELS.conform(
            pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        )

    def unmatched(self) -> Unmatched:
        """What does not match."""
        labelled = Counter(group for group, _ in self.labels)
        without = {group: len(ids) - labelled[group] for group, ids in self.groups.items()}
        return Unmatched(
            dict(self.other_groups),
            self.not_in_workbooks,
            tuple(self.first_not_in_workbooks),
            self.not_in_group,
            tuple(self.first_not_in_group),
            self.repeated,
            {group: count for group, count in without.items() if count},
            tuple(group for group in self.groups if not labelled[group]),
        )


def _rows(file: SourceFile) -> Iterator[tuple[int, tuple[str, str, str, str, str]]]:
    """The rows that are not empty, with their numbers: the text of each of `COLUMNS`, in that order."""
    if Path(file.place).stat().st_size > LARGEST_WORKBOOK:
        raise BadInput(
            f"{file.shown} is larger than {LARGEST_WORKBOOK >> 20} MiB, too large for published labels: is it the right file?"
        )
    if kind_of(file.place) == "SQLite":
        raise BadInput(f"{file.shown} is a database: write its table as CSV, and name that in published_labels")
    table = open_table(file.place)
    _check_columns(table, file.shown)
    next_row = 2
    for batch in table.batches(COLUMNS.values()):
        rows = range(next_row, next_row + batch.num_rows)
        next_row += batch.num_rows
        places = [Place(file.shown, name, rows) for name in COLUMNS.values()]
        columns = [_texts(batch.column(place.column), place, table.delimiter == ";").to_pylist() for place in places]
        for index, cells in enumerate(zip(*columns, strict=True)):
            if None not in cells:
                yield rows[index], cells
            elif any(cell is not None for cell in cells):
                where = places[cells.index(None)].at(index)
                raise BadInput(f"{where}: the cell is empty, NaN or NA: fill it in, or delete the row")


def _check_columns(table: TableFile, shown: str) -> None:
    missing = [name for name in COLUMNS.values() if name not in table.names]
    if missing:
        raise BadInput(
            f"{shown} has no column {', '.join(map(repr, missing))}; its columns are {table.names}: published labels need "
            f"{', '.join(COLUMNS.values())}, named like this"
        )
    twice = [name for name in COLUMNS.values() if table.names.count(name) > 1]
    if twice:
        raise BadInput(f"{shown} has the columns {twice} more than once: rename or delete those that are not meant")


def _texts(values: pa.Array, place: Place, decimal_comma: bool) -> pa.Array:
    """One column as text, null where the cell is empty; numbers of synapses are whole."""
    if decimal_comma:
        values = pc.replace_substring_regex(values, _WHOLE_WITH_COMMA, r"\1.\2")
    if place.column == COLUMNS["number"]:
        return whole_numbers(values, place).cast(pa.string())
    return figures(values, place)


def _name(key: str, named: list[str]) -> None:
    """Adds it to the few that are named."""
    if len(named) < _MOST_NAMED and key not in named:
        named.append(key)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")


def _counts(counts: Mapping[str, int]) -> str:
    return _first([f"{name} ({count:,})" for name, count in counts.items()])
