"""What a file is, before anybody writes a dataset for it: format, columns, units, regions, problems, and a source to paste.

`inspect_file` reads the first rows only and takes seconds for files of any size. Each guess has its reason; the source that it
writes has been tried on those same rows.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.sources import NeuronTable, PointsSource, fill_in_format, format_names, read_format
from synapse_assets.datasets.volumes import VolumeSpec
from synapse_assets.datasets.yaml_text import FILL_IN, as_yaml
from synapse_assets.errors import BadInput
from synapse_assets.sources.guesses import (
    columns_by_name,
    common_part,
    connection_columns,
    is_of_cave,
    is_of_neuprint,
    position_columns,
    scale_of,
    side_and_stem,
    stated_scale,
)
from synapse_assets.sources.inspect_workbooks import missing_columns, workbook_dataset
from synapse_assets.sources.listing import partitioned_table
from synapse_assets.sources.neurons import from_batches
from synapse_assets.sources.neuropils import neuropil
from synapse_assets.sources.points import Conversion
from synapse_assets.sources.published_labels import COLUMNS as PUBLISHED_COLUMNS
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.samples import Sample, take_sample
from synapse_assets.sources.sites import sites_of
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames
from synapse_assets.sources.values import (
    EXACT_IN_FLOAT64,
    NO_VALUE,
    Place,
    figures,
    identifiers,
    is_one_of,
    numbers,
    plain_text,
    positions,
    text,
    whole_numbers,
)
from synapse_assets.sources.workbooks import is_excel

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
# What tables write where a synapse lies in no region, and what may be the name of one; letters in lower case.
_PERHAPS_NO_REGION = frozenset(
    (
        *(
            "none",
            "null",
            "nan",
            "na",
            "nil",
            "unknown",
            "unspecified",
            "undefined",
            "unassigned",
            "unasgd",
            "unclassified",
        ),
        *(
            "notprimary",
            "not primary",
            "no roi",
            "no region",
            "outside",
            "background",
            "other",
            "-",
            "?",
            ".",
            "0",
            "-1",
        ),
    )
)
# Large ids that are needed to recognise that they were rounded.
_FEWEST_ROUNDED = 4
_MOST_LISTED = 4
# Rows that may each be of another neuron by chance.
_FEWEST_NEURONS = 20
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
    """Where the positions are: their columns, smallest and largest in file order, and what they seem to count, with the reason.

    certain: whether the numbers or the file say so; otherwise the user has to. voxel_size_nm: where the file says it.
    """

    columns: tuple[str, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    units: str
    axis_order: str
    reason: str
    certain: bool = True
    voxel_size_nm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Inspection:
    """The result of an inspection.

    rows is None where the number is not known. counts: neurons, regions and classes, as text. left_out: rows that are not read, by the
    reason. source: YAML to paste into a dataset, with FILL_IN where only the user knows what to write; empty where the file is no
    table of synapses or neurons, and a problem says why.
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
    left_out: Mapping[str, int]
    problems: tuple[str, ...]
    source: str

    def facts(self) -> list[tuple[str, str]]:
        """Label and text of everything but the columns, the problems and the YAML, for people."""
        rows = "rows not counted" if self.rows is None else f"{'about ' * self.estimated}{self.rows:,} rows"
        entries = [("file", f"{self.path}: {self.kind}, {_size(self.bytes)}, {rows}")]
        if self.tables:
            entries.append(("tables", ", ".join(self.tables)))
        entries.append(("format", f"{self.format}: {self.why}" if self.format else f"not a known one: {self.why}"))
        if self.coordinates:
            coordinates = self.coordinates
            names: Sequence[str] = coordinates.columns if len(coordinates.columns) == 3 else coordinates.axis_order
            ranges = zip(names, coordinates.lowest, coordinates.highest, strict=True)
            entries.append(("positions", "   ".join(f"{name} {low:,.7g} to {high:,.7g}" for name, low, high in ranges)))
            order = (
                ""
                if len(coordinates.columns) == 3
                else f" in {coordinates.axis_order}, column {coordinates.columns[0]}"
            )
            entries.append(
                (
                    "units",
                    f"{coordinates.units}{order}: {coordinates.reason}{'' if coordinates.certain else '; not certain'}",
                )
            )
        entries += self.counts.items()
        of_rows = "" if self.looked_at == self.rows else f" of the first {self.looked_at:,}"
        left_out = [f"{rows:,} rows{of_rows}: {reason}" for reason, rows in self.left_out.items()]
        return [*entries, ("left out", "; ".join(left_out))] if left_out else entries


def inspect_file(path: str, header: Sequence[str] | None = None, table: str | None = None) -> Inspection:
    """Inspects the file at `path`: any kind of table, a workbook, or a JSON file of a Synister export.

    header: names of the columns of a CSV or TSV file without a header. table: table of an SQLite file, or sheet of a workbook;
    without one, one that is known, or the first. Raises BadInput for a file that cannot be read at all.
    """
    return _Inspector(take_sample(path, header, table)).inspection()


@dataclass
class _Inspector:
    """The inspection of one sample, with its results so far.

    problems: what to report. row_indices: the rows that a source would read, where those are not all. only: the condition that
    selects them. comments: by field of the YAML, for the user who pastes it. left_out: rows by the reason.
    """

    sample: Sample
    problems: list[str] = field(default_factory=list)
    row_indices: np.ndarray | None = None
    only: dict[str, list[str]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def inspection(self) -> Inspection:
        sample = self.sample
        if sample.header is not None and sample.header_of is None and sample.header[0] == "column_1":
            self.problems.append("no header: the first line is numbers; give the names of the columns in header")
        self.problems += sample.unread
        if not missing_columns(sample.table.column_names):
            written, counts, wrong = workbook_dataset(sample, self._name)
            self.problems += wrong
            return self._result("morphology", "synapses without images, a dataset of its own", None, counts, written)
        if set(PUBLISHED_COLUMNS.values()) <= set(sample.table.column_names) and sample.kind not in ("Excel", "SQLite"):
            why = "cluster labels that a study has published, for the dataset of its workbooks"
            written = f"published_labels: {as_yaml(str(sample.file.resolve()))}\n"
            return self._result("published_labels", why, None, {}, written)
        format_, why = self._recognised()
        mapping = read_format(format_)["source"] if format_ in format_names() else None
        coordinate_columns = self._coordinate_columns(mapping)
        uses = self._uses(mapping, coordinate_columns)
        refusal = self._refusal(format_, coordinate_columns)
        if refusal is None and format_ in (None, *format_names()):
            refusal = self._filter(mapping, coordinate_columns)
        uses = {use: name for use, name in uses.items() if mapping is not None or name not in self.only}
        neurons = format_ == "synister_v3_skeletons" or (
            mapping["format"] == "neurons" if mapping else not coordinate_columns
        )
        coordinates = None if neurons else self._coordinates(coordinate_columns, mapping, format_)
        counts = self._counts(uses)
        if format_ is None and coordinate_columns and "partner_id" not in uses and "neuron_id" in uses:
            self._note_one_row_each(uses["neuron_id"])
        source: dict[str, Any] = {}
        if refusal is not None:
            self.problems.append(refusal)
        else:
            of_points = {} if neurons else self._point_source(format_, uses, mapping, coordinates)
            source = self._neuron_source(format_, uses) if neurons else of_points
        if source and (mapping or format_ is None):
            self._read_sample(source, coordinates)
        if not source and refusal is None and not sample.keyed and (neurons or not coordinate_columns):
            self.problems.append(
                "no positions (x, y and z, or one column of three numbers) and no ids of neurons in a column of a usual name: if it is "
                "a table of synapses or neurons, name its columns in the dataset's YAML"
            )
        written = self._yaml(source, format_, "neurons" if neurons else "sources") if source else ""
        return self._result(format_, why, coordinates, counts, written)

    def _result(
        self, format_: str | None, why: str, coordinates: Coordinates | None, counts: Mapping[str, str], written: str
    ) -> Inspection:
        sample = self.sample
        return Inspection(
            path=str(sample.place),
            kind=sample.kind,
            bytes=_bytes_in(sample.place),
            rows=sample.rows,
            estimated=sample.estimated,
            looked_at=sample.table.num_rows,
            columns=tuple(_column_facts(name, sample.table.column(name)) for name in sample.table.column_names),
            tables=sample.tables,
            format=format_,
            why=why,
            coordinates=coordinates,
            counts=counts,
            left_out=self.left_out,
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
        for name, (required, description) in _SYNISTER.items():
            if self.sample.kind == "JSON" and required <= names:
                return name, description
        if self.sample.keyed and "hemi_lineage_name" in names:
            return (
                None,
                "hemilineages of a Synister version 3 export; name it in hemi_lineages of its skeletons' source",
            )
        known = {name: set(read_format(name)["recognise"]) for name in format_names() if read_format(name)["recognise"]}
        fitting = [name for name, required in known.items() if required <= names]
        if fitting:
            best = max(fitting, key=lambda name: len(known[name]))
            return best, f"{read_format(best)['title']}; it has {', '.join(read_format(best)['recognise'])}"
        nearest = max(known, key=lambda name: len(known[name] & names) / len(known[name]))
        if 3 * len(known[nearest] - names) <= len(known[nearest]):
            return None, f"nearest is {nearest}, which also has {', '.join(sorted(known[nearest] - names))}"
        return None, "its columns are those of no format that is shipped"

    def _uses(self, mapping: Mapping[str, Any] | None, coordinate_columns: Sequence[str]) -> dict[str, str]:
        """The column for each use: those of the format, and of the file a score that its format leaves open."""
        names = self.sample.table.column_names
        by_name = columns_by_name(names)
        if mapping is not None:
            uses = dict(mapping["columns"])
            if mapping["format"] == "points" and "score" not in uses and "score" in by_name:
                uses["score"] = by_name["score"]
            return uses
        ends = connection_columns(names)[:2]
        if ends and set(ends) != {by_name.get("neuron_id"), by_name.get("partner_id")} and self._hold_ids(ends):
            by_name |= {"neuron_id": ends[0], "partner_id": ends[1]}
            by_name = {use: name for use, name in by_name.items() if name not in ends or use.endswith("_id")}
        return {use: name for use, name in by_name.items() if name not in coordinate_columns}

    def _hold_ids(self, names: Sequence[str]) -> bool:
        try:
            return all(identifiers(*self._values(name)).null_count < self.sample.table.num_rows for name in names)
        except BadInput:
            return False

    def _coordinate_columns(self, mapping: Mapping[str, Any] | None) -> list[str]:
        """The column of positions, or the three of x, y and z; none in a table of neurons."""
        if mapping is None:
            return position_columns(self.sample.table.column_names, self.sample.table)
        if mapping["format"] == "neurons":
            return []
        columns = mapping["columns"]
        return [columns["position"]] if "position" in columns else [columns.get(axis, axis) for axis in "xyz"]

    def _refusal(self, format_: str | None, coordinate_columns: Sequence[str]) -> str | None:
        """Why it is neither a table of synapses nor of neurons, where its columns or its kind say so."""
        if is_excel(str(self.sample.file)):
            return (
                "sources of an EM dataset are no workbooks: save the sheet as 'CSV UTF-8', and inspect that. A workbook of the chain "
                f"without images (chain: morphology) also has {', '.join(missing_columns(self.sample.table.column_names))}"
            )
        pair = connection_columns(self.sample.table.column_names) if format_ is None and not coordinate_columns else []
        if not pair or self.sample.keyed or not (side_and_stem(pair[1])[0] == "post" or self._hold_ids(pair[:2])):
            return None
        counted = f", with {' and '.join(pair[2:])}" if pair[2:] else ""
        return (
            f"a table of connections: each row is a pair of neurons, {pair[0]} and {pair[1]}{counted}, without a position. sources are "
            "synapses with their positions, and a table of neurons has one row a neuron: take the table of synapses behind it"
        )

    def _filter(self, mapping: Mapping[str, Any] | None, coordinate_columns: Sequence[str]) -> str | None:
        """Selects the rows that are presynaptic sites, by the format or by a column; gives the reason where there are none."""
        if mapping is not None:
            self.only = mapping.get("only", {})
        elif coordinate_columns and not self.sample.keyed:
            sites = sites_of(self.sample.table, coordinate_columns)
            if sites is None:
                return None
            summary = f"{sites.column} has {sites.row_counts()}{self._of_sample and f'{self._of_sample} rows'}"
            if sites.pre:
                self.only = {sites.column: list(sites.pre)}
                if len(sites.rows) > len(sites.pre):
                    self.problems.append(f"{summary}: only the presynaptic sites are synapses, and are taken")
            elif not sites.coded and self.sample.whole:
                return (
                    f"{summary}: these are postsynaptic sites; synapses are taken at the presynaptic ones, export those"
                )
            else:
                self.only = {sites.column: [FILL_IN]}
                self.comments["only"] = f"the value of presynaptic sites in {sites.column}"
                if sites.coded:
                    self.comments["only"] += "; remove this line if it tells something else"
                    summary += ": if these tell pre- from postsynaptic sites (in CATMAID's exports 0 is pre, 1 is post)"
                else:
                    summary += ": if presynaptic sites come later"
                self.problems.append(f"{summary}, write the value of the presynaptic ones in only")
        keep = np.ones(self.sample.table.num_rows, bool)
        for column, values in self.only.items():
            if values != [FILL_IN] and column in self.sample.table.column_names:
                keep &= is_one_of(*self._values(column), values).to_numpy(zero_copy_only=False)
        self.row_indices = None if keep.all() else np.flatnonzero(keep)
        return None

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
        self._note(int(np.sum((values < 0).any(axis=1))), "have a coordinate below 0")
        lowest, highest = tuple(values.min(axis=0).tolist()), tuple(values.max(axis=0).tolist())
        by_numbers = scale_of(values, "xyz" if is_of_cave(columns) else None)
        if format_ is not None:
            format_scale = ("nm", "xyz") if mapping is None else (mapping["units"], mapping.get("axis_order", "xyz"))
            if by_numbers.certain and format_scale != (by_numbers.units, by_numbers.axis_order):
                self.problems.append(
                    f"{format_} has {' in '.join(format_scale)}; these look like {by_numbers.units} in {by_numbers.axis_order}: "
                    f"{by_numbers.reason}"
                )
            # Voxels where the format has nm: a table of the same columns, fetched otherwise.
            if by_numbers.certain and (format_scale[0], by_numbers.units) == ("nm", "voxel") and mapping:
                self.comments["units"] = (
                    f"nm, as {format_} has, or voxel (and a line voxel_size_nm: [4, 4, 40] or what they are): {by_numbers.reason}"
                )
            space = f", space {mapping['space']}" if mapping and "space" in mapping else ""
            return Coordinates(
                tuple(columns), lowest, highest, format_scale[0], format_scale[1], f"as the format says{space}"
            )
        order = by_numbers.axis_order
        if len(columns) == 3 and order == "zyx":
            self.problems.append(f"{columns[0]} looks like z, and {columns[2]} like x: {by_numbers.reason}")
            order = "xyz"
        stated = stated_scale(columns, self.sample.table, self.sample.attributes)
        if stated is not None and by_numbers.certain and stated.units != by_numbers.units:
            self.problems.append(
                f"{stated.reason}: {stated.units}; but these look like {by_numbers.units}: {by_numbers.reason}"
            )
        scale = stated or by_numbers
        return Coordinates(
            tuple(columns), lowest, highest, scale.units, order, scale.reason, scale.certain, scale.voxel_size_nm
        )

    # What is in it ---------------------------------------------------------------------------------------------------------

    def _values(self, name: str) -> tuple[pa.Array, Place]:
        """A column of the selected rows, and where they are."""
        values = self.sample.table.column(name).combine_chunks()
        if self.row_indices is None:
            return values, Place(str(self.sample.file), name, range(1, len(values) + 1))
        return values.take(pa.array(self.row_indices)), Place(str(self.sample.file), name, self.row_indices + 1)

    def _note(self, rows: int, problem: str) -> None:
        """Adds a problem that so many rows have."""
        if rows:
            self.problems.append(f"{rows:,} rows{self._of_sample} {problem}")

    @property
    def _of_sample(self) -> str:
        return "" if self.sample.whole else f" of the first {self.sample.table.num_rows:,}"

    def _counts(self, uses: Mapping[str, str]) -> dict[str, str]:
        """Neurons, regions and classes, as text; problems with ids are added."""
        counts = {}
        columns = {use: name for use, name in uses.items() if name in self.sample.table.column_names}
        try:
            if "synapse_id" in columns:
                ids = text(*self._values(columns["synapse_id"]))
                self._note(ids.null_count, f"have no id ({columns['synapse_id']})")
                self._note(
                    len(ids) - ids.null_count - pc.count_distinct(ids).as_py(),
                    f"repeat an id ({columns['synapse_id']})",
                )
            if "neuron_id" in columns:
                counts["neurons"] = self._neurons(columns["neuron_id"])
            if "partner_id" in columns:
                without = self._rows_without_neuron(columns["partner_id"])
                self._note(
                    sum(without.values()), f"have no partner in {columns['partner_id']}: {_joined_counts(without)}"
                )
        except BadInput as error:
            self.problems.append(str(error))
        for use, label in (("brain_region", "regions"), ("target", "classes"), ("known_classes", "classes")):
            if use in columns:
                counts[label] = self._most_frequent(columns[use], label == "regions")
        return counts

    def _neurons(self, name: str) -> str:
        ids = identifiers(*self._values(name))
        self._note(ids.null_count, f"have no neuron in {name}: {_joined_counts(self._rows_without_neuron(name))}")
        largest = pc.max(ids).as_py() or 0
        summary = f"{pc.count_distinct(ids).as_py():,} in {name}{self._of_sample and f'{self._of_sample} rows'}"
        if largest >= EXACT_IN_FLOAT64:
            summary += f"; ids up to {largest}, beyond 2^53: spreadsheets and floats lose their last digits"
        self._note_rounded(pc.unique(ids).drop_null().to_pylist(), name)
        return summary

    def _note_one_row_each(self, name: str) -> None:
        """Adds a problem where every row has a neuron of its own, as in a table of somas."""
        values = self._values(name)[0].drop_null()
        if len(values) >= _FEWEST_NEURONS and pc.count_distinct(values).as_py() == len(values):
            self.problems.append(
                f"each row has a neuron of its own ({name}): if this is a table of neurons with a position of each, such as that of the "
                "soma, it holds no synapses; it is written in neurons"
            )

    def _rows_without_neuron(self, name: str) -> dict[str, int]:
        """Rows without an id of a neuron, by the value in its place: 'empty', 'with -2'."""
        ids = whole_numbers(*self._values(name))
        counts = pc.value_counts(ids.filter(pc.fill_null(pc.less(ids, 1), False))).to_pylist()
        by_value = {
            f"with {entry['values']}": entry["counts"] for entry in sorted(counts, key=lambda entry: -entry["counts"])
        }
        return {"empty": ids.null_count, **by_value} if ids.null_count else by_value

    def _note_rounded(self, ids: Sequence[int], name: str) -> None:
        """Adds a problem where all large ids are such as floats, or the 15 digits of a spreadsheet, can hold: by chance that is
        one in a hundred of them."""
        large = [neuron_id for neuron_id in ids if neuron_id >= EXACT_IN_FLOAT64]
        if len(large) < _FEWEST_ROUNDED:
            return
        as_floats = all(int(float(neuron_id)) == neuron_id for neuron_id in large)
        as_sheet = all(neuron_id % 10 ** (len(str(neuron_id)) - 15) == 0 for neuron_id in large)
        if as_floats or as_sheet:
            self.problems.append(
                f"all {len(large):,} large ids of {name}, such as {large[0]}, are those that {'floats' if as_floats else 'spreadsheets'} "
                "round to: their last digits are lost; compare some with the ids where they came from, and export integers or text"
            )

    def _most_frequent(self, name: str, regions: bool) -> str:
        """The most frequent values of a column; of regions, how many are known neuropils."""
        values, place = self._values(name)
        if pa.types.is_list(values.type):
            values = pa.array([";".join(map(str, cell or [])) for cell in values.to_pylist()], pa.string())
        try:
            counted = pc.value_counts(figures(values, place).drop_null())
        except BadInput as error:
            self.problems.append(str(error))
            return f"none in {name}"
        counts = {entry["values"]: entry["counts"] for entry in counted.to_pylist()}
        top = sorted(counts, key=lambda value: (-counts[value], value))
        frequent = ", ".join(f"{value} {counts[value]:,}" for value in top[:10]) + ", ..." * (len(top) > 10)
        known = ""
        if regions and top:
            unknown = [value for value in top if neuropil(value) is None]
            known = f" ({len(top) - len(unknown)} known neuropils)"
            perhaps = [value for value in top if _perhaps_no_region(value)]
            unknown = [value for value in unknown if value not in perhaps]
            if perhaps:
                row_counts = ", ".join(f"{value} in {counts[value]:,} rows{self._of_sample}" for value in perhaps)
                advice = as_yaml({plain_text(value): "UNASSIGNED" for value in perhaps})
                self.problems.append(
                    f"{name} has {row_counts}: if that is no region, write in the dataset's YAML, for instance region_names: {advice}"
                )
            if unknown:
                self.problems.append(
                    f"no known neuropils: {', '.join(unknown[:5])}{', ...' * (len(unknown) > 5)} ({name})"
                )
        self._note(len(values) - sum(counts.values()), f"are empty in {name}")
        return f"{len(top)} in {name}{known}: {frequent}"

    # What to write ---------------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return re.sub(r"[^A-Za-z0-9_]+", "_", self.sample.place.name.split(".")[0]).strip("_") or "table"

    def _common_fields(self, format_: str) -> dict[str, Any]:
        """Fields of every source."""
        fields: dict[str, Any] = {"name": self._name, "format": format_, "path": str(self.sample.place)}
        if self.sample.header is not None and self.sample.header_of is None:
            fields["header"] = list(self.sample.header)
        if len(self.sample.tables) > 1:
            fields["table"] = self.sample.part
        return fields

    def _neuron_source(self, format_: str | None, uses: Mapping[str, str]) -> dict[str, Any]:
        fields = self._common_fields(format_ or "neurons")
        if format_ == "synister_v3_skeletons":
            fields["hemi_lineages"] = str(self.sample.file.resolve().with_name("hemi_lineages_v3.json"))
        if format_ is not None:
            return fields
        columns = {_OF_NEURONS[use]: column for use, column in uses.items() if use in _OF_NEURONS}
        if "neuron_id" not in columns or self.sample.keyed:
            return {}
        return {**fields, **_offset(columns["neuron_id"]), "columns": columns}

    def _point_source(
        self,
        format_: str | None,
        uses: Mapping[str, str],
        mapping: Mapping[str, Any] | None,
        coordinates: Coordinates | None,
    ) -> dict[str, Any]:
        fields = {**self._common_fields(format_ or "points"), "volume": "em"}
        if format_ is not None:
            if "units" in self.comments:
                fields["units"] = FILL_IN
            own = {} if mapping is None else {use: name for use, name in uses.items() if use not in mapping["columns"]}
            return {**fields, "columns": own} if own else fields
        if coordinates is None or self.sample.keyed:
            return {}
        axes = dict(zip("xyz", coordinates.columns, strict=False))
        columns = {use: name for use, name in uses.items() if use not in ("cell_type", "side")} | axes
        if coordinates.units == "um":
            self.problems.append(
                f"{', '.join(coordinates.columns)} are micrometres, and a source has nanometres or voxels: write them times 1,000, and "
                "inspect again"
            )
            return {}
        fields |= self._units(coordinates)
        if len(coordinates.columns) == 1:
            fields["axis_order"] = coordinates.axis_order
            columns["position"] = columns.pop("x")
        if self.only:
            fields["only"] = self.only
        return {**fields, **_offset(columns.get("neuron_id", "")), "columns": columns}

    def _units(self, coordinates: Coordinates) -> dict[str, Any]:
        """units and voxel_size_nm of a source, as the file says them, or to be filled in."""
        of_cave = is_of_cave(coordinates.columns)
        if coordinates.voxel_size_nm is not None and coordinates.units == "voxel":
            return {
                "units": "voxel",
                "voxel_size_nm": [int(nm) if nm == int(nm) else nm for nm in coordinates.voxel_size_nm],
            }
        if coordinates.certain and (coordinates.units == "nm" or not of_cave):
            if coordinates.units == "voxel":
                self.comments["units"] = f"of the volume's size: {coordinates.reason}"
            return {"units": coordinates.units}
        if of_cave:
            its_size = "CAVE tells the table's voxel_resolution, [4, 4, 40] for instance"
            if coordinates.certain:
                self.comments["voxel_size_nm"] = its_size
                return {"units": "voxel", "voxel_size_nm": FILL_IN}
            self.comments["units"] = (
                f"voxel, and a line voxel_size_nm: {its_size}; or nm, if it was asked for desired_resolution=[1, 1, 1]"
            )
            return {"units": FILL_IN}
        if coordinates.units == "voxel" and max(coordinates.highest) > 0 and "8 x 8 x 8" in coordinates.reason:
            if is_of_neuprint(self.sample.table.column_names):
                self.comments["voxel_size_nm"] = (
                    "as in neuPrint's hemibrain, MANC and male CNS; write that of your dataset"
                )
                return {"units": "voxel", "voxel_size_nm": [8, 8, 8]}
            self.comments["voxel_size_nm"] = (
                "nm along x, y and z, such as [8, 8, 8]; if these are nanometres, write units: nm and remove this line"
            )
            return {"units": "voxel", "voxel_size_nm": FILL_IN}
        self.comments["units"] = f"nm or voxel; they look like {coordinates.units}: {coordinates.reason}"
        return {"units": FILL_IN}

    def _yaml(self, fields: Mapping[str, Any], format_: str | None, part: str) -> str:
        about = read_format(format_)["about"] if format_ in format_names() else ""
        comments = {key: f"  # {self.comments[key]}" if key in self.comments else "" for key in fields}
        lines = [f"{key}: {as_yaml(value)}{comments[key]}" for key, value in fields.items()]
        lines += [hint for name, hint in _ASKED.items() if name in about]
        return f"{part}:\n  - " + "\n    ".join(lines) + "\n"

    def _read_sample(self, fields: Mapping[str, Any], coordinates: Coordinates | None) -> None:
        """Reads the sample by the source, with fields to fill in as they seem to be; records rows left out and problems."""
        known = {key: value for key, value in fields.items() if value != FILL_IN and value != self._to_fill_in()}
        if coordinates is not None:
            known.setdefault("units", coordinates.units)
        filled = fill_in_format(known)
        tally = Tally()
        batches = self.sample.table.combine_chunks().to_batches()
        rows_read = 0
        try:
            if filled["format"] == "neurons":
                table = NeuronTable.model_validate(filled)
                rows_read = from_batches(batches, table, ClassNames(), tally).num_rows
            else:
                volume = VolumeSpec(kind="images", url="unused", voxel_size_nm=(1, 1, 1))
                points = PointsSource.model_validate(filled)
                conversion = Conversion(points, volume, RegionNames("UNASSIGNED"), ClassNames(), tally)
                first_row = 1
                for batch in batches:
                    rows_read += conversion.table(batch, first_row).num_rows
                    first_row += batch.num_rows
        except ValueError as error:
            self.problems.append(f"read like this it is refused: {error}")
            return
        self.left_out = dict(tally.left_out)
        if not rows_read:
            self.problems.append(f"read like this, none of the rows{self._of_sample} is left")

    def _to_fill_in(self) -> dict[str, list[str]] | None:
        return self.only if [FILL_IN] in self.only.values() else None


def _joined_counts(rows: Mapping[str, int]) -> str:
    """Counts of rows by what they hold, as text: '3 empty, 1 with -2'."""
    entries = [f"{count:,} {kind}" for kind, count in rows.items()]
    return ", ".join(entries[:_MOST_LISTED]) + ", ..." * (len(entries) > _MOST_LISTED)


def _offset(neuron_column: str) -> dict[str, int]:
    part = common_part(neuron_column)
    return {"neuron_id_offset": part} if part else {}


def _perhaps_no_region(name: str) -> bool:
    return name.strip().strip("<>()[]").casefold() in _PERHAPS_NO_REGION


def _column_facts(name: str, values: pa.ChunkedArray) -> ColumnFacts:
    filled = values.drop_null()
    if pa.types.is_string(filled.type) or pa.types.is_large_string(filled.type):
        filled = pc.utf8_trim_whitespace(filled)
        filled = filled.filter(pc.invert(pc.is_in(filled, pa.array(sorted(NO_VALUE), filled.type))))
    examples = dict.fromkeys(_example(value) for value in filled.slice(0, 50).to_pylist())
    return ColumnFacts(name, _type(filled), tuple(islice(examples, 3)), len(values) - len(filled))


def _example(value: Any) -> str:
    example = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return example if len(example) <= 24 else f"{example[:21]}..."


def _type(values: pa.ChunkedArray) -> str:
    if not pa.types.is_string(values.type):
        return str(values.type).removeprefix("dictionary").split(",")[0].removeprefix("<values=")
    if not len(values):
        return "empty"
    for kind, label in ((pa.int64(), "whole numbers"), (pa.float64(), "numbers")):
        try:
            values.cast(kind)
        except pa.ArrowInvalid:
            continue
        return label
    return "text"


def _bytes_in(place: Path) -> int:
    return sum(os.path.getsize(path) for path in partitioned_table(str(place)) or [str(place)])


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
