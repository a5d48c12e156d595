"""From workbooks to features: `synapses`, `feature_model`, and `features`."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.inputs import Reading, observe_gone
from synapse_assets.defs.morphology.content import group_content
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.inputs import READING_METHOD, SOURCES_GONE
from synapse_assets.pipeline.morphology import features as feature_steps
from synapse_assets.pipeline.morphology.inputs import synapse_workbooks
from synapse_assets.pipeline.morphology.synapses import read_synapses


def synapse_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    reading = hashed_fields(dataset, include={"workbooks", "neuron_types", "synapse_types", "brain_region", "seed"})

    @asset(
        dataset,
        "synapses",
        reading,
        method=READING_METHOD,
        deps=["synapse_workbooks"],
        checks=[
            CheckSpec(
                "distances_plausible",
                "Every synapse lies within five millimetres of its soma: the micron columns hold micrometres.",
                blocking=True,
            ),
            CheckSpec("one_soma_per_neuron", "All synapses of a neuron name the same soma."),
            CheckSpec(
                "micrometres_follow_the_corrected_position",
                "The micron columns are the corrected ones times one factor an axis.",
            ),
            CheckSpec("neurons_have_enough_synapses", "Every neuron has enough synapses for axes of its own."),
        ],
    )
    def synapses(
        context: dg.AssetExecutionContext, installation: Installation, config: Reading
    ) -> dg.MaterializeResult:
        """All synapses of the workbooks, the fitted and the newly observed ones. A row is one synapse.

        Start here. Positions in micrometres lie in a frame of the neuron's own, so neurons are compared relative to their
        soma only. Nothing is stored unless every workbook could be read and every id is unique. Where all files of a workbook
        are gone, its rows go only if `gone` names it.
        """
        report = read_synapses(installation.store(dataset.name), dataset, config.gone)
        if SOURCES_GONE in report.details:
            observe_gone(context, dataset.name, synapse_workbooks(dataset))
        return materialized(context, report)

    @asset(dataset, "feature_model", hashed_fields(dataset.features), deps=["synapses"], pool="fit")
    def feature_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The fitted steps that every synapse passes through: limits of extreme values, axes of each neuron, scaling, weights.

        Fitted on the study's synapses once and kept as one artifact, with the centre and the sign of every axis, so that new
        synapses are treated exactly as the fitted ones were.
        """
        store = installation.store(dataset.name)
        return materialized(context, feature_steps.fit_feature_model(store, dataset, context.log))

    @asset(
        dataset,
        "features",
        deps=["synapses", "feature_model"],
        checks=[
            CheckSpec(
                "prediction_path_equals_fit",
                "Fitted synapses sent through the stored chain get the numbers that the fit gave them.",
                blocking=True,
            ),
            CheckSpec(
                "extreme_values",
                "Few synapses have a measure far beyond the others; they are kept, flagged and not clustered.",
            ),
        ],
    )
    def features(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every synapse relative to its soma and along its neuron's axes, and the scaled numbers that are clustered.

        A row is one synapse, fitted or newly observed. `left_out` says in words why one is not clustered; no row is dropped.
        """
        store = installation.store(dataset.name)
        report = feature_steps.compute_features(store, dataset)
        # The blocking check holds the groups back too.
        if all(check.passed or check.warn for check in report.checks):
            for observation in group_content(dataset).observations(store, context.instance):
                context.log_event(observation)
        return materialized(context, report)

    return [synapses, feature_model, features]
