"""The tables of the staining chain: pictures of cultured neurons, what networks say of them, and of the compounds they were given."""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table

IMAGE_ID = Column(
    "image_id", pa.string(), "Identifier of the picture, unique in the dataset: its path below the source."
)
PLATE = Column("plate", pa.string(), "Plate (or folder) of the picture; the partition it belongs to.")
WELL = Column("well", pa.string(), "Well of the plate, such as B03; empty if unknown.", nullable=True)
LABEL = Column("label", pa.string(), "Known class, such as control or treated; empty if unknown.", nullable=True)
NETWORK_VERSION = Column("version", pa.string(), "Version of the fitted stain_network.")
CLASSIFIER = Column("classifier", pa.string(), "texture_probe, or the name of a network in the dataset's YAML.")

_OF_SOURCE = (
    IMAGE_ID,
    PLATE,
    WELL,
    Column("field", pa.string(), "Field of view within the well; empty if unknown.", nullable=True),
    Column("culture", pa.string(), "Culture (preparation) that the cells come from; empty if unknown.", nullable=True),
    Column("stain", pa.string(), "Stain, such as MAP2; empty if unknown.", nullable=True),
    LABEL,
    Column("compound", pa.string(), "Compound that was added: scored, never trained on.", nullable=True),
    Column("dose", pa.float64(), "Its dose, in the unit of the dataset's YAML.", nullable=True),
    Column(
        "pixel_nm",
        pa.float64(),
        "Side of a pixel in nanometres, as the source says; empty if it does not.",
        nullable=True,
    ),
    Column("source", pa.string(), "Name of the source in the dataset's YAML."),
    Column("path", pa.string(), "File, as it was listed."),
)

IMAGE_TABLE = Table("image_table", "One row per picture as the sources list it.", _OF_SOURCE)

PLATES = Table(
    "plates",
    "One row per plate (or folder) of the dataset.",
    (
        PLATE,
        Column("images", pa.int64(), "Pictures of the plate."),
        Column("wells", pa.int64(), "Wells that are named."),
        Column("labels", pa.list_(pa.string()), "Known classes of its pictures."),
    ),
)

IMAGES = Table(
    "images",
    "One row per picture: its size, hash and quality, and whether it is used.",
    (
        *_OF_SOURCE,
        Column("width_px", pa.int64(), "Width in pixels; empty for a file that cannot be read.", nullable=True),
        Column("height_px", pa.int64(), "Height in pixels.", nullable=True),
        Column("channels", pa.int64(), "Channels of the file, alpha not counted.", nullable=True),
        Column("bits", pa.int64(), "Bits of the file's values that are used: 8, 10, 12, 14 or 16.", nullable=True),
        Column("image_hash", pa.string(), "Hash of the decoded pixels of the channels in use.", nullable=True),
        Column(
            "focus", pa.float64(), "Share of the variance that is finer than four pixels; low: blurred.", nullable=True
        ),
        Column("saturated_fraction", pa.float64(), "Share of pixels at the highest value, 0 to 1.", nullable=True),
        Column(
            "foreground_fraction",
            pa.float64(),
            "Share of pixels above the background, 0 to 1; low: empty.",
            nullable=True,
        ),
        Column("usable", pa.bool_(), "Whether networks see the picture."),
        Column("why_not", pa.string(), "Why it is not used; empty if it is.", nullable=True),
        Column("remarks", pa.string(), "What is odd about it though it is used; empty if nothing.", nullable=True),
        Column("preview", pa.binary(), "The picture at most 512 px wide, as 8-bit PNG.", nullable=True),
    ),
)

IMAGE_SPLITS = Table(
    "image_splits",
    "One row per labelled picture and way of splitting: the fold in which it is held out.",
    (
        IMAGE_ID,
        PLATE,
        WELL,
        Column(
            "split", pa.string(), "What is held out together: plate, well, culture, or random_crops (of each picture)."
        ),
        Column("group", pa.string(), "Group of the picture under that split; its own id where crops are dealt out."),
        Column(
            "fold",
            pa.int32(),
            "Fold in which it is tested, from 0; -1 for random_crops, where each window has its own.",
        ),
        Column("label", pa.string(), "Known class."),
    ),
)

STAIN_SCORES = Table(
    "stain_scores",
    "One row per classifier, way of splitting and score: how well it tells the classes on pictures that it never saw.",
    (
        CLASSIFIER,
        NETWORK_VERSION,
        Column("split", pa.string(), "What was held out together: plate, well, culture; random_crops shows the leak."),
        Column("level", pa.string(), "What is scored: image or window."),
        Column(
            "class_name",
            pa.string(),
            "The class, one against the rest; empty for the mean over classes.",
            nullable=True,
        ),
        Column("score", pa.string(), "f1, balanced_accuracy or roc_auc."),
        Column("value", pa.float64(), "The score; empty where it could not be asked.", nullable=True),
        Column("low", pa.float64(), "Lower end of its 95 % interval over wells; empty below 8.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over wells; empty below 8.", nullable=True),
        Column("images", pa.int64(), "Pictures tested."),
        Column("wells", pa.int64(), "Their independent groups."),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)

STAIN_THRESHOLDS = Table(
    "stain_thresholds",
    "One row per network, level and class: the probability from which the class is named, by Youden's J on calibration wells.",
    (
        CLASSIFIER,
        NETWORK_VERSION,
        Column("level", pa.string(), "What is decided: image or window."),
        Column("class_name", pa.string(), "The class, one against the rest."),
        Column("threshold", pa.float64(), "Probability of the highest J (sensitivity + specificity - 1)."),
        Column("low", pa.float64(), "Lower end of its 95 % interval over wells: below it, another class."),
        Column(
            "high", pa.float64(), "Upper end of its 95 % interval over wells: above it, the class; between, uncertain."
        ),
        Column("youden_j", pa.float64(), "J at the threshold, on the pictures that it was chosen on."),
        Column("images", pa.int64(), "Pictures that it was chosen on."),
        Column("wells", pa.int64(), "Their wells."),
    ),
)

WINDOW_MAPS = Table(
    "window_maps",
    "One row per picture: the probabilities of every window of it, in one dense pass of the network in use.",
    (
        IMAGE_ID,
        PLATE,
        Column("image_hash", pa.string(), "Hash of the pixels that were seen."),
        CLASSIFIER,
        NETWORK_VERSION,
        Column("out_of_fold", pa.bool_(), "True if a network that never saw the picture's group made the map."),
        Column("window_px", pa.int64(), "Side of a window in pixels of the picture."),
        Column(
            "first_px",
            pa.float64(),
            "Centre of the first window, from the left and upper edge of the picture, in pixels.",
        ),
        Column("stride_px", pa.int64(), "From one window to the next, in pixels."),
        Column("rows", pa.int64(), "Windows down the picture."),
        Column("columns", pa.int64(), "Windows across the picture."),
        Column("classes", pa.list_(pa.string()), "Names of the classes, in the order of the probabilities."),
        Column("probabilities", pa.list_(pa.float32()), "Probabilities, by class, then row, then column."),
    ),
)

IMAGE_PREDICTIONS = Table(
    "image_predictions",
    "One row per picture and classifier: the class of the whole picture.",
    (
        IMAGE_ID,
        PLATE,
        WELL,
        LABEL,
        CLASSIFIER,
        NETWORK_VERSION,
        Column("predicted", pa.string(), "Most probable class."),
        Column("answer", pa.string(), "The class whose threshold is passed beyond its interval; else 'uncertain'."),
        Column(
            "probability",
            pa.float64(),
            "Probability of the predicted class, 0 to 1: the mean over the picture's windows.",
        ),
        Column("probabilities", pa.map_(pa.string(), pa.float64()), "Probability of every class, by class name."),
        Column("out_of_fold", pa.bool_(), "True if a classifier that never saw the picture's group made it."),
    ),
)

STAIN_EXPLANATIONS = Table(
    "explanations",
    "One row per chosen picture: where in it the network sees the class.",
    (
        IMAGE_ID,
        PLATE,
        Column("image_hash", pa.string(), "Hash of the pixels that were explained."),
        CLASSIFIER,
        NETWORK_VERSION,
        Column("method", pa.string(), "Method of explanation that gives the brightness."),
        Column("class_name", pa.string(), "The class that the network names."),
        Column("probability", pa.float64(), "Its probability, 0 to 1."),
        Column("chosen_as", pa.string(), "Why this picture: typical, error, or uncertain."),
        Column("verdict", pa.string(), "Of the method for this network: trustworthy, partly, or not."),
        Column("sentence", pa.string(), "What the map shows, with threshold and interval, as its legend says."),
        Column("picture", pa.binary(), "The picture as 8-bit PNG, of its full size."),
        Column(
            "saliency",
            pa.binary(),
            "Brightness: the attribution from 0 to its largest value, as a grey 16-bit PNG.",
        ),
        Column(
            "coloured",
            pa.binary(),
            "Brightness coloured by the dense map, as PNG of the same size.",
        ),
        Column(
            "layer",
            pa.string(),
            "OME-TIFF with attribution and probabilities as channels, below the data root.",
            nullable=True,
        ),
    ),
)

COMPOUNDS = Table(
    "compounds",
    "One row per compound and dose: whether treated cells look like untreated ones again, by wells, ranked.",
    (
        Column(
            "rank",
            pa.int64(),
            "1 is the compound whose best dose undoes most; empty for controls.",
            nullable=True,
        ),
        Column("compound", pa.string(), "The compound; the two controls by the name of their class."),
        Column("dose", pa.float64(), "Its dose, in the unit of the dataset's YAML.", nullable=True),
        CLASSIFIER,
        NETWORK_VERSION,
        Column("images", pa.int64(), "Pictures."),
        Column("wells", pa.int64(), "Wells, the independent groups."),
        Column("likeness", pa.float64(), "Probability of the treated class, mean of wells, 0 to 1."),
        Column("low", pa.float64(), "Lower end of its 95 % interval over wells; empty below 3 wells.", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval over wells; empty below 3 wells.", nullable=True),
        Column(
            "rescue",
            pa.float64(),
            "0 like the treated control, 1 like the untreated one, of the same plates.",
            nullable=True,
        ),
        Column("rescue_low", pa.float64(), "Lower end of its 95 % interval over wells.", nullable=True),
        Column("rescue_high", pa.float64(), "Upper end of its 95 % interval over wells.", nullable=True),
        Column("most_untreated", pa.list_(pa.string()), "Pictures of it that look least treated."),
        Column("most_treated", pa.list_(pa.string()), "Pictures of it that look most treated."),
        Column("sentence", pa.string(), "The outcome in words."),
    ),
)

COMPOUND_WELLS = Table(
    "compound_wells",
    "One row per well: its likeness to the treated class.",
    (
        PLATE,
        Column("well", pa.string(), "Well of the plate."),
        LABEL,
        Column("compound", pa.string(), "Compound; empty for a control well.", nullable=True),
        Column("dose", pa.float64(), "Its dose.", nullable=True),
        CLASSIFIER,
        NETWORK_VERSION,
        Column("images", pa.int64(), "Pictures."),
        Column("likeness", pa.float64(), "Probability of the treated class, mean of its pictures, 0 to 1."),
    ),
)
