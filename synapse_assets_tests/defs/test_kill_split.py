"""`synapse_table` killed at each of its steps: what is stored is whole, and the next run, or the nightly look, fixes the rest."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from synapse_assets.defs.asset import observed_version
from synapse_assets.pipeline import inputs
from synapse_assets.schema import BRAIN_REGIONS, SYNAPSE_SOURCES
from synapse_assets_tests.conftest import Lab, planted_points

SERVER = multiprocessing.get_context("forkserver")
OBSERVED = ("region_sites", "region_labels")


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around(holder: Any, name: str, when: Callable[..., bool], after: bool) -> None:
    """Die before or after a call of that method, the first for which `when` holds."""
    method = getattr(holder, name)

    def dying(*given: Any, **named: Any) -> Any:
        if when(*given) and not after:
            _die()
        result = method(*given, **named)
        if when(*given):
            _die()
        return result

    setattr(holder, name, dying)


def _after_the_split() -> None:
    from synapse_assets.stores.partitioned_source import PartitionedSource

    _around(PartitionedSource, "_promote", lambda *_: True, True)


def _at_the_pointer() -> None:
    from synapse_assets.stores.files import Files

    _around(Files, "write_json", lambda _, name, *__: name == "current.json", False)


def _after_table(name: str) -> None:
    from synapse_assets.stores.parquet_table import ParquetTable

    _around(ParquetTable, "write", lambda table, *_: table.table.name == name, True)


def _after_the_partitions() -> None:
    _around(dg.DagsterInstance, "add_dynamic_partitions", lambda *_: True, True)


def _at_an_observation(number: int) -> None:
    from synapse_assets.defs.partition_content import PartitionContent

    observations = PartitionContent.observations

    def dying(self: PartitionContent, store: Any, instance: dg.DagsterInstance) -> Iterator[dg.AssetObservation]:
        for count, found in enumerate(observations(self, store, instance)):
            if count == number:
                _die()
            yield found
        if number < 0:
            _die()

    PartitionContent.observations = dying  # type: ignore[method-assign]


STEPS: dict[str, Callable[[], None]] = {
    "before its pointer": _at_the_pointer,
    "after the split": _after_the_split,
    "after the table of regions": lambda: _after_table(BRAIN_REGIONS.name),
    "after the table of sources": lambda: _after_table(SYNAPSE_SOURCES.name),
    "after the partitions": _after_the_partitions,
    "among the observations": lambda: _at_an_observation(3),
    "after the observations": lambda: _at_an_observation(-1),
}
OLD = {"AL_L": 24, "EB": 24, "LH_L": 24}
NEW = {"AL_L": 24, "LH_L": 24, "PB": 24}


def _moved(lab: Lab) -> None:
    """The points of EB are of PB now."""
    points = planted_points()
    lab.write(points.assign(region=points["region"].replace("EB", "PB")))


def _run(inputs: Path, place: Path, step: str) -> None:
    """Materialises `synapse_table` of the points that moved, and dies at that step."""
    STEPS[step]()
    with dg.DagsterInstance.local_temp(str(place / "home")) as instance:
        lab = Lab(inputs, place, instance)
        _moved(lab)
        lab.materialize("synapse_table")


def _state(lab: Lab) -> tuple[Any, ...]:
    """What is stored, which regions there are, and what Dagster knows of each."""
    split = lab.store.synapse_table
    regions = sorted(lab.instance.get_dynamic_partitions("tiny_brain_region"))
    known = {
        (name, region): observed_version(lab.instance, dg.AssetKey(["tiny", name]), region)
        for name in OBSERVED
        for region in regions
    }
    now = {("region_sites", region): split.site_hash(region) or "no synapses" for region in regions}
    now |= {("region_labels", region): split.label_hash(region) or "no synapses" for region in regions}
    rows = {region: len(split.read(region)) for region in regions}
    return split.regions(), regions, rows, known == now


@pytest.fixture(scope="module")
def begun(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where the first points were split."""
    SERVER.set_forkserver_preload(["synapse_assets_tests.conftest", "synapse_assets.sources.points", "duckdb"])
    place = tmp_path_factory.mktemp("begun")
    (place / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(place / "home")) as instance:
        lab = Lab(tiny_inputs, place, instance)
        lab.materialize("synapse_table")
        assert _state(lab) == (OLD, sorted(OLD), OLD, True)
    return place


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_split_is_mended(
    begun: Path, tiny_inputs: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "QUIET_SECONDS", 0)
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    child = SERVER.Process(target=_run, args=(tiny_inputs, tmp_path, step))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    fixed = (NEW, sorted({*OLD, *NEW}), {**NEW, "EB": 0}, True)
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        lab = Lab(tiny_inputs, tmp_path, instance)
        _moved(lab)
        promoted = step != "before its pointer"
        assert lab.store.synapse_table.regions() == (NEW if promoted else OLD), "whole, the old one or the new one"
        registered = "PB" in instance.get_dynamic_partitions("tiny_brain_region")
        assert registered == (list(STEPS).index(step) >= list(STEPS).index("after the partitions"))
        if promoted:
            # The nightly look registers what is stored, though nobody materialises anything.
            lab.materialize("input_files")
            assert _state(lab) == fixed
        lab.materialize("synapse_table")
        assert _state(lab) == fixed
        assert {row["brain_region"] for row in lab.store.results(BRAIN_REGIONS).read().to_pylist()} == set(NEW)
        assert sum(lab.store.results(SYNAPSE_SOURCES).read().column("rows").to_pylist()) == 72
        assert not list((lab.root / "tiny").rglob(".tmp*"))
