"""What a look of automation takes with many regions, and what it sees: as it is, and with Dagster asking for one region after the other.

    python -m benchmarks.automation [--regions 3 20 80 200] [--postgres]

The graph of the tests' tiny dataset, with a history of every asset and region in SQLite (or a Postgres of its own) but nothing stored.
A tick has 30 s. Each number is of a process of its own: the median of three looks, and its peak of memory.

at rest          nothing happened since all was made
made again       all regions were made again, with the same content, and nothing followed: so it stays, look for look
a region changed whole-dataset assets that are seen to be out of date, of those that follow the synapses of all regions
"""

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from benchmarks.soak.labs import PARTITIONS, quiet
from synapse_assets.definitions import build_definitions
from synapse_assets.defs import dagster_private as private
from synapse_assets.settings import Settings

REGIONS = (3, 20, 80, 200)
LOOKS = 3
SPAWN = multiprocessing.get_context("spawn")
# Nothing is recorded of it.
UNRECORDED = {"em_volume"}


class OneByOne(private.CachingStaleStatusResolver):
    """As it was: a query for each region of each input."""

    def __init__(self, instance: Any, asset_graph: Any, loading_context: Any, instance_queryer: Any) -> None:
        super().__init__(instance, asset_graph, loading_context)

    def read(self, key: dg.AssetKey, partitions: object) -> None:
        """Nothing is read beforehand."""


def definitions(folder: Path) -> dg.Definitions:
    """Of the tiny dataset, of which nothing is stored."""
    from synapse_assets_tests.conftest import tiny_dataset

    dataset = tiny_dataset(folder, folder / "points.csv")
    return build_definitions(Settings(data_root=str(folder), datasets=[], device="cpu"), datasets=[dataset])


class History:
    """Writes what runs would have recorded, in the order of the lineage and region by region."""

    def __init__(self, of: dg.Definitions, instance: dg.DagsterInstance, regions: int) -> None:
        self._graph, self._instance = of.resolve_asset_graph(), instance
        self.regions = [f"R{number:03d}" for number in range(regions)]
        instance.add_dynamic_partitions(PARTITIONS, self.regions)
        self._made: dict[dg.AssetKey, tuple[str, int]] = {}

    def make_all(self) -> None:
        """Every asset once, a run of a region as far as it goes."""
        waiting = [key for key in self._graph.toposorted_asset_keys if key.path[-1] not in UNRECORDED]
        done = set(self._graph.get_all_asset_keys()) - set(waiting)
        while waiting:
            ready: list[dg.AssetKey] = []
            for key in waiting:
                if self._graph.get(key).is_partitioned and self._graph.get(key).parent_keys <= done | set(ready):
                    ready.append(key)
            if ready:
                for region in self.regions:
                    self.make(ready, region)
            else:
                ready = [key for key in waiting if self._graph.get(key).parent_keys <= done]
                self.make(ready, None)
            done |= set(ready)
            waiting = [key for key in waiting if key not in done]

    def make(self, keys: Iterable[dg.AssetKey], region: str | None, content: str = "") -> None:
        """These assets, of a region or of the whole dataset."""
        for key in keys:
            node, version = self._graph.get(key), f"{key.path[-1]} {region} {content}"
            tags = private.data_version_tags(version)
            if not node.is_materializable:
                observed = {"dagster/data_version": version}
                event: Any = dg.AssetObservation(key, partition=region, tags=observed)
            else:
                tags["dagster/code_version"] = str(node.code_version)
                for dep in node.parent_keys:
                    made_from = self._made.get(dep, ("INITIAL", "NULL"))
                    tags[f"dagster/input_data_version/{dep.to_user_string()}"] = made_from[0]
                    tags[f"dagster/input_event_pointer/{dep.to_user_string()}"] = str(made_from[1])
                event = dg.AssetMaterialization(key, partition=region, tags=tags, metadata={"rows": 1})
            self._instance.report_runless_asset_event(event)
            self._made[key] = (version, self._instance.event_log_storage.get_maximum_record_id() or 0)


@contextmanager
def opened(home: str) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(home) as instance:
        yield instance


def write_history(home: str, regions: int) -> None:
    """Everything made once."""
    quiet()
    with opened(home) as instance:
        History(definitions(Path(home)), instance, regions).make_all()


def make_again(home: str, regions: int, content: str) -> None:
    """The synapses of all regions with the same content, or of one with another."""
    quiet()
    with opened(home) as instance:
        history = History(definitions(Path(home)), instance, regions)
        for region in history.regions if not content else history.regions[:1]:
            history.make([dg.AssetKey(["tiny", "synapses"])], region, content)


def look(home: str, one_by_one: bool) -> tuple[float, float]:
    """Seconds of a look of the sensor, and the peak of memory in MB."""
    quiet()
    use(one_by_one)
    with opened(home) as instance:
        repository, cursor, seconds = definitions(Path(home)).get_repository_def(), None, []
        sensor = repository.get_sensor_def("automation")
        for _ in range(LOOKS):
            with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository) as context:
                began = time.perf_counter()
                cursor = sensor.evaluate_tick(context).cursor
                seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def seen(home: str, one_by_one: bool) -> str:
    """How many of the assets that follow the synapses of all regions are seen to be out of date."""
    quiet()
    use(one_by_one)
    of = definitions(Path(home))
    graph, synapses = of.resolve_asset_graph(), dg.AssetKey(["tiny", "synapses"])
    following = [key for key in graph.get(synapses).child_keys if not graph.get(key).is_partitioned]
    with opened(home) as instance:
        staleness = private.Staleness.now(of, instance)
        return f"{sum(synapses in staleness.causes(key, None) for key in following)} of {len(following)}"


def use(one_by_one: bool) -> None:
    """Automation as it is, or as it was."""
    if one_by_one:
        private._Resolver = OneByOne  # type: ignore[misc,assignment]
        private._data_version.SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD = 100


def in_a_process(function: Any, *arguments: object) -> Any:
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return pool.submit(function, *arguments).result()


def measure(home: Path, regions: int, storage: object) -> None:
    """One line each, for the two ways beside each other."""
    home.mkdir()
    settings = {"telemetry": {"enabled": False}, "storage": storage}
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    in_a_process(write_history, str(home), regions)
    in_a_process(look, str(home), False)
    ways = (True, False)
    rest = [in_a_process(look, str(home), way) for way in ways]
    in_a_process(make_again, str(home), regions, "")
    again = [in_a_process(look, str(home), way) for way in ways]
    in_a_process(make_again, str(home), regions, "other")
    changed = [in_a_process(seen, str(home), way) for way in ways]
    for number, name in enumerate(("one by one", "together")):
        print(
            f"{regions:>7}  {name:<12}{rest[number][0]:>9.2f} s{again[number][0]:>12.2f} s"
            f"{max(rest[number][1], again[number][1]):>9.0f} MB   {changed[number]}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--regions", nargs="+", type=int, default=REGIONS)
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    arguments = parser.parse_args()
    quiet()
    print(f"{'regions':>7}  {'':<12}{'at rest':>11}{'made again':>14}{'memory':>12}   a region changed")
    for regions in arguments.regions:
        with tempfile.TemporaryDirectory() as name:
            from synapse_assets_tests.postgres import running_postgres

            server = running_postgres(Path(name) / "postgres") if arguments.postgres else nullcontext("")
            with server as url:
                where = {"base_dir": str(Path(name) / "home")} if not url else {"postgres_url": url}
                measure(Path(name) / "home", regions, {"postgres" if url else "sqlite": where})


if __name__ == "__main__":
    main()
