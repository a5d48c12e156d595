"""One region at a time: materialising again replaces exactly its rows, and a synapse is in one region only."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from synapse_assets_tests.conftest import REGIONS, Kept, Lab

CHAIN = ("synapses", "tiles")


def stored(lab: Lab) -> dict[str, str]:
    """Region of every synapse, from both tables, which must agree."""
    found = [lab.store.synapses, lab.store.tiles]
    maps = []
    for table in found:
        rows = table.read(None, ["synapse_id", "brain_region"]).to_pylist()
        assert len({row["synapse_id"] for row in rows}) == len(rows), "a synapse is there twice"
        maps.append({row["synapse_id"]: row["brain_region"] for row in rows})
    assert maps[0] == maps[1]
    return maps[0]


def expected(lab: Lab) -> dict[str, str]:
    points = pd.read_csv(lab.points)
    return dict(zip(points["id"], points["region"], strict=True))


@pytest.fixture(scope="module")
def cut_once(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    root = tmp_path_factory.mktemp("cut")
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, root, instance)
        lab.materialize("synapse_table", "alignment")
        lab.everywhere(*CHAIN)
        yield Kept(tiny_inputs, root, instance)


@pytest.fixture
def cut_lab(cut_once: Kept, tmp_path: Path) -> Iterator[Lab]:
    with cut_once.again(tmp_path) as lab:
        yield lab


def test_regions_appear_with_the_table(lab: Lab) -> None:
    lab.materialize("synapse_table", "alignment")
    assert set(lab.instance.get_dynamic_partitions("tiny_brain_region")) == set(REGIONS)


def test_materialising_twice_changes_nothing(cut_lab: Lab) -> None:
    before = stored(cut_lab), cut_lab.store.synapses.version, cut_lab.store.tiles.version
    cut_lab.materialize("synapse_table", "alignment")
    cut_lab.everywhere(*CHAIN)
    assert (stored(cut_lab), cut_lab.store.synapses.version, cut_lab.store.tiles.version) == before


def test_gone_synapses_go_and_nothing_else(cut_lab: Lab) -> None:
    points = pd.read_csv(cut_lab.points)
    cut_lab.write(points[~points["id"].isin(["s000", "s003"])])
    cut_lab.materialize("synapse_table", "alignment")
    result = cut_lab.materialize(*CHAIN, region=REGIONS[0])
    assert stored(cut_lab) == expected(cut_lab)
    tiles = next(e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "tiles")
    numbers = tiles.step_materialization_data.materialization.metadata
    assert numbers["removed_rows"].value == 2
    assert numbers["computed_rows"].value == 0


@pytest.mark.parametrize("order", [REGIONS[:2], REGIONS[1::-1]])
def test_a_synapse_that_moves_ends_in_one_region(cut_lab: Lab, order: tuple[str, str]) -> None:
    points = pd.read_csv(cut_lab.points)
    points.loc[points["id"] == "s000", "region"] = REGIONS[1]
    cut_lab.write(points)
    cut_lab.materialize("synapse_table", "alignment")
    for region in order:
        cut_lab.materialize(*CHAIN, region=region)
    assert stored(cut_lab) == expected(cut_lab)


def test_an_old_region_does_not_take_a_moved_synapse_back(cut_lab: Lab) -> None:
    points = pd.read_csv(cut_lab.points)
    points.loc[points["id"] == "s000", "region"] = REGIONS[1]
    cut_lab.write(points)
    cut_lab.materialize("synapse_table", "alignment")
    cut_lab.materialize(*CHAIN, region=REGIONS[1])
    cut_lab.materialize("tiles", region=REGIONS[0])
    assert stored(cut_lab) == expected(cut_lab)


def test_a_point_that_moves_in_space_gets_a_new_tile(cut_lab: Lab) -> None:
    before = {row["synapse_id"]: row for row in cut_lab.store.tiles.read(None, ["synapse_id", "tile_hash"]).to_pylist()}
    points = pd.read_csv(cut_lab.points)
    points.loc[points["id"] == "s000", "x"] += 5
    cut_lab.write(points)
    cut_lab.materialize("synapse_table", "alignment")
    cut_lab.materialize(*CHAIN, region=REGIONS[0])
    after = {row["synapse_id"]: row for row in cut_lab.store.tiles.read(None, ["synapse_id", "tile_hash"]).to_pylist()}
    assert {name for name in after if after[name] != before[name]} == {"s000"}


def test_the_trial_limit_keeps_the_first_of_each_region(make_lab) -> None:  # type: ignore[no-untyped-def]
    lab = make_lab(trial_limit=2)
    result = lab.materialize("synapse_table", "alignment")
    assert lab.store.synapse_table.regions() == dict.fromkeys(REGIONS, 2)
    event = result.get_asset_materialization_events()[0].step_materialization_data.materialization
    assert event.metadata["left_out_by_trial_limit"].value == 66
    kept = lab.store.synapse_table.read(REGIONS[0]).column("synapse_id").to_pylist()
    assert kept == ["s000", "s003"]
