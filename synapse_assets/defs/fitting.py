"""How every fitted asset behaves: fit once, do nothing on unchanged content, keep a refit as a candidate until promoted."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from synapse_assets.analysis.outcome import NoModel
from synapse_assets.defs.metadata import Stopwatch
from synapse_assets.errors import BadInput
from synapse_assets.stores.models import ModelStore, Provenance, fingerprint


@dataclass(frozen=True)
class Fitted:
    """What a fit hands back: its scores (they plot over time), notes for a reader, and what the UI shows."""

    scores: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)


def fit_once(
    context: dg.AssetExecutionContext,
    models: ModelStore,
    *,
    inputs: Mapping[str, str],
    parameters: Mapping[str, object],
    seed: int,
    fit: Callable[[Path], Fitted],
    fits_current_inputs: Callable[[Provenance], bool],
) -> dg.MaterializeResult:
    """Fit unless this very content was fitted before; the result is in use at once only where nothing usable is in use.

    `inputs` are content versions of what is fitted on; `fit` writes the artifact into the folder it is given;
    `fits_current_inputs` tells whether a stored model can still be applied to what there is now. The version is a hash of
    name, inputs, parameters and seed. The asset's data version is that of the model in use, so a candidate leaves everything
    downstream as it is.
    """
    watch = Stopwatch()
    version = fingerprint({"name": models.name, "parameters": dict(parameters), "seed": seed}, dict(inputs))
    fitted_now = not models.exists(version)
    shown: dict[str, Any] = {}
    if fitted_now:
        with models.folder.scratch() as folder:
            fitted = fit(folder)
            notes = "; ".join(fitted.notes)
            provenance = Provenance(models.name, version, dict(inputs), dict(parameters), seed, fitted.scores, notes)
            models.save(version, partial(_copy, folder), provenance)
        shown = fitted.shown
    provenance = models.provenance(version)
    current = models.current
    usable = (
        current is not None
        and NoModel.found(models.path(current)) is None
        and fits_current_inputs(models.provenance(current))
    )
    if not usable or current == version:
        models.promote(version)
        models.clear_candidate()
        status = "in use"
    else:
        models.set_candidate(version)
        status = f"candidate; {current} stays in use until promotions (or the job {context.asset_key.path[0]}_promote) replaces it"
    context.log.info(
        f"{models.name} {version}: {'fitted' if fitted_now else 'unchanged content, not fitted again'}; {status}"
    )
    if provenance.notes:
        context.log.warning(f"{models.name} {version}: {provenance.notes}")
    return dg.MaterializeResult(
        metadata={
            **shown,
            "version": version,
            "status": status,
            "in_use": models.current,
            "fitted_now": fitted_now,
            "seconds": round(watch.seconds, 3),
            **provenance.scores,
            "notes": provenance.notes or "none",
        },
        data_version=dg.DataVersion(models.current or version),
    )


def _copy(folder: Path, target: Path) -> None:
    shutil.copytree(folder, target, dirs_exist_ok=True)


def model_in_use(models: ModelStore, remedy: str) -> str:
    """Version of the model in use. Raises BadInput with the remedy if none is fitted."""
    if models.current is None:
        raise BadInput(f"no {models.name} has been fitted: {remedy}")
    return models.current


def require_same(models: ModelStore, version: str, name: str, wanted: str) -> None:
    """Refuse to apply a model to inputs of another version than it was fitted on. Raises BadInput naming both."""
    fitted_on = models.provenance(version).inputs.get(name)
    if fitted_on != wanted:
        raise BadInput(
            f"{models.name} {version} was fitted on {name} {fitted_on}, but {name} {wanted} is in use: materialise {models.name} again"
        )
