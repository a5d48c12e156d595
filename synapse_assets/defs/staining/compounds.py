"""Which compounds undo the treatment: `compounds`."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.staining.compounds import judge_compounds


def compound_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none for one whose sources name no compounds."""
    if not dataset.names_compounds:
        return []
    settings = {
        "classes": list(dataset.classes[:2]),
        "answers_from": dataset.answering,
        "dose_unit": dataset.dose_unit,
        "seed": dataset.seed,
    }

    @asset(dataset, "compounds", settings, deps=["image_predictions", "images"])
    def compounds(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Whether cells that were given a compound look untreated again. A row is one compound and dose, or one of the two controls.

        By wells: the likeness to the treated class, and the rescue, 0 like the treated control of the same plates and 1 like the untreated
        one, each with its interval over wells. Ranked by the best dose; the best of many is there by luck too, so it has to be shown again
        in new wells.
        """
        return materialized(context, judge_compounds(installation.store(dataset.name), dataset, context.log))

    return [compounds]
