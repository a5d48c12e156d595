"""From what there is to do, and how fast machines are, to hours, storage and money: on one machine, and on a cluster of so many nodes.

Plain arithmetic. A stage takes as long as the slowest of what limits it, since reading, computing and writing go on side by side; stages
follow one another. On one machine tiles are cut and stored, then read back and embedded, one region after the other, and a run encodes on
one core. On a cluster a part of a region is cut, encoded and embedded in one go, and regions go on side by side, so that the commit of one
hides behind the work of the others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.planning.rates import Rates
from synapse_assets.pipeline.em.planning.workload import RegionWork, Workload

# Requests that one process has on their way (see volumes/_context.py).
REQUESTS_AT_ONCE = 128
# Seconds from the start of a region's run on a cluster to its first part: the job, a process, its imports. Assumed.
RUN_START_S = 20.0
# A commit first looks for the rows that it replaces among all that are stored: seconds of a core for each of these, and
# for each row written; and seconds in its turn. Measured at 1 and 4 million rows on a disk of this machine; assumed elsewhere.
COMMIT_STORED_S, COMMIT_WRITTEN_S, COMMIT_S = 5e-7, 1.5e-6, 0.1
# The tables that a region is committed to: synapses, tiles, vectors.
COMMITTED_TABLES = 3
# The vector index, in seconds of a core for each number of a vector, and for each of these and list. Measured at 0.3 and 1.2 million
# vectors of 32 and 384 numbers; assumed beyond. Its lists, training and least size are those of stores/vector_index.py.
INDEX_NUMBER_S, INDEX_LIST_S = 2.8e-7, 1e-10
INDEX_TRAINED_ROWS_A_LIST, INDEX_ROUNDS = 64, 50
INDEX_LIST_ROWS, INDEXED_FROM = 4, 300_000
# How much of its cores it uses.
INDEX_CORES_SHARE = 0.7
# Stored bytes a row, beside a vector's numbers: ids, hashes, region. And of a synapse.
VECTOR_ROW_BYTES, SYNAPSE_ROW_BYTES = 60, 120
# Bytes held by a part: memory of decoded chunks, reads on their way, network, libraries. By a run: libraries, and for each synapse of its
# region (benchmarks.region). Assumed.
PART_BYTES, RUN_BYTES, RUN_BYTES_A_SYNAPSE = 1.2e9, 0.8e9, 600.0


class Limit(StrEnum):
    """What a stage waits for."""

    LINE = "the line of each node to the bucket"
    READS = "the requests that the bucket answers in a second"
    DELAY = "the time that each request takes, with as many on their way as a process has"
    PACE = "requests_per_second of the dataset file"
    CORES = "cores"
    ONE_CORE = "one core, on which a run without Ray encodes"
    THREADS = "the threads that a run embeds with"
    GPU = "the GPU"
    COMMITS = "commits"
    INDEX = "the index of the vectors, made by one machine"
    STARTS = "the start of runs"


@dataclass(frozen=True)
class Stage:
    """A stage of the work, and how many seconds each of its limits takes; the longest is how long it takes."""

    name: str
    limits: Mapping[Limit, float]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return max(self.limits.values(), default=0.0)

    @property
    def bottleneck(self) -> Limit:
        """What it waits for."""
        return max(self.limits, key=lambda one: self.limits[one])


@dataclass(frozen=True)
class Machines:
    """What the work runs on. on_ray: as parts on the nodes of a cluster; else on one machine, as an installation without Ray does.

    part_cores: cores that a part takes. runs: regions at a time, None for as many as nodes. Raises BadInput for fewer than one node.
    """

    nodes: int
    on_ray: bool
    part_cores: float = 1.0
    runs: int | None = None

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise BadInput(f"--nodes has to be at least 1, not {self.nodes}")
        if self.nodes > 1 and not self.on_ray:
            raise BadInput(f"{self.nodes} nodes work together only on Ray")


@dataclass(frozen=True)
class Prices:
    """What is paid, in any currency: for an hour of a node, a GB (10^9 bytes) stored for a month, a million requests to the bucket, a GB
    fetched from it. None for what is not asked. Raises BadInput for one below 0."""

    node_hour: float | None = None
    gb_month: float | None = None
    million_reads: float | None = None
    gb_fetched: float | None = None

    def __post_init__(self) -> None:
        for name in ("node_hour", "gb_month", "million_reads", "gb_fetched"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise BadInput(f"--{name.replace('_', '-')} has to be a price of 0 or more, not {value:g}")


@dataclass(frozen=True)
class Forecast:
    """What the work takes on some machines: its stages and, where there are prices, money: `once`, and `a_month` while it is stored."""

    machines: Machines
    stages: Sequence[Stage]
    once: float | None
    a_month: float | None

    @property
    def hours(self) -> float:
        """From the first byte to the index."""
        return sum(stage.seconds for stage in self.stages) / 3600

    @property
    def longest(self) -> Stage:
        """The stage that takes longest."""
        return max(self.stages, key=lambda stage: stage.seconds)

    @property
    def bottleneck(self) -> Limit:
        """What takes longest."""
        return self.longest.bottleneck


def forecast(work: Workload, rates: Rates, machines: Machines, prices: Prices | None = None) -> Forecast:
    """What the work takes on those machines."""
    stages = _stages_on_ray(work, rates, machines) if machines.on_ray else _stages_alone(work, rates)
    stages = [stage for stage in stages if stage.seconds]
    hours = sum(stage.seconds for stage in stages) / 3600
    once, a_month = _money(work, rates, machines, hours, prices or Prices())
    return Forecast(machines, stages, once, a_month)


def decode_s(work: Workload, rates: Rates, *, on_ray: bool) -> float:
    """Seconds of one core to decode the chunks and cut the tiles."""
    return (work.in_parts if on_ray else work.whole).decoded_voxels / rates.decode.value


def encode_s(work: Workload, rates: Rates) -> float:
    """Seconds of one core to encode and store the tiles."""
    return work.tiles / rates.encode.value


def embed_s(work: Workload, rates: Rates) -> float:
    """Seconds of one core, or of one GPU, to embed the tiles."""
    return work.tiles / rates.embed.value


def commit_s(tiles: Sequence[int], side_by_side: int = 1) -> float:
    """Seconds to commit regions of so many rows to the tables that they are committed to; so many `side_by_side` look for rows, each
    commits in its turn."""
    looking, stored = 0.0, 0
    for rows in tiles:
        looking += COMMIT_STORED_S * stored + COMMIT_WRITTEN_S * rows
        stored += rows
    return COMMITTED_TABLES * (len(tiles) * COMMIT_S + looking / side_by_side)


def index_s(rows: int, dimensions: int) -> float:
    """Seconds of one core to build the index of so many vectors; 0 for a number that needs none."""
    if rows < INDEXED_FROM:
        return 0.0
    lists = math.sqrt(rows) / INDEX_LIST_ROWS
    trained = INDEX_TRAINED_ROWS_A_LIST * lists * INDEX_ROUNDS
    return dimensions * (rows * (INDEX_NUMBER_S + INDEX_LIST_S * lists) + trained * lists * INDEX_LIST_S)


def stored_bytes(work: Workload, rates: Rates) -> float:
    """Bytes that are kept: tiles, vectors with their index, synapses."""
    numbers = rates.dimensions.value
    # An index holds five bits of a number, and some for its lists.
    index = numbers + VECTOR_ROW_BYTES / 2 if work.tiles >= INDEXED_FROM else 0.0
    vector = 2 * numbers + VECTOR_ROW_BYTES + index
    return work.tiles * (rates.tile_bytes.value + vector + SYNAPSE_ROW_BYTES) + COMMITTED_TABLES * work.id_bytes


def run_bytes(region: RegionWork) -> float:
    """Bytes of memory that the run of a region holds."""
    return RUN_BYTES + RUN_BYTES_A_SYNAPSE * region.tiles


def node_bytes(rates: Rates, machines: Machines) -> float:
    """Bytes of memory that the parts on a node hold together."""
    return PART_BYTES * _slots_of_a_node(rates, machines)


def _stages_alone(work: Workload, rates: Rates) -> list[Stage]:
    cores, line = rates.cores.value, rates.line.value
    decode, encode, embed = decode_s(work, rates, on_ray=False), encode_s(work, rates), embed_s(work, rates)
    reread = work.tiles / rates.reread.value
    threads = min(rates.threads, cores)
    requests = work.whole.requests
    tiles = {
        Limit.LINE: work.whole.fetched_bytes / line,
        Limit.READS: requests / rates.reads.value,
        Limit.DELAY: requests * rates.delay_s.value / REQUESTS_AT_ONCE,
        Limit.PACE: requests / work.requests_per_second if work.requests_per_second else 0.0,
        Limit.CORES: (decode + encode) / cores,
        Limit.ONE_CORE: encode,
    }
    if rates.gpu:
        vectors = {Limit.GPU: embed, Limit.ONE_CORE: reread}
    else:
        vectors = {Limit.CORES: (embed + reread) / cores, Limit.THREADS: embed / threads, Limit.ONE_CORE: reread}
    commits = commit_s([one.tiles for one in work.regions])
    return [
        Stage("tiles", tiles),
        Stage("embeddings", vectors),
        Stage("commits", {Limit.COMMITS: commits}),
        _index(work, rates),
    ]


def _stages_on_ray(work: Workload, rates: Rates, machines: Machines) -> list[Stage]:
    nodes, runs = machines.nodes, machines.runs or machines.nodes
    # The run of a region holds a core while its parts are made.
    slots = max(1, int((nodes * rates.cores.value - runs) / machines.part_cores))
    reading = work.in_parts
    core_s = decode_s(work, rates, on_ray=True) + encode_s(work, rates)
    core_s += 0.0 if rates.gpu else embed_s(work, rates)
    # The last parts leave slots idle, which counts where parts are few.
    rounds = math.ceil(work.parts / slots)
    written = work.tiles * rates.tile_bytes.value
    limits = {
        Limit.LINE: max(reading.fetched_bytes, written) / rates.line.value / nodes,
        Limit.READS: reading.requests / rates.reads.value,
        Limit.DELAY: reading.requests * rates.delay_s.value / REQUESTS_AT_ONCE / slots,
        # Parts share it.
        Limit.PACE: reading.requests / work.requests_per_second if work.requests_per_second else 0.0,
        Limit.CORES: rounds * core_s / max(1, work.parts) / machines.part_cores,
        Limit.COMMITS: commit_s([one.tiles for one in work.regions], runs),
    }
    if rates.gpu:
        limits[Limit.GPU] = embed_s(work, rates) / nodes
    starts = math.ceil(len(work.regions) / runs) * RUN_START_S
    return [
        Stage("starts", {Limit.STARTS: starts}),
        Stage("tiles and embeddings", limits),
        _index(work, rates),
    ]


def _slots_of_a_node(rates: Rates, machines: Machines) -> int:
    """Parts at a time on a node."""
    return max(1, int(rates.cores.value / machines.part_cores))


def _index(work: Workload, rates: Rates) -> Stage:
    seconds = index_s(work.tiles, round(rates.dimensions.value))
    return Stage("index", {Limit.INDEX: seconds / max(1.0, INDEX_CORES_SHARE * rates.cores.value)})


def _money(
    work: Workload, rates: Rates, machines: Machines, hours: float, prices: Prices
) -> tuple[float | None, float | None]:
    reading = work.in_parts if machines.on_ray else work.whole
    paid = [
        price * amount
        for price, amount in (
            (prices.node_hour, machines.nodes * hours),
            (prices.million_reads, reading.requests / 1e6),
            (prices.gb_fetched, reading.fetched_bytes / 1e9),
        )
        if price is not None
    ]
    month = None if prices.gb_month is None else prices.gb_month * stored_bytes(work, rates) / 1e9
    return sum(paid) if paid else None, month
