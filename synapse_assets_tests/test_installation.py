"""The whole thing as a lab runs it: real webserver and daemon, new files arrive, a person presses Materialize.

Once on one machine with nothing but files, once with Postgres for Dagster's history and S3 for the data.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from synapse_assets.query import open_warehouse
from synapse_assets_tests.conftest import FIRST_NEURON
from synapse_assets_tests.installation import Installed, wait_until
from synapse_assets_tests.postgres import running_postgres
from synapse_assets_tests.stores.object_store import BUCKET, object_store

__all__ = ["object_store"]  # a fixture

APPLIED = ("synapses", "tiles", "embeddings", "umap_coordinates", "clusters", "synapse_predictions")


@pytest.fixture(params=["files", "postgres and s3"], scope="module")
def installed(
    request: pytest.FixtureRequest, tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """A running installation in which everything was made once."""
    root = tmp_path_factory.mktemp("installed")
    if request.param == "files":
        yield from _running(Installed(tiny_inputs, root, {}))
        return
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed")
    request.getfixturevalue("object_store")
    with running_postgres(root / "postgres") as postgres:
        environment = {
            "SYNAPSE_DATA_ROOT": f"s3://{BUCKET}/installed",
            "SYNAPSE_POSTGRES_URL": postgres,
        }
        yield from _running(Installed(tiny_inputs, root, environment))


def _running(installed: Installed) -> Iterator[Installed]:
    installed.run("materialize")
    installed.start()
    try:
        yield installed
    finally:
        installed.stop()


def arrive(installed: Installed, name: str, prefix: str, regions: tuple[str, str]) -> set[str]:
    """A file of twelve new synapses in two regions appears; gives their ids."""
    places = [(x, 276) for x in range(24, 24 * 7, 24)] + [(276, y) for y in range(24, 24 * 7, 24)]
    shift = 0 if prefix == "n" else 3
    rows = []
    for i, (x, y) in enumerate(places):
        place = {"x": x + shift, "y": y, "z": 4, "region": regions[i % 2]}
        rows.append({"id": f"{prefix}{i:02d}", **place, "neuron": FIRST_NEURON + 50 + i // 3, "nt": "gaba"})
    pd.DataFrame(rows).to_csv(installed.points / name, index=False)
    return {str(row["id"]) for row in rows}


def released(installed: Installed, ids: set[str]) -> bool:
    """Whether the warehouse holds all of these synapses, in every table."""
    with open_warehouse("tiny", installed.environment["SYNAPSE_DATA_ROOT"]) as warehouse:
        for table in ("synapses", "umap_coordinates", "clusters", "synapse_predictions"):
            if not ids <= set(warehouse.sql(f"select synapse_id from {table}").synapse_id):  # noqa: S608
                return False
    return True


@pytest.mark.timeout(900)
def test_new_synapses_arrive_and_a_person_presses_materialize(installed: Installed) -> None:
    before = installed.materializations()
    assert before["tiles", "EB"] == 1
    ids = arrive(installed, "second.csv", "n", ("EB", "FB"))
    wait_until("the new synapses are in the warehouse", lambda: released(installed, ids))
    after = installed.materializations()
    for name in APPLIED:
        assert after[name, "EB"] == before[name, "EB"] + 1, name
        assert after[name, "FB"] == 1, name
        for region in ("AL_L", "LH_L"):
            assert after[name, region] == before[name, region], f"{name} of {region} was touched"
    assert after["encoder", ""] == before["encoder", ""]

    failed = installed.ask("{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }")
    assert failed["runsOrError"]["results"] == []
    if installed.on_object_storage:
        return
    # The same by hand: automation is switched off, and a person presses the buttons.
    installed.switch_sensor("automation", on=False)
    more = arrive(installed, "third.csv", "m", ("LH_L", "MB_CA_L"))
    installed.materialize("synapse_table", "alignment")
    chain = (
        "synapses",
        "synapse_labels",
        "tile_plan",
        "tiles",
        "embeddings",
        "umap_coordinates",
        "clusters",
        "synapse_predictions",
    )
    installed.materialize(*chain, regions=("LH_L", "MB_CA_L"))
    installed.materialize("splits", "cluster_cards", "neuron_predictions", "warehouse")
    assert released(installed, ids | more)
    by_hand = installed.materializations()
    for name in APPLIED:
        assert by_hand[name, "EB"] == after[name, "EB"]
        assert by_hand[name, "MB_CA_L"] == 1
