"""Where parts of a region's work are carried out, if not in this process. What a part is belongs to the steps (`em/parts.py`); how one
reaches another machine, to what satisfies this (`cluster/engine.py`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from logging import Logger
from typing import Protocol, TypeVar

from synapse_assets.pipeline.report import Detail, Markdown

Part = TypeVar("Part")
Result = TypeVar("Result")


class Engine(Protocol):
    """Carries out parts of a region's work side by side, on this machine or others.

    What is carried out is a function of a module, and what it gets and gives can be pickled and is small: data goes through the store.
    """

    @property
    def part_tiles(self) -> int:
        """Tiles of a part."""

    @property
    def device(self) -> str:
        """What networks run on in a part, as `vision.devices.pick_device` takes it."""

    @property
    def remarks(self) -> Sequence[str]:
        """What a person should know of the machines that have carried out parts so far, a sentence each."""

    def at_once(self, parts: int) -> int:
        """How many parts are at work at the same time at most, where each of the runs beside this one has as many: `parts`."""

    def run(
        self, work: Callable[[Part], Result], parts: Iterable[Part], name: Callable[[Part], str], log: Logger
    ) -> Iterator[tuple[int, Result]]:
        """What `work` gives for each part, with the part's number, as they come, in any order.

        Takes parts from the iterator as it has room for them. A part whose machine is lost is carried out again; what `work` raises is
        raised here, BadInput with the machine and the part's name before it. Leaving the iterator cancels what is under way.
        """

    def everywhere(self, work: Callable[[], Result], log: Logger) -> Mapping[str, Result]:
        """What `work` gives on every machine that would carry out parts, by the machine's name."""


def remarks_of(engine: Engine | None) -> dict[str, Detail]:
    """What the UI shows of an engine's remarks; nothing where there are none."""
    return (
        {"nodes": Markdown("\n".join(f"- {remark}" for remark in engine.remarks))} if engine and engine.remarks else {}
    )
