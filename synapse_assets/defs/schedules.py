"""What happens by the clock: the nightly check of everything, the weekly refit and the weekly upkeep. On by default."""

import time
from difflib import get_close_matches
from zoneinfo import available_timezones

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.dagster_private import is_cron, require_time_zone, ticks
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

RUNNING = dg.DefaultScheduleStatus.RUNNING


def check_clock(settings: Settings) -> None:
    """Raises BadInput, naming the variable, for an unknown time zone, and for a cron that is invalid or never ticks."""
    try:
        require_time_zone(settings.time_zone)
    except (ValueError, LookupError, OSError):
        raise BadInput(
            f"SYNAPSE_TIME_ZONE: there is no time zone {settings.time_zone!r}{_similar(settings.time_zone)}"
        ) from None
    for name in ("nightly_cron", "weekly_cron", "upkeep_cron"):
        cron: str = getattr(settings, name)
        if not _ever_ticks(cron, settings.time_zone):
            raise BadInput(
                f"SYNAPSE_{name.upper()}: {cron!r} names no time: it is five fields, minute hour day month weekday, such as "
                f"{Settings.model_fields[name].default!r}"
            )


def _ever_ticks(cron: str, time_zone: str) -> bool:
    if not is_cron(cron):
        return False
    try:
        next(ticks(cron, time_zone, time.time()))
    except Exception:  # the cron library has an error of its own for a day that no month has
        return False
    return True


def _similar(time_zone: str) -> str:
    """The end of a sentence about an unknown time zone: the one that may be meant."""
    names = {name.casefold(): name for name in sorted(available_timezones())}
    close = get_close_matches(time_zone.strip().casefold().replace(" ", "_"), names, 1)
    return f": did you mean {names[close[0]]}?" if close else ": give one such as Europe/Berlin, or UTC"


def nightly_schedule(dataset: Dataset, settings: Settings) -> dg.ScheduleDefinition:
    """Checks all inputs anew; what was missed is then made by automation."""
    return dg.ScheduleDefinition(
        name=f"{dataset.name}_nightly_look",
        job_name=f"{dataset.name}_reconcile",
        cron_schedule=settings.nightly_cron,
        execution_timezone=settings.time_zone,
        default_status=RUNNING,
        description=f"Looks at all inputs of {dataset.title} anew; what was missed or has failed is then made again.",
    )


def refit_schedule(dataset: Dataset, settings: Settings) -> dg.ScheduleDefinition:
    """Fits the models anew; on unchanged content nothing happens, a better candidate is promoted by `promotions`."""
    chain = chain_of(dataset)
    models = chain.models_of(dataset)
    # Where this model was fitted, the models below it were too.
    first = next((model for model in models if chain.facts[model].fitted_on), models[0])

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
        if context.instance.get_latest_materialization_event(dg.AssetKey([dataset.name, first])) is None:
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
