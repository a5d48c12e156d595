"""Known classes and predicted ones: `splits`, `synapse_classifier`, `synapse_predictions`, `neuron_predictions`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import classify as steps


def people_of(dataset: EmDataset) -> list[str]:
    """What says which labels train and do not test, where people label; and the labels, so that a fit waits for what was decided."""
    return ["label_decisions", "synapse_labels"] if dataset.labelling else []


def classify_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "splits",
        deps=["synapses", "synapse_labels"],
        checks=[CheckSpec("classes_in_every_fold", "Every class can be learned and tested in every fold.")],
    )
    def splits(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which labelled synapses are held out together when the classifier is tested. A row is one synapse in one split.

        Synapses of one neuron look alike, so a random split tests on neurons that were trained on and overstates the
        accuracy. Whole groups are held out instead; the random split is kept to show the difference.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.split_labelled(store, dataset, context.log))

    @asset(
        dataset,
        "synapse_classifier",
        deps=["splits", "encoder", "embeddings", *people_of(dataset)],
        pool="fit",
        checks=[
            CheckSpec(
                "better_than_chance",
                "On held-out groups the classifier beats guessing (balanced accuracy above one over the classes).",
            )
        ],
    )
    def synapse_classifier(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """A linear probe: how well the known class of a synapse can be read from its vector, tested on held-out groups.

        The headline is the balanced accuracy on groups that were not trained on, with a 95 % interval over those groups; the
        score of a random split stands beside it to show what it would have claimed.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.fit_classifier(store, dataset, context.log))

    @asset(
        dataset,
        "synapse_predictions",
        deps=["embeddings", "synapse_classifier"],
        checks=[
            CheckSpec("probabilities_add_up", "The probabilities of every synapse add up to one.", blocking=True),
        ],
    )
    def synapse_predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The predicted class of each synapse of one brain region, with the probability of every class. A row is one synapse.

        A synapse that was labelled when the classifier was fitted gets the prediction of a model that never saw its group,
        so these rows can be compared with the known classes. Probabilities are not calibrated.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.predict_region(store, context.partition_key))

    assets: list[dg.AssetsDefinition] = [splits, synapse_classifier, synapse_predictions]
    if dataset.has_neurons:

        @asset(dataset, "neuron_predictions", deps=["synapse_predictions", "synapses", "synapse_labels"])
        def neuron_predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
            """The class that most synapses of a neuron vote for. A row is one neuron.

            For neurons with a known class every vote comes from a model that never saw that neuron.
            """
            store = installation.store(dataset.name)
            return materialized(context, steps.predict_neurons(store, dataset))

        assets.append(neuron_predictions)
    return assets
