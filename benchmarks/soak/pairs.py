"""Two labs on the same points: in one of them something goes wrong, the other is undisturbed, and they are compared row by row."""

import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from benchmarks.soak.labs import CHAIN, MODELS, SoakLab, contents, duplicates, shifted
from benchmarks.soak.report import Report
from synapse_assets_tests.conftest import REGIONS, tiny_dataset


def keys(table: pa.Table) -> list[Any]:
    """What a row is known by: the synapse, in `splits` the split as well; nothing where rows are no synapses."""
    if "synapse_id" not in table.column_names:
        return []
    named = [name for name in ("synapse_id", "split") if name in table.column_names]
    return list(zip(*(table.column(name).to_pylist() for name in named), strict=True))


def model_files(lab: SoakLab, asset: str) -> dict[str, bytes]:
    """Of a model, the files of the version that was made last, without the time in its provenance."""
    if asset not in MODELS:
        return {}
    models = lab.store.models(asset)
    folder = models.path(str(models.candidate or models.current))
    return {f.name: f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file() and f.name != "provenance.json"}


class Pair:
    """Two labs, what is changed in both, and what was found to differ. `root` is of the lab in which things go wrong."""

    def __init__(self, folder: Path, inputs: Path, instance: dg.DagsterInstance, root: str, **changes: object) -> None:
        folder.mkdir(exist_ok=True)
        self.points = folder / "points.csv"
        shutil.copy(inputs / "points.csv", self.points)
        self.dataset = tiny_dataset(inputs, self.points, **changes)
        self.lab = SoakLab(self.dataset, root, instance)
        self.other = SoakLab(self.dataset, str(folder / "undisturbed"), instance)
        self.lost = self.doubled = self.stale = self.half = self.unreadable = self.models = 0

    def begin(self) -> None:
        """Everything is made once, in both."""
        for name, by_region in CHAIN:
            for region in REGIONS if by_region else REGIONS[:1]:
                self.other.step(name, region)
        if "://" not in self.lab.root:
            shutil.copytree(self.other.root, self.lab.root)
            return
        for name, by_region in CHAIN:
            for region in REGIONS if by_region else REGIONS[:1]:
                self.lab.step(name, region)

    def change(self, number: int) -> str:
        """The points of one region change: all lie elsewhere, one goes, one comes. Gives the region."""
        region = REGIONS[number % len(REGIONS)]
        dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[(number // len(REGIONS)) % 4]
        shifted(pd.read_csv(self.points), region, dx, dy, number).to_csv(self.points, index=False)
        return region

    def round(self, number: int, disturbed: Collection[str], disturb: Callable[[str, str], None]) -> None:
        """A change, and all that follows from it. Before each of the `disturbed` assets is made, `disturb` makes a mess of it."""
        region = self.change(number)
        for name, _ in CHAIN:
            if name in disturbed:
                self._disturbed(name, region, disturb)
            else:
                self.lab.step(name, region)
                self.other.step(name, region)

    def _disturbed(self, name: str, region: str, disturb: Callable[[str, str], None]) -> None:
        before = contents(self.lab.store, name)
        disturb(name, region)
        between: dict[str, pa.Table] | None = None
        self.unreadable += 1
        with suppress(Exception):
            between = contents(self.lab.store, name)
            self.unreadable -= 1
        self.lab.step(name, region)
        self.other.step(name, region)
        after, wanted = contents(self.lab.store, name), contents(self.other.store, name)
        for table, rows in wanted.items():
            has, should = keys(after[table]), keys(rows)
            lost, doubled = len(set(should) - set(has)), duplicates(has)
            self.lost += lost
            self.doubled += doubled
            if not lost and not doubled and not after[table].equals(rows):
                self.stale += 1
                print(f"  {table} is another after {name} was disturbed", flush=True)
            if between is not None and not any(between[table].equals(one[table]) for one in (before, wanted)):
                self.half += 1
                print(f"  {table} was neither old nor new after {name} was disturbed", flush=True)
        files, wanted_files = model_files(self.lab, name), model_files(self.other, name)
        unlike = sorted(f for f in {*files, *wanted_files} if files.get(f) != wanted_files.get(f))
        if unlike:
            self.models += 1
            print(f"  {name}: other bytes than in the undisturbed lab in {', '.join(unlike)}", flush=True)

    def tell(self, report: Report, what: str = "") -> None:
        """What was found, at the end."""
        final, wanted = contents(self.lab.store), contents(self.other.store)
        staged = [file for file in self.lab.store.folder.child("staging").names() if _files_in(self.lab, file)]
        report.promise(f"{what}rows lost", self.lost)
        report.promise(f"{what}rows doubled", self.doubled)
        report.promise(f"{what}tables stale after the next run", self.stale)
        report.promise(f"{what}tables neither old nor new before it", self.half)
        report.promise(f"{what}unreadable before it", self.unreadable)
        report.promise(f"{what}models unlike the undisturbed lab's", self.models)
        report.promise(
            f"{what}tables that differ at the end", [n for n in wanted if not final[n].equals(wanted[n])], []
        )
        report.promise(f"{what}unfinished work left in staging", len(staged))


def _files_in(lab: SoakLab, asset: str) -> bool:
    return any(lab.store.folder.child("staging", asset, region).names() for region in REGIONS)
