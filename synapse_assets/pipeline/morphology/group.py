"""One investigation group as it is stored now, step by step; what was made from other inputs than there are is refused.

Every step of a group reads what lies before it here, and the warehouse reads the last step of every group, so that no
order of runs mixes rows of different features, maps, clusters or classifiers. Making them belongs to the modules beside it.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import MORPHOLOGY, MorphologyDataset
from synapse_assets.errors import BadInput
from synapse_assets.schema import Table, morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import ModelStore
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.clustering.consensus import Consensus
    from synapse_assets.analysis.clustering.resampled_maps import GroupMaps

# What features are made of; the other columns of the workbooks are kept for the reader.
MEASURED = [
    "synapse_id",
    "neuron_id",
    "used_for",
    *(f"{axis}_um" for axis in "xyz"),
    *(f"soma_{axis}_um" for axis in "xyz"),
    "synapse_area",
    "bouton_area",
    "bouton_volume",
]

_COMPARED = (
    morphology.RECIPE_COMPARISON,
    morphology.RECIPE_AGREEMENT,
    morphology.RECURRING_GROUPS,
    morphology.RECIPE_SUMMARY,
)

# The assets that are made group by group in their order, and the tables that they write.
_TABLES_OF = [
    (facts, table)
    for facts in MORPHOLOGY.assets
    if facts.by_part
    for table in (*facts.beside, facts.table)
    if table is not None
]
# Those that a complete group has.
_STEPS = [(facts.name, table) for facts, table in _TABLES_OF if facts.awaited]


def fitted_synapses(synapses: pa.Table) -> pa.Table:
    """The rows that features are fitted on."""
    return synapses.filter(pc.equal(synapses.column("used_for"), "fit"))


def recipe_model(group: str, recipe: str) -> str:
    """The name of the model that a recipe's clusters of a group are."""
    return f"recipe_clusters_{group}_{recipe}"


def measured_key(synapses: pa.Table) -> str:
    """Content version of what features are made of."""
    return content_key(synapses.select(MEASURED))


@dataclass(frozen=True)
class GroupRows:
    """The synapses of one group: its rows of `synapses` and `features`, and `fitted`, those features that are clustered, by id."""

    synapses: pa.Table
    features: pa.Table
    fitted: pa.Table

    @property
    def ids(self) -> list[str]:
        """Ids of the synapses that are clustered, sorted."""
        ids: list[str] = self.fitted.column("synapse_id").to_pylist()
        return ids

    @property
    def neurons(self) -> list[str]:
        """The neuron of every clustered synapse, in the order of `ids`."""
        neurons: list[str] = self.fitted.column("neuron_id").to_pylist()
        return neurons

    @property
    def neuron_types(self) -> list[str]:
        """The neuron type of every clustered synapse, in the order of `ids`."""
        known = self.synapses.column("synapse_id").combine_chunks()
        indices = pc.index_in(self.fitted.column("synapse_id").combine_chunks(), value_set=known)
        types: list[str] = self.synapses.column("neuron_type").take(indices).to_pylist()
        return types

    @property
    def key(self) -> str:
        """Content version of what is clustered: which synapses, with which numbers."""
        return _features_key(self.fitted)

    def key_of(self, purpose: str) -> str:
        """Content version of the features of the synapses that are used for the fit, or for prediction; also those left out."""
        return _features_key(self.used_for(purpose))

    def used_for(self, purpose: str) -> pa.Table:
        """The features of the synapses that are used for the fit, or for prediction."""
        return self.features.filter(pc.equal(self.features.column("used_for"), purpose))


class Group:
    """One investigation group of a dataset, read from the store. Each step raises BadInput with what to materialise."""

    def __init__(self, store: DatasetStore, dataset: MorphologyDataset, name: str) -> None:
        self.store, self.dataset, self.name = store, dataset, name

    @cached_property
    def rows(self) -> GroupRows:
        """Its synapses with their features, made from the synapses and the feature model that there are now."""
        from synapse_assets.analysis.morphology.tables import clustered, in_group, of_synapses

        synapses = self.store.results(morphology.SYNAPSES).read()
        required = {"synapses": measured_key(synapses), "feature_model": self._current("feature_model", None)}
        self._require(morphology.FEATURES, None, required)
        rows = in_group(synapses, self.dataset.groups[self.name].conditions).sort_by("synapse_id")
        ids = rows.column("synapse_id").to_pylist()
        features = of_synapses(self.store.results(morphology.FEATURES).read(), ids)
        return GroupRows(rows, features, clustered(features))

    @cached_property
    def maps_version(self) -> str:
        """Version of the fitted maps, which are of the present features."""
        version = self._current("projection", self.name)
        self._require_fitted_on("projection", version, "features", self.rows.key)
        return version

    @cached_property
    def maps(self) -> "GroupMaps | NoModel":
        """The fitted maps."""
        from synapse_assets.analysis.clustering.resampled_maps import GroupMaps

        folder = self.store.models(f"projection_{self.name}").path(self.maps_version)
        return load_or_no_model(folder, GroupMaps.load)

    @cached_property
    def setting(self) -> tuple[int, int] | None:
        """The chosen setting of HDBSCAN (min_cluster_size, min_samples), of a sweep over the present maps; None if none is."""
        for row in self.read(morphology.PARAMETER_SWEEP).to_pylist():
            if row["chosen"]:
                return row["min_cluster_size"], row["min_samples"]
        return None

    @cached_property
    def clusters_version(self) -> str:
        """Version of the fitted clusters, which are of the present maps and setting."""
        version = self._current("clusters", self.name)
        self._require_fitted_on("clusters", version, "projection", self.maps_version)
        self._require_fitted_on("clusters", version, "setting", str(self.setting))
        return version

    @cached_property
    def consensus(self) -> "Consensus | NoModel":
        """The fitted clusters."""
        from synapse_assets.analysis.clustering.consensus import Consensus

        folder = self.store.models(f"clusters_{self.name}").path(self.clusters_version)
        return load_or_no_model(folder, Consensus.load)

    @cached_property
    def clusters(self) -> pa.Table:
        """The cluster of each fitted synapse, in matched numbers."""
        return self.read(morphology.CLUSTERS)

    @property
    def clusters_key(self) -> str:
        """Content version of the clusters: which synapse has which number."""
        return content_key(self.clusters.select(["synapse_id", "cluster"]), self.clusters_version)

    @cached_property
    def stability(self) -> dict[str, Any]:
        """The verdict on the present clusters: a row of `schema.morphology.CLUSTER_STABILITY`."""
        self.read(morphology.CLUSTER_PROFILES)
        row: dict[str, Any] = self.read(morphology.CLUSTER_STABILITY).to_pylist()[0]
        return row

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The verdict on the present clusters as `stability` has it; None where there is none, or one on other clusters."""
        if not self.is_current(morphology.CLUSTER_STABILITY):
            return None
        row: dict[str, Any] = self.read(morphology.CLUSTER_STABILITY).to_pylist()[0]
        return row

    def verdict_on(self, table: Table) -> str | None:
        """The verdict on the clusters that the stored rows of that table are of or were made from; None if there is none, or if these are
        not the present clusters."""
        row = self.verdict if self.is_current(table) else None
        return None if row is None else str(row["verdict"])

    @cached_property
    def classifier_version(self) -> str:
        """Version of the fitted classifiers, which are of the present features and clusters."""
        version = self._current("cluster_classifier", self.name)
        self._require_fitted_on("cluster_classifier", version, "features", self.rows.key)
        self._require_fitted_on("cluster_classifier", version, "clusters", self.clusters_key)
        return version

    @cached_property
    def recipe_versions(self) -> dict[str, str]:
        """Version of the fitted clusters of each recipe in the dataset's YAML, by its name."""
        missing = [name for name in self.dataset.recipes if self.recipe_models(name).current is None]
        if missing:
            raise BadInput(
                f"{self._label('recipe_clusters', self.name)} has no recipe {missing[0]} yet: materialise it first"
            )
        return {name: str(self.recipe_models(name).current) for name in self.dataset.recipes}

    def recipe_models(self, recipe: str) -> ModelStore:
        """Where the fitted clusters of a recipe are."""
        return self.store.models(recipe_model(self.name, recipe))

    def made_from(self, table: Table) -> dict[str, str]:
        """What rows of that table are made from now: stored with them when they are written, compared when they are read."""
        if table in (morphology.PROJECTION, morphology.PARAMETER_SWEEP):
            return {"projection": self.maps_version}
        if table is morphology.CLUSTERS:
            return {"clusters": self.clusters_version, "features": self.rows.key_of("fit")}
        if table in (morphology.CLUSTER_PROFILES, morphology.CLUSTER_STABILITY):
            return {"clusters": self.clusters_key}
        if table is morphology.RECIPE_CLUSTERS:
            return {
                "synapses": measured_key(fitted_synapses(self.store.results(morphology.SYNAPSES).read())),
                "members": content_key(self.rows.used_for("fit").select(["synapse_id"])),
                "recipes": json.dumps(self.recipe_versions, sort_keys=True),
            }
        if table in _COMPARED:
            return {
                "clusters": self.clusters_key,
                "stability": str(self.stability["sentence"]),
                **(self.made_from(morphology.RECIPE_CLUSTERS) if self.dataset.recipes else {}),
            }
        if table is morphology.CLASSIFIER_SCORES:
            return {"classifier": self.classifier_version}
        return {
            "classifier": self.classifier_version,
            "features": self.rows.key_of("prediction"),
            "projection": self.maps_version,
        }

    def write(self, table: Table, rows: pa.Table) -> None:
        """Replaces the group's rows of that table."""
        self.store.results(table).write_partition(self.name, rows, self.made_from(table))

    def read(self, table: Table) -> pa.Table:
        """The group's rows of that table, if they were made from what there is now."""
        self._require(table, self.name, self.made_from(table))
        return self.store.results(table).read(self.name)

    def is_current(self, table: Table) -> bool:
        """Whether the group's rows of that table are there, and made from what there is now."""
        try:
            self._require(table, self.name, self.made_from(table))
        except BadInput:
            return False
        return True

    def missing(self) -> list[str]:
        """The assets of the group that are not materialised yet, in order. Raises BadInput if one that is was made from other
        inputs than there are now."""
        for position, (_, table) in enumerate(_STEPS):
            if self.store.results(table).made_from(self.name) is None:
                return list(dict.fromkeys(asset for asset, _ in _STEPS[position:]))
            self.read(table)
        return []

    def _current(self, model: str, group: str | None) -> str:
        current = self.store.models(model if group is None else f"{model}_{group}").current
        if current is None:
            raise BadInput(f"nothing of {self._label(model, group)} has been fitted: materialise it first")
        return current

    def _require_fitted_on(self, model: str, version: str, name: str, required: str) -> None:
        if self.store.models(f"{model}_{self.name}").provenance(version).inputs[name] != required:
            raise BadInput(self._outdated_message(model, self.name, name))

    def _require(self, table: Table, group: str | None, required: dict[str, str]) -> None:
        asset = next((facts.name for facts, written in _TABLES_OF if written is table), table.name)
        made_from = self.store.results(table).made_from(group)
        if made_from is None:
            raise BadInput(f"there is no {self._label(asset, group)} yet: materialise it first")
        for name, version in required.items():
            if made_from.get(name) != version:
                raise BadInput(self._outdated_message(asset, group, name))

    def _outdated_message(self, asset: str, group: str | None, made_from: str) -> str:
        return f"{self._label(asset, group)} was made from other {made_from} than there are now: materialise it again"

    def _label(self, asset: str, group: str | None) -> str:
        return f"{self.dataset.name}/{asset}" + (f" of group {group}" if group else "")


def _features_key(features: pa.Table) -> str:
    """Content version of rows of `schema.morphology.FEATURES`: ids, purpose, reasons and numbers."""
    plain = features.select(["synapse_id", "neuron_id", "used_for", "alignment", "left_out"])
    texts = pa.array([None if row is None else repr(row) for row in features.column("scaled").to_pylist()], pa.string())
    return content_key(plain.append_column("scaled", texts))
