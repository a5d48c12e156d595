"""What can be measured of tiles without training, and how classes differ in it: `tile_attributes`, `class_differences`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import attributes as steps


def attribute_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "tile_attributes",
        deps=["tiles"],
        method=steps.METHOD,
        checks=[
            CheckSpec(
                "rows_match", "Every tile of the region has exactly one row, measured as it is now.", blocking=True
            )
        ],
    )
    def tile_attributes(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Vesicles, T-bar, cleft, membranes and mitochondria in the tiles of one brain region, in nanometres. A row is one synapse.

        Measured in the middle section without any training; empty where it cannot be. Only tiles that are new or changed are
        measured again. An interrupted run resumes where it stopped.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.measure_region(store, dataset, context.partition_key, context.log))

    @asset(dataset, "class_differences", deps=["tile_attributes", "synapses", "synapse_labels"])
    def class_differences(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How synapses of each class differ from all others in what was measured of their tiles. A row is one attribute and class.

        The means of neurons are compared, as synapses of one neuron are not independent; intervals are over neurons, and what is said to
        differ stands after a correction for all rows. A difference of staining or of place is one, too: no cause is named.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.compare_classes(store, dataset, context.log))

    return [tile_attributes, class_differences]
