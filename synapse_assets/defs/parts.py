"""What a table for the whole dataset holds of each of its parts, brain regions or investigation groups, as content versions.

Assets that are made part by part follow these instead of the table, so that a change reaches only its parts. Which parts
there are, and what the content of one is, the chains say.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from synapse_assets.defs.metadata import OWNERS, observed_version
from synapse_assets.defs.resources import Installation
from synapse_assets.stores import DatasetStore


@dataclass(frozen=True)
class PartContent:
    """The content of one table by part.

    described: what each asset stands for; such an asset is observed and has no table of its own.
    find_parts: the parts that there are, registered as partitions where they are new.
    content_of: of one part, content version and number of synapses by asset.
    """

    dataset: str
    table: str
    described: dict[str, str]
    partitions: dg.PartitionsDefinition
    find_parts: Callable[[DatasetStore, dg.DagsterInstance], Iterable[str]]
    content_of: Callable[[DatasetStore, str], dict[str, tuple[str, int]]]

    def assets(self) -> dg.AssetsDefinition:
        """The assets. Observing them by hand looks at one part."""
        specs = [
            dg.AssetSpec(
                [self.dataset, name],
                deps=[[self.dataset, self.table]],
                description=f"{text}. Not a table of its own: `{self.table}` observes here which parts its rows changed, by content.",
                group_name=f"{self.dataset}_2_synapses",
                owners=OWNERS,
                kinds={"parquet"},
            )
            for name, text in self.described.items()
        ]

        @dg.multi_observable_source_asset(
            name=f"{self.dataset}_{self.table}_by_part", specs=specs, partitions_def=self.partitions
        )
        def observe_part(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.ObserveResult]:
            found = self.content_of(installation.store(self.dataset), context.partition_key)
            for name, (version, synapses) in found.items():
                yield dg.ObserveResult(
                    [self.dataset, name], {"synapses": synapses}, data_version=dg.DataVersion(version)
                )

        return observe_part

    def observations(self, store: DatasetStore, instance: dg.DagsterInstance) -> Iterator[dg.AssetObservation]:
        """An observation for each part whose content is not the one that Dagster has on record."""
        for part in self.find_parts(store, instance):
            for name, (version, synapses) in self.content_of(store, part).items():
                key = dg.AssetKey([self.dataset, name])
                if version != observed_version(instance, key, part):
                    yield dg.AssetObservation(
                        key,
                        partition=part,
                        metadata={"synapses": synapses},
                        tags={"dagster/data_version": version},
                    )
