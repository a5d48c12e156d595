"""The tables of the electron-microscopy chain."""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table

SYNAPSE_ID = Column("synapse_id", pa.string(), "Identifier of the synapse, unique in the dataset.")
BRAIN_REGION = Column(
    "brain_region", pa.string(), "Brain region (neuropil) of the synapse; the partition it belongs to."
)
NEURON_ID = Column(
    "neuron_id", pa.int64(), "Presynaptic neuron (skeleton or segment id); 64-bit, never a float.", nullable=True
)
TARGET = Column(
    "target", pa.string(), "Known class of the synapse, used as the label in training; empty if unknown.", nullable=True
)

HEMILINEAGE = Column("hemilineage", pa.string(), "Developmental group of the neuron; empty if unknown.", nullable=True)
KNOWN_CLASSES = Column(
    "known_classes", pa.list_(pa.string()), "All classes that are known: none, one or several.", nullable=True
)
CELL_TYPE = Column("cell_type", pa.string(), "Type of the neuron; empty if unknown.", nullable=True)

SYNAPSES = Table(
    "synapses",
    "One row per synapse (presynaptic site): where it lies and which neuron it belongs to.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("volume", pa.string(), "Name of the electron-microscopy volume that the point lies in."),
        Column("x_nm", pa.float64(), "Position in nanometres along x (to the right in a section)."),
        Column("y_nm", pa.float64(), "Position in nanometres along y (down in a section)."),
        Column("z_nm", pa.float64(), "Position in nanometres along z (across sections)."),
        NEURON_ID,
        Column("section", pa.int64(), "Section number given by the source.", nullable=True),
        Column(
            "object_id",
            pa.string(),
            "Physical object that the point lies on, where several points share one.",
            nullable=True,
        ),
        Column("score", pa.float64(), "Confidence of the detection, as the source gives it.", nullable=True),
        Column("source", pa.string(), "Name of the source in the dataset's YAML that the row comes from."),
        Column("source_file", pa.string(), "Name of the file that the row was read from."),
    ),
)

SYNAPSE_TABLE = Table(
    "synapse_table",
    "One row per synapse as the sources give it: place, neuron, and what the same file says of its class.",
    (*SYNAPSES.columns, HEMILINEAGE, TARGET, KNOWN_CLASSES),
)

SYNAPSE_SOURCES = Table(
    "synapse_sources",
    "One row per file that the synapses were read from.",
    (
        Column("source", pa.string(), "Name of the source in the dataset's YAML."),
        Column("file", pa.string(), "Name of the file."),
        Column("bytes", pa.int64(), "Size of the file."),
        Column("sha256", pa.string(), "Hash of the file's bytes, 64 hexadecimal digits."),
        Column("rows", pa.int64(), "Rows read from it, before a trial limit and before partners are merged."),
        Column("left_out", pa.string(), "Rows left out by reason, as JSON {reason: rows}."),
        Column("units", pa.string(), "Unit of the file's coordinates; they are stored as nanometres.", nullable=True),
        Column(
            "axis_order", pa.string(), "Order of the file's coordinates; they are stored as x, y, z.", nullable=True
        ),
        Column("space", pa.string(), "Coordinate space of the file's points.", nullable=True),
        Column("transform", pa.string(), "Named way from that space to the volume's.", nullable=True),
        Column("volume", pa.string(), "Volume that the points lie in.", nullable=True),
        Column(
            "made_from",
            pa.string(),
            "Of a file that this pipeline wrote, what it says it was made from, as JSON; of detected synapses, their dataset and detector.",
            nullable=True,
        ),
    ),
)

NEURON_SOURCES = Table("neuron_sources", "One row per file that the neurons were read from.", SYNAPSE_SOURCES.columns)

BRAIN_REGIONS = Table(
    "brain_regions",
    "One row per brain region of the dataset.",
    (
        BRAIN_REGION,
        Column("source_name", pa.string(), "Name of the region in the source, where it differs.", nullable=True),
        Column("full_name", pa.string(), "Full name of the neuropil, where the vocabulary knows it.", nullable=True),
        Column("region_group", pa.string(), "Group of neuropils it belongs to, where known.", nullable=True),
        Column("known", pa.bool_(), "True if the region is one of the dataset's vocabulary."),
        Column("synapses", pa.int64(), "Synapses of the source in the region."),
    ),
)

SYNAPSE_LABELS = Table(
    "synapse_labels",
    "One row per synapse: what is known of its class and its neuron, from the synapse table and the neuron tables.",
    (SYNAPSE_ID, BRAIN_REGION, NEURON_ID, TARGET, KNOWN_CLASSES, HEMILINEAGE, CELL_TYPE),
)

NEURONS = Table(
    "neurons",
    "One row per neuron of the neuron tables: what is known of it.",
    (
        Column("neuron_id", pa.int64(), "Presynaptic neuron (skeleton or segment id)."),
        TARGET,
        KNOWN_CLASSES,
        HEMILINEAGE,
        CELL_TYPE,
        Column("side", pa.string(), "Side of the brain: left, right or center; empty if unknown.", nullable=True),
        Column("source_file", pa.string(), "Names of the files that tell of the neuron, separated by commas."),
    ),
)

ALIGNMENT = Table(
    "alignment",
    "One row per source and reading of its coordinates: how well that reading fits the volume.",
    (
        Column("source", pa.string(), "Name of the source in the dataset's YAML."),
        Column(
            "reading", pa.string(), "What the coordinates are read as: as given, sections off, axes exchanged, units."
        ),
        Column(
            "share_inside", pa.float64(), "Share of the source's points inside the volume under that reading, 0 to 1."
        ),
        Column(
            "score",
            pa.float64(),
            "How far the places stand out from their surroundings, in standard deviations of single places; 0: like any.",
            nullable=True,
        ),
        Column("why_not", pa.string(), "Why that reading was not scored.", nullable=True),
        Column("better", pa.bool_(), "True for the reading that beats the given one."),
        Column("examined", pa.string(), "Hash of what was examined: the source's places and mapping, the volume."),
        Column("random_score", pa.float64(), "Highest score among random shifts of all points.", nullable=True),
        Column("verdict", pa.string(), "Of the source: fits, cannot tell, contradicted, or no synapses."),
        Column("sentence", pa.string(), "The verdict in words, with what to change."),
    ),
)

TILE_PLAN = Table(
    "tile_plan",
    "One row per brain region, volume, scale and way of reading: what cutting the tiles that are still to be cut takes.",
    (
        BRAIN_REGION,
        Column("volume", pa.string(), "Name of the electron-microscopy volume."),
        Column(
            "voxel_size_nm", pa.string(), "Scale of the volume, x, y, z in nanometres; the dataset's own comes first."
        ),
        Column("size_px", pa.int64(), "Width and height of a tile at that scale, for the same field of view."),
        Column("sections", pa.int64(), "Sections of a tile."),
        Column(
            "reader", pa.string(), "grouped: as this pipeline reads; one by one: every tile fetches its chunks anew."
        ),
        Column("tiles", pa.int64(), "Tiles to cut."),
        Column("chunks", pa.int64(), "Distinct chunks of the volume that the tiles touch."),
        Column("block_tiles", pa.int64(), "Tiles cut from blocks read at once, where synapses lie densely."),
        Column("cached_tiles", pa.int64(), "Tiles cut one after the other through the cache of decoded chunks."),
        Column("single_tiles", pa.int64(), "Tiles that share no chunk with another of their group."),
        Column("gigabytes", pa.float64(), "Fetched over the network, 10^9 bytes; 0 for a local volume."),
        Column("decoded_gigavoxels", pa.float64(), "Voxels to decode, 10^9."),
        Column("hours", pa.float64(), "Estimated time; the rates it rests on stand in synapse_assets/volumes/plan.py."),
    ),
)

TILES = Table(
    "tiles",
    "One row per synapse: the electron-microscopy picture around it, a few sections deep.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("tile_hash", pa.string(), "Hash of the decoded pixels; equal hashes are equal pictures."),
        Column("crop_hash", pa.string(), "Hash of what was asked for: position, size, sections, volume."),
        Column(
            "image",
            pa.binary(),
            "Encoded picture: PNG, the sections side by side, left to right by rising z; or Zstandard, as docs/guides/scripts.md says.",
        ),
        Column("valid_fraction", pa.float64(), "Share of the tile's voxels that lie inside the volume, 0 to 1."),
        Column(
            "section_contrast", pa.list_(pa.float64()), "Standard deviation of grey values in each section, 0 to 127.5."
        ),
    ),
)


def embedding_table(dimensions: int | None) -> Table:
    """The vector table of a model with `dimensions` features; None for the table as such, whatever the model."""
    length = "as many numbers as the encoder gives" if dimensions is None else f"{dimensions} numbers"
    return Table(
        "embeddings",
        "One row per synapse: its picture as a vector. One table per encoder.",
        (
            SYNAPSE_ID,
            BRAIN_REGION,
            Column("tile_hash", pa.string(), "Hash of the picture that was embedded."),
            Column("model_id", pa.string(), "Version of the encoder that made the vector."),
            Column("vector", pa.list_(pa.float16(), dimensions or -1), f"Embedding, {length}."),
        ),
    )


RETRIEVAL_SCORECARD = Table(
    "retrieval_scorecard",
    "One row per score of an encoder or baseline: how well its vectors find synapses of the same kind, without the query's own neuron "
    "and near places.",
    (
        Column("encoder", pa.string(), "Version of the encoder, or name of the baseline."),
        Column("role", pa.string(), "in use, candidate, earlier, or baseline."),
        Column("origin", pa.string(), "Where its vectors come from, in words."),
        Column("metric", pa.string(), "Distance that neighbours are nearest by: cosine or euclidean.", nullable=True),
        Column("label", pa.string(), "What is to be found again: class, cell_type or hemilineage."),
        Column(
            "score",
            pa.string(),
            "recall, precision (purity), mean average precision, k-NN balanced accuracy, or linear balanced accuracy, which is of "
            "at most 128 principal components with groups held out.",
        ),
        Column("k", pa.int32(), "Neighbours that are counted or vote; empty where all are.", nullable=True),
        Column("value", pa.float64(), "The score, 0 to 1."),
        Column("low", pa.float64(), "Lower end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("queries", pa.int64(), "Synapses that the score is of."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column(
            "left_out",
            pa.int64(),
            "Labelled synapses of the sample that are not counted: none of their kind is left to find.",
        ),
    ),
)

COMPRESSION_REPORT = Table(
    "compression_report",
    "One row per score of a way to store the vectors of the encoder in use in fewer bytes: what it keeps, and what it loses against the "
    "full vectors.",
    (
        Column("encoder", pa.string(), "Version of the encoder that made the vectors."),
        Column(
            "method",
            pa.string(),
            "full; leading numbers, the first ones of a vector whose numbers come in falling order of how well they tell tiles apart; or "
            "principal components.",
        ),
        Column("dimensions", pa.int32(), "Numbers that are stored of a vector."),
        Column("number", pa.string(), "What each is stored as: float16 or int8."),
        Column("bytes", pa.int64(), "Bytes of a vector."),
        Column(
            "label",
            pa.string(),
            "What is to be found again: class, cell_type or hemilineage; empty for neighbour recall.",
            nullable=True,
        ),
        Column(
            "score",
            pa.string(),
            "neighbour recall: the share kept of the nearest by the full vectors. precision, mean average precision, k-NN balanced "
            "accuracy: as in retrieval_scorecard, by cosine distance.",
        ),
        Column("k", pa.int32(), "Neighbours that are counted or vote; empty where all are.", nullable=True),
        Column("value", pa.float64(), "The score, 0 to 1."),
        Column("low", pa.float64(), "Lower end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("loss", pa.float64(), "The score of the full vectors less this one; negative for a gain."),
        Column(
            "loss_low", pa.float64(), "Lower end of the loss's 95 % interval over groups; empty below 8.", nullable=True
        ),
        Column(
            "loss_high",
            pa.float64(),
            "Upper end of the loss's 95 % interval over groups; empty below 8.",
            nullable=True,
        ),
        Column("queries", pa.int64(), "Synapses that the score is of."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
    ),
)

UMAP_COORDINATES = Table(
    "umap_coordinates",
    "One row per synapse: its place on the two-dimensional map and in the space used for clustering.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("umap_1", pa.float32(), "First coordinate of the map for the eye."),
        Column("umap_2", pa.float32(), "Second coordinate of the map for the eye."),
        Column("reduced", pa.list_(pa.float32()), "Coordinates in the reduced space that clusters are found in."),
        Column("umap_model", pa.string(), "Version of the fitted map."),
    ),
)

CLUSTERS = Table(
    "clusters",
    "One row per synapse: the cluster of similar-looking synapses it belongs to.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("cluster", pa.int32(), "Cluster number; -1 is noise, a synapse like no group."),
        Column("cluster_model", pa.string(), "Version of the fitted clustering."),
    ),
)

CLUSTER_CARDS = Table(
    "cluster_cards",
    "One row per cluster: its size, typical members and who they belong to.",
    (
        Column("cluster", pa.int32(), "Cluster number; -1 is noise."),
        Column("synapses", pa.int64(), "Number of synapses in the cluster."),
        Column("share", pa.float64(), "Share of all clustered synapses, 0 to 1."),
        Column("medoids", pa.list_(pa.string()), "Synapses nearest the middle of the cluster."),
        Column("targets", pa.string(), "Composition by known class, as JSON {class: count}."),
        Column("regions", pa.string(), "Composition by brain region, as JSON {region: count}."),
        Column(
            "neurons", pa.int64(), "Number of neurons that have synapses in the cluster; 0 where neurons are unknown."
        ),
        Column(
            "top_neuron_share",
            pa.float64(),
            "Share of the cluster's synapses from its most frequent neuron.",
            nullable=True,
        ),
        Column(
            "one_neuron",
            pa.bool_(),
            "True if one neuron makes most of the cluster, and little of the others: likely its style, not a kind of synapse.",
        ),
        Column(
            "verdict",
            pa.string(),
            "How far the clustering can be trusted: stable, fragile, or not distinguishable from noise; empty where not assessed.",
            nullable=True,
        ),
        Column(
            "explained_by",
            pa.string(),
            "What explains the cluster in place of a kind of synapse, as JSON {'one section': synapses of it}; empty where not examined.",
            nullable=True,
        ),
        Column("explanation", pa.string(), "The same in words; empty if nothing explains it.", nullable=True),
    ),
)

SPLITS = Table(
    "splits",
    "One row per labelled synapse and way of splitting: the fold in which the synapse is held out.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("split", pa.string(), "What is held out together: a grouping column such as neuron_id, or 'random'."),
        Column("group", pa.string(), "Group of the synapse under that split; its own id where the split is random."),
        Column("fold", pa.int32(), "Fold in which the synapse is tested, from 0."),
        TARGET,
    ),
)

LEAKAGE_REPORT = Table(
    "leakage_report",
    "One row per probe of the vectors and way of splitting: what can be read of the class, and of what has nothing to do with it.",
    (
        Column("encoder", pa.string(), "Version of the encoder that made the vectors."),
        Column(
            "probe",
            pa.string(),
            "What is read: class, or neuron, section, brain_region, volume, source_file, padding, x, y, z, contrast. class_gap: how much "
            "more of the class a random split claims than this split.",
        ),
        Column(
            "split",
            pa.string(),
            "What is held out together: random, a grouping column such as neuron_id, or place (blocks in x and y).",
        ),
        Column("score", pa.string(), "balanced_accuracy, of class_gap the difference of two; or r2."),
        Column("value", pa.float64(), "The score; empty where it could not be asked.", nullable=True),
        Column("low", pa.float64(), "Lower end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("chance", pa.float64(), "The score of guessing, or with the values dealt out at random.", nullable=True),
        Column("synapses", pa.int64(), "Synapses tested."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)

SYNAPSE_PREDICTIONS = Table(
    "synapse_predictions",
    "One row per synapse: the class that the classifier names, with the probability of each.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("predicted", pa.string(), "Most probable class."),
        Column("probability", pa.float64(), "Probability of the most probable class, 0 to 1 (not calibrated)."),
        Column("probabilities", pa.map_(pa.string(), pa.float64()), "Probability of every class, by class name."),
        Column(
            "out_of_fold",
            pa.bool_(),
            "True if the synapse was labelled when the classifier was fitted: the prediction is of a model that never saw its group.",
        ),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

NEURON_PREDICTIONS = Table(
    "neuron_predictions",
    "One row per neuron: the class that most of its synapses vote for.",
    (
        Column("neuron_id", pa.int64(), "Presynaptic neuron."),
        Column("synapses", pa.int64(), "Number of synapses that voted."),
        Column("predicted", pa.string(), "Class with the most votes."),
        Column("vote_share", pa.float64(), "Share of the votes for that class, 0 to 1."),
        Column("mean_probability", pa.float64(), "Mean probability of that class over the neuron's synapses."),
        TARGET,
        Column("in_training", pa.bool_(), "True if synapses of this neuron trained the classifier."),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

CALIBRATION = Table(
    "calibration",
    "One row per class: how the classifier's probabilities become ones that can be taken at their word, and what is promised of the class.",
    (
        Column("class_name", pa.string(), "Name of the class."),
        Column("scale", pa.float64(), "Factor of the logarithm of the class's probability; 1 over the temperature."),
        Column("offset", pa.float64(), "Added to that; 0 where only a temperature was fitted."),
        Column(
            "threshold",
            pa.float64(),
            "Highest nonconformity (1 less the calibrated probability) at which the class stays in a synapse's set; empty: always.",
            nullable=True,
        ),
        Column(
            "promised",
            pa.bool_(),
            "True if the class has groups enough for a threshold of its own. The coverage that is promised is over all classes together.",
        ),
        Column("synapses", pa.int64(), "Labelled synapses of the class."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

RELIABILITY = Table(
    "reliability",
    "One row per class and bin of its probability: how often the class is right where it is given that probability, out of fold.",
    (
        Column("stage", pa.string(), "before or after calibration."),
        Column("class_name", pa.string(), "Name of the class; empty for the most probable one, whichever it is."),
        Column("bin", pa.int32(), "Bin of equal count, from 0, by rising probability."),
        Column("synapses", pa.int64(), "Synapses in the bin."),
        Column("mean_probability", pa.float64(), "Mean probability in the bin."),
        Column("share_right", pa.float64(), "Share of the bin's synapses that are of the class."),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

CALIBRATION_SCORES = Table(
    "calibration_scores",
    "One row per score of how far probabilities, sets and pooled answers can be taken at their word, on groups held out.",
    (
        Column(
            "score",
            pa.string(),
            "expected calibration error; its floor (what a perfectly calibrated model of this size would show by chance: mean, low and "
            "high of simulations); coverage, the share of synapses whose set holds the known class, neurons counting alike; lowest "
            "coverage of a neuron; set size; neuron accuracy; neuron coverage and neuron set size, of the sets of whole neurons.",
        ),
        Column("stage", pa.string(), "before or after calibration; empty where there is one only."),
        Column("class_name", pa.string(), "Of one class; empty for all.", nullable=True),
        Column(
            "synapses_of_neuron", pa.int32(), "Of neurons from so many of their synapses; empty for all.", nullable=True
        ),
        Column("value", pa.float64(), "The score."),
        Column(
            "low",
            pa.float64(),
            "Lower end of its 95 % interval over groups; empty below 8, and where chance is shown by a floor.",
            nullable=True,
        ),
        Column("high", pa.float64(), "Upper end of the same.", nullable=True),
        Column("synapses", pa.int64(), "Synapses that it is of."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

CALIBRATED_SYNAPSES = Table(
    "calibrated_synapses",
    "One row per labelled synapse that the calibration was fitted on: what a calibration without its fold makes of it.",
    (
        SYNAPSE_ID,
        Column("fold", pa.int32(), "Fold in which its group is held out, from 0."),
        Column(
            "probabilities", pa.map_(pa.string(), pa.float64()), "Calibrated probability of every class, by class name."
        ),
        Column("class_set", pa.list_(pa.string()), "Classes that cannot be ruled out, most probable first."),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

SYNAPSE_ANSWERS = Table(
    "synapse_answers",
    "One row per synapse: its class by calibrated probabilities, the set of classes that holds the right one as often as promised, or "
    "'unclear'.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("answer", pa.string(), "The only class of the set; 'unclear' where there are several, or none."),
        Column("predicted", pa.string(), "Most probable class."),
        Column("probability", pa.float64(), "Calibrated probability of the most probable class, 0 to 1."),
        Column(
            "probabilities", pa.map_(pa.string(), pa.float64()), "Calibrated probability of every class, by class name."
        ),
        Column("class_set", pa.list_(pa.string()), "Classes that cannot be ruled out, most probable first."),
        Column(
            "out_of_fold",
            pa.bool_(),
            "True if the synapse was labelled when the classifier was fitted: neither the classifier nor the calibration saw its group.",
        ),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

NEURON_ANSWERS = Table(
    "neuron_answers",
    "One row per neuron: its class by the pooled evidence of its synapses, or 'unclear', and what would change the answer.",
    (
        Column("neuron_id", pa.int64(), "Presynaptic neuron."),
        Column("synapses", pa.int64(), "Synapses whose evidence is pooled."),
        Column(
            "answer", pa.string(), "The only class of the neuron's set; 'unclear' where there are several, or none."
        ),
        Column("predicted", pa.string(), "Most probable class."),
        Column("probability", pa.float64(), "Pooled probability of the most probable class, 0 to 1."),
        Column(
            "probabilities", pa.map_(pa.string(), pa.float64()), "Pooled probability of every class, by class name."
        ),
        Column("class_set", pa.list_(pa.string()), "Classes that cannot be ruled out, most probable first."),
        Column("votes", pa.map_(pa.string(), pa.int64()), "Synapses that name each class, 'unclear' included."),
        Column(
            "independent_synapses",
            pa.float64(),
            "How many independent synapses the evidence is worth: those of one neuron resemble each other.",
        ),
        Column(
            "synapses_needed",
            pa.int64(),
            "Fewest of its synapses, drawn at random, from which half of the draws give this answer; empty where unclear.",
            nullable=True,
        ),
        Column(
            "region_answers",
            pa.map_(pa.string(), pa.string()),
            "Most probable class from the synapses of each brain region.",
        ),
        Column(
            "disagreement",
            pa.string(),
            "In words, where regions of the neuron disagree beyond chance; empty if they do not.",
            nullable=True,
        ),
        HEMILINEAGE,
        Column(
            "prior_predicted",
            pa.string(),
            "Most probable class with the prior of the hemilineage; empty without one.",
            nullable=True,
        ),
        Column("prior_probability", pa.float64(), "Its probability with that prior.", nullable=True),
        TARGET,
        Column(
            "covered_share",
            pa.float64(),
            "Share of its synapses whose set holds the known class; empty if unknown.",
            nullable=True,
        ),
        Column(
            "in_training",
            pa.bool_(),
            "True if synapses of this neuron trained the classifier: all evidence is then out of fold.",
        ),
        Column("classifier", pa.string(), "Version of the fitted classifier."),
    ),
)

NETWORK_PREDICTIONS = Table(
    "network_predictions",
    "One row per synapse and trained network: the class that the network names, with the probability of each.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("network", pa.string(), "Name of the network in the dataset's YAML."),
        Column("predicted", pa.string(), "Most probable class."),
        Column("probability", pa.float64(), "Probability of the most probable class, 0 to 1 (not calibrated)."),
        Column("probabilities", pa.map_(pa.string(), pa.float64()), "Probability of every class, by class name."),
        Column(
            "out_of_fold",
            pa.bool_(),
            "True if the synapse was labelled when the network was trained: the prediction is of one that never saw its group.",
        ),
        Column("synapse_network", pa.string(), "Version of the trained networks."),
    ),
)

CLASSIFIER_COMPARISON = Table(
    "classifier_comparison",
    "One row per classifier and split: how well it names the class of synapses that it was not trained on, and how far it differs from the "
    "linear probe.",
    (
        Column(
            "classifier",
            pa.string(),
            "linear probe; the name of a trained network; or that name 'beside texture': a linear probe on the network's features "
            "together with the vectors in use.",
        ),
        Column("version", pa.string(), "Version of the fitted model."),
        Column("about", pa.string(), "Architecture, origin and input in words."),
        Column("split", pa.string(), "What is held out together: a grouping column such as neuron_id, or random."),
        Column("synapses", pa.int64(), "Labelled synapses tested; those that the linear probe was tested on as well."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column("balanced_accuracy", pa.float64(), "Mean over the classes of the share named rightly, 0 to 1."),
        Column("low", pa.float64(), "Lower end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("macro_f1", pa.float64(), "Mean over the classes of the F1 score, 0 to 1."),
        Column(
            "neuron_accuracy",
            pa.float64(),
            "Share of neurons whose synapses' votes name their class; empty where the dataset holds out no neurons.",
            nullable=True,
        ),
        Column(
            "calibration_error",
            pa.float64(),
            "Expected calibration error of the most probable class, without calibration.",
            nullable=True,
        ),
        Column(
            "calibration_floor",
            pa.float64(),
            "What a perfectly calibrated classifier of this size would show by chance.",
            nullable=True,
        ),
        Column(
            "difference",
            pa.float64(),
            "Balanced accuracy less that of the linear probe on the same synapses; empty for the probe itself.",
            nullable=True,
        ),
        Column(
            "difference_low",
            pa.float64(),
            "Lower end of its paired 95 % interval over groups; empty below 8.",
            nullable=True,
        ),
        Column(
            "difference_high",
            pa.float64(),
            "Upper end of its paired 95 % interval over groups; empty below 8.",
            nullable=True,
        ),
        Column("rare_classes", pa.string(), "Classes with fewer than 5 groups, in words; may be empty."),
        Column(
            "training_seconds",
            pa.float64(),
            "Time that training took, all folds of the split and the network that is applied together.",
            nullable=True,
        ),
        Column(
            "best",
            pa.bool_(),
            "True for the best classifier of the split among those whose difference excludes zero; otherwise for the linear probe.",
        ),
    ),
)

NETWORK_CARDS = Table(
    "network_cards",
    "One row per trained network: its model card.",
    (
        Column("network", pa.string(), "Name of the network in the dataset's YAML."),
        Column("version", pa.string(), "Version of the trained networks."),
        Column(
            "card",
            pa.string(),
            "Markdown: data, scores, calibration, leakage, limits, what it may not be used for, how to use it.",
        ),
    ),
)

TRANSFER = Table(
    "transfer",
    "One row per model of another dataset and class: how well it, which never saw this dataset, names the known classes here.",
    (
        Column("from_dataset", pa.string(), "Dataset whose encoder and classifier are tried."),
        Column("model", pa.string(), "What of it is tried: linear probe, or the name of a network."),
        Column("from_encoder", pa.string(), "Version of its encoder in use."),
        Column("from_classifier", pa.string(), "Version of its classifier, or of its networks."),
        Column(
            "class_name",
            pa.string(),
            "Class whose recall it is; empty for the balanced accuracy of all.",
            nullable=True,
        ),
        Column(
            "shared_classes",
            pa.list_(pa.string()),
            "Classes that both datasets have, by name: the only ones that are tried.",
        ),
        Column(
            "value",
            pa.float64(),
            "Recall of the class, or balanced accuracy; empty where nothing could be tried.",
            nullable=True,
        ),
        Column("low", pa.float64(), "Lower end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over groups; empty below 8.", nullable=True),
        Column(
            "own",
            pa.float64(),
            "The same of this dataset's own linear probe, out of fold, on the same synapses.",
            nullable=True,
        ),
        Column("drop", pa.float64(), "Own less value: what is lost by the move.", nullable=True),
        Column(
            "drop_low", pa.float64(), "Lower end of its paired 95 % interval over groups; empty below 8.", nullable=True
        ),
        Column(
            "drop_high",
            pa.float64(),
            "Upper end of its paired 95 % interval over groups; empty below 8.",
            nullable=True,
        ),
        Column(
            "home",
            pa.float64(),
            "The same of the other model at home, out of fold, over the shared classes.",
            nullable=True,
        ),
        Column("synapses", pa.int64(), "Synapses tried."),
        Column("groups", pa.int64(), "Their independent groups, such as neurons."),
        Column(
            "resampled",
            pa.string(),
            "How tiles were brought to the other voxel size; empty where both have the same.",
            nullable=True,
        ),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)

DRIFT = Table(
    "drift",
    "One row per brain region: how far its synapses have moved away from those that the models in use were fitted on.",
    (
        BRAIN_REGION,
        Column("synapses", pa.int64(), "Synapses that have a vector now."),
        Column("known_synapses", pa.int64(), "Synapses of the region when the map was fitted.", nullable=True),
        Column(
            "new_synapses",
            pa.int64(),
            "Of those now, how many are new or have another picture; estimated where the region is larger than its part of the sample.",
            nullable=True,
        ),
        Column("new_fraction", pa.float64(), "New synapses over those known at the fit.", nullable=True),
        Column(
            "distance_ratio",
            pa.float64(),
            "Median distance to the nearest fitted synapse, over the same within the fitted sample; 1 is like the sample.",
            nullable=True,
        ),
        Column(
            "noise_fraction",
            pa.float64(),
            "Share of the synapses outside the fitted sample that are in no cluster; empty if there are none.",
            nullable=True,
        ),
        Column(
            "fitted_noise_fraction",
            pa.float64(),
            "The same in the fitted sample, each synapse placed on the map as if it were new.",
            nullable=True,
        ),
        Column("labelled_synapses", pa.int64(), "Synapses of known class.", nullable=True),
        Column(
            "new_labels",
            pa.int64(),
            "Of those, how many the classifier was not fitted on, or under another class.",
            nullable=True,
        ),
        Column("refit_advised", pa.bool_(), "True if a difference is large and beyond chance."),
        Column("reason", pa.string(), "Why a refit is advised, or why not."),
        Column("umap_model", pa.string(), "Version of the fitted map.", nullable=True),
        Column("cluster_model", pa.string(), "Version of the fitted clustering.", nullable=True),
        Column("classifier", pa.string(), "Version of the fitted classifier.", nullable=True),
    ),
)

PROMOTIONS = Table(
    "promotions",
    "One row per model: the last decision on a refitted one (the candidate), compared with the one in use on present data.",
    (
        Column("model", pa.string(), "Name of the model."),
        Column("in_use_before", pa.string(), "Version in use when it was decided.", nullable=True),
        Column("candidate", pa.string(), "Version that it was compared with.", nullable=True),
        Column("measure", pa.string(), "What is compared, and on what; higher is better.", nullable=True),
        Column("score_in_use", pa.float64(), "Score of the version in use before.", nullable=True),
        Column("score_candidate", pa.float64(), "Score of the candidate.", nullable=True),
        Column("decision", pa.string(), "promoted, kept (as a candidate), dropped (as a candidate), or no candidate."),
        Column("reason", pa.string(), "The decision in words."),
        Column("decided_at", pa.string(), "When it was decided, ISO 8601, UTC."),
    ),
)
