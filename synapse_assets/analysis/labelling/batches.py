"""From the order of a strategy to a batch as a person wants it: varied, some of it by chance, neighbours together.

Belongs here: what is drawn by chance, caps by neuron and place, the order in which a batch is shown. Does not belong here: which items
teach most (`strategies`), who answers what (`pipeline`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.sampling import content_keys
from synapse_assets.errors import BadInput
from synapse_assets.schema.labelling import BY_CHANCE, BY_STRATEGY

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Propose = Callable[[Int64, int], Int64]

# A strategy is asked again for what the caps refused; what is missing after so many times comes by the hash of its id.
_PASSES = 4


@dataclass(frozen=True)
class Places:
    """What caps and order need of the N items of a pool.

    ids           distinct
    regions       brain region of each; volumes: its volume
    neurons       of each, None where it is not known
    positions_nm  (N, 3) float64, x, y, z
    """

    ids: Sequence[str]
    regions: Sequence[str]
    volumes: Sequence[str]
    neurons: Sequence[object | None]
    positions_nm: Float64

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("ids", "regions", "volumes", "neurons", "positions_nm")}
        if len(set(lengths.values())) > 1:
            raise BadInput(f"a pool needs one entry an item in each of its columns, but they have {lengths}")
        if len(set(self.ids)) < len(self.ids):
            twice = [name for name, count in Counter(self.ids).items() if count > 1]
            raise BadInput(f"{len(twice)} items are twice in the pool, first {twice[0]}: give each once")


@dataclass(frozen=True)
class Batch:
    """rows: of the pool, in the order in which they are shown. origins: of each, 'strategy' or 'random'. notes: why there are fewer."""

    rows: Int64
    origins: tuple[str, ...]
    notes: tuple[str, ...] = ()


def drawn_by_chance(ids: Sequence[str], count: int, seed: int) -> Int64:
    """`count` rows, or all, in the order of a hash of their id: a uniform sample, whatever any strategy thinks of them.

    With one seed for all rounds of a dataset, every round goes on where the last one stopped: what was drawn so far is a uniform sample
    of all items but those that strategies asked about before.
    """
    return np.argsort(content_keys(ids, seed), kind="stable")[:count].astype(np.int64)


def make_batch(
    places: Places,
    propose: Propose,
    size: int,
    *,
    random_share: float,
    most_per_neuron: int,
    apart_nm: float,
    seed: int,
) -> Batch:
    """At most `size` items of the pool, in the order in which they are shown.

    A share of the batch is drawn first, by chance and without regard to caps: a cap would make it another sample than a uniform one,
    and these labels test. It stays 'random' where the strategy would have asked the same. The rest comes from `propose`, which is given
    rows of the pool, ordered by id, and a number, and returns positions among these rows, best first. It is never given what the caps
    forbid: of a neuron that is in the batch `most_per_neuron` times (by chance too), or nearer than `apart_nm` to an item of the batch in
    the same volume; and asked again for what it lacks. The result depends on the pool's content and `seed`, not on its order, as far as
    that of `propose` does.
    """
    by_id = np.argsort(np.asarray(places.ids, dtype=str), kind="stable").astype(np.int64)
    chance = by_id[drawn_by_chance([places.ids[row] for row in by_id], int(random_share * size + 0.5), seed)]
    caps = _Caps(places, most_per_neuron, apart_nm)
    for row in chance:
        caps.take(int(row))
    strategic: list[int] = []
    for number in range(_PASSES + 1):
        missing = size - len(chance) - len(strategic)
        open_rows = by_id[caps.allows(by_id)]
        if missing <= 0 or not len(open_rows):
            break
        if number < _PASSES:
            wanted = open_rows[propose(open_rows, min(missing, len(open_rows)))]
        else:
            wanted = open_rows[drawn_by_chance([places.ids[row] for row in open_rows], len(open_rows), seed)]
        for row in wanted:
            if len(strategic) < size - len(chance) and caps.allows(np.array([row]))[0]:
                caps.take(int(row))
                strategic.append(int(row))
    rows = _in_order(places, np.concatenate([chance, np.array(strategic, dtype=np.int64)]))
    by_chance = set(chance.tolist())
    origins = tuple(BY_CHANCE if row in by_chance else BY_STRATEGY for row in rows.tolist())
    return Batch(rows, origins, caps.why_fewer(size))


class _Caps:
    """What a batch holds so far, and what it may hold besides."""

    def __init__(self, places: Places, most_per_neuron: int, apart_nm: float) -> None:
        self.most_per_neuron, self.apart_nm = most_per_neuron, apart_nm
        self.places = places
        known = [neuron is not None for neuron in places.neurons]
        names = np.array([str(neuron) for neuron in places.neurons], dtype=str)
        self.neuron = np.where(known, np.unique(names, return_inverse=True)[1] if len(names) else 0, -1)
        self.volume = np.unique(np.array(places.volumes, dtype=str), return_inverse=True)[1]
        self.taken = np.zeros(len(names), dtype=bool)
        self.full = np.zeros(len(names), dtype=bool)
        self.near = np.zeros(len(names), dtype=bool)
        self.of_neuron: Counter[int] = Counter()

    def allows(self, rows: Int64) -> Bool:
        """Whether each of the rows (M,) may come into the batch."""
        return ~(self.taken[rows] | self.full[rows] | self.near[rows])

    def take(self, row: int) -> None:
        """Puts the row into the batch."""
        self.taken[row] = True
        neuron = int(self.neuron[row])
        self.of_neuron[neuron] += 1
        if neuron >= 0 and self.of_neuron[neuron] == self.most_per_neuron:
            self.full |= self.neuron == neuron
        if self.apart_nm > 0:
            away = np.linalg.norm(self.places.positions_nm - self.places.positions_nm[row], axis=1)
            self.near |= (self.volume == self.volume[row]) & (away < self.apart_nm)

    def why_fewer(self, size: int) -> tuple[str, ...]:
        """In words why the batch is smaller than wanted; nothing where it is not."""
        have, pool = int(self.taken.sum()), len(self.taken)
        if have >= size:
            return ()
        if have == pool:
            return (f"There are only {pool:,} items to ask about, fewer than the {size:,} of a batch.",)
        left = ~self.taken
        full, near = int((left & self.full).sum()), int((left & self.near & ~self.full).sum())
        return (
            f"The batch has {have:,} items and not {size:,}: of the {int(left.sum()):,} others {full:,} are of neurons that are in it "
            f"{self.most_per_neuron} times, and {near:,} nearer than {self.apart_nm:g} nm to an item of it. For larger batches raise "
            "labelling.most_per_neuron, or lower labelling.apart_nm.",
        )


def _in_order(places: Places, rows: Int64) -> Int64:
    """The rows region by region, in it volume by volume, there from the lowest z on, always to the nearest that was not shown yet."""
    sites = {int(row): (places.regions[row], places.volumes[row]) for row in rows}
    ordered: list[int] = []
    for site in sorted(set(sites.values())):
        here = np.array(
            sorted(
                (row for row, own in sites.items() if own == site),
                key=lambda row: (*places.positions_nm[row][::-1].tolist(), places.ids[row]),
            )
        )
        positions = places.positions_nm[here]
        left = np.ones(len(here), dtype=bool)
        at = 0
        for _ in here:
            ordered.append(int(here[at]))
            left[at] = False
            away = np.square(positions - positions[at]).sum(axis=1)
            at = int(np.where(left, away, np.inf).argmin())
    return np.array(ordered, dtype=np.int64)
