"""What a table for the whole dataset holds of each of its parts, brain regions or investigation groups, as content versions.

Assets that are made part by part follow these instead of the table, so that a change reaches only its parts. The
chains define which parts there are, and what the content of a part is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.asset import OWNERS, asset_key, group_of, observed_version
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.resources import Installation
from synapse_assets.stores import DatasetStore


@dataclass(frozen=True)
class PartitionContent:
    """The content of one table by part.

    descriptions: what each asset stands for; such an asset is observed and has no table of its own.
    find_parts: the parts that there are, registered as partitions where they are new.
    content_of: of one part, content version and number of synapses by asset.
    """

    dataset: Dataset
    table: str
    descriptions: dict[str, str]
    find_parts: Callable[[DatasetStore, dg.DagsterInstance], Iterable[str]]
    content_of: Callable[[DatasetStore, str], dict[str, tuple[str, int]]]

    def assets(self) -> dg.AssetsDefinition:
        """The assets. Observing them by hand checks one part."""
        specs = [
            dg.AssetSpec(
                asset_key(self.dataset, name),
                deps=[asset_key(self.dataset, self.table)],
                description=f"{text}. Not a table of its own: `{self.table}` observes here which parts its rows changed, by content.",
                group_name=group_of(self.dataset, chain_of(self.dataset).facts[self.table]),
                owners=OWNERS,
                kinds={"parquet"},
            )
            for name, text in self.descriptions.items()
        ]

        @dg.multi_observable_source_asset(
            name=f"{self.dataset.name}_{self.table}_by_part",
            specs=specs,
            partitions_def=partitions_of(self.dataset),
        )
        def observe_part(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.ObserveResult]:
            content = self.content_of(installation.store(self.dataset.name), context.partition_key)
            for name, (version, synapses) in content.items():
                yield dg.ObserveResult(
                    asset_key(self.dataset, name), {"synapses": synapses}, data_version=dg.DataVersion(version)
                )

        return observe_part

    def observations(self, store: DatasetStore, instance: dg.DagsterInstance) -> Iterator[dg.AssetObservation]:
        """An observation for each part whose content is not the one that Dagster has on record."""
        for part in self.find_parts(store, instance):
            for name, (version, synapses) in self.content_of(store, part).items():
                key = asset_key(self.dataset, name)
                if version != observed_version(instance, key, part):
                    yield dg.AssetObservation(
                        key,
                        partition=part,
                        metadata={"synapses": synapses},
                        tags={"dagster/data_version": version},
                    )
