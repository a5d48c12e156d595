"""A dataset on the morphology chain: workbooks of synapses without images, and how they are clustered.

A file of this kind says `chain: morphology`. Reading the workbooks belongs to `sources`, the methods to
`analysis/morphology` and `analysis/clustering`.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from synapse_assets.datasets.base import Dataset, Frozen
from synapse_assets.datasets.variables import FreeText, Location

Measure = Literal["synapse_area", "bouton_area", "bouton_volume"]
Names = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class WorkbookColumns(Frozen):
    """Which column of a workbook holds what. The defaults are those of the published study; null: the workbook has none."""

    neuron_id: str = Field("NeuronId", description="The neuron, whose first letters tell its type.")
    synapse_type: str = Field("SynType", description="The type of the synapse.")
    number: str = Field("SynId", description="The number of the synapse in its neuron.")
    x: str | None = Field("x", description="Position of the synapse along x, as traced, in the workbook's units.")
    y: str | None = Field("y", description="Position of the synapse along y, as traced, in the workbook's units.")
    z: str | None = Field("z", description="Position of the synapse along z, as traced, in the workbook's units.")
    soma_x: str | None = Field(
        "soma_x", description="Position of the soma along x, as traced, in the workbook's units."
    )
    soma_y: str | None = Field(
        "soma_y", description="Position of the soma along y, as traced, in the workbook's units."
    )
    soma_z: str | None = Field(
        "soma_z", description="Position of the soma along z, as traced, in the workbook's units."
    )
    corrected_x: str | None = Field(
        "corr_x", description="Position of the synapse along x, corrected, in the workbook's units."
    )
    corrected_y: str | None = Field(
        "corr_y", description="Position of the synapse along y, corrected, in the workbook's units."
    )
    corrected_z: str | None = Field(
        "corr_z", description="Position of the synapse along z, corrected, in the workbook's units."
    )
    corrected_soma_x: str | None = Field(
        "corr_soma_x", description="Position of the soma along x, corrected, in the workbook's units."
    )
    corrected_soma_y: str | None = Field(
        "corr_soma_y", description="Position of the soma along y, corrected, in the workbook's units."
    )
    corrected_soma_z: str | None = Field(
        "corr_soma_z", description="Position of the soma along z, corrected, in the workbook's units."
    )
    x_um: str = Field("corr_x_micron", description="Position of the synapse along x, in micrometres.")
    y_um: str = Field("corr_y_micron", description="Position of the synapse along y, in micrometres.")
    z_um: str = Field("corr_z_micron", description="Position of the synapse along z, in micrometres.")
    soma_x_um: str = Field("corr_soma_x_micron", description="Position of the soma along x, in micrometres.")
    soma_y_um: str = Field("corr_soma_y_micron", description="Position of the soma along y, in micrometres.")
    soma_z_um: str = Field("corr_soma_z_micron", description="Position of the soma along z, in micrometres.")
    synapse_area: str = Field("SynArea", description="Area of the synapse.")
    bouton_area: str = Field("BoutonArea", description="Surface of the bouton.")
    bouton_volume: str | None = Field("BoutonVolume", description="The one column that may be absent from the file.")
    brain_region: str | None = Field(None, description="Without one, every synapse is in the dataset's brain_region.")


class Workbook(Frozen):
    """Tables of synapses of one kind: Excel workbooks (.xlsx) or CSV files."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the workbook.")
    path: Location = Field(
        description="A file, folder, glob, http(s) address or .manifest, as of the sources of synapses; empty: there is none, and "
        "it is left out."
    )
    sheet: str | None = Field(None, description="Name of the sheet, where the workbook has several with content.")
    columns: WorkbookColumns = WorkbookColumns()
    used_for: Literal["fit", "prediction"] = Field(
        "fit", description="fit: maps, clusters and classifiers are fitted on it; prediction: newly observed synapses."
    )
    id_prefix: str = Field("", description="Put before every synapse id, for workbooks whose numbers repeat.")


class LabelFile(Frozen):
    """The one file or http(s) address of the labels that a study has published, to be listed, fetched and watched like a source."""

    name: str = "published_labels"
    path: Location


class FeatureChoice(Frozen):
    """Which numbers synapses are compared by."""

    scaling: Literal["robust", "standard", "none"] = Field(
        "robust",
        description="robust: each number less its median, divided by its interquartile range; standard: less its mean, divided by its "
        "standard deviation; none: micrometres and areas as they are, as the published study compares them.",
    )
    axis_signs: Literal["away_from_soma", "as_traced"] = Field(
        "away_from_soma",
        description="Which way a neuron's principal axes point. away_from_soma: towards the middle of its synapses; as_traced: the k-th "
        "along the k-th traced axis (x, y, z), as in the published study.",
    )
    place_weight: Annotated[float, Field(ge=0)] = Field(0.2, description="Weight of the three aligned coordinates.")
    shape_weight: Annotated[float, Field(ge=0)] = Field(1.0, description="Weight of each measure in `shape`.")
    shape: list[Measure] = Field(["synapse_area", "bouton_area"], description="Measures that synapses are compared by.")
    extreme_iqr: Annotated[float, Field(gt=0)] = Field(
        3.0, description="A measure this many interquartile ranges beyond the quartiles is extreme."
    )
    fewest_for_alignment: Annotated[int, Field(ge=4)] = Field(
        5, description="Synapses that a neuron needs for axes of its own; three axes and a centre need four points."
    )

    @model_validator(mode="after")
    def _each_once(self) -> "FeatureChoice":
        if len(set(self.shape)) != len(self.shape):
            raise ValueError(f"shape names a measure twice: {self.shape}")
        return self


class Published(Frozen):
    """What a publication reports of a group, to be compared with the figures found here."""

    source: str = Field(description="The publication.")
    min_cluster_size: Annotated[int, Field(ge=2)] = Field(description="Its setting of HDBSCAN.")
    min_samples: Annotated[int, Field(ge=1)] = Field(description="Its setting of HDBSCAN.")
    clusters: int = Field(description="How many clusters it reports.")
    accuracy: dict[Literal["k_nearest_neighbours", "random_forest", "xgboost"], float] = Field(
        {}, description="Of a random fifth, by classifier."
    )


class Group(Frozen):
    """The synapses that are investigated together: those that fulfil every condition given."""

    synapse_type: Names | None = Field(None, description="Types of synapse.")
    neuron_type: Names | None = Field(None, description="Types of neuron.")
    neuron_id: Names | None = Field(None, description="Neurons.")
    brain_region: Names | None = Field(None, description="Brain regions.")
    published: Published | None = Field(None, description="What a publication reports of the group.")

    @property
    def conditions(self) -> dict[str, list[str]]:
        """The values allowed, by column of `schema.morphology.SYNAPSES`."""
        columns = ("synapse_type", "neuron_type", "neuron_id", "brain_region")
        return {name: values for name in columns if (values := getattr(self, name)) is not None}


class Resampling(Frozen):
    """How often a map is made again to measure stability: a trade against time."""

    runs: Annotated[int, Field(ge=4, multiple_of=2)] = Field(
        36, description="Maps on subsamples, each with a seed of its own; each half makes a consensus by itself."
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(0.8, description="Share of the synapses that each run takes.")
    nulls: Annotated[int, Field(ge=1)] = Field(
        19, description="Draws of features without groups that the data is compared with."
    )
    dimensions: Annotated[int, Field(ge=2, le=10)] = Field(
        3, description="Dimensions of the maps that clusters are found in."
    )


class HdbscanSetting(Frozen):
    """A setting of HDBSCAN."""

    min_cluster_size: Annotated[int, Field(ge=2)] = Field(description="Fewest synapses of a cluster.")
    min_samples: Annotated[int, Field(ge=1)] = Field(description="Neighbours by which density is measured.")


class SingleMap(Frozen):
    """One UMAP of all synapses of a group that clusters are read from, as in a study that does not resample."""

    dimensions: Annotated[int, Field(ge=2, le=10)] = Field(2, description="Dimensions of the map.")
    neighbours: Annotated[int, Field(ge=2)] = Field(20, description="n_neighbors of umap.")
    min_dist: Annotated[float, Field(ge=0, le=1)] = Field(0.1, description="min_dist of umap.")
    seed: Annotated[int, Field(ge=0)] = Field(42, description="random_state of umap.")
    settings: dict[str, HdbscanSetting] = Field(
        {}, description="Of HDBSCAN, by investigation group; a group not named has those of its `published`."
    )


class RecipeResampling(Resampling):
    """The resampling of a recipe, by default without draws that say how stable features without groups would be."""

    runs: Annotated[int, Field(ge=4, multiple_of=2)] = Field(
        12, description="Maps on subsamples, each with a seed of its own; each half makes a consensus by itself."
    )
    nulls: Annotated[int, Field(ge=0)] = Field(
        0, description="Draws of features without groups that the data is compared with; 0: no verdict on the recipe."
    )


class Recipe(Frozen):
    """One way from the synapses of a group to clusters, to be set beside the dataset's own: `features` and `resampling`."""

    features: FeatureChoice = FeatureChoice()
    single_map: SingleMap | None = Field(
        None, description="Clusters of one map, at given settings; without it they are a consensus over resampled maps."
    )
    resampling: RecipeResampling = RecipeResampling()

    @model_validator(mode="after")
    def _dimensions_once(self) -> "Recipe":
        if self.single_map is not None and "dimensions" in self.resampling.model_fields_set:
            raise ValueError(
                "resampling.dimensions are of a consensus: of a recipe of one map give single_map.dimensions"
            )
        return self


OWN_RECIPE = "ours"
"""The name of the recipe that `clusters` is made with: `features` and `resampling` of the dataset."""


class MorphologyDataset(Dataset):
    """One dataset of synapses without images."""

    chain: Literal["morphology"]
    generate: Literal["sample_workbook"] | None = Field(
        None, description="Workbooks that the pipeline draws itself where they are absent."
    )
    workbooks: list[Workbook] = Field(description="Tables of synapses.")
    published_labels: Location = Field(
        "",
        description="Table of the cluster labels that the study has published of its workbooks (CSV, or another kind of table but "
        "Excel and SQLite): a file or http(s) address; empty: there is none. Columns: NeuronId, SynType, SynId, Cluster, and "
        "clusterid, the name of the investigation group.",
    )
    neuron_types: dict[str, str] = Field(
        min_length=1, description="Type of a neuron by the letters that its id begins with."
    )
    synapse_types: Names = Field(min_length=1, description="The types of synapse that there are.")
    units: dict[Measure, Annotated[FreeText, Field(min_length=1, max_length=20)]] = Field(
        {}, description="Unit that the workbooks give a measure in, for readers: nothing is converted."
    )
    brain_region: str = Field("UNASSIGNED", description="Brain region where no column names one.")
    groups: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], Group] = Field(
        min_length=1, description="Investigation groups, the partitions of this chain, by name."
    )
    features: FeatureChoice = FeatureChoice()
    resampling: Resampling = Resampling()
    recipes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Recipe] = Field(
        {}, description="Other ways to cluster each group, which `recipe_comparison` sets beside what `clusters` holds."
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The investigation groups."""
        return tuple(self.groups)

    @property
    def own_recipe(self) -> Recipe:
        """The recipe of `clusters`."""
        return Recipe(features=self.features, resampling=RecipeResampling(**dict(self.resampling)))

    def setting_of(self, recipe: str, group: str) -> HdbscanSetting | None:
        """HDBSCAN's setting in a recipe of one map: its own for the group, or what is published of it; None for any other recipe."""
        single_map, published = self.recipes[recipe].single_map, self.groups[group].published
        if single_map is None:
            return None
        if group in single_map.settings or published is None:
            return single_map.settings.get(group)
        return HdbscanSetting(min_cluster_size=published.min_cluster_size, min_samples=published.min_samples)

    @property
    def label_file(self) -> LabelFile | None:
        """The file of the published labels; None where the dataset has none."""
        return LabelFile(path=self.published_labels) if self.published_labels else None

    @model_validator(mode="before")
    @classmethod
    def _without_absent_workbooks(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(books := values.get("workbooks"), list):
            return {
                **values,
                "workbooks": [book for book in books if not (isinstance(book, dict) and book.get("path") == "")],
            }
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "MorphologyDataset":
        names = [workbook.name for workbook in self.workbooks]
        if len(set(names)) != len(names):
            raise ValueError(f"two workbooks have the same name: {names}")
        if not any(workbook.used_for == "fit" for workbook in self.workbooks):
            raise ValueError("no workbook to fit on: give the path of at least one with used_for: fit")
        known = {"synapse_type": set(self.synapse_types), "neuron_type": set(self.neuron_types.values())}
        for name, group in self.groups.items():
            for column, values in group.conditions.items():
                unknown = sorted(set(values) - known.get(column, set(values)))
                if unknown:
                    raise ValueError(
                        f"group '{name}' asks for {column} {unknown}, but there are {sorted(known[column])}"
                    )
        self._require_settings()
        return self

    def _require_settings(self) -> None:
        if OWN_RECIPE in self.recipes:
            raise ValueError(
                f"recipes: '{OWN_RECIPE}' is the recipe of `clusters`, which `features` and `resampling` of the dataset say: name "
                "yours otherwise"
            )
        for name, recipe in self.recipes.items():
            if recipe.single_map is None:
                continue
            unknown = sorted(set(recipe.single_map.settings) - set(self.groups))
            if unknown:
                raise ValueError(
                    f"recipes.{name}.single_map.settings name the groups {unknown}; there are {sorted(self.groups)}"
                )
            missing = [group for group in self.groups if self.setting_of(name, group) is None]
            if missing:
                example = f"settings: {{{missing[0]}: {{min_cluster_size: 15, min_samples: 5}}}}"
                raise ValueError(
                    f"recipes.{name} is of one map, and says no setting of HDBSCAN for the groups {missing}: give them in "
                    f"recipes.{name}.single_map, such as {example}, or as `published` of the group"
                )
