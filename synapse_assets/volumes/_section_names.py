"""What the names of section files say of their order: whether a section is lost, and what they leave open.

A number that rises by the same step from file to file counts the sections. A larger step in it is a lost section, which
would shift all later ones along z. Dates and other counters rise too, and unevenly: they are not taken for section
numbers where another number is one.

What does not belong here: what the files hold (`_images.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from synapse_assets.errors import BadInput

# 20210304, 2021-03-04, 04.03.2021, and a time of day written on to one.
_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:T?(?:[01]\d|2[0-3])[0-5]\d[0-5]\d)?"
    r"|(?:0[1-9]|[12]\d|3[01])([-_.])(?:0[1-9]|1[0-2])\2(?:19|20)\d\d"
    r")(?!\d)"
)
_SECTION_WORDS = ("s", "sl", "sec", "sect", "section", "slice")
_MEND = "which would shift every later section along z: put a black image there, or number the sections without a gap"


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts names by their letters, and numbers in them by value."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


@dataclass(frozen=True)
class _Column:
    """One number of every name, `values` in the order of the files.

    `place`: which of a name's numbers it is, dates left out; `word`: the letters before it.
    """

    place: int
    values: tuple[int, ...]
    word: str

    @property
    def steps(self) -> list[int]:
        return [b - a for a, b in pairwise(self.values)]

    @property
    def rises(self) -> bool:
        return min(self.steps) > 0

    @property
    def is_section(self) -> bool:
        """Whether its name says so."""
        return self.word == "z" or self.word in _SECTION_WORDS

    @property
    def is_clock(self) -> bool:
        """Whether it may be a time of day (hhmmss), a date (yymmdd) or seconds since 1970, and its name does not say otherwise."""
        pairs = [(v // 10_000, v // 100 % 100, v % 100) for v in self.values]
        time = all(1 <= h < 24 and m < 60 and s < 60 for h, m, s in pairs)
        date = all(10 <= y < 50 and 1 <= m <= 12 and 1 <= d <= 31 for y, m, d in pairs)
        epoch = all(1e9 <= v < 2e9 or 1e12 <= v < 2e12 for v in self.values)
        return (time or date or epoch) and not self.is_section

    def gap(self) -> int | None:
        """The file after which a section is lost, for a number that rises."""
        if self.is_clock:
            return None
        step = min(self.steps)
        uneven = [i for i, other in enumerate(self.steps) if other != step]
        # A z in nanometres, or a time, may rise unevenly and lose nothing.
        if uneven and (self.word in _SECTION_WORDS or all(other % step == 0 for other in self.steps)):
            return uneven[0]
        return None


def examine_order(names: Sequence[str], where: str) -> tuple[int | None, tuple[str, ...]]:
    """The number that the first section has by its name, None where it is not known, and what the names leave open.

    `names` are those of the section files, sorted by `natural_key`. The number counts sections: in
    names that rise by 40 it is their number divided by 40. Raises BadInput where a section is lost, where two files
    have the same number, where one has none, and where the section numbers are not in the order of the names.
    """
    undated = [_DATE.sub("#", name) for name in names]
    numbers = [tuple(int(n) for n in re.findall(r"\d+", name)) for name in undated]
    numbered = sum(map(bool, numbers))
    if 1 < numbered < len(names):
        odd = names[numbers.index(())]
        raise BadInput(
            f"{where}: file '{odd}' has no number in its name, but {numbered:,} others have: take it out of the folder, "
            "or number it as a section"
        )
    words = [_word(part) for part in re.split(r"\d+", undated[0])[:-1]]
    shared = range(min(map(len, numbers)))
    columns = [_Column(place, tuple(n[place] for n in numbers), words[place]) for place in shared]
    columns = [column for column in columns if len(set(column.values)) > 1]
    if not columns:
        if len(names) == 1:
            return None, ()
        return None, (
            f"no number in the names of the {len(names):,} files counts the sections ('{names[0]}' to '{names[-1]}'): "
            "they are taken in the order of their names, and a lost one cannot be seen",
        )
    for i, (a, b) in enumerate(pairwise(numbers)):
        if a == b:
            raise BadInput(
                f"{where}: '{names[i]}' and '{names[i + 1]}' have the same section number: keep one of them in the folder"
            )
    for column in columns:
        _refuse_other_order(column, columns, names, where)
    rising = [column for column in columns if column.rises]
    if not rising:
        return None, _examine_groups(names, columns[-1], where)
    deciding = [column for column in rising if column.is_section] or rising
    even = [column for column in deciding if len(set(column.steps)) == 1]
    gaps = [(gap, column) for column in deciding if (gap := column.gap()) is not None]
    if gaps and not even:
        gap, column = gaps[0]
        raise BadInput(
            f"{where}: the section numbers jump from '{names[gap]}' to '{names[gap + 1]}' (by {column.steps[gap]}, elsewhere by "
            f"{min(column.steps)}), {_MEND}"
        )
    if not even:
        return None, (
            f"the numbers in the file names rise unevenly ('{names[0]}', '{names[1]}', '{names[2]}', ...), as no section "
            "numbers do: whether a section is lost cannot be seen from them",
        )
    first, step = even[0].values[0], even[0].steps[0]
    remarks = tuple(
        f"of two numbers in the file names one jumps from '{names[gap]}' to '{names[gap + 1]}' and the other does not: "
        "no section is taken for lost there"
        for gap, _ in gaps
    )
    return (first // step if first % step == 0 else None), remarks


def _word(text: str) -> str:
    letters = re.search(r"([a-z]+)[^a-z]*$", text.lower())
    return letters.group(1) if letters else ""


def _refuse_other_order(column: _Column, columns: list[_Column], names: Sequence[str], where: str) -> None:
    """Refuses section numbers that occur once each, but not in the order of the names."""
    if column.rises or len(set(column.values)) < len(column.values):
        return
    if not column.is_section:
        even = len({b - a for a, b in pairwise(sorted(column.values))}) == 1
        if not even or any(other.rises for other in columns):
            return
    i = next(i for i, step in enumerate(column.steps) if step < 0)
    raise BadInput(
        f"{where}: sorted by name, the section numbers fall from '{names[i]}' to '{names[i + 1]}': rename the files so "
        "that the order of their names is that of the sections"
    )


def _examine_groups(names: Sequence[str], column: _Column, where: str) -> tuple[str, ...]:
    """Numbers that start anew, as on each wafer: they rise evenly within each group, or a section is lost."""
    groups: dict[str, list[int]] = {}
    starts = []
    for i, name in enumerate(names):
        head, number = _split(name, column.place)
        if head not in groups:
            starts.append(i)
        groups.setdefault(head, []).append(number)
    step = min((b - a for group in groups.values() for a, b in pairwise(group)), default=1)
    i = 0
    for group in groups.values():
        for a, b in pairwise(group):
            if b - a > step and (b - a) % step == 0 and not column.is_clock:
                raise BadInput(
                    f"{where}: the section numbers jump from '{names[i]}' to '{names[i + 1]}' (by {b - a}, elsewhere by {step}), "
                    f"{_MEND}"
                )
            i += 1
        i += 1
    again = starts[1] if len(starts) > 1 else 0
    return (
        f"the numbers in the file names start anew, first from '{names[again - 1]}' to '{names[again]}': the {len(names):,} files "
        "are taken as as many sections one after the other, and one that is lost at such a place cannot be seen",
    )


def _split(name: str, place: int) -> tuple[str, int]:
    """What stands before the number at that place, dates not counted, and that number."""
    dates = [date.span() for date in _DATE.finditer(name)]
    numbers = [n for n in re.finditer(r"\d+", name) if not any(a <= n.start() < b for a, b in dates)]
    return name[: numbers[place].start()], int(numbers[place].group())
