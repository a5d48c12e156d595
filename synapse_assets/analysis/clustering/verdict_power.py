"""What separation a verdict on the clusters of an investigation group can see, by the number of synapses.

Belongs here: reading the table that was measured on planted groups, and saying what follows for a number of synapses. Does not
belong here: the verdict (`stability_verdict`), measuring the table (`benchmarks/verdict_power.py`), drawing it (`figures.stability`).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

TABLE = Path(__file__).with_suffix(".csv")
DETECTED = 0.8
"""Share of the planted data sets that has to come out so, for a separation to count as seen: the usual power of a study (Cohen,
Statistical Power Analysis for the Behavioral Sciences, 2nd ed., 1988)."""


@dataclass(frozen=True)
class Cell:
    """How planted data sets of one size and separation came out.

    synapses        in each data set
    separation_sd   distance of the means of two groups, in standard deviations of a group along the axis that tells them apart
                    best; 0: no groups
    repeats         data sets
    stable, fragile, noise   how many got that verdict
    recovered       in how many the clusters found agree with the planted groups at an adjusted Rand index of 0.8 or more
    """

    synapses: int
    separation_sd: float
    repeats: int
    stable: int
    fragile: int
    noise: int
    recovered: int

    @property
    def above_noise(self) -> int:
        """How many were called stable or fragile."""
        return self.stable + self.fragile


COLUMNS = tuple(field.name for field in fields(Cell))


@dataclass(frozen=True)
class Power:
    """What a verdict on so many synapses can see.

    synapses   in the group
    cells      those of the nearest measured number of synapses that is not above it, two groups each, by separation; none where
               the group is smaller than all that was measured
    """

    synapses: int
    cells: tuple[Cell, ...]

    @property
    def detectable_sd(self) -> float | None:
        """The separation from which on at least 80 % of the data sets were called stable or fragile; None where none was."""
        first = self._first([cell.above_noise for cell in self.cells])
        return None if first is None else self.cells[first].separation_sd

    @property
    def stable_sd(self) -> float | None:
        """The separation from which on at least 80 % of the data sets were called stable; None where none was."""
        first = self._first([cell.stable for cell in self.cells])
        return None if first is None else self.cells[first].separation_sd

    @property
    def sentence(self) -> str:
        """What follows for a reader, in one sentence."""
        if not self.cells:
            return f"What separation of groups can be seen among {self.synapses:,} synapses was not measured."
        measured = self.cells[0].synapses
        nearest = f" (the nearest number below this group's {self.synapses:,} that was measured)"
        among = f"Of {measured:,} synapses{nearest if measured < self.synapses else ''}"
        first = self._first([cell.above_noise for cell in self.cells])
        cell = self.cells[-1 if first is None else first]
        apart = f"two groups {cell.separation_sd:g} standard deviations apart"
        told = f"told from noise in {{}}{cell.above_noise} of {cell.repeats} planted data sets"
        if first is None:
            return f"{among}, even {apart} are {told.format('only ')}, so distinct groups may have been missed."
        closer = self.cells[first - 1] if first else None
        beside = f" ({closer.separation_sd:g} apart: {closer.above_noise} of {closer.repeats})" if closer else ""
        return f"{among}, {apart} are {told.format('')}{beside}, so groups closer than that may have been missed."

    def _first(self, counts: Sequence[int]) -> int | None:
        """The cell from which on each one has enough of its data sets among `counts`: a single lucky one does not do."""
        short = [
            index
            for index, (cell, count) in enumerate(zip(self.cells, counts, strict=True))
            if count < DETECTED * cell.repeats
        ]
        first = short[-1] + 1 if short else 0
        return first if first < len(self.cells) else None


def read_cells(file: Path = TABLE) -> list[Cell]:
    """The measured cells, in the order of the file."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [Cell(int(row[0]), float(row[1]), *map(int, row[2:])) for row in list(csv.reader(stream))[1:]]


def power(synapses: int, cells: Sequence[Cell] | None = None) -> Power:
    """What a verdict on so many synapses can see, by the measured `cells` (by default those of the package)."""
    measured = read_cells() if cells is None else cells
    nearest = max((cell.synapses for cell in measured if cell.synapses <= synapses), default=None)
    found = [cell for cell in measured if cell.synapses == nearest and cell.separation_sd > 0]
    return Power(synapses, tuple(sorted(found, key=lambda cell: cell.separation_sd)))
