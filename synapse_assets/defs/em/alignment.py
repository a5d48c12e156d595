"""Before anything is cut: do the coordinates mean in the volume what the dataset says? `alignment`."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import alignment as steps
from synapse_assets.pipeline.inputs import UNWATCHED


def alignment_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "alignment",
        _settings(dataset),
        deps=["synapse_table", UNWATCHED],
        pool="download",
        checks=[
            CheckSpec(
                "coordinates_fit",
                "No other reading of the coordinates (axes, units, sections) fits the volume better than the given one.",
                blocking=True,
            ),
            CheckSpec(
                "verdict_clear",
                "For every source the volume shows clearly that its coordinates fit. Where it does not, look at the picture.",
            ),
        ],
    )
    def alignment(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Whether the points of each source lie where the dataset says, judged by a sample of places in the volume.

        A row is one reading of one source's coordinates: as given, some sections above or below, with axes exchanged, in other
        units. A reading that stands out from its surroundings scores high; the scores of random shifts tell what chance does.
        Tiles are not cut while another reading beats the given one, unless the dataset says accept_alignment: true.
        """
        return materialized(context, steps.examine_sources(installation.store(dataset.name), dataset, context.log))

    return [alignment]


def _settings(dataset: EmDataset) -> dict[str, Any]:
    volumes = {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.volumes.items()}
    return {**hashed_fields(dataset, include={"sources", "seed", "accept_alignment"}), "volumes": volumes}
