"""Putting a fitted model in use so that Dagster records it. Whether a candidate is better belongs to `pipeline`."""

from typing import TypeAlias

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.dagster_private import data_version, data_version_tags, provenance_tags
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.stores import DatasetStore

Context: TypeAlias = dg.OpExecutionContext | dg.AssetExecutionContext


def promote(
    context: Context, installation: Installation, dataset: Dataset, model: str, version: str | None = None
) -> str:
    """Put `version` of a model in use, or its candidate. Gives the version; raises BadInput naming what there is."""
    known = chain_of(dataset).models_of(dataset)
    if model not in known:
        raise BadInput(f"no model '{model}': one of {known}")
    store = installation.store(dataset.name)
    models = store.models(model)
    chosen = version or models.candidate
    if chosen is None:
        raise BadInput(
            f"{dataset.name}/{model} has no candidate; in use is {models.current}, fitted are {models.versions()}"
        )
    put_in_use(context, store, model, chosen)
    return chosen


def put_in_use(context: Context, store: DatasetStore, model: str, version: str) -> None:
    """Make `version` the one that regions apply, and record it in Dagster: the asset has a new data version, and what it is applied
    to is out of date. What it was fitted on stays as in its last materialisation, so it is not out of date itself.

    Raises BadInput if there is no such version.
    """
    store.models(model).promote(version)
    _record_promotion(context, dg.AssetKey([store.dataset, model]), version)


def record_missed_promotion(context: Context, store: DatasetStore, model: str) -> None:
    """Record in Dagster a model that a killed run put in use without recording it."""
    key, current = dg.AssetKey([store.dataset, model]), store.models(model).current
    latest = context.instance.get_latest_materialization_event(key)
    if current is not None and latest is not None and data_version(latest.tags or {}) != current:
        _record_promotion(context, key, current)


def _record_promotion(context: Context, key: dg.AssetKey, version: str) -> None:
    latest = context.instance.get_latest_materialization_event(key)
    made_from = provenance_tags((latest and latest.tags) or {})
    context.log_event(
        dg.AssetMaterialization(
            key,
            metadata={"version": version, "in_use": version, "status": "promoted"},
            tags={**made_from, **data_version_tags(version)},
        )
    )
