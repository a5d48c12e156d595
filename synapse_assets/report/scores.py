"""How well classes and clusters are named: scores by what was held out, with intervals, and what makes them look better than they are."""

from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.figures.calibration import calibration_figure
from synapse_assets.figures.intervals import Line, interval_figure
from synapse_assets.figures.scores import confusion_figure
from synapse_assets.figures.staining import stain_scores_figure
from synapse_assets.report.content import Block
from synapse_assets.report.release import Release, interval, number

# Classes of a confusion matrix.
_CLASSES = 24

_CONFUSION = """select target, predicted, count(*) as synapses
from synapse_labels join synapse_predictions using (synapse_id)
where out_of_fold and target is not null group by all order by target, predicted"""


def classifiers(release: Release) -> list[Block]:
    """The scores of every classifier, by what was held out together."""
    blocks: list[Block] = []
    if release.has("splits") and release.warehouse.release.get("scores", {}).get("synapse_classifier"):
        blocks.append(
            release.table(
                "Scores of the classifier in use (a linear probe), on synapses that it was not fitted on",
                _by_split(release),
            )
        )
    if release.has("synapse_labels", "synapse_predictions") and release.rows(_CONFUSION):
        blocks.append(
            release.figure(
                "Known class (rows) against the class that the classifier names (columns), out of fold: percent of the row, and synapses.",
                _CONFUSION,
                _confusion,
                "A confusion matrix from {rows} pairs of known and named class.",
            )
        )
    if release.has("classifier_comparison"):
        blocks.append(release.table("Trained networks beside the linear probe, on the same synapses", _COMPARISON))
    if release.has("transfer"):
        blocks.append(release.table("Models of other datasets, tried on this one without fitting", _TRANSFER))
    if release.has("classifier_scores"):
        blocks.append(
            release.table("How well the cluster of an unseen synapse is named, by investigation group", _OF_CLUSTERS)
        )
    if release.has("stain_scores"):
        blocks += _of_stains(release)
    if release.has("detector_scores"):
        blocks += _of_detectors(release)
    return blocks


def _by_split(release: Release) -> str:
    """SQL for the scores of the linear probe. One without an interval of its own takes that of the same score in `leakage_report`."""
    leaks = (
        "select split, value, low, high, groups from leakage_report where probe = 'class' and score = 'balanced_accuracy'"
        if release.has("leakage_report")
        else "select null::varchar as split, 0.0 as value, null as low, null as high, null as groups where false"
    )
    return f"""with scored as (select content->'$.scores.synapse_classifier' as s from release),
held_out as (select split, count(distinct "group") as groups, count(*) as synapses from splits group by split),
leaks as ({leaks}),
valued as (select split, (s->>('$.balanced_accuracy_' || split))::double as value, s,
    value = (s->>'$.balanced_accuracy')::double as quoted,
    case when quoted then (s->>'$.groups')::double::bigint else groups end as groups,
    case when quoted then synapses - coalesce((s->>'$.untested_synapses')::double, 0)::bigint else synapses end as synapses
    from held_out, scored)
select valued.split as "held out together", case when not coalesce(quoted, false) and leaks.low is not null then leaks.groups
        else valued.groups end as groups,
    synapses, {number("valued.value", 3)} as "balanced accuracy",
    case when quoted and s->>'$.balanced_accuracy_low' is not null
        then format('{{:.2f}} to {{:.2f}}', (s->>'$.balanced_accuracy_low')::double, (s->>'$.balanced_accuracy_high')::double)
        when leaks.low is not null then format('{{:.2f}} to {{:.2f}}', leaks.low, leaks.high)
        when valued.groups < 8 then 'none below 8 groups' else 'not computed' end as "95 % interval",
    case when valued.split = 'random' then 'what a random split would claim' when quoted then 'first of the dataset''s grouping' end
        as note
from valued left join leaks on leaks.split = valued.split and abs(leaks.value - valued.value) < 1e-9
order by valued.split = 'random', valued.value"""


def _confusion(rows: list[dict[str, Any]]) -> bytes:
    names = sorted({row[column] for row in rows for column in ("target", "predicted")})[:_CLASSES]
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    for row in rows:
        if row["target"] in names and row["predicted"] in names:
            matrix[names.index(row["target"]), names.index(row["predicted"])] = row["synapses"]
    return confusion_figure(matrix, names)


_COMPARISON = f"""select split as "held out together", classifier, {number("balanced_accuracy", 3)} as "balanced accuracy",
    {interval()} as "95 % interval", {number("macro_f1", 3)} as "macro F1", {number("difference", 3)} as "beside the probe",
    {interval("difference_low", "difference_high")} as "interval of the difference", groups, synapses
from classifier_comparison order by split = 'random', split, balanced_accuracy desc"""
_TRANSFER = f"""select from_dataset as "from", model, coalesce(class_name, 'all classes') as class, {number("value", 3)} as score,
    {interval()} as "95 % interval", {number("own", 3)} as "own probe", {number('"drop"', 3)} as loss, groups
from transfer order by from_dataset, model, class_name is not null, class_name"""
_OF_CLUSTERS = """select investigation_group as "group", classifier, inputs, split as "held out together",
    format('{:.2f}', accuracy) as accuracy,
    case when accuracy_low is null and neurons < 8 then 'none below 8 neurons' when accuracy_low is null then 'none'
        else format('{:.2f} to {:.2f} over {}', accuracy_low, accuracy_high, interval_over) end
        as "95 % interval", format('{:.2f}', guessing) as guessing, neurons, tested
from classifier_scores order by investigation_group, inputs, split, accuracy desc limit 40"""
_STAINS = """select * from stain_scores order by classifier, split, level, score, class_name"""
_STAIN_TABLE = """select classifier, split as "held out together", level, score, format('{:.3f}', value) as value,
    case when low is not null then format('{:.2f} to {:.2f}', low, high) when wells < 8 then 'none below 8 wells' else 'none' end
        as "95 % interval", wells, images
from stain_scores where class_name is null and value is not null and score in ('balanced_accuracy', 'roc_auc')
order by score, split = 'random_crops', classifier, split, level limit 40"""
_DETECTORS = """select target, detector, split as "held out together", measure, objects, format('{:.2f}', value) as value,
    case when low is null then 'none' else format('{:.2f} to {:.2f}', low, high) end as "95 % interval", annotated, found
from detector_scores order by target, detector, split = 'next_sections', split, objects, measure"""


def _of_stains(release: Release) -> list[Block]:
    return [
        release.table("How well classifiers tell the classes on pictures that they never saw", _STAIN_TABLE),
        release.figure(
            "Balanced accuracy of whole pictures by what is held out, with 95 % intervals; grey: what a split of crops would claim.",
            _STAINS,
            lambda rows: stain_scores_figure(pa.Table.from_pylist(rows)),
            "Scores of the classifiers, from {rows} rows; the table above has the numbers.",
        ),
    ]


def _of_detectors(release: Release) -> list[Block]:
    figure = """select target, detector, split, value, low, high from detector_scores
where measure = 'f1' and objects = 'all' order by target, detector, split = 'next_sections', split"""
    blocks: list[Block] = [release.table("How well detectors find and mark what they were not trained on", _DETECTORS)]
    if release.rows(figure):
        blocks.append(
            release.figure(
                "F1 of what is found, all objects, with 95 % intervals; grey: on the next sections, which resemble the trained ones.",
                figure,
                lambda rows: interval_figure([_detector_line(row) for row in rows], "F1"),
                "F1 of {rows} pairs of a target and what was held out; the table above has the numbers.",
            )
        )
    if release.has("examined_sites"):
        blocks.append(release.table("Sites of the test with a block held out", _EXAMINED))
    return blocks


_EXAMINED = """select target, detector, outcome, count(*) as sites, format('{:.0f}', median(distance_nm)) as "median distance, nm"
from examined_sites group by all order by target, detector, outcome"""


def _detector_line(row: dict[str, Any]) -> Line:
    name = f"{row['target']}, {row['split'].replace('_', ' ')} held out"
    return Line(name, row["value"], row["low"], row["high"], row["split"] == "next_sections")


def calibration(release: Release) -> list[Block]:
    """How far probabilities, sets of classes and pooled answers can be taken at their word."""
    blocks: list[Block] = []
    if release.has("reliability", "calibration_scores"):
        blocks.append(
            release.figure(
                "Left: share of synapses that are right against their probability, before and after calibration. Right: share of neurons "
                "named rightly by how many of their synapses are used (the table below has these numbers).",
                _RELIABILITY,
                _calibration_picture,
                "A reliability diagram from {rows} bins, and the accuracy of neurons.",
            )
        )
    if release.has("calibration_scores"):
        blocks.append(release.table("Calibration, sets of classes and neurons, on groups held out", _CALIBRATION))
    if release.has("stain_thresholds"):
        blocks.append(release.table("Probability from which a class is named, on calibration wells", _THRESHOLDS))
    if release.has("neuron_answers"):
        blocks.append(release.table("Answers of neurons", _NEURON_ANSWERS))
    return blocks


def _calibration_picture(rows: list[dict[str, Any]]) -> bytes:
    scores = [
        # Whole numbers beside nulls arrive as floating point.
        {**row, "synapses_of_neuron": None if row["synapses_of_neuron"] is None else int(row["synapses_of_neuron"])}
        for row in rows[0]["of_neurons"] or []
    ]
    return calibration_figure(rows, scores)


_RELIABILITY = """select stage, class_name, bin, mean_probability, share_right,
    (select list({'score': score, 'value': value, 'low': low, 'high': high, 'synapses_of_neuron': synapses_of_neuron::bigint})
        from calibration_scores where score = 'neuron accuracy') as of_neurons
from reliability where coalesce(class_name, '') = '' order by stage, bin"""
_CALIBRATION = f"""select score, nullif(stage, '') as calibration,
    case when score = 'neuron accuracy' then coalesce(synapses_of_neuron::varchar, 'all') end
    as "synapses of a neuron", {number("value", 3)} as value,
    {interval()} as "95 % interval", groups, synapses
from calibration_scores where coalesce(class_name, '') = '' order by score, stage desc, synapses_of_neuron"""
_THRESHOLDS = """select classifier, level, class_name as class, format('{:.2f}', threshold) as threshold,
    case when low is null then 'none' else format('{:.2f} to {:.2f}', low, high) end as "95 % interval",
    format('{:.2f}', youden_j) as "Youden's J", wells, images
from stain_thresholds order by classifier, level, class_name"""
_NEURON_ANSWERS = """select answer, count(*) as neurons, sum(synapses)::bigint as synapses,
    count(*) filter (target is not null) as "of known class", count(*) filter (target = answer) as "as known",
    format('{:.2f}', median(probability)) as "median probability"
from neuron_answers group by answer order by answer = 'unclear', count(*) desc, answer"""


def leakage(release: Release) -> list[Block]:
    """What a random split would claim, and what else can be read of the vectors."""
    if not release.has("leakage_report"):
        return []
    sentences = "select sentence from leakage_report where probe = 'class_gap' and value is not null order by split"
    return [*release.sentences(sentences), release.table("What can be read of the vectors", _LEAKAGE)]


_LEAKAGE = f"""select replace(probe, '_', ' ') as "what is read", split as "held out together",
    replace(score, '_', ' ') as score, {number("value")} as value,
    {interval()} as "95 % interval", {number("chance")} as guessing, groups
from leakage_report where probe <> 'class_gap' and value is not null order by probe <> 'class', probe, split = 'random', split"""
