"""What a dataset takes: chunks equal to those of `tile_plan` and of a server's own count, hours equal to those computed by hand."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.planning import forecast as sums
from synapse_assets.pipeline.em.planning import rates as measuring
from synapse_assets.pipeline.em.planning.concerns import concerns
from synapse_assets.pipeline.em.planning.forecast import Limit, Machines, Prices, forecast
from synapse_assets.pipeline.em.planning.rates import Basis, GivenRates, Rate, Rates, find_rates
from synapse_assets.pipeline.em.planning.workload import Reading, RegionWork, Workload, count_work
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.pipeline.em.tiles import plan_tiles
from synapse_assets.schema import TILE_PLAN
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import encode_tiles, open_volume
from synapse_assets.volumes.cropping import plan_in_use
from synapse_assets_tests.conftest import REGIONS, TILE_PX, tiny_dataset
from synapse_assets_tests.volumes.faulty_server import FaultyServer, faulty_server, served_spec

LOG = logging.getLogger(__name__)
ALL_GIVEN = GivenRates(decode=100, encode=50, embed=20)


@pytest.fixture
def dataset(tiny_inputs: Path) -> EmDataset:
    return tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")


@pytest.fixture
def store(tmp_path: Path, dataset: EmDataset) -> DatasetStore:
    """The tiny points, read and split; nothing else was made."""
    store = DatasetStore(str(tmp_path), dataset.name)
    read_synapse_tables(store, dataset, [], LOG)
    return store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    with faulty_server(tmp_path) as server:
        yield server


def served(server: FaultyServer, folder: Path, count: int) -> tuple[DatasetStore, EmDataset]:
    """A dataset with so many random points, in two regions, of a volume that the server has."""
    spec = served_spec(server)
    low, high = open_volume(spec).bounds_voxels
    x, y, z = np.random.default_rng(0).integers(low, high, size=(count, 3)).T
    table = pd.DataFrame({"id": [f"s{row}" for row in range(count)], "x": x, "y": y, "z": z, "neuron": 1})
    table["region"] = np.where(np.arange(count) < count // 3, "EB", "FB")
    table.to_csv(folder / "points.csv", index=False)
    columns = {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region"}
    source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.csv"), "units": "voxel"}
    values = {
        "name": "served",
        "title": "Served",
        "description": "Behind a server.",
        "volumes": {"em": spec.model_dump()},
        "sources": [{**source, "columns": columns}],
        "grouping": ["neuron_id"],
        "tile": {"size_px": 16, "sections": 3},
    }
    dataset = EmDataset.model_validate(values)
    store = DatasetStore(str(folder / "data"), dataset.name)
    read_synapse_tables(store, dataset, [], LOG)
    return store, dataset


def test_chunks_are_those_of_the_tile_plan(store: DatasetStore, dataset: EmDataset) -> None:
    work = count_work(store, dataset, part_tiles=10)
    assert [one.region for one in work.regions] == list(REGIONS)
    assert (work.tiles, work.parts, work.id_bytes) == (72, 3 * 3, 72 * len("s000"))
    assert work.tile_voxels == 3 * TILE_PX**2
    for one in work.regions:
        store_region_synapses(store, dataset, one.region)
        plan_tiles(store, dataset, one.region)
        [row] = plan_in_use(store.results(TILE_PLAN).read(one.region))
        assert (one.tiles, one.reading.chunks) == (row["tiles"], row["chunks"])
        assert one.reading.decoded_voxels / 1e9 == row["decoded_gigavoxels"]
        assert one.reading.chunks <= one.in_parts.chunks <= one.parts * one.reading.chunks
    assert (work.whole.fetched_bytes, work.whole.requests) == (0, 0)  # a folder of this machine
    assert [one.region for one in count_work(store, dataset, ["EB"]).regions] == ["EB"]


def test_a_server_is_asked_for_the_chunks_that_were_counted(server: FaultyServer, tmp_path: Path) -> None:
    store, dataset = served(server, tmp_path, 90)
    work = count_work(store, dataset, part_tiles=20)
    assert work.parts == math.ceil(30 / 20) + math.ceil(60 / 20)
    volume = dataset.volumes["em"]
    for reading, part_tiles in ((work.whole, 10**6), (work.in_parts, 20)):
        server.requests.clear()
        for region in ("EB", "FB"):
            rows = store.synapse_table.read(region, ["x_nm", "y_nm", "z_nm"])
            points = np.stack([rows.column(axis).to_numpy() for axis in range(3)], axis=1)
            points = points[open_volume(volume).reading_order(points, dataset.tile)]
            for start in range(0, len(points), part_tiles):
                # Opened anew, as by a process of its own: nothing is in its memory.
                list(open_volume(volume).read_tiles(points[start : start + part_tiles], dataset.tile))
        asked = sum(len(times) for path, times in server.requests.items() if not path.endswith("info"))
        assert asked == reading.requests == reading.decoded_chunks
        assert reading.fetched_bytes == reading.decoded_chunks * 32 * 16 * 8
    assert work.in_parts.decoded_chunks > work.whole.decoded_chunks  # parts share no memory


def test_synapses_outside_their_volume_are_told_and_not_counted(tiny_inputs: Path, tmp_path: Path) -> None:
    points = pd.read_csv(tiny_inputs / "points.csv")
    points.loc[points["region"] == "EB", "x"] = 10**6
    points.to_csv(tmp_path / "points.csv", index=False)
    dataset = tiny_dataset(tiny_inputs, tmp_path / "points.csv")
    store = DatasetStore(str(tmp_path / "data"), dataset.name)
    read_synapse_tables(store, dataset, [], LOG)
    work = count_work(store, dataset)
    assert [(one.region, one.tiles, one.outside) for one in work.regions] == [
        ("AL_L", 24, 0),
        ("EB", 0, 24),
        ("LH_L", 24, 0),
    ]
    rates = find_rates(store, dataset, work, "cpu", ALL_GIVEN)
    [outside] = concerns(work, rates, dataset, forecast(work, rates, Machines(1, on_ray=False)))
    assert outside.startswith("24 synapses lie outside their volume (EB)")
    with pytest.raises(BadInput, match="no synapse lies in a volume of the dataset"):
        find_rates(store, dataset, count_work(store, dataset, ["EB"]), "cpu", GivenRates())


def test_what_is_not_known_is_asked_for(store: DatasetStore, dataset: EmDataset, tmp_path: Path) -> None:
    empty = DatasetStore(str(tmp_path / "other"), dataset.name)
    with pytest.raises(BadInput, match=r"not known yet.*synapse-assets materialize tiny --assets \+synapse_table"):
        count_work(empty, dataset)
    with pytest.raises(BadInput, match="no region 'EC'; there are AL_L, EB, LH_L"):
        count_work(store, dataset, ["EC"])
    unreachable = dataset.volumes["em"].model_copy(
        update={"kind": "precomputed", "url": "http://127.0.0.1:9/em", "timeout_s": 0.3}
    )
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9"):
        count_work(store, dataset.model_copy(update={"volumes": {"em": unreachable}}))


# By hand -------------------------------------------------------------------------------------------------------------------

TILES = 400_000
READING = Reading(chunks=900_000, decoded_chunks=1_000_000, decoded_voxels=10**12, fetched_bytes=10**12, requests=10**6)
IN_PARTS = Reading(
    chunks=950_000, decoded_chunks=1_200_000, decoded_voxels=12 * 10**11, fetched_bytes=12 * 10**11, requests=1_200_000
)
WORK = Workload(
    "planned",
    [
        RegionWork("EB", 100_000, {"em": READING}, IN_PARTS, 50, 10**6),
        RegionWork("FB", 300_000, {}, Reading(), 150, 3 * 10**6),
    ],
    tile_voxels=50_000,
    part_tiles=2_000,
)


def rates(**changes: float | str | int) -> Rates:
    """Round rates, some of them changed."""
    values: dict[str, float | str | int] = {
        "decode": 1e8,
        "encode": 100.0,
        "reread": 400.0,
        "embed": 50.0,
        "tile_bytes": 40_000.0,
        "dimensions": 32.0,
        "cores": 4.0,
        "line": 1e8,
        "reads": 5_000.0,
        "delay_s": 0.0064,
        **changes,
    }
    found = {name: Rate(value, Basis.GIVEN) if isinstance(value, float) else value for name, value in values.items()}
    return Rates(**found)  # type: ignore[arg-type]


def test_one_machine_is_computed_by_hand() -> None:
    tiles, vectors, commits, index = forecast(WORK, rates(threads=2), Machines(1, on_ray=False)).stages
    assert tiles.limits == pytest.approx(
        {
            Limit.LINE: 10_000,  # 1 TB at 100 MB/s
            Limit.READS: 200,
            Limit.DELAY: 50,  # 128 on their way for 6.4 ms: 20,000 a second
            Limit.PACE: 0,
            Limit.CORES: (10_000 + 4_000) / 4,
            Limit.ONE_CORE: 4_000,
        }
    )
    assert (tiles.seconds, tiles.bottleneck) == (10_000, Limit.LINE)
    # 8,000 core-seconds of embedding and 1,000 of reading back, on four cores, but with two threads.
    assert vectors.limits == pytest.approx({Limit.CORES: 9_000 / 4, Limit.THREADS: 4_000, Limit.ONE_CORE: 1_000})
    assert commits.seconds == pytest.approx(sums.commit_s([100_000, 300_000]))
    assert index.seconds == pytest.approx(sums.index_s(TILES, 32) / (0.7 * 4))
    found = forecast(WORK, rates(threads=2), Machines(1, on_ray=False))
    assert found.hours * 3600 == pytest.approx(10_000 + 4_000 + commits.seconds + index.seconds)
    assert (found.bottleneck, found.once, found.a_month) == (Limit.LINE, None, None)


def test_a_cluster_is_computed_by_hand() -> None:
    starts, work, _ = forecast(WORK, rates(), Machines(2, on_ray=True)).stages
    assert starts.limits == {Limit.STARTS: sums.RUN_START_S}  # two regions on two nodes
    core_s = 12_000 + 4_000 + 8_000
    assert work.limits == pytest.approx(
        {
            Limit.LINE: 1.2e12 / 2e8,
            Limit.READS: 240,
            Limit.DELAY: 1_200_000 / 20_000 / 6,
            Limit.PACE: 0,
            Limit.CORES: 34 * core_s / 200,  # 200 parts in 6 places, as two runs hold a core each, are 34 rounds
            Limit.COMMITS: sums.commit_s([100_000, 300_000], side_by_side=2),
        }
    )
    # 24 places: nine rounds, the last not full.
    assert forecast(WORK, rates(), Machines(8, on_ray=True)).stages[1].limits[Limit.CORES] == 9 * core_s / 200
    wider = forecast(WORK, rates(), Machines(2, on_ray=True, part_cores=2, runs=1))
    assert wider.stages[0].seconds == 2 * sums.RUN_START_S
    assert wider.stages[1].limits[Limit.CORES] == 67 * core_s / 200 / 2  # three places


@pytest.mark.parametrize(
    ("nodes", "changes", "limit"),
    [
        (1, {}, Limit.LINE),
        (10, {"line": 1e9, "reads": 100.0}, Limit.READS),
        (10, {"line": 1e9}, Limit.CORES),
        (100, {"gpu": "A100", "embed": 1.0, "line": 1e9, "cores": 64.0}, Limit.GPU),
        (100, {"line": 1e12, "reads": 1e6, "decode": 1e10, "encode": 1e5, "embed": 1e5}, Limit.STARTS),
    ],
)
def test_the_bottleneck_moves(nodes: int, changes: dict[str, float | str], limit: Limit) -> None:
    assert forecast(WORK, rates(**changes), Machines(nodes, on_ray=True)).bottleneck is limit


def test_a_gpu_takes_embedding_from_the_cores() -> None:
    with_gpu = rates(gpu="A100", embed=1_000.0)
    alone, together = (
        forecast(WORK, with_gpu, Machines(1, on_ray=False)),
        forecast(WORK, with_gpu, Machines(2, on_ray=True)),
    )
    assert alone.stages[1].limits == {Limit.GPU: 400, Limit.ONE_CORE: 1_000}
    assert together.stages[1].limits[Limit.GPU] == 200
    assert together.stages[1].limits[Limit.CORES] == 34 * (12_000 + 4_000) / 200


def test_requests_a_second_of_the_dataset_file_bind_all_parts_together() -> None:
    slow = replace(WORK, requests_per_second=10)
    for machines in (Machines(1, on_ray=False), Machines(50, on_ray=True)):
        found = forecast(slow, rates(), machines)
        assert found.bottleneck is Limit.PACE
        assert found.longest.seconds == (1_200_000 if machines.on_ray else 10**6) / 10


def test_commits_grow_with_what_is_stored_and_the_index_with_its_lists() -> None:
    once, twice = sums.commit_s([10**6]), sums.commit_s([10**6, 10**6])
    assert twice - 2 * once == pytest.approx(sums.COMMITTED_TABLES * sums.COMMIT_STORED_S * 10**6)
    queued = 2 * sums.COMMITTED_TABLES * sums.COMMIT_S
    assert sums.commit_s([10**6, 10**6], side_by_side=4) == pytest.approx(queued + (twice - queued) / 4)
    assert sums.index_s(299_999, 32) == 0
    lists = math.sqrt(10**8) / 4
    by_hand = 32 * (1e8 * (2.8e-7 + 1e-10 * lists) + 64 * lists * 50 * lists * 1e-10)
    assert sums.index_s(10**8, 32) == pytest.approx(by_hand)


def test_money_is_told_for_the_prices_that_are_given() -> None:
    machines = Machines(2, on_ray=True)
    hours = forecast(WORK, rates(), machines).hours
    prices = Prices(node_hour=1.5, gb_month=0.02, million_reads=0.4, gb_fetched=0.01)
    found = forecast(WORK, rates(), machines, prices)
    assert found.once == pytest.approx(2 * hours * 1.5 + 1.2 * 0.4 + 1_200 * 0.01)
    a_row = 40_000 + 2 * 32 + 60 + (32 + 30) + 120
    assert sums.stored_bytes(WORK, rates()) == TILES * a_row + 3 * 4 * 10**6
    assert found.a_month == pytest.approx(0.02 * sums.stored_bytes(WORK, rates()) / 1e9)
    only_hours = forecast(WORK, rates(), machines, Prices(node_hour=1.5))
    assert only_hours.once == pytest.approx(3 * hours)
    assert only_hours.a_month is None


def test_what_stands_in_the_way_is_said(dataset: EmDataset) -> None:
    volume = dataset.volumes["em"].model_copy(
        update={"url": "gs://bucket/em", "kind": "precomputed", "download_ceiling_gb": 50}
    )
    remote = dataset.model_copy(update={"volumes": {"em": volume}})
    few = rates(memory_bytes=8 * 2**30, line=1e9, reads=100.0)
    ceiling, bucket = concerns(WORK, few, remote, forecast(WORK, few, Machines(2, on_ray=True)))
    assert ceiling.startswith(
        "1 of 1 regions would fetch more than the 50 GB that volume 'em' allows a run (EB: 1,000 GB)"
    )
    assert "set download_ceiling_gb: 1.05e+03 there" in ceiling
    assert bucket.startswith("2 nodes could ask for 294 chunks a second, but the bucket answers 100")
    larger = [replace(WORK.regions[0], region=f"R{number}", whole={}, tiles=3 * 10**7) for number in range(100)]
    large = replace(WORK, regions=larger)
    many = rates(memory_bytes=8 * 2**30, cores=16.0)
    said = concerns(large, many, dataset, forecast(large, many, Machines(3, on_ray=True)))
    assert [sentence.split(":")[0] for sentence in said] == [
        "the run of R0 holds about 19 GB, this machine has 9",
        "the parts at work on a node hold about 19 GB, this machine has 9",
        "volume em lies in a folder of this machine",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Machines(0, on_ray=True), "--nodes has to be at least 1, not 0"),
        (lambda: Machines(2, on_ray=False), "2 nodes work together only on Ray"),
        (lambda: Prices(gb_month=-0.1), "--gb-month has to be a price of 0 or more, not -0.1"),
        (lambda: GivenRates(mbit=-1), "--mbit has to be a number above 0, not -1"),
        (lambda: GivenRates(cores=math.nan), "--cores has to be a number above 0, not nan"),
        (lambda: Rate(0, Basis.GIVEN), "a rate has to be a number above 0, not 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()  # type: ignore[operator]


# Rates ---------------------------------------------------------------------------------------------------------------------


def test_rates_are_measured_on_the_tiles_of_the_dataset(
    store: DatasetStore, dataset: EmDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_LEAST_SECONDS", 0.05)
    work = count_work(store, dataset)
    found = find_rates(store, dataset, work, "cpu", GivenRates(cores=16, mbit=800))
    for name in ("decode", "encode", "reread", "embed", "tile_bytes", "dimensions"):
        assert getattr(found, name).basis is Basis.MEASURED
    [volume] = dataset.volumes.values()
    rows = store.synapse_table.read("AL_L", ["x_nm", "y_nm", "z_nm"])
    points = np.stack([rows.column(axis).to_numpy() for axis in range(3)], axis=1)
    tiles = np.concatenate([batch.tiles for batch in open_volume(volume).read_tiles(points, dataset.tile)])
    assert found.tile_bytes.value == pytest.approx(encode_tiles(tiles).nbytes / 24 + 130)
    assert found.dimensions.value == 96  # of the encoder that the dataset file asks for
    assert (found.cores, found.line) == (Rate(16, Basis.GIVEN), Rate(1e8, Basis.GIVEN))
    assert (found.reads.basis, found.gpu) == (Basis.ASSUMED, None)
    # What is slower by an order would be noticed: a core does some thousands of such small tiles.
    assert found.reread.value > found.encode.value > 50


def test_nothing_is_read_where_all_rates_are_given(server: FaultyServer, tmp_path: Path) -> None:
    store, dataset = served(server, tmp_path, 30)
    work = count_work(store, dataset)
    server.requests.clear()
    found = find_rates(store, dataset, work, "cpu", replace(ALL_GIVEN, reads=900))
    assert not server.requests
    assert [found.decode.value, found.encode.value, found.embed.value, found.reads.value] == [1e8, 50, 20, 900]
    assert found.reread == Rate(
        405 * 256, Basis.ASSUMED
    )  # as benchmarks.tiles measured it, for 256 times as many voxels


def test_the_speed_of_a_gpu_is_given_or_assumed(store: DatasetStore, dataset: EmDataset) -> None:
    work = count_work(store, dataset)
    assumed = find_rates(store, dataset, work, "cpu", GivenRates(decode=1, encode=1, gpu="NVIDIA A100-SXM4"))
    assert (assumed.gpu, assumed.embed) == ("NVIDIA A100-SXM4", Rate(10_000, Basis.ASSUMED))
    given = find_rates(store, dataset, work, "cpu", replace(ALL_GIVEN, gpu="abacus"))
    assert (given.gpu, given.embed) == ("abacus", Rate(20, Basis.GIVEN))
    with pytest.raises(BadInput, match="nothing is known of the speed of 'abacus': give --embed"):
        find_rates(store, dataset, work, "cpu", GivenRates(decode=1, encode=1, gpu="abacus"))
