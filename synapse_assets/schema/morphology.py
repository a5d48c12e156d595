"""The tables of the chain without images: synapses known by where they sit and what was measured of them."""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table

SYNAPSE_ID = Column(
    "synapse_id",
    pa.string(),
    "neuron/type/number, such as pv1/as/12; unique in the dataset, with the workbook's prefix.",
)
NEURON_ID = Column("neuron_id", pa.string(), "Neuron that the synapse belongs to, such as pv1.")
GROUP = Column(
    "investigation_group",
    pa.string(),
    "Group of synapses that is investigated together; a filter in the dataset's YAML.",
)
CLUSTER = Column(
    "cluster",
    pa.int32(),
    "Cluster number, matched to the previous release; -1: in no cluster, the column reason says why.",
)


def _xyz(prefix: str, suffix: str, described: str, *, nullable: bool = False) -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}{axis}{suffix}", pa.float64(), f"{described}, {axis}.", nullable) for axis in "xyz")


SYNAPSES = Table(
    "synapses",
    "One row per synapse of the workbooks: which neuron it is on, where it lies and what was measured.",
    (
        SYNAPSE_ID,
        NEURON_ID,
        Column("neuron_type", pa.string(), "Type of the neuron, told by the prefix of its id."),
        Column("synapse_type", pa.string(), "Type of the synapse as the workbook names it, such as as or ss."),
        Column(
            "number", pa.int64(), "Number of the synapse in the workbook; it starts anew for every neuron and type."
        ),
        Column("brain_region", pa.string(), "Brain region of the synapse."),
        *_xyz("", "", "Position as traced, in the workbook's units", nullable=True),
        *_xyz("soma_", "", "Soma as traced, in the workbook's units", nullable=True),
        *_xyz("corrected_", "", "Corrected position, in the workbook's units", nullable=True),
        *_xyz("corrected_soma_", "", "Corrected position of the soma, in the workbook's units", nullable=True),
        *_xyz("", "_um", "Corrected position in micrometres, in the neuron's own frame"),
        *_xyz("soma_", "_um", "Corrected position of the soma in micrometres, in the neuron's own frame"),
        Column("synapse_area", pa.float64(), "Area of the synapse, in the workbook's units."),
        Column("bouton_area", pa.float64(), "Area of the bouton, in the workbook's units."),
        Column("bouton_volume", pa.float64(), "Volume of the bouton, in the workbook's units.", nullable=True),
        Column(
            "used_for", pa.string(), "fit: features, maps and clusters are fitted on it; prediction: newly observed."
        ),
        Column("workbook", pa.string(), "Name of the workbook in the dataset's YAML."),
    ),
)

WORKBOOKS = Table(
    "workbooks",
    "One row per workbook that the synapses were read from.",
    (
        Column("workbook", pa.string(), "Name of the workbook in the dataset's YAML."),
        Column("file", pa.string(), "Name of the file."),
        Column("origin", pa.string(), "Path or address it was read from."),
        Column("sheet", pa.string(), "Sheet that was read; empty for CSV.", nullable=True),
        Column("bytes", pa.int64(), "Size of the file."),
        Column("sha256", pa.string(), "Hash of the file's bytes, 64 hexadecimal digits."),
        Column("rows", pa.int64(), "Synapses read from it."),
        Column("used_for", pa.string(), "fit or prediction."),
    ),
)

NOISE_LABEL = "-1"
PUBLISHED_LABELS = Table(
    "published_labels",
    "One row per investigation group and synapse that a published study gives a cluster label.",
    (
        GROUP,
        SYNAPSE_ID,
        Column("label", pa.string(), "Cluster of the synapse as the study names it, as text; -1: noise."),
    ),
)

FEATURES = Table(
    "features",
    "One row per synapse: its place relative to the soma, its measures, and the scaled numbers that everything after uses.",
    (
        SYNAPSE_ID,
        NEURON_ID,
        Column(
            "used_for", pa.string(), "fit: features, maps and clusters are fitted on it; prediction: newly observed."
        ),
        *_xyz("", "_from_soma_um", "Position relative to the soma in micrometres"),
        Column("distance_to_soma_um", pa.float64(), "Straight distance to the soma in micrometres."),
        *(
            Column(
                f"pca_{n}_um",
                pa.float64(),
                f"Coordinate along principal axis {n} of the neuron's synapses, from their centre, in micrometres; the axis "
                "points away from the soma.",
                nullable=True,
            )
            for n in (1, 2, 3)
        ),
        Column("synapse_area", pa.float64(), "Area of the synapse, in the workbook's units."),
        Column("bouton_area", pa.float64(), "Area of the bouton, in the workbook's units."),
        Column("bouton_volume", pa.float64(), "Volume of the bouton, in the workbook's units.", nullable=True),
        Column(
            "alignment",
            pa.string(),
            "fitted: axes of a neuron that was fitted; own: the neuron was never seen and got axes of its own; empty: none.",
            nullable=True,
        ),
        Column("left_out", pa.string(), "Why the synapse is not clustered, in words; empty if it is.", nullable=True),
        Column(
            "scaled",
            pa.list_(pa.float64()),
            "The numbers that are clustered: robustly scaled and weighted, in the order of the feature model's names.",
            nullable=True,
        ),
        Column("feature_model", pa.string(), "Version of the fitted feature chain."),
    ),
)

PROJECTION = Table(
    "projection",
    "One row per investigation group and synapse: its place on the maps for the eye.",
    (
        GROUP,
        SYNAPSE_ID,
        Column("map_1", pa.float64(), "First coordinate of the two-dimensional UMAP."),
        Column("map_2", pa.float64(), "Second coordinate of the two-dimensional UMAP."),
        *(Column(f"space_{n}", pa.float64(), f"Coordinate {n} of the three-dimensional UMAP.") for n in (1, 2, 3)),
        Column("projection_model", pa.string(), "Version of the fitted maps."),
    ),
)

PARAMETER_SWEEP = Table(
    "parameter_sweep",
    "One row per investigation group and setting of HDBSCAN: what it finds, and how stable that is over resampled maps.",
    (
        GROUP,
        Column("min_cluster_size", pa.int64(), "Fewest synapses that make a cluster."),
        Column("min_samples", pa.int64(), "Neighbours that decide how dense a place is."),
        Column("clusters", pa.float64(), "Clusters found, median over the runs."),
        Column("noise_fraction", pa.float64(), "Share of synapses in no cluster, mean over the runs."),
        Column("mean_probability", pa.float64(), "Membership probability of clustered synapses, mean over the runs."),
        Column("stability_ari", pa.float64(), "Adjusted Rand index between two runs, mean over pairs of runs."),
        Column("stability_error", pa.float64(), "Standard error of stability_ari over the runs."),
        Column("published", pa.bool_(), "True for the setting that the published study used."),
        Column("chosen", pa.bool_(), "True for the setting that the clusters are found with."),
        Column("why", pa.string(), "Why it was chosen, or what spoke against it."),
        Column("projection_model", pa.string(), "Version of the resampled maps."),
    ),
)

CLUSTERS = Table(
    "clusters",
    "One row per investigation group and synapse of the fitted workbooks: its cluster.",
    (
        GROUP,
        SYNAPSE_ID,
        CLUSTER,
        Column(
            "membership_probability",
            pa.float64(),
            "HDBSCAN's membership probability, mean over the runs that the synapse took part in; 0 where it was noise.",
        ),
        Column(
            "consensus",
            pa.float64(),
            "How often the synapse was grouped with the others of its cluster when both took part, mean, 0 to 1; 0 if in none.",
        ),
        Column("reason", pa.string(), "Why the synapse is in no cluster; empty if it is in one.", nullable=True),
        Column("cluster_model", pa.string(), "Version of the fitted clustering."),
    ),
)

CLUSTER_STABILITY = Table(
    "cluster_stability",
    "One row per investigation group: how far its clusters can be trusted. Read this before the clusters.",
    (
        GROUP,
        Column("verdict", pa.string(), "stable, fragile, or not distinguishable from noise."),
        Column("sentence", pa.string(), "The verdict with its reasons, in words."),
        Column("synapses", pa.int64(), "Synapses that were clustered."),
        Column("neurons", pa.int64(), "Neurons they belong to."),
        Column("clusters", pa.int64(), "Clusters of the consensus."),
        Column("noise_fraction", pa.float64(), "Share of the clustered synapses that is noise.", nullable=True),
        Column("stability_ari", pa.float64(), "Adjusted Rand index between two runs, mean over pairs.", nullable=True),
        Column(
            "stability_ari_low", pa.float64(), "Lower end of its 95 % interval (bootstrap over runs).", nullable=True
        ),
        Column(
            "stability_ari_high", pa.float64(), "Upper end of its 95 % interval (bootstrap over runs).", nullable=True
        ),
        Column(
            "independent_ari",
            pa.float64(),
            "Adjusted Rand index between two consensus clusterings that share no seed and no subsample, the lowest of 20 pairs.",
            nullable=True,
        ),
        Column(
            "null_ari",
            pa.float64(),
            "Stability of features redrawn without groups, mean over the draws.",
            nullable=True,
        ),
        Column(
            "null_ari_highest",
            pa.float64(),
            "Stability of features redrawn without groups, the highest.",
            nullable=True,
        ),
        Column(
            "null_p",
            pa.float64(),
            "Share of the draws, the data itself counted among them, that are at least as stable as the data.",
            nullable=True,
        ),
        Column(
            "previous_release_ari",
            pa.float64(),
            "Adjusted Rand index to the clusters of the previous release.",
            nullable=True,
        ),
        Column(
            "detectable_separation_sd",
            pa.float64(),
            "Separation, in within-group standard deviations, from which on two planted groups of as many synapses are told from "
            "noise in 80 % of data sets (docs/methods/clusters.md); empty if none that was measured is, or so few synapses were not.",
            nullable=True,
        ),
        Column("runs", pa.int64(), "Runs (seed and subsample) behind the consensus."),
        Column("share", pa.float64(), "Share of the synapses that each run takes."),
        Column("nulls", pa.int64(), "Draws of features without groups."),
        Column("cluster_model", pa.string(), "Version of the fitted clustering."),
    ),
)

CLUSTER_PROFILES = Table(
    "cluster_profiles",
    "One row per investigation group and cluster: its size, how stable it is, and what its synapses are like.",
    (
        GROUP,
        Column("cluster", pa.int32(), "Cluster number, matched to the previous release."),
        Column("synapses", pa.int64(), "Synapses in the cluster."),
        Column("share", pa.float64(), "Share of the clustered synapses of the group, 0 to 1."),
        Column(
            "stability",
            pa.float64(),
            "Jaccard index with the most similar cluster of a run, mean over the runs; below 0.6 do not read it as a group.",
        ),
        Column("membership_probability", pa.float64(), "Mean membership probability of its synapses."),
        Column("neurons", pa.string(), "Composition by neuron, as JSON {neuron: count}."),
        Column("top_neuron_share", pa.float64(), "Share of its synapses that are on its most frequent neuron."),
        Column("one_neuron", pa.bool_(), "True if one neuron makes most of the cluster, though the group has several."),
        Column("median_synapse_area", pa.float64(), "Median area of the synapse, in the workbook's units."),
        Column("median_bouton_area", pa.float64(), "Median area of the bouton, in the workbook's units."),
        Column("median_distance_to_soma_um", pa.float64(), "Median straight distance to the soma in micrometres."),
        Column("cluster_model", pa.string(), "Version of the fitted clustering."),
    ),
)

CLASSIFIER_SCORES = Table(
    "classifier_scores",
    "One row per investigation group, classifier and way of testing: how well the cluster of an unseen synapse is named.",
    (
        GROUP,
        Column("classifier", pa.string(), "k_nearest_neighbours, random_forest or xgboost."),
        Column("inputs", pa.string(), "features, or map: the two coordinates of the map, as the published study did."),
        Column("split", pa.string(), "leave_one_neuron_out, or random_80_20 (seed 42), as the published study did."),
        Column("trained", pa.int64(), "Synapses trained on; the mean over the folds."),
        Column("tested", pa.int64(), "Synapses tested."),
        Column("neurons", pa.int64(), "Neurons that the tested synapses belong to."),
        Column(
            "accuracy", pa.float64(), "Share named rightly; a synapse that was rejected as an outlier counts as wrong."
        ),
        Column("accuracy_low", pa.float64(), "Lower end of the 95 % interval.", nullable=True),
        Column("accuracy_high", pa.float64(), "Upper end of the 95 % interval.", nullable=True),
        Column(
            "interval_over",
            pa.string(),
            "What the interval is taken over: neurons, synapses, or empty for none.",
            nullable=True,
        ),
        Column(
            "balanced_accuracy", pa.float64(), "Mean over the clusters of the share named rightly, outliers as wrong."
        ),
        Column("macro_f1", pa.float64(), "Mean F1 over the clusters, outliers as wrong."),
        Column("outliers", pa.int64(), "Tested synapses that the one-class SVM rejected."),
        Column("accuracy_of_accepted", pa.float64(), "Share named rightly of those not rejected.", nullable=True),
        Column("guessing", pa.float64(), "Accuracy of always naming the largest cluster of the tested synapses."),
        Column("published_accuracy", pa.float64(), "What the published study reports for this split.", nullable=True),
        Column("settings", pa.string(), "Chosen by grid search inside the training folds, as JSON of the last fold."),
        Column("classifier_model", pa.string(), "Version of the fitted classifiers."),
    ),
)

PREDICTIONS = Table(
    "predictions",
    "One row per investigation group and newly observed synapse: the cluster that it is predicted to belong to.",
    (
        GROUP,
        SYNAPSE_ID,
        NEURON_ID,
        CLUSTER,
        Column(
            "probability", pa.float64(), "Probability of that cluster, not calibrated; empty if in none.", nullable=True
        ),
        Column("reason", pa.string(), "Why the synapse is in no cluster; empty if it is in one.", nullable=True),
        Column(
            "classifier",
            pa.string(),
            "The classifier that named the cluster: the best by leaving one neuron out.",
            nullable=True,
        ),
        Column(
            "k_nearest_neighbours", pa.int32(), "Cluster named by that classifier; empty if unassigned.", nullable=True
        ),
        Column("random_forest", pa.int32(), "Cluster named by that classifier; empty if unassigned.", nullable=True),
        Column("xgboost", pa.int32(), "Cluster named by that classifier; empty if unassigned.", nullable=True),
        Column("alignment", pa.string(), "fitted, own (a neuron never seen before), or empty: none.", nullable=True),
        Column("map_1", pa.float64(), "Where it falls on the two-dimensional map, first coordinate.", nullable=True),
        Column("map_2", pa.float64(), "Where it falls on the two-dimensional map, second coordinate.", nullable=True),
        Column("classifier_model", pa.string(), "Version of the fitted classifiers."),
    ),
)

RECIPE = Column(
    "recipe", pa.string(), "Name of the recipe in the dataset's YAML; ours: the recipe of the table clusters."
)

RECIPE_CLUSTERS = Table(
    "recipe_clusters",
    "One row per investigation group, recipe of the dataset's YAML and synapse of the fitted workbooks: its cluster by that recipe.",
    (
        GROUP,
        RECIPE,
        SYNAPSE_ID,
        Column("cluster", pa.int32(), "Cluster by falling size from 0, in numbers of this recipe's own; -1: in none."),
        Column("membership_probability", pa.float64(), "HDBSCAN's; of a consensus the mean over the runs."),
        Column("map_1", pa.float64(), "First coordinate of a recipe's one map; empty for a consensus.", nullable=True),
        Column("map_2", pa.float64(), "Second coordinate of a recipe's one map; empty for a consensus.", nullable=True),
        Column(
            "verdict",
            pa.string(),
            "On the recipe's clusters of the group, as in recipe_comparison; empty: no features without groups were drawn to tell.",
            nullable=True,
        ),
        Column("reason", pa.string(), "Why the synapse is in no cluster; empty if it is in one.", nullable=True),
        Column("recipe_model", pa.string(), "Version of the fitted recipe."),
    ),
)

RECIPE_COMPARISON = Table(
    "recipe_comparison",
    "One row per investigation group and recipe: what it finds, how stable that is, and what its clusters are made of.",
    (
        GROUP,
        RECIPE,
        Column("choices", pa.string(), "What the recipe does, in words."),
        Column("synapses", pa.int64(), "Synapses that it clusters."),
        Column("clusters", pa.int64(), "Clusters that it finds."),
        Column("noise_fraction", pa.float64(), "Share of them in no cluster.", nullable=True),
        Column("min_cluster_size", pa.int64(), "Fewest synapses in a cluster.", nullable=True),
        Column("min_samples", pa.int64(), "Neighbours that decide how dense a place is.", nullable=True),
        Column(
            "verdict",
            pa.string(),
            "stable, fragile, or not distinguishable from noise; empty: no features without groups were drawn to tell.",
            nullable=True,
        ),
        Column("sentence", pa.string(), "The verdict with its reasons, or why there are no clusters."),
        Column(
            "stability_ari",
            pa.float64(),
            "Adjusted Rand index of two runs with a seed and a subsample of their own, mean over pairs.",
            nullable=True,
        ),
        Column("stability_ari_low", pa.float64(), "Lower end of its 95 % interval.", nullable=True),
        Column("stability_ari_high", pa.float64(), "Upper end of its 95 % interval.", nullable=True),
        Column("null_ari", pa.float64(), "The same of features redrawn without groups, mean.", nullable=True),
        Column(
            "null_p",
            pa.float64(),
            "Share of the draws, the data among them, at least as stable as the data.",
            nullable=True,
        ),
        *(
            Column(
                f"{name}_share",
                pa.float64(),
                f"Share of the variance of {described} that lies between the clusters, 0 to 1, less what chance gives; empty with "
                "fewer than two clusters.",
                nullable=True,
            )
            for name, described in (
                ("place", "place (the three coordinates in the neuron's frame)"),
                ("shape", "shape (the measures, each with variance 1)"),
                ("neuron", "which neuron a synapse is on (Goodman and Kruskal's tau)"),
            )
        ),
        Column(
            "one_neuron_clusters",
            pa.int64(),
            "Clusters that are mostly of one neuron, more than chance would have it (1 in 100).",
        ),
        Column(
            "published_ari",
            pa.float64(),
            "Adjusted Rand index of its clusters to the published labels, over the synapses that have one; empty without.",
            nullable=True,
        ),
        Column(
            "published_ari_low",
            pa.float64(),
            "The lowest over refits with other seeds, itself among them.",
            nullable=True,
        ),
        Column("published_ari_high", pa.float64(), "The highest over refits with other seeds.", nullable=True),
        Column("published_synapses", pa.int64(), "Synapses that have a published label.", nullable=True),
        Column("recipe_model", pa.string(), "Version of the fitted recipe; of ours, of the fitted clustering."),
    ),
)

RECIPE_AGREEMENT = Table(
    "recipe_agreement",
    "One row per investigation group and pair of recipes: how far their clusters agree.",
    (
        GROUP,
        RECIPE,
        Column("other_recipe", pa.string(), "The recipe that it is compared with."),
        Column("ari", pa.float64(), "Adjusted Rand index, noise as one more group; 1: the same grouping, 0: chance."),
        Column("synapses", pa.int64(), "Synapses that both cluster."),
    ),
)

RECURRING_GROUPS = Table(
    "recurring_groups",
    "One row per investigation group and group of synapses that a recipe finds: how many recipes find it, and what makes it.",
    (
        GROUP,
        Column("number", pa.int32(), "Number of the group, those that most recipes find first, from 1."),
        Column("synapses", pa.int64(), "Synapses that are in more than half of the clusters that were matched."),
        Column("recipes", pa.int64(), "Recipes that find it."),
        Column("of_recipes", pa.int64(), "Recipes that were compared."),
        Column("clusters", pa.string(), "Its cluster by recipe, as JSON {recipe: cluster}."),
        Column(
            "overlap",
            pa.float64(),
            "Jaccard index of the matched clusters beyond chance, mean; at least 0.6. 1 where only one recipe finds it.",
        ),
        Column(
            "appears",
            pa.string(),
            "whatever the choices: every recipe finds it; by one choice: exactly the recipes that share a choice, two or more; in some "
            "recipes; in one recipe.",
        ),
        Column("choice", pa.string(), "That choice, in words; empty where there is none.", nullable=True),
        Column("top_neuron", pa.string(), "The neuron that has most of its synapses."),
        Column("top_neuron_share", pa.float64(), "Share of its synapses on that neuron."),
        Column(
            "one_neuron", pa.bool_(), "True if one neuron makes most of it, more than chance would have it (1 in 100)."
        ),
    ),
)

RECIPE_SUMMARY = Table(
    "recipe_summary",
    "One row per investigation group: which groups of synapses appear whatever the choices, in words.",
    (
        GROUP,
        Column("recipes", pa.int64(), "Recipes that were compared, ours among them."),
        Column("whatever_the_choices", pa.int64(), "Groups that every recipe finds."),
        Column("by_one_choice", pa.int64(), "Groups that exactly the recipes of one choice find, two or more."),
        Column("one_neuron", pa.int64(), "Groups, of any kind, that are one neuron's."),
        Column("paragraph", pa.string(), "What to believe, for a reader who does not know the methods."),
    ),
)
