"""Counts that a reader keeps while it reads, for the record of where the rows came from."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Rows that a reader has given, and rows that it left out, by reason."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
