"""Cutting the picture around each synapse out of the volume: `tile_plan`, what it takes, and `tiles`."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import tiles as steps
from synapse_assets.pipeline.inputs import UNWATCHED


def tile_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "tile_plan",
        _settings(dataset),
        deps=["synapses", UNWATCHED],
        checks=[
            CheckSpec(
                "below_download_ceiling",
                "Cutting the region's tiles fetches no more than the volume's download_ceiling_gb.",
                blocking=True,
            )
        ],
    )
    def tile_plan(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What cutting the tiles of one brain region takes, before anything is fetched: chunks, gigabytes, hours.

        A row is one scale of the volume and way of reading. It counts what is still to be cut, so it is empty for a region
        that is complete. Hours are estimates; what they rest on stands in `synapse_assets/volumes/plan.py`.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.plan_tiles(store, dataset, context.partition_key))

    @asset(
        dataset,
        "tiles",
        _settings(dataset),
        deps=["synapses", "tile_plan", "alignment", UNWATCHED],
        pool="download",
        checks=[
            CheckSpec(
                "one_tile_per_synapse",
                "Every synapse of the region has exactly one tile, cut where it lies now.",
                blocking=True,
            ),
            CheckSpec(
                "tiles_whole",
                "At most one tile in ten reaches over the edge of the volume or into missing chunks.",
            ),
        ],
    )
    def tiles(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The electron-microscopy picture around each synapse of one brain region, a few sections deep. A row is one tile.

        Only synapses that are new or have moved are cut again. An interrupted run resumes where it stopped.
        """
        store = installation.store(dataset.name)
        engine = installation.engine()
        return materialized(context, steps.cut_tiles(store, dataset, context.partition_key, context.log, engine))

    return [tile_plan, tiles]


def _settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides the pixels of a tile."""
    volumes = {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.volumes.items()}
    return {**hashed_fields(dataset, include={"tile"}), "volumes": volumes}
