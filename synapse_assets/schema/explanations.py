"""The tables of explanations, which the chains of images share: what a check of a method found, and how two classes differ."""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table
from synapse_assets.schema.em import BRAIN_REGION, SYNAPSE_ID

EXPLANATION_CHECKS = Table(
    "explanation_checks",
    "One row per classifier, method of explanation and check: whether its maps say anything of the classifier.",
    (
        Column(
            "classifier", pa.string(), "Name of the classifier: linear_probe or texture_probe, or that of a network."
        ),
        Column("version", pa.string(), "Version of the fitted classifier."),
        Column("method", pa.string(), "Method of explanation, such as grad_cam."),
        Column(
            "check",
            pa.string(),
            "retrained, other_picture, all_random, all_shuffled, head_shuffled (Spearman agreement with the classifier's maps), "
            "randomisation (retrained less all_random), head (retrained less head_shuffled), other_class, deletion, insertion (against "
            "random order and a centre blob), pointing_game, area_under_precision (where truth is planted).",
        ),
        Column("value", pa.float64(), "What was measured; empty where it could not be.", nullable=True),
        Column("low", pa.float64(), "Lower end of its 95 % interval over pictures and draws.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over pictures and draws.", nullable=True),
        Column("chance", pa.float64(), "What a map without content would reach.", nullable=True),
        Column(
            "passed", pa.bool_(), "Whether the map passed; empty for what is measured but not judged.", nullable=True
        ),
        Column("pictures", pa.int64(), "Pictures that it was measured on."),
        Column("draws", pa.int64(), "Draws of random weights or of random orders."),
        Column("verdict", pa.string(), "Of the method for this classifier: trustworthy, partly, or not."),
        Column("sentence", pa.string(), "The verdict in words."),
    ),
)

EXPLANATIONS = Table(
    "explanations",
    "One row per chosen synapse, classifier and method: where in its tile the classifier sees the class.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("tile_hash", pa.string(), "Hash of the picture that was explained."),
        Column("classifier", pa.string(), "Name of the classifier."),
        Column("version", pa.string(), "Version of the fitted classifier."),
        Column("method", pa.string(), "Method of explanation."),
        Column("class_name", pa.string(), "The class that is explained: the one that the classifier names."),
        Column("probability", pa.float64(), "Its probability, 0 to 1."),
        Column("chosen_as", pa.string(), "Why this synapse: typical, error, or uncertain."),
        Column("verdict", pa.string(), "Of the method for this classifier: trustworthy, partly, or not."),
        Column("largest", pa.float64(), "What a grey value of 255 in the map stands for; 128 is zero, 1 its negative."),
        Column(
            "map", pa.binary(), "The map in pixels of the tile, as a grey 8-bit PNG: above 128 speaks for the class."
        ),
    ),
)

# What can be measured of a tile; a column each, None where it cannot be.
ATTRIBUTES = (
    Column("vesicle_number", pa.float64(), "Vesicle-like blobs in the middle section.", nullable=True),
    Column("vesicle_diameter_nm", pa.float64(), "Their median diameter in nanometres.", nullable=True),
    Column(
        "vesicle_darkness", pa.float64(), "Median contrast of their rim or core to the cytosol around.", nullable=True
    ),
    Column(
        "tbar_darkness",
        pa.float64(),
        "How surely the centre is darker than its surroundings, -1 to 1 (Cliff's delta).",
        nullable=True,
    ),
    Column("cleft_length_nm", pa.float64(), "Longest extent of what is darkest at the centre.", nullable=True),
    Column("membrane_contrast", pa.float64(), "Mean strength of thin dark lines.", nullable=True),
    Column(
        "mitochondria_share", pa.float64(), "Share of the middle section in large dark bodies, 0 to 1.", nullable=True
    ),
)

TILE_ATTRIBUTES = Table(
    "tile_attributes",
    "One row per synapse: what can be measured of its tile without training.",
    (SYNAPSE_ID, BRAIN_REGION, Column("tile_hash", pa.string(), "Hash of the picture that was measured."), *ATTRIBUTES),
)

CLASS_DIFFERENCES = Table(
    "class_differences",
    "One row per attribute and class: how synapses of the class differ from all others, by neuron.",
    (
        Column("attribute", pa.string(), "Column of tile_attributes."),
        Column("class_name", pa.string(), "The class, which is compared with all others."),
        Column(
            "effect",
            pa.float64(),
            "Difference of the means of neurons, in standard deviations of neurons.",
            nullable=True,
        ),
        Column("low", pa.float64(), "Lower end of its 95 % interval over neurons.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over neurons.", nullable=True),
        Column(
            "p_value",
            pa.float64(),
            "Of dealing the classes out among neurons anew, corrected for all rows.",
            nullable=True,
        ),
        Column("differs", pa.bool_(), "Whether the difference stands after that correction."),
        Column("groups", pa.int64(), "Independent groups (neurons) of the class."),
        Column("other_groups", pa.int64(), "Independent groups of the other classes."),
        Column(
            "lowest", pa.list_(pa.string()), "Synapses of the class with the lowest values, each of another neuron."
        ),
        Column(
            "highest", pa.list_(pa.string()), "Synapses of the class with the highest values, each of another neuron."
        ),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)
