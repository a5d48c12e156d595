"""Which entry of a dataset's YAML makes which asset out of date, and which makes none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.em.alignment import alignment_assets
from synapse_assets.defs.em.synapses import synapse_assets
from synapse_assets.defs.em.tiles import tile_assets
from synapse_assets_tests.conftest import tiny_dataset

PIXELS = {"alignment", "tile_plan", "tiles"}
TABLE = {"synapse_table"}


def code_versions(values: Mapping[str, Any]) -> dict[str, str | None]:
    """Of the assets that are made from what the YAML says of tables and volumes."""
    dataset = EmDataset.model_validate(values)
    made = [*synapse_assets(dataset), *alignment_assets(dataset), *tile_assets(dataset)]
    return {spec.key.path[-1]: spec.code_version for one in made for spec in one.specs}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return tiny_dataset(Path("/in"), Path("/in/points.csv")).model_dump()


@pytest.mark.parametrize(
    ("entry", "value", "out_of_date"),
    [
        ("volumes.em.url", "/elsewhere", PIXELS),
        ("volumes.em.voxel_size_nm", (4, 4, 35), PIXELS | TABLE),
        ("volumes.em.space", "FAFB14", PIXELS | TABLE),
        ("volumes.em.offset_voxels", (1, 0, 0), PIXELS),
        ("volumes.em.missing_chunks", "black", PIXELS),
        ("tile.size_px", 32, {"tile_plan", "tiles"}),
        ("tile.sections", 5, {"tile_plan", "tiles"}),
        ("sources.0.path", "/in/others.csv", {"alignment"} | TABLE),
        ("sources.0.units", "nm", {"alignment"} | TABLE),
        ("sources.0.minimum", {"score": 3}, {"alignment"} | TABLE),
        ("sources.0.only", {"kind": ["pre"]}, {"alignment"} | TABLE),
        ("sources.0.columns.neuron_id", "body", {"alignment"} | TABLE),
        ("sources.0.class_names", {"a": "b"}, {"alignment"} | TABLE),
        ("accept_alignment", True, {"alignment"}),
        ("missing_region", "NOWHERE", TABLE),
        ("region_names", {"EB": "ELLIPSOID"}, TABLE),
        ("region_vocabulary", "flywire", TABLE),
        ("merge_partners", True, TABLE),
        ("trial_limit", 3, TABLE),
        ("target", "organelle", TABLE),
        # What says how patiently a volume is read, or only tells, changes no row and no pixel.
        ("volumes.em.timeout_s", 5, set()),
        ("volumes.em.requests_per_second", 5, set()),
        ("volumes.em.download_ceiling_gb", 5, set()),
        ("title", "Another title", set()),
        ("description", "Another text.", set()),
    ],
)
def test_an_entry_outdates_what_it_decides(
    values: dict[str, Any], entry: str, value: object, out_of_date: set[str]
) -> None:
    before = code_versions(values)
    after = code_versions(_with(values, entry.split("."), value))
    assert {name for name in before if before[name] != after[name]} == out_of_date
    assert code_versions(values) == before


def _with(content: Any, path: list[str], value: object) -> Any:
    if not path:
        return value
    if isinstance(content, list):
        at = int(path[0])
        return [*content[:at], _with(content[at], path[1:], value), *content[at + 1 :]]
    return {**content, path[0]: _with(content[path[0]], path[1:], value)}
