"""What `features` holds of each investigation group, which the assets of the groups follow."""

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.stores import DatasetStore

# Content of `features` by investigation group, apart for what is fitted and what is predicted.
FITTED_FEATURES = "fitted_features"
NEW_FEATURES = "new_features"
PURPOSES = {FITTED_FEATURES: "fit", NEW_FEATURES: "prediction"}


def group_content(dataset: MorphologyDataset) -> PartitionContent:
    """What `features` holds of each investigation group."""

    def content_of(store: DatasetStore, group: str) -> dict[str, tuple[str, int]]:
        rows = Group(store, dataset, group).rows
        return {name: (rows.key_of(purpose), rows.used_for(purpose).num_rows) for name, purpose in PURPOSES.items()}

    descriptions = {
        FITTED_FEATURES: "The features that maps, clusters and classifiers of each investigation group are made from",
        NEW_FEATURES: "The features of newly observed synapses in each investigation group, which are predicted",
    }
    return PartitionContent(dataset, "features", descriptions, lambda *_: dataset.groups, content_of)
