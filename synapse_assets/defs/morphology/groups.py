"""What the assets of an investigation group share: which synapses it has now, with their features."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.fitting import model_in_use
from synapse_assets.schema import BadInput, morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


@dataclass(frozen=True)
class GroupRows:
    """The synapses of one group now: all of `synapses` and `features`, and `fitted`, those features that are clustered."""

    synapses: pa.Table
    features: pa.Table
    fitted: pa.Table

    @property
    def ids(self) -> list[str]:
        """Ids of the synapses that are clustered, sorted."""
        ids: list[str] = self.fitted.column("synapse_id").to_pylist()
        return ids

    @property
    def key(self) -> str:
        """Content version of what is clustered: which synapses, with which numbers."""
        ids = self.fitted.column("synapse_id").combine_chunks()
        lists = self.fitted.column("scaled").combine_chunks()
        width = len(lists.flatten()) // max(1, len(lists))
        flat = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, max(1, width))
        return content_key(pa.table({"synapse_id": ids, **{f"f{i}": flat[:, i] for i in range(width)}}))


def group_rows(store: DatasetStore, dataset: MorphologyDataset, group: str) -> GroupRows:
    """The synapses of that group. Raises BadInput where features are older than the synapses or the feature model."""
    from synapse_assets.analysis.morphology.tables import clustered, in_group, of_synapses
    from synapse_assets.analysis.outcome import NoModel

    version = model_in_use(store.models("feature_model"), "materialise the asset 'feature_model' first")
    synapses = store.results(morphology.SYNAPSES).read()
    features = store.results(morphology.FEATURES).read()
    without = NoModel.found(store.models("feature_model").path(version))
    made_with = set(features.column("feature_model").to_pylist())
    same = set(features.column("synapse_id").to_pylist()) == set(synapses.column("synapse_id").to_pylist())
    if without is None and (made_with - {version} or not same):
        raise BadInput(
            f"the features of {dataset.name} are not of its present synapses and feature model {version}: materialise 'features'"
        )
    rows = in_group(synapses, dataset.groups[group].conditions).sort_by("synapse_id")
    own = of_synapses(features, rows.column("synapse_id").to_pylist())
    return GroupRows(rows, own, clustered(own))


def neurons_of(rows: GroupRows) -> list[str]:
    """The neuron of every clustered synapse, in the order of `rows.ids`."""
    neurons: list[str] = rows.fitted.column("neuron_id").to_pylist()
    return neurons


def types_of(rows: GroupRows) -> list[str]:
    """The neuron type of every clustered synapse, in the order of `rows.ids`."""
    place = pc.index_in(rows.fitted.column("synapse_id"), value_set=rows.synapses.column("synapse_id").combine_chunks())
    types: list[str] = rows.synapses.column("neuron_type").take(place).to_pylist()
    return types
