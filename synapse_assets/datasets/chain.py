"""What a chain is: a kind of dataset, the facts of its assets, and where its lineage is declared.

Jobs, publication, promotions, drift, query and explorer use what is here; none asks for the type of a dataset. The work of an
asset belongs to `pipeline`, its declaration to `defs`, its pages to `explorer`. How a chain is added: docs/architecture.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from synapse_assets.datasets.base import Dataset
from synapse_assets.schema import INPUT_FILES, Table

# The group of what a dataset is read from, in every chain.
RAW = "1_raw"


class Role(StrEnum):
    """What making an asset means."""

    READ = "read"  # the inputs become a table
    APPLY = "apply"  # a rule or a fitted model is applied
    FIT = "fit"  # something is fitted; a refit is in use at once
    MODEL = "model"  # something is fitted; a refit is a candidate until it is promoted
    ASK = "ask"  # what people are asked is chosen, once; it stays as it is
    COMPARE = "compare"  # says how good fitted models are, candidates included
    ADVISE = "advise"  # says whether a refit is due
    DECIDE = "decide"  # promotes candidates or keeps them out
    PUBLISH = "publish"  # builds the release
    REPORT = "report"  # is made of the release; nothing is made from it


@dataclass(frozen=True)
class AssetFacts:
    """The facts of an asset that are known before it is declared or made.

    stage: its group in the lineage. table: what it writes; beside: further tables that it writes. kinds: what the UI marks it
    with. by_part: it is made part by part; by_round: round by round of what people are asked. job: the job that makes it,
    beside automation. fitted_on: the model that this model is fitted on, or that rounds need; refitted_after: what follows from people's
    answers, whose change asks for a refit. applied: the model whose version stands in every row, and the column it stands in.
    released: the names of those of its tables that are published; awaited: a release waits for the asset itself, not only for what is
    made from it; released_again: automation builds another release after it, though it is no input of one. points: SQL for the columns
    of its table that the explorer shows of every released synapse. page: the page of the explorer that shows it. exists: whether a
    dataset has it.
    """

    name: str
    stage: str
    role: Role
    table: Table | None = None
    beside: tuple[Table, ...] = ()
    kinds: tuple[str, ...] = ("parquet",)
    by_part: bool = False
    by_round: bool = False
    job: str | None = None
    fitted_on: str | None = None
    refitted_after: str | None = None
    applied: tuple[str, str] | None = None
    released: tuple[str, ...] = ()
    awaited: bool = True
    released_again: bool = False
    points: tuple[str, ...] = ()
    page: str | None = None
    exists: Callable[[Any], bool] = lambda _: True

    @property
    def tables(self) -> tuple[Table, ...]:
        """What it writes."""
        return self.beside if self.table is None else (self.table, *self.beside)


@dataclass(frozen=True)
class Chain:
    """One kind of dataset.

    name: what `chain:` in the YAML says. part: the partition of its datasets, such as a brain region. jobs: what the jobs
    beside automation do, by name, with {title} for the dataset. lineage: import path (`module:name`) of its `defs.chain.Lineage`,
    which cannot be imported from here. pages: titles of the pages that the explorer shows of it, by the last part of their
    addresses, the first being the landing page; page_by_part: each part has pages of its own. own_pages: import path of a
    function that adds further pages to the explorer (`explorer.server.Site`). words: how what is shared with other chains is called in
    this one, by its words there: texts of shared assets are shown with them.
    """

    name: str
    dataset_type: type[Dataset]
    part: str
    assets: tuple[AssetFacts, ...]
    jobs: Mapping[str, str]
    lineage: str
    pages: Mapping[str, str] = field(default_factory=dict)
    page_by_part: bool = False
    own_pages: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def facts(self) -> Mapping[str, AssetFacts]:
        """The facts of every asset by name, in the order of the chain."""
        return {facts.name: facts for facts in (_INPUT_FILES, *self.assets)}

    def assets_of(self, dataset: Dataset) -> list[AssetFacts]:
        """The facts of the assets that a dataset has, in the order of the chain."""
        return [facts for facts in self.facts.values() if facts.exists(dataset)]

    def pages_of(self, dataset: Dataset) -> dict[str, str]:
        """Titles of the pages that the explorer shows of a dataset: not of those that show assets which it does not have."""
        shown = {facts.page for facts in self.assets_of(dataset)}
        absent = {facts.page for facts in self.assets} - shown
        return {name: title for name, title in self.pages.items() if name not in absent}

    def in_words(self, text: str) -> str:
        """A text of a shared asset in the words of this chain."""
        for word, here in self.words.items():
            text = text.replace(word, here)
        return text

    def maker_of(self, name: str) -> str:
        """The asset of that name, or else the one that writes the table of that name; the name itself for what is not of the chain."""
        if name in self.facts:
            return name
        writers = (facts.name for facts in self.assets if name in {table.name for table in facts.tables})
        return next(writers, name)

    def names(self, role: Role) -> tuple[str, ...]:
        """The assets of a role, in the order of the chain: a model stands after the one that it is fitted on."""
        return tuple(facts.name for facts in self.assets if facts.role is role)

    def models_of(self, dataset: Dataset) -> tuple[str, ...]:
        """The models of a dataset whose refits are candidates, in the order of the chain."""
        return tuple(facts.name for facts in self.assets_of(dataset) if facts.role is Role.MODEL)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Every table that its assets write, by name."""
        return {table.name: table for facts in self.assets for table in facts.tables}


_INPUT_FILES = AssetFacts("input_files", RAW, Role.READ, INPUT_FILES)
CHAINS: dict[str, Chain] = {}


def register(chain: Chain) -> Chain:
    """Makes a chain known, so that a YAML may name it in `chain:`. Gives the chain."""
    CHAINS[chain.name] = chain
    return chain


def chain_of(dataset: Dataset) -> Chain:
    """The chain of a dataset."""
    return CHAINS[dataset.chain]
