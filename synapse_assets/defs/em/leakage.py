"""What vectors tell beside the class: `leakage_report`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import leakage as steps


def leakage_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "leakage_report",
        deps=["embeddings", "encoder", "splits", "synapses", "synapse_labels", "tiles"],
        checks=[
            CheckSpec(
                "random_split_gap_small",
                "A random split claims at most 0.05 more balanced accuracy than neurons held out; where none are known, than the first "
                "grouping held out.",
            )
        ],
    )
    def leakage_report(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How much of the classifier's score is recognition, and what else the vectors tell. A row is one probe under one split.

        The probe of `synapse_classifier` names the class with a random split and with neurons, hemilineages and regions held out;
        what the random split claims more is recognition. Other probes try to read neuron, section, place, file and contrast.
        That neurons can be named is no fault by itself; that a random split profits from it is one, of the split.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.report_leakage(store, dataset, context.log))

    return [leakage_report]
