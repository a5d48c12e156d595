"""Where the people of a batch are at the moment, so that they do not meet needlessly; kept in memory alone."""

import threading
import time
from collections.abc import Sequence

# So long after a page last said where it is.
_STAYS_S = 15.0


class Places:
    """The items that people look at now, by batch."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, ...], dict[str, tuple[str, float]]] = {}
        self._lock = threading.Lock()

    def stand(self, batch: tuple[str, ...], person: str, item: str) -> None:
        """A person looks at an item."""
        with self._lock:
            self._at.setdefault(batch, {})[person] = item, time.monotonic()

    def busy(self, batch: tuple[str, ...], person: str) -> set[str]:
        """What other people look at."""
        now = time.monotonic()
        with self._lock:
            there = self._at.get(batch, {})
            for name in [name for name, (_, since) in there.items() if now - since > _STAYS_S]:
                del there[name]
            return {item for name, (item, _) in there.items() if name != person}

    def start(self, batch: tuple[str, ...], person: str, items: Sequence[str]) -> str | None:
        """Where a person begins: halfway through the longest stretch that nobody is at, at the first item where there is nobody.

        items: those that are left for the person, in their order; None where there are none.
        """
        busy = self.busy(batch, person)
        taken = [at for at, item in enumerate(items) if item in busy]
        if not taken:
            return items[0] if items else None
        gaps = [(end - begin, begin) for begin, end in zip(taken, [*taken[1:], taken[0] + len(items)], strict=True)]
        length, begin = max(gaps)
        return items[(begin + (length + 1) // 2) % len(items)]
