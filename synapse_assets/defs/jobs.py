"""Jobs beside the assets, from the facts of a chain: `<dataset>_ingest` and whatever else it names, and `<dataset>_promote`."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.asset import asset_key
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.promoting import promote
from synapse_assets.defs.resources import Installation


class Promotion(dg.Config):
    """Which model to promote."""

    model: str
    version: str | None = None


def chain_jobs(dataset: Dataset) -> list[Any]:
    """The jobs of one dataset; the one that promotes only where there are models whose refits are candidates."""
    chain = chain_of(dataset)
    jobs: list[Any] = []
    for job, description in chain.jobs.items():
        members = [facts for facts in chain.assets_of(dataset) if facts.job == job]
        if not members:
            continue
        jobs.append(
            dg.define_asset_job(
                f"{dataset.name}_{job}",
                selection=[asset_key(dataset, facts.name) for facts in members],
                partitions_def=partitions_of(dataset) if all(facts.by_part for facts in members) else None,
                description=description.format(title=dataset.title),
            )
        )
    return [*jobs, promote_job(dataset)] if chain.models_of(dataset) else jobs


def promote_job(dataset: Dataset) -> dg.JobDefinition:
    """Puts a candidate in use by hand."""

    @dg.op(name=f"{dataset.name}_promote_model")
    def promote_model(context: dg.OpExecutionContext, config: Promotion, installation: Installation) -> None:
        """Put a candidate in use. The asset then shows a new version, and what it is applied to shows as out of date."""
        version = promote(context, installation, dataset, config.model, config.version)
        context.log.info(f"{config.model} {version} is in use")

    @dg.job(
        name=f"{dataset.name}_promote",
        description=f"Put a refitted model of {dataset.title} in use by hand, whatever 'promotions' decided. "
        f"Config: model ({', '.join(chain_of(dataset).models_of(dataset))}), and a version or the candidate.",
    )
    def promote_by_hand() -> None:
        promote_model()

    return promote_by_hand
