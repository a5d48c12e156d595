"""The tables of labelling: what is asked, what people answered, what was decided, and what labels are worth.

Answers are kept row by row as they were given (`stores.annotation_log`); everything else here is made from them.
"""

import pyarrow as pa

from synapse_assets.schema.base import Column, Table
from synapse_assets.schema.em import BRAIN_REGION, NEURON_ID, SYNAPSE_ID, TARGET

NOT_A_SYNAPSE, UNSURE, SKIP = "not a synapse", "unsure", "skip"
"""Answers beside the classes. Skipped is asked again of somebody else, unsure counts as an answer without a class."""
ACCEPT, REJECT, MOVE, ADD, DONE = "accept", "reject", "move", "add", "done"
"""Answers to the sites of a box; done: every site in the box was looked at, and none is missing."""

BY_STRATEGY, BY_CHANCE, BY_ERROR, BY_LIKENESS = "strategy", "random", "suspected error", "like another"
"""Why an item was shown. A label that there is because a strategy or a likeness chose the item trains, and never tests."""
NEVER_TEST = (BY_STRATEGY, BY_LIKENESS)

ANSWER, UNDO, ADJUDICATION = "answer", "undo", "adjudication"
"""Kinds of rows of `ANNOTATIONS`."""

OF_CLASS, DISAGREEMENT, OUTDATED = "class", "disagreement", "outdated"
"""Decisions beside 'not a synapse' and 'unsure'."""

ROUND = Column("round", pa.string(), "Round, or other batch, in which the item was shown; the partition of the row.")
_NM = tuple(Column(f"{axis}_nm", pa.float64(), f"Position along {axis} in nanometres.") for axis in "xyz")
_NM_OR_NONE = tuple(
    Column(f"{axis}_nm", pa.float64(), f"Position along {axis} in nanometres, of a site that was moved or added.", True)
    for axis in "xyz"
)
_ORIGIN = Column(
    "origin",
    pa.string(),
    "Why it was shown: strategy, random, suspected error, or like another. What a strategy or a likeness chose never tests.",
)
_LOW = Column("low", pa.float64(), "Lower end of the 95 % interval; empty where there are too few.", True)
_HIGH = Column("high", pa.float64(), "Upper end of the 95 % interval; empty where there are too few.", True)
_SENTENCE = Column("sentence", pa.string(), "The outcome in words.")

ANNOTATIONS = Table(
    "annotations",
    "One row per answer, undo or adjudication of a person, as it was given; rows are never changed or removed.",
    (
        ROUND,
        Column("answer_id", pa.string(), "Made by the page; an answer that arrives twice is one row."),
        Column("given_at", pa.timestamp("us", "UTC"), "When it was stored."),
        Column("annotator", pa.string(), "Name of the person."),
        Column("kind", pa.string(), "answer, undo or adjudication."),
        Column("item", pa.string(), "What was asked about: a synapse_id; in detection the id of a site or box."),
        Column(
            "answer",
            pa.string(),
            "A class, 'not a synapse', 'unsure' or 'skip'; of a site accept, reject, move or add, of a box done; empty for an undo.",
            True,
        ),
        Column("undoes", pa.string(), "The answer_id that an undo takes back.", True),
        _ORIGIN,
        Column("tile_hash", pa.string(), "Hash of the tile that was shown; empty for sites.", True),
        Column("guess", pa.string(), "What the model would have said.", True),
        Column("guess_seen", pa.bool_(), "Whether the guess was on the page before the answer."),
        Column("model_version", pa.string(), "Version of the model that guessed.", True),
        Column("seconds", pa.float64(), "From showing the item to the answer.", True),
        Column("volume", pa.string(), "Volume of a site that was moved or added.", True),
        *_NM_OR_NONE,
        Column("note", pa.string(), "Free text of the person. Never part of a release.", True),
    ),
)

QUERY_SUGGESTIONS = Table(
    "query_suggestions",
    "One row per synapse that a round asks about, in the order in which it is shown.",
    (
        ROUND,
        Column("rank", pa.int32(), "Place in the round, from 0; neighbours come together."),
        SYNAPSE_ID,
        BRAIN_REGION,
        NEURON_ID,
        Column("volume", pa.string(), "Volume that it lies in."),
        *_NM,
        Column("tile_hash", pa.string(), "Hash of the tile that is shown."),
        _ORIGIN,
        Column("strategy", pa.string(), "Query strategy of the round."),
        Column("guess", pa.string(), "Class that the classifier in use would say.", True),
        Column("guess_probability", pa.float64(), "Its probability, not calibrated.", True),
        Column("model_version", pa.string(), "Version of that classifier.", True),
    ),
)

LABEL_DECISIONS = Table(
    "label_decisions",
    "One row per synapse that people answered about: what follows from the answers.",
    (
        SYNAPSE_ID,
        BRAIN_REGION,
        Column(
            "decision",
            pa.string(),
            "class; not a synapse; unsure; disagreement (to be adjudicated); or outdated, where the tile is another one since.",
        ),
        TARGET,
        Column("answers", pa.int32(), "Standing answers, one a person, skips left out."),
        Column(
            "share", pa.float64(), "Share of these answers that agree with the decision; 1 where it was adjudicated."
        ),
        _ORIGIN,
        Column("round", pa.string(), "Round of the first answer."),
    ),
)

LABEL_AGREEMENT = Table(
    "label_agreement",
    "One row per class, and one for all ('all'): how far people agree about what several answered. No names.",
    (
        Column("class", pa.string(), "The class; 'all' for all of them."),
        Column("items", pa.int64(), "Items that two or more people answered (for a class: one of them with it)."),
        Column("observed", pa.float64(), "Share of pairs of answers that agree.", True),
        Column("kappa", pa.float64(), "Mean of Cohen's kappa over pairs of people, weighted by items.", True),
        _LOW,
        _HIGH,
        _SENTENCE,
    ),
)

ANNOTATOR_AGREEMENT = Table(
    "annotator_agreement",
    "One row per pair of people and class: how far they agree. Names people, so it is never part of a release.",
    (
        Column("first", pa.string(), "Name of one person."),
        Column("second", pa.string(), "Name of the other."),
        *LABEL_AGREEMENT.columns[:-1],
    ),
)

LABEL_CURVE = Table(
    "label_curve",
    "One row per round: what a model of all labels up to it scores on what no strategy chose.",
    (
        Column("round", pa.string(), "The round; 'before' for the labels that there were."),
        Column("number", pa.int32(), "Its number, 0 for before."),
        Column("labels", pa.int64(), "Labels that trained, up to and with the round."),
        Column("tested", pa.int64(), "Labels that tested; none that a strategy chose."),
        Column("measure", pa.string(), "balanced accuracy; of detectors F1."),
        Column("split", pa.string(), "What was held out."),
        Column("score", pa.float64(), "The score.", True),
        _LOW,
        _HIGH,
        Column("gain", pa.float64(), "Score less that of the round before.", True),
        Column("gain_low", pa.float64(), "Lower end of the 95 % interval of the gain, paired.", True),
        Column("gain_high", pa.float64(), "Upper end of the 95 % interval of the gain, paired.", True),
        Column("stop", pa.bool_(), "Three rounds in a row gained nothing beyond the interval: labelling may stop."),
        _SENTENCE,
    ),
)

LABEL_ERRORS = Table(
    "label_errors",
    "One row per label that a model of other neurons contradicts, the most suspicious first.",
    (
        Column("rank", pa.int32(), "From 0."),
        SYNAPSE_ID,
        BRAIN_REGION,
        Column("target", pa.string(), "The label."),
        Column("predicted", pa.string(), "What the model of other groups says."),
        Column("label_probability", pa.float64(), "Probability that it gives to the label."),
        Column("predicted_probability", pa.float64(), "Probability that it gives to its own class."),
        Column("origin", pa.string(), "Where the label is from: sources, or people."),
    ),
)

STRATEGY_BENCHMARK = Table(
    "strategy_benchmark",
    "One row per query strategy and measure, from labels that are known, asked for by a simulated annotator.",
    (
        Column("strategy", pa.string(), "The query strategy."),
        Column(
            "measure",
            pa.string(),
            "area: mean balanced accuracy under the label curve, minus that of random, paired; rare_recall: the same of the recall of "
            "the rarest class; labels_95: labels to reach 95 % of the score with all labels, as a share of random's.",
        ),
        Column("value", pa.float64(), "The value.", True),
        _LOW,
        _HIGH,
        Column("runs", pa.int64(), "Pairs of runs: splits times seeds."),
        Column("ahead", pa.int64(), "Pairs in which it is better than random."),
        Column("error_rate", pa.float64(), "Share of answers that the simulated annotator gets wrong."),
        Column("split", pa.string(), "What was held out."),
        Column("recommended", pa.bool_(), "Whether rounds use this strategy unless the dataset names one."),
        _SENTENCE,
    ),
)

STRATEGY_CURVES = Table(
    "strategy_curves",
    "One row per query strategy, held-out fold, seed and number of labels.",
    (
        Column("strategy", pa.string(), "The query strategy."),
        Column("fold", pa.int32(), "Fold that tested."),
        Column("seed", pa.int32(), "Seed of the first labels, of the strategy and of the annotator's errors."),
        Column("labels", pa.int32(), "Labels that trained."),
        Column("score", pa.float64(), "Balanced accuracy on the fold."),
        Column("rare_recall", pa.float64(), "Recall of the class with the fewest labels.", True),
    ),
)

BOX_SUGGESTIONS = Table(
    "query_suggestions",
    "One row per box of a volume that a round asks to look through, in the order in which it is shown.",
    (
        ROUND,
        Column("rank", pa.int32(), "Place in the round, from 0; neighbours come together."),
        Column("box", pa.string(), "Identifier of the box, unique in the dataset: volume and first voxel."),
        Column("volume", pa.string(), "Volume that it lies in."),
        *(
            Column(f"{axis}_{side}_voxels", pa.int64(), text.format(axis))
            for axis in "xyz"
            for side, text in (("low", "First voxel along {}."), ("high", "One past the last voxel along {}."))
        ),
        _ORIGIN,
        Column("strategy", pa.string(), "uncertainty or random."),
        Column("uncertainty", pa.float64(), "Mean entropy of the map's probabilities in the box, in bits.", True),
        Column("model_version", pa.string(), "Version of the detector."),
        Column(
            "marked",
            pa.binary(),
            "What it marks in the box, uint16 (z, y, x), zlib: the place of the site among those of the box, from 1, or 65535 for what may "
            "belong to a site beyond; empty where sites are peaks of balls.",
            True,
        ),
    ),
)

SUGGESTED_SITES = Table(
    "suggested_sites",
    "One row per detected site in a box that is asked about.",
    (
        ROUND,
        Column("box", pa.string(), "The box."),
        Column("site", pa.string(), "Identifier of the site: synapse_id of `detections`."),
        Column("target", pa.string(), "What was detected: presynaptic, or cleft."),
        Column("volume", pa.string(), "Volume that it lies in."),
        *_NM,
        Column("score", pa.float64(), "Confidence of the detection.", True),
    ),
)

REVIEWED_BOXES = Table(
    "reviewed_boxes",
    "One row per box that a person has looked through: all sites in it are known.",
    (
        Column("box", pa.string(), "Identifier of the box."),
        Column("round", pa.string(), "Round in which it was asked."),
        *BOX_SUGGESTIONS.columns[3:10],
        _ORIGIN,
        Column("accepted", pa.int64(), "Detected sites that are right where they are."),
        Column("moved", pa.int64(), "Detected sites that were moved."),
        Column("rejected", pa.int64(), "Detected sites that are none."),
        Column("added", pa.int64(), "Sites that the detector missed."),
    ),
)

REVIEWED_SITES = Table(
    "reviewed_sites",
    "One row per site of a reviewed box: detected and judged, or added.",
    (
        Column("box", pa.string(), "Identifier of the box."),
        Column("site", pa.string(), "Identifier of the site; of an added one what the page called it, after its box."),
        Column("target", pa.string(), "What it is: presynaptic, or cleft."),
        Column("volume", pa.string(), "Volume that it lies in."),
        *_NM,
        Column("outcome", pa.string(), "accept, move, reject or add."),
    ),
)
