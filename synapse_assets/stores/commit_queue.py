"""Whose turn it is to commit to a table on object storage, where there is no lock: the first in a queue of tickets beside the table.

The queue saves work and no more: who is overtaken loses a race, which `RegionTable` notices and repeats. So it may be simple. A ticket
is an empty object. Its place is given by the storage's own clock, since the clocks of machines differ. Its holder renews a second
object as long as it lives; a ticket that nobody renews is removed by those who wait behind it.
"""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyarrow import fs

from synapse_assets.stores.files import Files

SUFFIX = ".queue"
_SIGN_OF_LIFE = ".alive"
_RENEWED_SECONDS = 6.0
_DEAD_SECONDS = 24.0
# Between two looks, for each ticket ahead, and at most.
_LOOK_SECONDS = 0.5
_LONGEST_LOOK_SECONDS = 5.0
# So long the storage may leave looks unanswered, as it does to a machine that has no core to spare.
_PATIENCE_SECONDS = 300.0


@contextmanager
def turn(queue: Files) -> Iterator[None]:
    """Waits until all that came before have gone, and keeps the turn during the block. Raises OSError where the storage does not answer."""
    ticket = _Ticket(queue)
    over = threading.Event()
    alive = threading.Thread(target=ticket.stay_alive, args=(over,), daemon=True)
    ticket.draw()
    alive.start()
    try:
        while ahead := ticket.ahead():
            time.sleep(min(_LOOK_SECONDS * ahead, _LONGEST_LOOK_SECONDS) * random.uniform(0.7, 1.3))  # noqa: S311 -- a pause
        yield
    finally:
        over.set()
        alive.join()
        with suppress(OSError):
            ticket.give_back()


class _Ticket:
    """One place in the queue."""

    def __init__(self, queue: Files) -> None:
        self._queue = queue
        # The storage tells whole seconds: among those of one second the machines' clocks decide.
        self._name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        self._drawn = 0.0
        self._renewed = False
        self._answered = time.monotonic()
        self._unanswered = 0

    def draw(self) -> None:
        """Takes the last place."""
        self._queue.touch(self._name)
        self._drawn = time.monotonic()

    def ahead(self) -> int:
        """How many that live stand before this one; those that do not are removed. Not 0 where the storage did not answer."""
        try:
            entries = self._queue.entries()
        except OSError:
            if time.monotonic() - self._answered > _PATIENCE_SECONDS:
                raise
            self._unanswered += 1
            return self._unanswered
        self._answered, self._unanswered = time.monotonic(), 0
        written = {info.base_name: int(info.mtime_ns or 0) / 1e9 for info in entries if info.type == fs.FileType.File}
        own = written.get(self._name)
        if own is None:
            # Taken for dead, such as a machine that slept. Unanswered, it is drawn at the next look.
            with suppress(OSError):
                self.draw()
            return 1
        # By the storage's clock, or a little earlier.
        now = own + time.monotonic() - self._drawn
        ahead = 0
        for name in {name.removesuffix(_SIGN_OF_LIFE) for name in written} - {self._name}:
            place = written.get(name)
            if now - max(place or 0.0, written.get(name + _SIGN_OF_LIFE, 0.0)) > _DEAD_SECONDS:
                self._remove(name)
            elif place is not None and (place, name) < (own, self._name):
                ahead += 1
        return ahead

    def stay_alive(self, over: threading.Event) -> None:
        """Renews the sign of life until it is over."""
        while not over.wait(_RENEWED_SECONDS):
            with suppress(OSError):
                self._renewed = True
                self._queue.touch(self._name + _SIGN_OF_LIFE)

    def give_back(self) -> None:
        """Leaves the queue."""
        self._queue.remove(self._name)
        if self._renewed:
            self._queue.remove(self._name + _SIGN_OF_LIFE)

    def _remove(self, name: str) -> None:
        for one in (name, name + _SIGN_OF_LIFE):
            # Others may remove it at the same moment.
            with suppress(OSError):
                self._queue.remove(one)
