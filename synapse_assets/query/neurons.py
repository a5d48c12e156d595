"""What a release says of neurons: their answers, the synapses behind them, what would change an answer, and the list of all.

How answers are made belongs to `pipeline`; which neurons look alike, to `similarity`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synapse_assets.analysis.evaluation.answer_changes import AnswerChanges, answer_changes
from synapse_assets.analysis.evaluation.predictions import UNCLEAR
from synapse_assets.errors import BadInput
from synapse_assets.query.points import Points
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.schema import NEURON_ANSWERS

Only = Literal["", "unclear", "disagreement", "wrong"]
# What the list can be limited to, and ordered by: a title, and SQL on `neuron_answers`.
ONLY: Mapping[str, tuple[str, str]] = {
    "": ("all", "true"),
    "unclear": ("unclear", f"answer = '{UNCLEAR}'"),
    "disagreement": ("regions disagree", "disagreement <> ''"),
    "wrong": ("not the known class", f"answer <> '{UNCLEAR}' and answer <> target"),
}
ORDERS: Mapping[str, tuple[str, str]] = {
    "neuron": ("neuron", "neuron_id"),
    "surest": ("most probable first", "probability desc, neuron_id"),
    "least_sure": ("least probable first", "probability, neuron_id"),
    "synapses": ("most synapses first", "synapses desc, neuron_id"),
    "known": ("known class", "target nulls last, neuron_id"),
    "answer": ("answer", "answer, probability desc, neuron_id"),
}
_LISTED = (
    "starts_with(neuron_id::varchar, $id) and ($answer = '' or answer = $answer) and ($target = '' or target = $target)"
)


class UnknownNeuron(BadInput):
    """A neuron that the release does not have.

    What to do: take an id from the page Neurons or from `neuron_id` of `synapses`; a neuron that came later needs another release
    (materialise `warehouse`).
    """


@dataclass(frozen=True)
class NeuronRequest:
    """Which neurons are listed: with that answer, of that known class, whose id begins so; "" for any. only: see `ONLY`. order:
    see `ORDERS`.

    Raises BadInput for another `only` or `order`, and for an `id` that is no beginning of a whole number.
    """

    answer: str = ""
    target: str = ""
    id: str = ""
    only: str = ""
    order: str = "neuron"

    def __post_init__(self) -> None:
        for what, chosen, known in (("only", self.only, ONLY), ("order", self.order, ORDERS)):
            if chosen not in known:
                raise BadInput(f"{what}: '{chosen[:60]}' is none of {', '.join(filter(None, known))}")
        if self.id and not (self.id.isascii() and self.id.removeprefix("-").isdigit()):
            raise BadInput(f"id: '{self.id[:60]}' is no beginning of the id of a neuron, which is a whole number")


ALL_NEURONS = NeuronRequest()


@dataclass(frozen=True)
class Neuron:
    """One neuron of a release.

    answer: its row of `neuron_answers`, with maps as dicts; None where the release has none of it. synapses: its rows of `Points.frame`,
    one per synapse; where synapses have answers also `class_set` and, of the neuron's most probable class, `support`, the calibrated
    probability. Those with the highest support come first, those without an answer last. rows: int64 (n,), where these synapses stand
    among the points. changes: what would change the answer; None where there is nothing to add up.
    """

    neuron_id: int
    answer: dict[str, Any] | None
    synapses: pd.DataFrame
    rows: npt.NDArray[np.int64]
    changes: AnswerChanges | None


class Neurons:
    """The neurons of one release, by the tables of its file and its points."""

    def __init__(self, file: ReleaseFile, points: Points) -> None:
        self._file, self._points = file, points

    def code(self, neuron_id: int) -> int:
        """The code of a neuron among the points. Raises UnknownNeuron for one that has no synapse in the release."""
        ids = np.asarray(self._points.neuron_ids.to_numpy(zero_copy_only=False))
        if ids.dtype != object and -(2**63) <= neuron_id < 2**63:
            code = int(np.searchsorted(ids, neuron_id))
            if code < len(ids) and int(ids[code]) == neuron_id:
                return code
        examples = ", ".join(str(one) for one in ids[:2])
        raise UnknownNeuron(
            f"no neuron {neuron_id} has a synapse in this release; "
            + (
                f"its {len(ids):,} neurons have ids like {examples}"
                if examples
                else "no synapse in it names its neuron"
            )
        )

    def neuron(self, neuron_id: int) -> Neuron:
        """See `Warehouse.neuron`."""
        neuron_id = int(neuron_id)  # as a table of pandas gives it, DuckDB does not take it
        rows = np.flatnonzero(self._points.neurons == self.code(neuron_id))
        answer = self.answer(neuron_id)
        frame = self._points.frame(rows)
        answers = self._answers(rows)
        if answers is None:
            return Neuron(neuron_id, answer, frame, rows, None)
        known = ~np.isnan(answers.probabilities).any(axis=1)
        named = answer["predicted"] if answer else ""
        most = int(np.nanmean(answers.probabilities, axis=0).argmax())
        support = answers.probabilities[:, answers.classes.index(named) if named in answers.classes else most]
        changes = None
        if answer:
            pooled = known & (answers.out_of_fold | (not answer["in_training"]))
            regions = frame["brain_region"].to_numpy(dtype=object)[pooled]
            prior = self._prior(answers.classes)
            evidence = answers.probabilities[pooled]
            changes = answer_changes(evidence, answer["independent_synapses"], prior, regions, answers.classes)
        order = np.argsort(-np.where(known, support, -1), kind="stable")
        frame = frame.assign(class_set=pd.Series(answers.class_sets, dtype=object), support=support)
        return Neuron(neuron_id, answer, frame.iloc[order].reset_index(drop=True), rows[order], changes)

    def _has(self, table: str) -> bool:
        """Whether the release has rows of a table."""
        return bool(self._file.release["tables"].get(table, {}).get("rows"))

    def answer(self, neuron_id: int) -> dict[str, Any] | None:
        """Its row of `neuron_answers`, with maps as dicts; None where there is none."""
        if not self._has("neuron_answers"):
            return None
        rows = self._file.table("select * from neuron_answers where neuron_id = ?", [neuron_id]).to_pylist()
        return _with_dicts(rows[0]) if rows else None

    def answers(self, neuron_ids: list[int]) -> pd.DataFrame | None:
        """The answers of several neurons: `neuron_id`, `answer`, `probability`, `class_set`, `target`; None where the release has none."""
        if not self._has("neuron_answers"):
            return None
        query = """select neuron_id, answer, probability, class_set, target from neuron_answers
            where neuron_id in (select unnest($ids::bigint[]))"""
        return pd.DataFrame(
            self._file.table(query, {"ids": neuron_ids}).to_pylist(),
            columns=["neuron_id", "answer", "probability", "class_set", "target"],
        )

    def listed(self, request: NeuronRequest, limit: int | None, offset: int) -> tuple[list[dict[str, Any]], int]:
        """See `Warehouse.neurons`; beside the rows, how many there are without a limit."""
        if not self._has("neuron_answers"):
            return [], 0
        where = f"{_LISTED} and {ONLY[request.only][1]}"
        values: dict[str, Any] = {"id": request.id, "answer": request.answer, "target": request.target}
        count = self._file.table(f"select count(*) from neuron_answers where {where}", values).column(0)[0].as_py()  # noqa: S608
        page = "" if limit is None else f"limit {int(limit)} offset {int(offset)}"
        query = f"select * from neuron_answers where {where} order by {ORDERS[request.order][1]} {page}"  # noqa: S608
        return [_with_dicts(row) for row in self._file.table(query, values).to_pylist()], count

    def codex(self) -> pd.DataFrame:
        """See `Warehouse.codex_neurons`."""
        from synapse_assets.analysis.evaluation.codex import codex_table

        rows = (
            self._file.table("select * from neuron_answers order by neuron_id")
            if self._has("neuron_answers")
            else NEURON_ANSWERS.empty()
        )
        return codex_table(rows).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)

    def counts(self, column: Literal["answer", "target"]) -> dict[str, int]:
        """Neurons by answer or known class, those without left out; empty without answers."""
        if not self._has("neuron_answers"):
            return {}
        query = f"select {column}, count(*) from neuron_answers where {column} <> '' group by 1 order by 1"  # noqa: S608
        rows = self._file.table(query)
        return dict(zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True))

    def _answers(self, rows: npt.NDArray[np.int64]) -> "_SynapseAnswers | None":
        """What `synapse_answers` says of these points; None where it says nothing of any."""
        if not self._has("synapse_answers"):
            return None
        ids = self._points.ids.take(rows).to_pylist()
        query = """select synapse_id, probabilities, class_set, out_of_fold from synapse_answers
            where synapse_id in (select unnest($ids))"""
        found = {row["synapse_id"]: row for row in self._file.table(query, {"ids": ids}).to_pylist()}
        classes = sorted({name for row in found.values() for name, _ in row["probabilities"]})
        if not classes:
            return None
        matrix = np.full((len(rows), len(classes)), np.nan)
        for at, synapse_id in enumerate(ids):
            if synapse_id in found:
                probabilities = dict(found[synapse_id]["probabilities"])
                matrix[at] = [probabilities.get(name, 0.0) for name in classes]
        sets = [found[one]["class_set"] if one in found else None for one in ids]
        out_of_fold = np.array([one in found and found[one]["out_of_fold"] for one in ids], dtype=bool)
        return _SynapseAnswers(classes, matrix, sets, out_of_fold)

    def _prior(self, classes: Sequence[str]) -> npt.NDArray[np.float64]:
        """The shares of these classes that calibrated probabilities contain; equal ones where the release has no calibration."""
        from synapse_assets.analysis.evaluation.calibration import Calibration
        from synapse_assets.analysis.evaluation.neuron_answers import class_prior

        rows: dict[str, dict[str, Any]] = {}
        if self._has("calibration"):
            stored = self._file.table('select class_name, scale, "offset", groups from calibration').to_pylist()
            rows = {row["class_name"]: row for row in stored}
        scale, offset, groups = (
            np.array([rows[name][column] if name in rows else default for name in classes], dtype=np.float64)
            for column, default in (("scale", 1.0), ("offset", 0.0), ("groups", 0.0))
        )
        return class_prior(Calibration(tuple(classes), scale, offset), groups)


@dataclass(frozen=True)
class _SynapseAnswers:
    """Of n synapses: `probabilities` float64 (n, classes), calibrated, NaN where one has no answer, and the sets; by sorted classes."""

    classes: list[str]
    probabilities: npt.NDArray[np.float64]
    class_sets: list[list[str] | None]
    out_of_fold: npt.NDArray[np.bool_]


def _with_dicts(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `neuron_answers` whose maps, which Arrow gives as pairs, are dicts; the largest value first."""
    maps = {name: dict(row[name] or ()) for name in ("probabilities", "votes", "region_answers")}
    for name in ("probabilities", "votes"):
        maps[name] = dict(sorted(maps[name].items(), key=lambda entry: (-entry[1], entry[0])))
    return {**row, **maps}
