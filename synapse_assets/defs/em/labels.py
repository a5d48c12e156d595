"""What is known of synapses and their neurons: `neurons` and `synapse_labels`.

Apart from place and picture, so that a change of labels alone re-runs what depends on labels and nothing else.
"""

from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.em.synapses import class_settings
from synapse_assets.defs.inputs import Reading, observe_gone
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import labels as steps
from synapse_assets.pipeline.em.inputs import neuron_source
from synapse_assets.pipeline.em.labelling.decisions import REGION_DECISIONS
from synapse_assets.pipeline.em.synapses import REGION_LABELS
from synapse_assets.pipeline.inputs import READING_METHOD, SOURCES_GONE


def label_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; `neurons` only where the dataset has tables of neurons."""
    neurons_known = CheckSpec("neurons_known", "At least some of the region's neurons are in the tables of neurons.")

    @asset(
        dataset,
        "synapse_labels",
        deps=[
            REGION_LABELS,
            *(["neurons"] if dataset.neurons else []),
            *([REGION_DECISIONS] if dataset.labelling else []),
        ],
        checks=[
            *([neurons_known] if dataset.neurons else []),
            CheckSpec(
                "labels_agree",
                "Where the synapse table and the tables of neurons both name a class, they name the same.",
            ),
        ],
    )
    def synapse_labels(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What is known of each synapse of one brain region: its class, hemilineage and cell type. A row is one synapse.

        What people decided about a synapse counts first, then what the synapse table itself says of it; the rest comes from its neuron,
        joined by id.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.label_region(store, dataset, context.partition_key))

    if not dataset.neurons:
        return [synapse_labels]

    @asset(
        dataset,
        "neurons",
        _settings(dataset),
        method=READING_METHOD,
        deps=["neuron_source", *(["synapse_table"] if dataset.generate else [])],
    )
    def neurons(context: dg.AssetExecutionContext, installation: Installation, config: Reading) -> dg.MaterializeResult:
        """The neurons of the dataset: known classes, hemilineage, cell type and side. A row is one neuron.

        Joined by id from the tables of neurons; where two tables describe the same neuron, the first counts.
        Where all files of a table are gone, its neurons go only if `gone` names it.
        """
        report = steps.read_neuron_tables(installation.store(dataset.name), dataset, config.gone)
        if SOURCES_GONE in report.details:
            observe_gone(context, dataset.name, neuron_source(dataset))
        return materialized(context, report)

    return [neurons, synapse_labels]


def _settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides how the tables of neurons are read."""
    return {**hashed_fields(dataset, include={"neurons"}), **class_settings(dataset)}
