"""What `inspect` prints of a workbook of the chain without images: a dataset of its own, tried with the workbook."""

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.morphology import MorphologyDataset, WorkbookColumns
from synapse_assets.datasets.yaml_text import as_yaml
from synapse_assets.sources.samples import Sample
from synapse_assets.sources.values import Place, figures
from synapse_assets.sources.workbooks import read_workbook, workbook_columns

_MOST_LISTED = 10


def missing_columns(names: Sequence[str]) -> list[str]:
    """The columns, by their usual names, that a table lacks to be such a workbook; none where it is one."""
    return [str(WorkbookColumns.model_fields[use].default) for use in workbook_columns(names)[1]]


def workbook_dataset(sample: Sample, name: str) -> tuple[str, dict[str, str], list[str]]:
    """The dataset as YAML (without name, title and description), its contents as text, and the problems of the workbook.

    name: of the workbook.
    """
    columns, _ = workbook_columns(sample.table.column_names)
    neuron, kind = columns.get("neuron_id") or "NeuronId", columns.get("synapse_type") or "SynType"
    neurons, kinds = _distinct(sample, neuron), _distinct(sample, kind)
    workbook: dict[str, Any] = {"name": name, "path": str(sample.file.resolve())}
    if sample.kind == "Excel" and len(sample.tables) > 1:
        workbook["sheet"] = sample.part
    if columns:
        workbook["columns"] = columns
    types = {prefix: prefix for prefix in map(_prefix, neurons)}
    groups = {_group(synapse_type): {"synapse_type": synapse_type} for synapse_type in kinds}
    rest = {"neuron_types": types, "synapse_types": kinds, "groups": groups}
    counts = {
        "neurons": f"{len(neurons)} in {neuron}: {_listed(neurons)}",
        "types": f"{len(kinds)} in {kind}: {_listed(kinds)}",
    }
    problems = []
    if not all(neuron_id[:1].isalpha() for neuron_id in neurons):
        problems.append(
            f"ids in {neuron} do not begin with letters, which tell the type of a neuron: write the types in neuron_types"
        )
    try:
        tried = {"name": "tried", "title": "", "description": "", "chain": "morphology", "workbooks": [workbook]}
        dataset = MorphologyDataset.model_validate({**tried, **rest})
        read_workbook(dataset.workbooks[0], dataset, sample.file.parent)
    except ValueError as error:
        problems.append(f"read like this it is refused: {error}")
    workbook_yaml = "\n    ".join(f"{key}: {as_yaml(value)}" for key, value in workbook.items())
    comment = "  # the letters that ids of neurons begin with, and the name of each type"
    lines = [f"{key}: {as_yaml(value)}{comment * (key == 'neuron_types')}" for key, value in rest.items()]
    return "\n".join(["chain: morphology", f"workbooks:\n  - {workbook_yaml}", *lines]) + "\n", counts, problems


def _distinct(sample: Sample, column: str) -> list[str]:
    values = sample.table.column(column).combine_chunks()
    place = Place(str(sample.file), column, range(1, len(values) + 1))
    distinct: list[str] = pc.unique(figures(pa.array(values), place).drop_null()).to_pylist()
    return distinct


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + ", ..." * (len(names) > _MOST_LISTED)


def _prefix(neuron: str) -> str:
    """The letters that the id of a neuron begins with."""
    letters = re.match(r"[^\W\d_]+", neuron)
    return letters[0] if letters else neuron[:1]


def _group(kind: str) -> str:
    """The name of an investigation group."""
    plain = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")
    return plain if plain[:1].isalpha() else f"type-{plain}"
