"""What can be taken at its word of a classifier: `calibration`, `synapse_answers`, `neuron_answers`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import answers as steps


def answer_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    predictions = "network_predictions" if dataset.answers_from else "synapse_predictions"

    @asset(
        dataset,
        "calibration",
        dataset.answers_from,
        deps=[predictions, "splits", "synapses"],
        checks=[
            CheckSpec(
                "probabilities_calibrated",
                "The expected calibration error on held-out groups is at most 0.01 above that of a perfect model of this size, or within "
                "what chance gives one.",
            )
        ],
    )
    def calibration(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How the classifier's probabilities become ones that can be taken at their word, and which sets of classes hold the right one
        with 90 % probability. A row is one class.

        Fitted on out-of-fold probabilities, groups such as neurons counting alike, and measured on groups that neither the
        classifier nor the calibration saw. The promise is for a synapse of a new neuron; with too few neurons there is none.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.calibrate(store, dataset, context.log))

    @asset(dataset, "synapse_answers", dataset.answers_from, deps=[predictions, "calibration"])
    def synapse_answers(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The class of each synapse of one brain region by calibrated probabilities, or "unclear". A row is one synapse.

        Beside it the set of classes that cannot be ruled out; the answer is clear where that is one. Labelled synapses get
        the answer of a classifier and a calibration that never saw their group.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.answer_region(store, dataset, context.partition_key))

    assets: list[dg.AssetsDefinition] = [calibration, synapse_answers]
    if dataset.has_neurons:

        @asset(dataset, "neuron_answers", deps=["synapse_answers", "calibration", "synapses", "synapse_labels"])
        def neuron_answers(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
            """The class of each neuron by the pooled evidence of its synapses, or "unclear". A row is one neuron.

            Synapses of one neuron resemble each other, so their evidence counts for less than that of as many independent ones;
            how much less is estimated. What the neuron's hemilineage suggests stands apart.
            """
            store = installation.store(dataset.name)
            return materialized(context, steps.answer_neurons(store, dataset, context.log))

        assets.append(neuron_answers)
    return assets
