"""`synapse_mitochondria` in the lineage: what it is made from, and when automation makes it again."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.defs.em.mitochondria import mitochondria_assets
from synapse_assets.schema.detection import SYNAPSE_MITOCHONDRIA
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import REGIONS, SECTIONS, SIDE_PX, VOXEL_SIZE_NM, Lab, tiny_dataset
from synapse_assets_tests.defs.test_automation import Automation
from synapse_assets_tests.detected import BLOCKS, FINDER, Finder

ASSET = dg.AssetKey(["tiny", "synapse_mitochondria"])
FOUND = dg.AssetKey([FINDER, "mitochondria"])
BODY = ((2, 10, 10), (7, 60, 60))


def other(root: Path) -> dg.Definitions:
    """What the other dataset has in the lineage, block by block."""

    @dg.asset(key=FOUND, partitions_def=dg.DynamicPartitionsDefinition(name=f"{FINDER}_block"))
    def mitochondria() -> None:
        """Made by hand here."""

    return dg.Definitions([mitochondria])


def report(instance: dg.DagsterInstance, block: str, version: str) -> None:
    tags = {"dagster/data_version": version}
    instance.report_runless_asset_event(dg.AssetMaterialization(FOUND, partition=block, tags=tags))


@pytest.fixture
def near(make_lab: Callable[..., Lab]) -> Lab:
    """The tiny dataset up to its synapses, beside a dataset with one mitochondrion, both in the graph."""
    lab = make_lab(mitochondria_from=FINDER)
    finder = Finder(
        DatasetStore(str(lab.root), FINDER), (0, 0, 0), (SECTIONS, SIDE_PX, SIDE_PX), (9, 288, 288), VOXEL_SIZE_NM
    )
    values = np.zeros(finder.shape, np.uint8)
    values[tuple(slice(a, b) for a, b in zip(*BODY, strict=True))] = 255
    finder.plant(values, {"one": BODY})
    lab.definitions = dg.Definitions.merge(lab.definitions, other(lab.root))
    lab.materialize("synapse_table")
    lab.everywhere("synapses")
    return lab


def test_only_a_dataset_that_asks_for_it_has_it(tiny_inputs: Path) -> None:
    def names(dataset: EmDataset) -> set[str]:
        definitions = build_definitions(Settings(data_root="/nowhere", datasets=[]), datasets=[dataset])
        return {key.path[-1] for key in definitions.resolve_asset_graph().materializable_asset_keys}

    plain, asking = (tiny_dataset(tiny_inputs, Path("p.csv"), **one) for one in ({}, {"mitochondria_from": FINDER}))
    assert names(asking) - names(plain) == {"synapse_mitochondria"}


def test_dataset_and_radius_decide_and_nothing_else(tiny_inputs: Path) -> None:
    def code_version(**changes: object) -> str | None:
        dataset = tiny_dataset(tiny_inputs, Path("p.csv"), **{"mitochondria_from": FINDER, **changes})
        [asset] = mitochondria_assets(dataset)
        return asset.code_versions_by_key[ASSET]

    assert code_version() == code_version(mitochondria_radius_nm=500, title="Another", accept_alignment=True)
    assert len({code_version(), code_version(mitochondria_radius_nm=400), code_version(mitochondria_from="other")}) == 3


def test_by_hand_it_is_made_where_the_other_dataset_is_not_enabled(near: Lab) -> None:
    near.use(near.dataset)
    assert near.definitions.resolve_asset_graph().get(FOUND).is_external
    near.everywhere("synapse_mitochondria")
    rows = near.store.results(SYNAPSE_MITOCHONDRIA).read()
    assert rows.num_rows == 72
    assert set(rows.column("mitochondrion_id").drop_null().to_pylist()) == {"one"}


def test_it_follows_synapses_and_every_block_of_the_other_dataset(near: Lab) -> None:
    everywhere = {"synapse_mitochondria": set(REGIONS)}
    automation = Automation(near)

    def requested() -> dict[str, set[str]]:
        return {name: parts for name, parts in automation.tick().items() if name == ASSET.path[-1]}

    assert requested() == {}, "no block was searched yet"
    near.instance.add_dynamic_partitions(f"{FINDER}_block", list(BLOCKS))
    report(near.instance, BLOCKS[0], "a")
    assert requested() == {}, "one block was not"
    report(near.instance, BLOCKS[1], "a")
    first = requested()
    assert first == everywhere
    automation.run(first)
    assert [requested() for _ in range(3)] == [{}, {}, {}], "it comes to rest"

    report(near.instance, BLOCKS[1], "a")
    assert [requested() for _ in range(2)] == [{}, {}], "the same was found"
    report(near.instance, BLOCKS[1], "b")
    again = requested()
    assert again == everywhere
    automation.run(again)
    assert [requested() for _ in range(2)] == [{}, {}]
