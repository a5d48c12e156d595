"""What becomes of refitted models: `promotions` compares each candidate with the model in use and puts the better one in use."""

from functools import partial

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.promoting import put_in_use, record_missed_promotion
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import promotions as steps


def promotion_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    models = chain_of(dataset).models_of(dataset)

    @asset(dataset, "promotions", deps=models, pool="gpu")
    def promotions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which refitted models were put in use, and why not the others. A row is one model.

        A refit is a candidate. It is compared with the model in use on the same present data and replaces it unless it scores
        worse; then it stays a candidate, for a person to promote (job `<dataset>_promote`) or for the next refit to replace.
        """
        store = installation.store(dataset.name)
        for model in models:
            record_missed_promotion(context, store, model)
        promote = partial(put_in_use, context, store)
        report = steps.decide_on_candidates(store, dataset, installation.device, context.log, promote)
        return materialized(context, report)

    return [promotions]
