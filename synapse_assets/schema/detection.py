"""The tables of the detection chain: volumes and their blocks, annotations, what detectors mark and find, and how well."""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table
from synapse_assets.schema.em import BRAIN_REGION, SYNAPSE_ID

BLOCK = Column("block", pa.string(), "Block of the volume; the partition that the row belongs to.")
VOLUME = Column("volume", pa.string(), "Name of the volume in the dataset's YAML.")
DETECTOR = Column("detector", pa.string(), "Name of the detector in the dataset's YAML.")
DETECTOR_VERSION = Column("version", pa.string(), "Version of the fitted detector.")
TARGET_STRUCTURE = Column("target", pa.string(), "What is marked: presynaptic, postsynaptic, cleft or mitochondria.")
_NM = tuple(Column(f"{axis}_nm", pa.float64(), f"Position along {axis} in nanometres.") for axis in "xyz")
_VOXELS = tuple(
    Column(f"{axis}_{side}_voxels", pa.int64(), text.format(axis))
    for axis in "xyz"
    for side, text in (("low", "First voxel along {}."), ("high", "One past the last voxel along {}."))
)
_VOXEL_SIZE = tuple(
    Column(f"voxel_{axis}_nm", pa.float64(), f"Size of a voxel of the volume along {axis} in nanometres.")
    for axis in "xyz"
)

VOLUME_BLOCKS = Table(
    "volume_blocks",
    "One row per block: a box of a volume that is searched and stored by itself.",
    (BLOCK, VOLUME, *_VOXELS, *_VOXEL_SIZE, Column("url", pa.string(), "Where the volume lies.")),
)

ANNOTATED_OBJECTS = Table(
    "annotated_objects",
    "One row per annotated object: a point, or what is connected in a mask.",
    (
        Column("object_id", pa.string(), "Unique in the dataset: annotation and id."),
        Column("annotation", pa.string(), "Name of the annotation in the dataset's YAML."),
        TARGET_STRUCTURE,
        VOLUME,
        *_NM,
        Column("volume_nm3", pa.float64(), "Its volume in cubic nanometres; empty for a point.", nullable=True),
        Column("sections", pa.int64(), "Sections that it lies in; empty for a point.", nullable=True),
        Column("fold", pa.int32(), "Held-out block that its centre lies in, from 0."),
        Column(
            "partner",
            pa.string(),
            "Of a postsynaptic site: object_id of its presynaptic site, if known.",
            nullable=True,
        ),
    ),
)

DETECTOR_SCORES = Table(
    "detector_scores",
    "One row per detector, target, way of splitting and measure: how well it marks and finds what it was not trained on. Objects match one "
    "to one: sites within the tolerance, objects of masks where they overlap by an IoU of .1 or lie within the tolerance.",
    (
        DETECTOR,
        DETECTOR_VERSION,
        TARGET_STRUCTURE,
        Column(
            "split",
            pa.string(),
            "What was held out: block (of space, the headline), or next_sections, which show the same objects and flatter.",
        ),
        Column(
            "measure",
            pa.string(),
            "f1, precision or recall of objects matched one to one; pair_f1; dice, iou, average_precision; cremi_score, adgt_nm or adf_nm.",
        ),
        Column(
            "objects",
            pa.string(),
            "What is compared with all that is annotated: all objects, or limited to those within the limits of size.",
        ),
        Column("value", pa.float64(), "The value; empty where it could not be asked.", nullable=True),
        Column("low", pa.float64(), "Lower end of its 95 % interval over objects; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over objects; empty below 8.", nullable=True),
        Column("annotated", pa.int64(), "Annotated objects tested."),
        Column("found", pa.int64(), "Objects that the detector found there."),
        Column("tolerance_nm", pa.float64(), "Distance within which sites match; empty for voxels.", nullable=True),
        Column("threshold", pa.float64(), "Probability from which a voxel counts, chosen without what is tested."),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)

EXAMINED_SITES = Table(
    "examined_sites",
    "One row per site of the test with a block held out: found, missed or invented.",
    (
        Column("site_id", pa.string(), "Unique in the dataset."),
        DETECTOR,
        DETECTOR_VERSION,
        TARGET_STRUCTURE,
        VOLUME,
        *_NM,
        Column("outcome", pa.string(), "found, missed or invented."),
        Column(
            "score", pa.float64(), "Of what was found or invented, 0 to 1; empty for what was missed.", nullable=True
        ),
        Column(
            "distance_nm",
            pa.float64(),
            "From the annotated site to the one found; for the others to the nearest of the other kind, if any.",
            nullable=True,
        ),
        Column("object_id", pa.string(), "The annotated object; empty for what was invented.", nullable=True),
        Column("fold", pa.int32(), "Held-out block that it lies in."),
        Column("tile", pa.binary(), "The middle section around it, as PNG."),
    ),
)

PROBABILITY_MAPS = Table(
    "probability_maps",
    "One row per block, detector and target: the map of probabilities that the detector made of the block.",
    (
        BLOCK,
        VOLUME,
        DETECTOR,
        DETECTOR_VERSION,
        TARGET_STRUCTURE,
        Column(
            "path",
            pa.string(),
            "The map, a neuroglancer precomputed volume (uint8, 255 is certain), below the dataset's folder.",
        ),
        Column("pixel_nm", pa.float64(), "Side of its pixels in the plane, in nanometres."),
        Column("voxels", pa.int64(), "Voxels of the volume that were looked at."),
        Column("marked_share", pa.float64(), "Share of the map at a probability of a half or more."),
        Column("filled_sections", pa.int64(), "Missing or black sections that were seen as their neighbours are."),
    ),
)

DETECTIONS = Table(
    "synapses",
    "One row per synapse that a detector found. A source of synapses for datasets of the em chain.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        BLOCK,
        VOLUME,
        *_NM,
        Column(
            "neuron_id",
            pa.int64(),
            "Neuron at the position by the label volume: the presynaptic one, but for a cleft either or none.",
            nullable=True,
        ),
        *(
            Column(
                f"post_{axis}_nm",
                pa.float64(),
                f"Nearest postsynaptic site along {axis}; empty if none.",
                nullable=True,
            )
            for axis in "xyz"
        ),
        Column("partner_id", pa.int64(), "Its postsynaptic neuron; empty if unknown.", nullable=True),
        Column(
            "partners",
            pa.int64(),
            "Postsynaptic sites that belong to it; empty where none are looked for.",
            nullable=True,
        ),
        Column("score", pa.float64(), "How sure the detector is, 0 to 1 (not calibrated)."),
        Column(
            "volume_nm3", pa.float64(), "Volume of the object in cubic nanometres; empty for a site.", nullable=True
        ),
        Column("sections", pa.int64(), "Sections that the object lies in; empty for a site.", nullable=True),
        DETECTOR,
        DETECTOR_VERSION,
    ),
)

MITOCHONDRIA = Table(
    "mitochondria",
    "One row per mitochondrion that the detector found, in the block that its first voxel lies in.",
    (
        Column("mitochondrion_id", pa.string(), "Unique in the dataset."),
        BLOCK,
        VOLUME,
        *_NM,
        Column("volume_nm3", pa.float64(), "Its volume in cubic nanometres; where it is cut off, what is seen of it."),
        Column("sections", pa.int64(), "Sections that it lies in."),
        Column("score", pa.float64(), "Mean probability of its voxels."),
        Column("cut_off", pa.bool_(), "Whether it goes on beyond the volume, or beyond what is followed."),
        Column(
            "neuron_id", pa.int64(), "Neuron that it lies in, by the label volume; empty if unknown.", nullable=True
        ),
        DETECTOR,
        DETECTOR_VERSION,
    ),
)

SYNAPSE_MITOCHONDRIA = Table(
    "synapse_mitochondria",
    "One row per synapse: the mitochondria around it, as another dataset's detector found them.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("mitochondrion_id", pa.string(), "Nearest mitochondrion; empty if none is near.", nullable=True),
        Column(
            "mitochondrion_distance_nm", pa.float64(), "Distance to it in nanometres; empty if none.", nullable=True
        ),
        Column("mitochondrion_nm3", pa.float64(), "Its volume in cubic nanometres; empty if none.", nullable=True),
        Column(
            "mitochondria_near_share",
            pa.float64(),
            "Share of the surroundings (radius in the dataset's YAML) that is mitochondria; empty outside the maps.",
            nullable=True,
        ),
        Column("detector_version", pa.string(), "Version of the detector that found them."),
    ),
)
