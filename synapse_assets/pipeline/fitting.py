"""How every fitted asset behaves: fit once, do nothing on unchanged content, keep a refit as a candidate until promoted."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from logging import Logger
from pathlib import Path

from synapse_assets.artifacts import NoModel
from synapse_assets.pipeline.report import Detail, Report, Stopwatch
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import NOT_ASSESSED, Provenance, fingerprint


@dataclass(frozen=True)
class Fitted:
    """What a fit returns: its scores (they plot over time), notes, the details that the UI shows, and the verdict on it with its
    reason, for a kind of model that has one."""

    scores: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Detail] = field(default_factory=dict)
    verdict: str = NOT_ASSESSED
    verdict_reason: str = ""


def fit_once(
    store: DatasetStore,
    model: str,
    log: Logger,
    *,
    inputs: Mapping[str, str],
    parameters: Mapping[str, object],
    seed: int,
    fit: Callable[[Path], Fitted],
    fits_current_inputs: Callable[[Provenance], bool] | None = None,
) -> Report:
    """Fit unless this very content was fitted before; the result is in use at once only where nothing usable is in use.

    `inputs` are content versions of what is fitted on; `fit` writes the artifact into the folder it is given;
    `fits_current_inputs` says whether a stored model can still be applied to the present data; None: a refit is in use at once.
    The version is a hash of name, inputs, parameters and seed. The content version of the report is that of the model in use, so a
    candidate leaves everything downstream as it is.
    """
    watch = Stopwatch()
    models = store.models(model)
    version = fingerprint({"name": models.name, "parameters": dict(parameters), "seed": seed}, dict(inputs))
    fitted_now = not models.exists(version)
    details: Mapping[str, Detail] = {}
    if fitted_now:
        with models.folder.scratch() as folder:
            fitted = fit(folder)
            notes = "; ".join(fitted.notes)
            provenance = Provenance(
                models.name,
                version,
                dict(inputs),
                dict(parameters),
                seed,
                fitted.scores,
                notes,
                verdict=fitted.verdict,
                verdict_reason=fitted.verdict_reason,
            )
            models.save(version, partial(_copy, folder), provenance)
        details = fitted.details
    provenance = models.provenance(version)
    current = models.current
    usable = (
        current is not None
        and fits_current_inputs is not None
        and NoModel.found(models.path(current)) is None
        and fits_current_inputs(models.provenance(current))
    )
    if not usable or current == version:
        models.promote(version)
        models.clear_candidate()
        status = "in use"
    else:
        models.set_candidate(version)
        status = f"candidate; {current} stays in use until promotions (or the job {store.dataset}_promote) replaces it"
    log.info(f"{models.name} {version}: {'fitted' if fitted_now else 'unchanged content, not fitted again'}; {status}")
    if provenance.notes:
        log.warning(f"{models.name} {version}: {provenance.notes}")
    assessed = provenance.verdict != NOT_ASSESSED
    return Report(
        details={
            **details,
            **({"verdict": provenance.verdict, "verdict_reason": provenance.verdict_reason} if assessed else {}),
            "version": version,
            "status": status,
            "in_use": models.current,
            "fitted_now": fitted_now,
            "seconds": round(watch.seconds, 3),
            **provenance.scores,
            "notes": provenance.notes or "none",
        },
        seconds=watch.seconds,
        content_version=models.current or version,
    )


def _copy(folder: Path, target: Path) -> None:
    shutil.copytree(folder, target, dirs_exist_ok=True)
