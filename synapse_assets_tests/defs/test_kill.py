"""A process killed in the middle of a Dagster run: the tables are whole, and the next run goes on where it stopped."""

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab, failure_reason


def _run_until_killed(inputs: Path, root: Path, asset: str, parts: int) -> None:
    """Materialise `asset` in small batches and die by SIGKILL when that many parts have been staged."""
    with pytest.MonkeyPatch.context() as patch:
        _in_small_batches(patch)
        _die_after(inputs, root, asset, parts)


def _in_small_batches(patch: pytest.MonkeyPatch) -> None:
    """The same in all runs: in the last bit a vector depends on how many tiles share its batch."""
    from synapse_assets.pipeline.em import embeddings
    from synapse_assets.volumes import volume

    patch.setattr(volume, "_BATCH_TILES", 4)
    patch.setattr(embeddings, "READ_ROWS", 4)


def _die_after(inputs: Path, root: Path, asset: str, parts: int) -> None:
    from synapse_assets.stores.staging import Staging

    append = Staging.append
    staged = 0

    def append_and_die(self: Staging, rows: object) -> None:
        nonlocal staged
        append(self, rows)  # type: ignore[arg-type]
        staged += 1
        if staged == parts:
            os.kill(os.getpid(), signal.SIGKILL)

    Staging.append = append_and_die  # type: ignore[method-assign,assignment]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("tiny_brain_region", list(REGIONS))
        Lab(inputs, root, instance).materialize(asset, region=REGIONS[0])


def _rows(table: RegionTable) -> list[dict[str, object]]:
    return table.read(REGIONS[0], table.table.names).sort_by("synapse_id").to_pylist()


@pytest.mark.parametrize("asset", ["tiles", "embeddings"])
def test_a_killed_run_is_taken_up(
    lab: Lab, tiny_inputs: Path, tmp_path: Path, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_small_batches(monkeypatch)
    lab.materialize("synapse_table", "alignment")
    lab.materialize("synapses", region=REGIONS[0])
    if asset == "embeddings":
        lab.materialize("tiles", region=REGIONS[0])
        lab.materialize("encoder")
    child = multiprocessing.get_context("spawn").Process(
        target=_run_until_killed, args=(tiny_inputs, tmp_path, asset, 3)
    )
    child.start()
    child.join(240)
    assert child.exitcode == -signal.SIGKILL
    table = lab.store.tiles if asset == "tiles" else vectors_in_use(lab.store)
    assert table.count() == 0, "nothing of a killed run may be seen"

    result = lab.materialize(asset, region=REGIONS[0])
    metadata = result.get_asset_materialization_events()[0].step_materialization_data.materialization.metadata
    assert metadata["resumed_rows"].value == 12
    assert metadata["computed_rows"].value == 12
    assert table.count() == 24
    with dg.DagsterInstance.ephemeral() as instance:
        (tmp_path / "whole").mkdir()
        whole = Lab(tiny_inputs, tmp_path / "whole", instance)
        whole.materialize("synapse_table", "alignment")
        whole.materialize("synapses", "tiles", region=REGIONS[0])
        if asset == "embeddings":
            whole.materialize("encoder")
            whole.materialize("embeddings", region=REGIONS[0])
    uninterrupted = whole.store.tiles if asset == "tiles" else vectors_in_use(whole.store)
    assert _rows(table) == _rows(uninterrupted), "resumed rows are, byte for byte, those of a run that was not killed"
    staging = lab.root / "tiny" / "staging"
    assert not [path for path in staging.rglob("*") if path.is_file()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_loses_nothing(tiny_inputs: Path, small_disk: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, small_disk, instance)
        lab.materialize("synapse_table", "alignment")
        lab.everywhere("synapses")
        lab.materialize("tiles", region=REGIONS[1])
        before = _rows_of_all(lab)
        ballast = small_disk / "ballast"
        free = shutil.disk_usage(small_disk).free
        for left in (0, 8_192, 65_536):
            ballast.write_bytes(b"x" * (free - left))
            result = lab.materialize("tiles", region=REGIONS[0], raises=False)
            assert not result.success
            assert "is full: free some space and run again" in failure_reason(result)
            ballast.unlink()
            assert _rows_of_all(lab) == before
        assert lab.materialize("tiles", region=REGIONS[0]).success
        assert lab.store.tiles.regions() == {REGIONS[0]: 24, REGIONS[1]: 24}


def _rows_of_all(lab: Lab) -> list[dict[str, object]]:
    return lab.store.tiles.read(None, lab.store.tiles.table.names).sort_by("synapse_id").to_pylist()
