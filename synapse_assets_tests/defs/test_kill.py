"""A process killed in the middle of a Dagster run: the tables are whole, and the next run goes on where it stopped."""

import multiprocessing
import os
import signal
from pathlib import Path

import dagster as dg
import pytest

from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab


def _run_until_killed(inputs: Path, root: Path, asset: str, parts: int) -> None:
    """Materialise `asset` in small batches and die by SIGKILL when that many parts have been staged."""
    from synapse_assets.defs import embeddings
    from synapse_assets.stores.staging import Staging
    from synapse_assets.volumes import volume

    volume._BATCH_TILES = 4
    embeddings.READ_ROWS = 4
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


@pytest.mark.parametrize("asset", ["tiles", "embeddings"])
def test_a_killed_run_is_taken_up(lab: Lab, tiny_inputs: Path, tmp_path: Path, asset: str) -> None:
    lab.materialize("synapse_table")
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
    staging = lab.root / "tiny" / "staging"
    assert not [path for path in staging.rglob("*") if path.is_file()]
