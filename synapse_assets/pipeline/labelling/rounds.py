"""The rounds of labelling: how they are called, how far people have got in one, and whether another is due.

What a round asks about belongs to the chains (their `query_suggestions`), the answers to `stores.annotation_log`.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from synapse_assets.analysis.labelling.decisions import standing_answers
from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.pipeline.labelling.annotations import NO_ANSWERS, log_version
from synapse_assets.schema import Table
from synapse_assets.schema.labelling import ADJUDICATION, ANNOTATIONS, LABEL_CURVE, SKIP
from synapse_assets.stores import DatasetStore

_NAME = re.compile(r"round_(\d{3,})")


def round_name(number: int) -> str:
    """The name of a round by its number, from 1: round_001."""
    return f"round_{number:03d}"


def round_number(name: str) -> int | None:
    """The number of a round by its name; None for other batches that people answer."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1])


@dataclass(frozen=True)
class ItemProgress:
    """What was said about one item of a round.

    wanted: people who are to answer it. answered_by, skipped_by: who has, by what stands now. adjudicated: it was settled.
    """

    item: str
    wanted: int
    answered_by: frozenset[str] = frozenset()
    skipped_by: frozenset[str] = frozenset()
    adjudicated: bool = False

    @property
    def answered(self) -> bool:
        """Whether it has all the answers that are wanted."""
        return self.adjudicated or len(self.answered_by) >= self.wanted

    def is_open_for(self, annotator: str) -> bool:
        """Whether that person may still be asked."""
        return not self.answered and annotator not in self.answered_by | self.skipped_by


@dataclass(frozen=True)
class Progress:
    """How far people have got in a round.

    items: in the order in which they are shown; empty for a round that was not chosen yet. people: everybody whose answer in it
    stands, skips included. least: people who are to answer every item.
    """

    round: str
    items: tuple[ItemProgress, ...]
    people: frozenset[str]
    least: int

    @property
    def answered(self) -> int:
        """Items that have all the answers that are wanted."""
        return sum(item.answered for item in self.items)

    @property
    def done(self) -> bool:
        """Whether nobody who takes part has anything left to answer in it.

        An item that one person more is to answer, or that somebody has skipped, waits for those who take part, and not for
        somebody who may never come. So one person alone can finish a round; where `people` asks for two, it waits for the second.
        """
        return bool(self.items) and not self.unsettled

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The items that wait for an answer, of those who take part or of anybody."""
        return tuple(item.item for item in self.items if not self._is_settled(item))

    def open_for(self, annotator: str) -> tuple[str, ...]:
        """The items that this person is still to be asked about, in the order in which they are shown."""
        return tuple(item.item for item in self.items if item.is_open_for(annotator))

    def _is_settled(self, item: ItemProgress) -> bool:
        by = item.answered_by | item.skipped_by
        return item.answered or (len(by) >= self.least and self.people <= by)


def progress(store: DatasetStore, dataset: Dataset, round: str) -> Progress:
    """How far people have got in a round, by what stands in the log now. Of an unknown round there are no items."""
    choice, asked = _choice(dataset), _suggestions(dataset)
    name = item_column(dataset)
    rows = store.results(asked).read(round, ["rank", name]).sort_by("rank")
    least, twice = getattr(choice, "people", 1), getattr(choice, "twice_share", 0.0)
    said: dict[str, dict[str, str | None]] = {}
    settled = set()
    for row in standing_answers(store.annotation_log.rows(round)).to_pylist():
        if row["kind"] == ADJUDICATION:
            settled.add(row["item"])
        else:
            said.setdefault(row["item"], {})[row["annotator"]] = row["answer"]
    items = []
    for item in rows.column(name).to_pylist():
        of = said.get(item, {})
        skipped = frozenset(person for person, answer in of.items() if answer == SKIP)
        wanted = least + is_asked_twice(dataset, round, item, twice)
        items.append(ItemProgress(item, wanted, frozenset(of) - skipped, skipped, item in settled))
    people = frozenset(person for item in items for person in item.answered_by | item.skipped_by)
    return Progress(round, tuple(items), people, least)


def is_done(store: DatasetStore, dataset: Dataset, round: str) -> bool:
    """Whether a round is done, or waits for nothing but synapses that have no tile now: they can be shown to nobody."""
    reached = progress(store, dataset, round)
    if reached.done or not reached.items or item_column(dataset) == "box":
        return reached.done
    return not store.tiles.read_ids(reached.unsettled, ["synapse_id"]).num_rows


def is_asked_twice(dataset: Dataset, round: str, item: str, share: float) -> bool:
    """Whether one person more answers an item: so for that share of them, chosen by hash, so that everybody comes to the same ones."""
    digest = hashlib.sha256("\x1f".join((dataset.name, round, item)).encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def item_column(dataset: Dataset) -> str:
    """The column of the dataset's `query_suggestions` that names what is asked about."""
    names = _suggestions(dataset).names
    return "box" if "box" in names else "synapse_id"


def last_round(store: DatasetStore, dataset: Dataset) -> str | None:
    """The last round that was chosen; None before the first."""
    numbers = [round_number(name) for name in store.results(_suggestions(dataset)).partitions()]
    return round_name(max(known)) if (known := [number for number in numbers if number is not None]) else None


def next_round(store: DatasetStore, dataset: Dataset) -> str | None:
    """The round that is due; None where none is.

    The first is due once the model is there that it is chosen by, another when the last one is done, `label_curve` knows its answers
    and does not say that labelling may stop. None is due after a round that found nothing to ask about.
    """
    if _choice(dataset) is None:
        return None
    needs = chain_of(dataset).facts["query_suggestions"].fitted_on
    if needs is not None and store.models(needs).current is None:
        return None
    last = last_round(store, dataset)
    if last is None:
        return round_name(1)
    if not is_done(store, dataset, last) or not _is_known(store, last):
        return None
    curve = store.results(LABEL_CURVE).read(columns=["number", "stop"]).sort_by("number")
    if curve.num_rows and curve.column("stop")[-1].as_py():
        return None
    return round_name(int(round_number(last) or 0) + 1)


def answers_read(store: DatasetStore) -> dict[str, str]:
    """The version of the log of every round as `annotations` has it: what `label_curve` is written as made from."""
    table = store.results(ANNOTATIONS)
    return {round: (table.made_from(round) or {}).get("log", "") for round in table.partitions()}


def _is_known(store: DatasetStore, round: str) -> bool:
    made_from = store.results(LABEL_CURVE).made_from() or {}
    return made_from.get(round, NO_ANSWERS) == log_version(store, round)


def _choice(dataset: Dataset) -> Any:
    return getattr(dataset, "labelling", None)


def _suggestions(dataset: Dataset) -> Table:
    table = chain_of(dataset).facts["query_suggestions"].table
    assert table is not None  # noqa: S101 -- every chain that asks people writes what it asks
    return table
