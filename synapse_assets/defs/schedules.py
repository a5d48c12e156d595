"""What happens by the clock: the nightly look at everything, the weekly refit and the weekly upkeep. On by default."""

import dagster as dg

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.settings import Settings

RUNNING = dg.DefaultScheduleStatus.RUNNING


def nightly_schedule(dataset: EmDataset | MorphologyDataset, settings: Settings) -> dg.ScheduleDefinition:
    """Looks at all inputs anew; what was missed is then made by automation."""
    return dg.ScheduleDefinition(
        name=f"{dataset.name}_nightly_look",
        job_name=f"{dataset.name}_reconcile",
        cron_schedule=settings.nightly_cron,
        execution_timezone=settings.time_zone,
        default_status=RUNNING,
        description=f"Looks at all inputs of {dataset.title} anew; what was missed or has failed is then made again.",
    )


def refit_schedule(dataset: EmDataset, settings: Settings) -> dg.ScheduleDefinition:
    """Fits the models anew; on unchanged content nothing happens, a better candidate is promoted by `promotions`."""

    @dg.schedule(
        name=f"{dataset.name}_weekly_refit",
        job_name=f"{dataset.name}_fit",
        cron_schedule=settings.weekly_cron,
        execution_timezone=settings.time_zone,
        default_status=RUNNING,
        description=f"Fits the models of {dataset.title} anew. Unchanged content is not fitted again; a model that scores worse "
        "stays a candidate.",
    )
    def weekly_refit(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_latest_materialization_event(dg.AssetKey([dataset.name, "umap_model"])) is None:
            return dg.SkipReason("nothing has been fitted for the first time yet")
        return dg.RunRequest()

    return weekly_refit


def upkeep_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Compacts tables and removes what is no longer needed, of all datasets."""
    return dg.ScheduleDefinition(
        name="weekly_upkeep",
        job_name="upkeep",
        cron_schedule=settings.upkeep_cron,
        execution_timezone=settings.time_zone,
        default_status=RUNNING,
        description="Compacts tables; removes old versions that no release needs, unfinished work of long ago, and old run history.",
    )
