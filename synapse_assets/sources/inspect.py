"""What a file is, before anybody writes a dataset for it: format, columns, units, regions, problems, and a source to paste.

`inspect_file` looks at the first rows only and is done in seconds for files of any size. What it guesses it gives a reason
for; the source that it writes it has read those same rows with.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.sources import NeuronTable, PointsSource, fill_in_format, format_names, read_format
from synapse_assets.datasets.volumes import VolumeSpec
from synapse_assets.datasets.yaml_text import as_yaml
from synapse_assets.schema import BadInput
from synapse_assets.sources.guesses import columns_by_name, position_columns, scale_of
from synapse_assets.sources.neuropils import neuropil
from synapse_assets.sources.points import Conversion
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.samples import Sample, take_sample
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames
from synapse_assets.sources.values import (
    EXACT_IN_FLOAT64,
    NO_VALUE,
    Place,
    figures,
    identifiers,
    numbers,
    positions,
    text,
)

# Formats of Synister by what the objects of their JSON files have; the others are known by `recognise` in their YAML.
_SYNISTER = {
    "synister_v3": ({"key", "x", "y", "z", "skeleton_id"}, "synapses of a Synister version 3 export, keyed by id"),
    "synister_v3_skeletons": ({"key", "hemi_lineage_id", "nt_known"}, "skeletons of a Synister version 3 export"),
    "synister_v4": ({"connector_id", "x", "y", "z", "neurotransmitter"}, "consolidated list of Synister, version 4"),
}
_OF_NEURONS = {
    "neuron_id": "neuron_id",
    "target": "known_classes",
    "hemilineage": "hemilineage",
    "cell_type": "cell_type",
    "side": "side",
}
# Large ids that are needed to tell that they were rounded.
_FEWEST_ROUNDED = 4
# What a format may ask of its user, because the file does not say it.
_ASKED = {
    "brain_region": "# brain_region: the region of the whole file",
    "target_value": "# target_value: the class of the whole file",
    "id_prefix": "# id_prefix: what tells its ids from those of the other files",
}


@dataclass(frozen=True)
class ColumnFacts:
    """One column of the sample: its type (of text: what all of its values are), some values, how many are empty."""

    name: str
    type: str
    examples: tuple[str, ...]
    empty: int


@dataclass(frozen=True)
class Coordinates:
    """Where the positions are: their columns, smallest and largest in file order, and what they seem to count, with the reason."""

    columns: tuple[str, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    units: str
    axis_order: str
    reason: str


@dataclass(frozen=True)
class Inspection:
    """What was found.

    rows is None where nothing tells it. counts: neurons, regions and classes, in words. source: YAML to paste into a dataset;
    empty where the file has neither positions nor neurons.
    """

    path: str
    kind: str
    bytes: int
    rows: int | None
    estimated: bool
    looked_at: int
    columns: tuple[ColumnFacts, ...]
    tables: tuple[str, ...]
    format: str | None
    why: str
    coordinates: Coordinates | None
    counts: Mapping[str, str]
    problems: tuple[str, ...]
    source: str

    def facts(self) -> list[tuple[str, str]]:
        """Label and text of everything but the columns, the problems and the YAML, for people."""
        rows = "rows not counted" if self.rows is None else f"{'about ' * self.estimated}{self.rows:,} rows"
        shown = [("file", f"{self.path}: {self.kind}, {_size(self.bytes)}, {rows}")]
        if self.tables:
            shown.append(("tables", ", ".join(self.tables)))
        shown.append(("format", f"{self.format}: {self.why}" if self.format else f"not a known one: {self.why}"))
        if self.coordinates:
            found = self.coordinates
            names: Sequence[str] = found.columns if len(found.columns) == 3 else found.axis_order
            ranges = zip(names, found.lowest, found.highest, strict=True)
            shown.append(("positions", "   ".join(f"{name} {low:,.7g} to {high:,.7g}" for name, low, high in ranges)))
            order = "" if len(found.columns) == 3 else f" in {found.axis_order}, column {found.columns[0]}"
            shown.append(("units", f"{found.units}{order}: {found.reason}"))
        return [*shown, *self.counts.items()]


def inspect_file(path: str, header: Sequence[str] | None = None, table: str | None = None) -> Inspection:
    """Look at the file at `path`: any kind of table, or a JSON file of a Synister export.

    header: names of the columns of a CSV or TSV file without a header. table: table of an SQLite file; without one, one that
    is known, or the first. Raises BadInput for a file that cannot be read at all.
    """
    return _Look(take_sample(path, header, table)).inspection()


@dataclass
class _Look:
    """One sample being looked at; `problems` grows on the way."""

    sample: Sample
    problems: list[str] = field(default_factory=list)

    def inspection(self) -> Inspection:
        sample = self.sample
        if sample.header is not None and sample.header_of is None and sample.header[0] == "column_1":
            self.problems.append("no header: the first line is numbers; give the names of the columns in header")
        self.problems += sample.unread
        format_, why = self._recognised()
        mapping = read_format(format_)["source"] if format_ in format_names() else None
        uses = self._uses(mapping)
        place = self._place(mapping, uses)
        neurons = format_ == "synister_v3_skeletons" or (mapping["format"] == "neurons" if mapping else not place)
        coordinates = None if neurons else self._coordinates(place, mapping, format_)
        counts = self._counts(uses)
        of_points = {} if neurons else self._point_source(format_, uses, mapping, coordinates)
        source = self._neuron_source(format_, uses) if neurons else of_points
        written = self._yaml(source, format_, "neurons" if neurons else "sources") if source else ""
        if source and (mapping or format_ is None):
            self._try(source)
        return Inspection(
            path=str(sample.file.resolve()),
            kind=sample.kind,
            bytes=sample.file.stat().st_size,
            rows=sample.rows,
            estimated=sample.estimated,
            looked_at=sample.table.num_rows,
            columns=tuple(_column_facts(name, sample.table.column(name)) for name in sample.table.column_names),
            tables=sample.tables,
            format=format_,
            why=why,
            coordinates=coordinates,
            counts=counts,
            problems=tuple(dict.fromkeys(self.problems)),
            source=written,
        )

    # What it is ------------------------------------------------------------------------------------------------------------

    def _recognised(self) -> tuple[str | None, str]:
        """The format, or None, and why."""
        names = set(self.sample.table.column_names)
        if self.sample.header_of:
            return (
                self.sample.header_of,
                f"{read_format(self.sample.header_of)['title']}; no header, and as many columns",
            )
        for name, (wanted, what) in _SYNISTER.items():
            if self.sample.kind == "JSON" and wanted <= names:
                return name, what
        if self.sample.keyed and "hemi_lineage_name" in names:
            return (
                None,
                "hemilineages of a Synister version 3 export; name it in hemi_lineages of its skeletons' source",
            )
        known = {name: set(read_format(name)["recognise"]) for name in format_names() if read_format(name)["recognise"]}
        fitting = [name for name, wanted in known.items() if wanted <= names]
        if fitting:
            best = max(fitting, key=lambda name: len(known[name]))
            return best, f"{read_format(best)['title']}; it has {', '.join(read_format(best)['recognise'])}"
        near = max(known, key=lambda name: len(known[name] & names) / len(known[name]))
        if 3 * len(known[near] - names) <= len(known[near]):
            return None, f"nearest is {near}, which also has {', '.join(sorted(known[near] - names))}"
        return None, "its columns are those of no format that is shipped"

    def _uses(self, mapping: Mapping[str, Any] | None) -> dict[str, str]:
        """The column for each use: those of the format, and of the file a score that its format leaves open."""
        by_name = columns_by_name(self.sample.table.column_names)
        if mapping is None:
            return by_name
        uses = dict(mapping["columns"])
        if mapping["format"] == "points" and "score" not in uses and "score" in by_name:
            uses["score"] = by_name["score"]
        return uses

    def _place(self, mapping: Mapping[str, Any] | None, uses: Mapping[str, str]) -> list[str]:
        """The column of positions, or the three of x, y and z; none in a table of neurons."""
        if mapping is None:
            return position_columns(self.sample.table.column_names, self.sample.table)
        if mapping["format"] == "neurons":
            return []
        return [uses["position"]] if "position" in uses else [uses.get(axis, axis) for axis in "xyz"]

    def _coordinates(
        self, columns: Sequence[str], mapping: Mapping[str, Any] | None, format_: str | None
    ) -> Coordinates | None:
        try:
            axes = (
                positions(*self._values(columns[0]))
                if len(columns) == 1
                else [numbers(*self._values(c)) for c in columns]
            )
        except BadInput as error:
            self.problems.append(str(error))
            return None
        values = np.stack([axis.to_numpy(zero_copy_only=False) for axis in axes], axis=1)
        finite = np.isfinite(values).all(axis=1)
        values = values[finite]
        self._note(int(np.sum(~finite)), "lack a coordinate")
        if not len(values):
            return None
        self._note(
            len(values) - len(np.unique(values, axis=0)),
            "have the position of another row; if a row is a partner, merge_partners: true keeps one of each",
        )
        scale = scale_of(values)
        units, order, reason = scale.units, scale.axis_order, scale.reason + ("" if scale.certain else "; not certain")
        if format_ is not None:
            said = ("nm", "xyz") if mapping is None else (mapping["units"], mapping.get("axis_order", "xyz"))
            if scale.certain and said != (units, order):
                self.problems.append(f"{format_} has {' in '.join(said)}; these look like {units} in {order}: {reason}")
            space = f", space {mapping['space']}" if mapping else ""
            (units, order), reason = said, f"as the format says{space}"
        elif len(columns) == 3 and order == "zyx":
            self.problems.append(f"{columns[0]} looks like z, and {columns[2]} like x: {reason}")
            order = "xyz"
        lowest, highest = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        return Coordinates(tuple(columns), tuple(lowest), tuple(highest), units, order, reason)

    # What is in it ---------------------------------------------------------------------------------------------------------

    def _values(self, name: str) -> tuple[pa.Array, Place]:
        values = self.sample.table.column(name).combine_chunks()
        return values, Place(str(self.sample.file), name, range(1, len(values) + 1))

    def _note(self, rows: int, what: str) -> None:
        """A problem that so many rows have."""
        if rows:
            self.problems.append(f"{rows:,} rows{self._of_sample} {what}")

    @property
    def _of_sample(self) -> str:
        return "" if self.sample.whole else f" of the first {self.sample.table.num_rows:,}"

    def _counts(self, uses: Mapping[str, str]) -> dict[str, str]:
        """Neurons, regions and classes, in words; what is wrong with ids is noted."""
        shown = {}
        there = {use: name for use, name in uses.items() if name in self.sample.table.column_names}
        try:
            if "synapse_id" in there:
                ids = text(*self._values(there["synapse_id"]))
                self._note(ids.null_count, f"have no id ({there['synapse_id']})")
                self._note(
                    len(ids) - ids.null_count - pc.count_distinct(ids).as_py(), f"repeat an id ({there['synapse_id']})"
                )
            if "neuron_id" in there:
                shown["neurons"] = self._neurons(there["neuron_id"])
        except BadInput as error:
            self.problems.append(str(error))
        for use, label in (("brain_region", "regions"), ("target", "classes"), ("known_classes", "classes")):
            if use in there:
                shown[label] = self._most(there[use], label == "regions")
        return shown

    def _neurons(self, name: str) -> str:
        ids = identifiers(*self._values(name))
        self._note(ids.null_count, f"have no neuron (empty or 0 in {name})")
        largest = pc.max(ids).as_py() or 0
        shown = f"{pc.count_distinct(ids).as_py():,} in {name}{self._of_sample and f'{self._of_sample} rows'}"
        if largest >= EXACT_IN_FLOAT64:
            shown += f"; ids up to {largest}, beyond 2^53: spreadsheets and floats lose their last digits"
        self._note_rounded(pc.unique(ids).drop_null().to_pylist(), name)
        return shown

    def _note_rounded(self, ids: Sequence[int], name: str) -> None:
        """A problem where all large ids are such as floats, or the 15 digits of a spreadsheet, can hold: chance gives that to one
        in a hundred of them."""
        large = [one for one in ids if one >= EXACT_IN_FLOAT64]
        if len(large) < _FEWEST_ROUNDED:
            return
        as_floats = all(int(float(one)) == one for one in large)
        as_sheet = all(one % 10 ** (len(str(one)) - 15) == 0 for one in large)
        if as_floats or as_sheet:
            self.problems.append(
                f"all {len(large):,} large ids of {name}, such as {large[0]}, are those that {'floats' if as_floats else 'spreadsheets'} "
                "round to: their last digits are lost; compare some with the ids where they came from, and export integers or text"
            )

    def _most(self, name: str, regions: bool) -> str:
        """The most frequent values of a column; of regions, how many are known neuropils."""
        values, place = self._values(name)
        if pa.types.is_list(values.type):
            values = pa.array([";".join(map(str, one or [])) for one in values.to_pylist()], pa.string())
        try:
            counted = pc.value_counts(figures(values, place).drop_null())
        except BadInput as error:
            self.problems.append(str(error))
            return f"none in {name}"
        counts = {one["values"]: one["counts"] for one in counted.to_pylist()}
        top = sorted(counts, key=lambda one: (-counts[one], one))
        shown = ", ".join(f"{one} {counts[one]:,}" for one in top[:10]) + ", ..." * (len(top) > 10)
        known = ""
        if regions and top:
            unknown = [one for one in top if neuropil(one) is None]
            known = f" ({len(top) - len(unknown)} known neuropils)"
            if unknown:
                self.problems.append(
                    f"no known neuropils: {', '.join(unknown[:5])}{', ...' * (len(unknown) > 5)} ({name})"
                )
        self._note(self.sample.table.num_rows - sum(counts.values()), f"are empty in {name}")
        return f"{len(top)} in {name}{known}: {shown}"

    # What to write ---------------------------------------------------------------------------------------------------------

    def _common(self, format_: str) -> dict[str, Any]:
        """Fields of every source."""
        name = re.sub(r"[^A-Za-z0-9_]+", "_", self.sample.file.name.split(".")[0]).strip("_") or "table"
        fields: dict[str, Any] = {"name": name, "format": format_, "path": str(self.sample.file.resolve())}
        if self.sample.header is not None and self.sample.header_of is None:
            fields["header"] = list(self.sample.header)
        if len(self.sample.tables) > 1:
            fields["table"] = self.sample.sqlite_table
        return fields

    def _neuron_source(self, format_: str | None, uses: Mapping[str, str]) -> dict[str, Any]:
        fields = self._common(format_ or "neurons")
        if format_ == "synister_v3_skeletons":
            fields["hemi_lineages"] = str(self.sample.file.resolve().with_name("hemi_lineages_v3.json"))
        if format_ is not None:
            return fields
        columns = {_OF_NEURONS[use]: column for use, column in uses.items() if use in _OF_NEURONS}
        return {**fields, "columns": columns} if "neuron_id" in columns and not self.sample.keyed else {}

    def _point_source(
        self,
        format_: str | None,
        uses: Mapping[str, str],
        mapping: Mapping[str, Any] | None,
        coordinates: Coordinates | None,
    ) -> dict[str, Any]:
        fields = {**self._common(format_ or "points"), "volume": "em"}
        if format_ is not None:
            own = {} if mapping is None else {use: name for use, name in uses.items() if use not in mapping["columns"]}
            return {**fields, "columns": own} if own else fields
        if coordinates is None or self.sample.keyed:
            return {}
        place = dict(zip("xyz", coordinates.columns, strict=False))
        columns = {use: name for use, name in uses.items() if use not in ("cell_type", "side")} | place
        fields["units"] = coordinates.units
        if len(coordinates.columns) == 1:
            fields["axis_order"] = coordinates.axis_order
            columns["position"] = columns.pop("x")
        return {**fields, "columns": columns}

    def _yaml(self, fields: Mapping[str, Any], format_: str | None, part: str) -> str:
        about = read_format(format_)["about"] if format_ in format_names() else ""
        lines = [f"{key}: {as_yaml(value)}" for key, value in fields.items()]
        lines += [hint for name, hint in _ASKED.items() if name in about]
        return f"{part}:\n  - " + "\n    ".join(lines) + "\n"

    def _try(self, fields: Mapping[str, Any]) -> None:
        """Reads the sample by the source and notes what is wrong."""
        filled = fill_in_format(dict(fields))
        try:
            if filled["format"] == "neurons":
                NeuronTable.model_validate(filled)
                return
            volume = VolumeSpec(kind="images", url="unused", voxel_size_nm=(1, 1, 1))
            points = PointsSource.model_validate(filled)
            conversion = Conversion(points, volume, RegionNames("UNASSIGNED"), ClassNames(), Tally())
            first_row = 1
            for batch in self.sample.table.combine_chunks().to_batches():
                conversion.table(batch, first_row)
                first_row += batch.num_rows
        except ValueError as error:
            self.problems.append(f"read like this it is refused: {error}")


def _column_facts(name: str, values: pa.ChunkedArray) -> ColumnFacts:
    found = values.drop_null()
    if pa.types.is_string(found.type) or pa.types.is_large_string(found.type):
        found = pc.utf8_trim_whitespace(found)
        found = found.filter(pc.invert(pc.is_in(found, pa.array(sorted(NO_VALUE), found.type))))
    seen = dict.fromkeys(_shown(value) for value in found.slice(0, 50).to_pylist())
    return ColumnFacts(name, _type(found), tuple(islice(seen, 3)), len(values) - len(found))


def _shown(value: Any) -> str:
    shown = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return shown if len(shown) <= 24 else f"{shown[:21]}..."


def _type(values: pa.ChunkedArray) -> str:
    if not pa.types.is_string(values.type):
        return str(values.type).removeprefix("dictionary").split(",")[0].removeprefix("<values=")
    if not len(values):
        return "empty"
    for kind, shown in ((pa.int64(), "whole numbers"), (pa.float64(), "numbers")):
        try:
            values.cast(kind)
        except pa.ArrowInvalid:
            continue
        return shown
    return "text"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
