"""What a table for the whole dataset holds of each of its parts, brain regions or investigation groups, as content versions.

Assets that are made part by part follow these instead of the table, so that a change reaches only its parts. The
chains define which parts there are, and what the content of a part is. What people answered in each round is such content too,
of no table that an asset makes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.datasets.chain import RAW
from synapse_assets.defs.asset import OWNERS, asset_key, group_of, observed_version
from synapse_assets.defs.partitions import partitions_of, rounds_of
from synapse_assets.defs.resources import Installation
from synapse_assets.stores import DatasetStore


@dataclass(frozen=True)
class PartitionContent:
    """The content of one table by part.

    table: None for what people answered, by round, which no asset makes.
    descriptions: what each asset stands for; such an asset is observed and has no table of its own.
    find_parts: the parts that there are, registered as partitions where they are new.
    content_of: of one part, content version and number of rows by asset. counts: what its rows are.
    """

    dataset: Dataset
    table: str | None
    descriptions: dict[str, str]
    find_parts: Callable[[DatasetStore, dg.DagsterInstance], Iterable[str]]
    content_of: Callable[[DatasetStore, str], dict[str, tuple[str, int]]]
    counts: str = "synapses"

    def assets(self) -> dg.AssetsDefinition:
        """The assets. Observing them by hand checks one part."""
        partitions = partitions_of(self.dataset)
        group, kinds, observed = f"{self.dataset.name}_{RAW}", {"sqlite"}, ""
        if self.table is None:
            partitions = rounds_of(self.dataset)
        else:
            group, kinds = group_of(self.dataset, chain_of(self.dataset).facts[self.table]), {"parquet"}
            observed = (
                f". Not a table of its own: `{self.table}` observes here which parts its rows changed, by content."
            )
        specs = [
            dg.AssetSpec(
                asset_key(self.dataset, name),
                deps=[] if self.table is None else [asset_key(self.dataset, self.table)],
                description=f"{text}{observed}",
                group_name=group,
                owners=OWNERS,
                kinds=kinds,
            )
            for name, text in self.descriptions.items()
        ]

        @dg.multi_observable_source_asset(
            name=f"{self.dataset.name}_{self.table or 'answers'}_by_part",
            specs=specs,
            partitions_def=partitions,
        )
        def observe_part(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.ObserveResult]:
            content = self.content_of(installation.store(self.dataset.name), context.partition_key)
            for name, (version, rows) in content.items():
                yield dg.ObserveResult(
                    asset_key(self.dataset, name), {self.counts: rows}, data_version=dg.DataVersion(version)
                )

        return observe_part

    def observations(self, store: DatasetStore, instance: dg.DagsterInstance) -> Iterator[dg.AssetObservation]:
        """An observation for each part whose content is not the one that Dagster has on record."""
        for part in self.find_parts(store, instance):
            for name, (version, rows) in self.content_of(store, part).items():
                key = asset_key(self.dataset, name)
                if version != observed_version(instance, key, part):
                    yield dg.AssetObservation(
                        key,
                        partition=part,
                        metadata={self.counts: rows},
                        tags={"dagster/data_version": version},
                    )
