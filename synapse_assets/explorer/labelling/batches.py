"""What is shown to people who label: rounds, suspected errors, disagreements, and what is like another synapse.

How synapses of a round are chosen belongs to `pipeline.em.labelling`; routes to `routes`, what is posted to `answers`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.labelling.decisions import Decided, decide, standing_answers
from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.labelling import MOST_CLASSES, LabellingChoice
from synapse_assets.errors import BadInput
from synapse_assets.explorer import neuroglancer
from synapse_assets.explorer.labelling.tiles import CurrentTiles
from synapse_assets.explorer.releases import Releases
from synapse_assets.pipeline.em.labelling.decisions import classes_now
from synapse_assets.pipeline.labelling.rounds import round_number
from synapse_assets.query import Filters, SearchRequest, Warehouse
from synapse_assets.query.points import NONE
from synapse_assets.schema.labelling import (
    ADJUDICATION,
    ANSWER,
    BY_ERROR,
    BY_LIKENESS,
    DISAGREEMENT,
    LABEL_ERRORS,
    QUERY_SUGGESTIONS,
    SKIP,
    UNDO,
)
from synapse_assets.stores import DatasetStore

ERRORS, LIKE_ANOTHER = "label_errors", "like_another"
"""Batches that are no rounds, beside `ADJUDICATION`, by the name that their answers are kept under."""
MOST_ALIKE = 48
_CLASSES_FOR_S = 60.0
# What is read of a synapse.
_SITE = ("synapse_id", "volume", "x_nm", "y_nm", "z_nm")


class UnknownBatch(BadInput):
    """A round, or an item of it, that there is not.

    What to do: open the labelling page anew, which lists the rounds that there are.
    """


@dataclass(frozen=True)
class Item:
    """One synapse to label.

    round: under which answers about it are kept. guess: what the model would say, with its probability and the version of the model.
    place: name of the volume and position in nanometres. says: what the page tells of it at once. answers: names and what they said.
    """

    item: str
    round: str
    origin: str
    guess: str | None = None
    guess_probability: float | None = None
    model_version: str | None = None
    place: tuple[str, neuroglancer.Place] | None = None
    says: str = ""
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Batch:
    """Items by name, in the order in which they are shown. name: the last part of the page's address.

    guess: when the guess is shown, as `LabellingChoice.guess` says it. kind: of the answers. like: what the items are like, if so.
    """

    name: str
    title: str
    items: Mapping[str, Item]
    guess: str
    kind: str = ANSWER
    like: str | None = None


class Batches:
    """The batches of one dataset.

    Raises UnknownBatch, and BadInput for what cannot be shown.
    """

    def __init__(self, store: DatasetStore, dataset: EmDataset, choice: LabellingChoice) -> None:
        self.store, self.dataset, self.choice = store, dataset, choice
        self.tiles = CurrentTiles(store)
        self._classes: tuple[float, list[str]] = 0.0, []

    @property
    def classes(self) -> list[str]:
        """What the keys 1 to 9 say. Where the sources say it, they are looked at again after a minute."""
        read_at, classes = self._classes
        if not classes or time.monotonic() - read_at > _CLASSES_FOR_S:
            classes = classes_now(self.store, self.dataset)[:MOST_CLASSES]
            self._classes = time.monotonic(), classes
        return classes

    @property
    def rounds(self) -> list[str]:
        """Names of the rounds, the newest first."""
        return sorted(self.store.results(QUERY_SUGGESTIONS).partitions(), reverse=True)

    def check(self, name: str) -> None:
        """Raises UnknownBatch where there is no batch of that name."""
        if name not in (ERRORS, LIKE_ANOTHER, ADJUDICATION) and not self.has_round(name):
            raise UnknownBatch(f"there is no round '{name}'; there are {', '.join(self.rounds[:12]) or 'none yet'}")

    def has_round(self, name: str) -> bool:
        """Whether there is a round of that name."""
        return name in self.rounds

    def batch(self, name: str, synapse_id: str, releases: Releases) -> Batch:
        """The batch of that name, to show. synapse_id: what the items of `LIKE_ANOTHER` are like, by the vectors of the release."""
        if name == LIKE_ANOTHER:
            batch = self.like(synapse_id, releases(self.dataset.name))
        else:
            batch = self.disagreements() if name == ADJUDICATION else self.kept(name)
        unplaced = [one for one, item in batch.items.items() if item.place is None]
        rows = self.store.synapses.read_ids(unplaced, _SITE).to_pylist()
        placed = {
            row["synapse_id"]: replace(batch.items[row["synapse_id"]], place=_place(row)) for row in rows
        }  # fmt: skip
        return replace(batch, items={**batch.items, **placed})

    def kept(self, name: str, item: str | None = None) -> Batch:
        """The batch of that name as far as an answer about an item needs it: of those that change with the answers, that item alone."""
        if name == LIKE_ANOTHER:
            return Batch(name, "", _likenesses([] if item is None else [item]), "never")
        if name == ADJUDICATION:
            # Settled by now, perhaps, and still to be taken back.
            rows = self.store.annotation_log.rows(item=item or "")
            rounds = {item: rows.column("round")[0].as_py()} if item is not None and rows.num_rows else {}
            return self._adjudicated(rows, rounds, {})
        return self.errors() if name == ERRORS else self.round(name)

    def rows(self, batch: Batch) -> pa.Table:
        """What was answered in a batch, row by row."""
        if batch.kind == ANSWER:
            return self.store.annotation_log.rows(batch.name)
        rows = self.store.annotation_log.rows()
        return rows.filter(pc.is_in(rows.column("kind"), pa.array([batch.kind, UNDO])))

    def round(self, name: str) -> Batch:
        """The suggestions of a round."""
        self.check(name)
        rows = self.store.results(QUERY_SUGGESTIONS).read(name).sort_by("rank").to_pylist()
        items = {
            row["synapse_id"]: Item(
                row["synapse_id"],
                name,
                row["origin"],
                row["guess"],
                row["guess_probability"],
                row["model_version"],
                _place(row),
            )
            for row in rows
        }
        return Batch(name, _title(name), items, self.choice.guess)

    def errors(self) -> Batch:
        """Labels that a model of other neurons contradicts."""
        rows = self.store.results(LABEL_ERRORS).read().sort_by("rank").to_pylist()
        items = {
            row["synapse_id"]: Item(
                row["synapse_id"],
                ERRORS,
                BY_ERROR,
                row["predicted"],
                row["predicted_probability"],
                says=f"The label is {row['target']}; the model gives it {row['label_probability']:.2f}.",
            )
            for row in rows
        }
        return Batch(ERRORS, "Suspected label errors", items, "before")

    def like(self, synapse_id: str, warehouse: Warehouse) -> Batch:
        """The synapses most like one, of those that have no class and that nobody answered about."""
        points = warehouse.points
        found_id = points.ids[points.row(synapse_id)].as_py()
        standing = standing_answers(self.store.annotation_log.rows())
        answered = set(standing.filter(pc.not_equal(standing.column("answer"), SKIP)).column("item").to_pylist())
        filters = Filters({"target": [NONE]}) if "target" in points.categories else Filters()
        most = MOST_ALIKE + len(answered)
        found = warehouse.similar(SearchRequest(found_id, k=most, filters=filters, leave_out_own_neuron=False))
        ids = [one for one in found["synapse_id"] if one not in answered][:MOST_ALIKE]
        return Batch(LIKE_ANOTHER, f"Like {found_id}", _likenesses(ids), "never", like=found_id)

    def disagreements(self) -> Batch:
        """Items about which people disagree, with the name and answer of everybody who answered."""
        rows = self.store.annotation_log.rows()
        decided = self.decided(rows)
        rounds = {
            row["synapse_id"]: row["round"] for row in decided.table.to_pylist() if row["decision"] == DISAGREEMENT
        }
        answers: dict[str, list[tuple[str, str]]] = {one: [] for one in rounds}
        for row in standing_answers(rows).to_pylist():
            if row["item"] in answers and row["answer"] != SKIP:
                answers[row["item"]].append((row["annotator"], row["answer"]))
        return self._adjudicated(rows, rounds, answers)

    def decided(self, rows: pa.Table) -> Decided:
        """What follows from all answers now. rows: of the log."""
        items = pc.unique(rows.column("item")).to_pylist()
        hashes = self.tiles.hashes(items)
        known = pa.table(
            {
                "synapse_id": pa.array(list(hashes), pa.string()),
                # Decisions say it, and nothing here asks.
                "brain_region": pa.array([""] * len(hashes), pa.string()),
                "tile_hash": pa.array(list(hashes.values()), pa.string()),
            }
        )
        return decide(rows, known, self.classes, self.choice.renamed)

    @staticmethod
    def _adjudicated(
        rows: pa.Table, rounds: Mapping[str, str], answers: Mapping[str, Sequence[tuple[str, str]]]
    ) -> Batch:
        """Items to adjudicate, by the round under which that is kept."""
        origins = dict(zip(*(reversed(rows.column(name).to_pylist()) for name in ("item", "origin")), strict=True))
        items = {
            one: Item(one, round, origins[one], answers=tuple(answers.get(one, ()))) for one, round in rounds.items()
        }
        return Batch(ADJUDICATION, "Disagreements", items, "never", ADJUDICATION)


def _likenesses(ids: Sequence[str]) -> dict[str, Item]:
    return {one: Item(one, LIKE_ANOTHER, BY_LIKENESS) for one in ids}


def _place(row: Mapping[str, Any]) -> tuple[str, neuroglancer.Place]:
    return row["volume"], (row["x_nm"], row["y_nm"], row["z_nm"])


def _title(round: str) -> str:
    number = round_number(round)
    return f"Round {number}" if number is not None else f"Round {round}"
