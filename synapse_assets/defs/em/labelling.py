"""What people are asked, what they decided, and what their labels are worth: from `tile_vae` to `label_errors`.

Rounds, `annotations` and the sensor are shared with other chains (`defs.labelling`).
"""

from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.em.synapses import find_regions
from synapse_assets.defs.labelling import annotation_assets, log_content
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em.labelling import decisions, errors
from synapse_assets.pipeline.em.labelling.benchmark import benchmark_strategies
from synapse_assets.pipeline.em.labelling.label_curve import draw_label_curve
from synapse_assets.pipeline.em.labelling.suggestions import suggest_round
from synapse_assets.pipeline.em.labelling.vae import fit_tile_vae


def labelling_contents(dataset: EmDataset) -> list[PartitionContent]:
    """What people answered of each round, and decided of each brain region; none where nobody labels."""
    if dataset.labelling is None:
        return []
    descriptions = {
        decisions.REGION_DECISIONS: "What people decided about the synapses of each brain region: their classes, and what is none"
    }
    of_regions = PartitionContent(
        dataset,
        "label_decisions",
        descriptions,
        find_regions(dataset),
        lambda store, region: decisions.region_decisions(store, region),
    )
    return [log_content(dataset), of_regions]


def labelling_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none where nobody labels."""
    if dataset.labelling is None:
        return []
    return [
        *annotation_assets(dataset),
        *_decision_assets(dataset),
        *_question_assets(dataset),
        *_result_assets(dataset),
    ]


def _decision_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    of_regions = labelling_contents(dataset)[-1]

    @asset(
        dataset,
        "label_decisions",
        _settings(dataset, "classes", "renamed"),
        # Which classes there are is read of the sources, where the file names none.
        deps=["annotations", "synapses", "tiles", "synapse_table", *(["neurons"] if dataset.neurons else [])],
        checks=[
            CheckSpec("classes_known", "Every answer names a class that there is now."),
            CheckSpec("people_agree", "People who answered the same agree, and no disagreement waits to be settled."),
            CheckSpec("tiles_unchanged", "Every answer is to the tile that there is now."),
        ],
    )
    def label_decisions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What follows from the answers of all rounds. A row is one synapse that people answered about.

        What most of those who answered say counts, or what was settled where they differ. Labels of a brain region follow where its
        decisions changed. The agreement of people is stored beside it: by class without names, by pair with them.
        """
        store = installation.store(dataset.name)
        report = decisions.decide_labels(store, dataset, context.log)
        for observation in of_regions.observations(store, context.instance):
            context.log_event(observation)
        return materialized(context, report)

    return [label_decisions, of_regions.assets()]


def _question_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    choice = dataset.labelling
    assert choice is not None  # noqa: S101 -- of others there are no such assets

    @asset(
        dataset,
        "strategy_benchmark",
        _settings(dataset, "error_rate"),
        deps=["splits", "encoder", "embeddings", *(["tile_vae"] if choice.vae else [])],
        pool="fit",
    )
    def strategy_benchmark(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which query strategy would have reached a good classifier with fewest labels, asked of the labels that there are. A row is one
        strategy and measure.

        A simulated annotator, who errs at a stated rate, answers what each strategy asks; every strategy is compared with random choice on
        the same held-out groups and seeds. Rounds use what won, or random choice where nothing is better.
        """
        store = installation.store(dataset.name)
        report = benchmark_strategies(store, dataset, installation.device, context.log)
        return materialized(context, report)

    @asset(
        dataset,
        "query_suggestions",
        # What the answers before it led to is made first: a round waits for all of these.
        deps=[
            *("embeddings", "encoder", "tiles", "synapses", "annotations", "label_decisions", "synapse_labels"),
            *("splits", "synapse_classifier", "promotions", "strategy_benchmark"),
            *(["tile_vae"] if choice.vae else []),
        ],
        pool="fit",
        checks=[CheckSpec("batch_is_full", "There were as many synapses to ask about as a round has.")],
    )
    def query_suggestions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The synapses that one round asks about, in the order in which they are shown. A row is one synapse.

        Chosen once, from the models in use when the round begins, and never changed: answers refer to it. A share is random, and only
        these labels test. Rounds show as out of date once models are others; that is how it should be.
        """
        store = installation.store(dataset.name)
        report = suggest_round(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [strategy_benchmark, *_vae_assets(dataset), query_suggestions]


def _vae_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    if dataset.labelling is None or dataset.labelling.vae is None:
        return []
    choice = dataset.labelling.vae
    masks: list[str | dg.AssetKey] = (
        [] if choice.masks_from is None else ["synapses", dg.AssetKey([choice.masks_from, "probability_maps"])]
    )

    @asset(dataset, "tile_vae", hashed_fields(choice), deps=["tiles", *masks], pool="gpu")
    def tile_vae(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """A variational autoencoder of the tiles, the unsupervised stream of two-stream query suggestion. It sees no label.

        Its vectors of the tiles tell which synapses look alike, whatever the classifier makes of them.
        """
        store = installation.store(dataset.name)
        return materialized(context, fit_tile_vae(store, dataset, installation.device, context.log))

    return [tile_vae]


def _result_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    @asset(
        dataset,
        "label_curve",
        # The labels are read as splits have them; both are made first.
        deps=["annotations", "label_decisions", "synapse_labels", "splits", "encoder", "embeddings"],
        pool="fit",
        checks=[CheckSpec("more_labels_pay", "A round of the last three gained something beyond its interval.")],
    )
    def label_curve(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What a linear probe of all labels up to each round scores, on groups held out and on labels that no strategy chose. A row is one
        round.

        Each gain over the round before has a paired interval over groups. Labelling may stop once three rounds in a row gained nothing
        beyond theirs; no further round is opened then.
        """
        store = installation.store(dataset.name)
        return materialized(context, draw_label_curve(store, dataset, context.log))

    @asset(
        dataset,
        "label_errors",
        deps=["synapse_predictions", "synapse_labels", "label_decisions"],
    )
    def label_errors(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Labels that look wrong, the most suspicious first: a classifier of other groups contradicts them, more than its own doubt
        explains. A row is one label.

        They can be asked about as a batch of their own; a label that people have looked at so tests on, as they see it.
        """
        return materialized(context, errors.find_label_errors(installation.store(dataset.name)))

    return [label_curve, label_errors]


def _settings(dataset: EmDataset, *fields: str) -> dict[str, Any]:
    assert dataset.labelling is not None  # noqa: S101 -- of others there are no such assets
    return hashed_fields(dataset.labelling, include=fields)
