"""An engine that carries out parts in this process, as another one would: pickled, in another order, some of them twice or never."""

import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from logging import Logger
from typing import TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class Killed(BaseException):
    """The process that ordered the parts is gone."""


@dataclass(eq=False)
class ShuffledEngine:
    """See `pipeline.engine.Engine`. twice: whether every part is made twice. dies_after: parts, before the process that ordered them is
    killed. names: of the parts that were made."""

    part_tiles: int
    twice: bool = False
    dies_after: int | None = None
    device: str = "cpu"
    remarks: tuple[str, ...] = ()
    names: list[str] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)

    def at_once(self, parts: int) -> int:
        """Four at most."""
        return min(4, parts)

    def run(
        self, work: Callable[[_Part], _Result], parts: Iterable[_Part], name: Callable[[_Part], str], log: Logger
    ) -> Iterator[tuple[int, _Result]]:
        """See `Engine`."""
        numbered = list(enumerate(parts))
        random.Random(0).shuffle(numbered)
        for done, (number, part) in enumerate(numbered):
            if done == self.dies_after:
                raise Killed
            self.names.append(name(part))
            self.seen.append(part)
            for _ in range(2 if self.twice else 1):
                carried, argument = pickle.loads(pickle.dumps((work, part)))  # noqa: S301 -- its own
                result = carried(argument)
            yield number, result

    def everywhere(self, work: Callable[[], _Result], log: Logger) -> Mapping[str, _Result]:
        """On one machine."""
        carried = pickle.loads(pickle.dumps(work))  # noqa: S301 -- its own
        return {"here": carried()}
