"""What some datasets have beside maps, clusters and classifiers: explanations, labels that people gave, and compounds."""

import pyarrow as pa

from synapse_assets.figures.attributes import difference_figure
from synapse_assets.figures.labelling import growing_curve_figure
from synapse_assets.figures.staining import dose_curves_figure, plate_figure
from synapse_assets.report.content import Block
from synapse_assets.report.release import Release, interval, literal, number

_LINES = 30
_CHECKS = (
    """select classifier, method, verdict, sentence as "in words" from explanation_checks group by all order by all"""
)
_DIFFERENCES = f"""select replace(attribute, '_', ' ') as attribute, class_name as class, {number("effect")} as "difference, SD of neurons",
    {interval()} as "95 % interval",
    case when p_value < 0.001 then '< 0.001' else {number("p_value", 3)} end as "p, corrected",
    groups as neurons, other_groups as "other neurons"
from class_differences where differs order by abs(effect) desc limit {_LINES}"""


def explanations(release: Release) -> list[Block]:
    """Whether maps of explanations say anything of their classifier, and what differs between classes."""
    blocks: list[Block] = []
    if release.has("explanation_checks"):
        blocks.append(release.table("Methods of explanation and what checks say of them", _CHECKS))
    if release.has("class_differences"):
        blocks.append(
            release.figure(
                "How classes differ in what can be measured of tiles, with 95 % intervals over neurons; filled: stands after correction.",
                "select * from class_differences order by attribute, class_name",
                difference_figure,
                "Differences of {rows} pairs of attribute and class.",
            )
        )
        if release.rows("select 1 as one from class_differences where differs limit 1"):
            blocks.append(
                release.table("Differences that stand after correction for all pairs, the largest first", _DIFFERENCES)
            )
        else:
            blocks += release.sentences(
                "select format('None of {} differences stands after correction.', count(*)) from class_differences"
            )
    return blocks


def labelling(release: Release) -> list[Block]:
    """What people labelled, how far they agree, and what more labels bring."""
    blocks: list[Block] = []
    if release.has("label_curve"):
        blocks.append(
            release.figure(
                "Score of a model of all labels by their number, on what no strategy chose, with 95 % intervals.",
                "select * from label_curve order by number",
                growing_curve_figure,
                "A curve of {rows} rounds of labelling.",
            )
        )
    if release.has("label_decisions"):
        blocks.append(release.table("What follows from people's answers", _DECISIONS))
    if release.has("label_agreement"):
        blocks.append(release.table("How far people agree", _AGREEMENT))
    if release.has("strategy_benchmark"):
        blocks.append(
            release.table(
                "Query strategies: mean balanced accuracy along the curve of labels, less that of random queries",
                _STRATEGIES,
            )
        )
    if release.has("label_errors"):
        blocks += release.sentences(
            "select format('{:,} labels are contradicted by a model of other neurons; they are listed in label_errors.', count(*)) "
            "from label_errors"
        )
    if release.has("reviewed_boxes"):
        blocks.append(release.table("Boxes of the volume that people looked through", _BOXES))
    return blocks


_DECISIONS = """select decision, coalesce(target, '') as class, origin, count(*) as synapses, sum(answers)::bigint as answers
from label_decisions group by all order by all"""
_AGREEMENT = """select class, items, format('{:.2f}', kappa) as kappa,
    case when low is null then 'none' else format('{:.2f} to {:.2f}', low, high) end as "95 % interval", sentence as "in words"
from label_agreement order by class <> 'all', class"""
_STRATEGIES = f"""select strategy, {number("value", 3)} as "beside random", {interval(groups="8")} as "95 % interval",
    runs, ahead as "ahead in", case when recommended then 'recommended' end as note
from strategy_benchmark where measure = 'area' order by value desc limit {_LINES}"""
_BOXES = """select volume, origin, count(*) as boxes, sum(accepted)::bigint as accepted, sum(moved)::bigint as moved,
    sum(rejected)::bigint as rejected, sum(added)::bigint as added
from reviewed_boxes group by all order by all"""


def compounds(release: Release) -> list[Block]:
    """Whether treated cells look like untreated ones again, by compound and dose."""
    if not release.has("compounds", "compound_wells"):
        return []
    names = [
        row["name"]
        for row in release.rows("select classifier as name from compounds group by 1 order by count(*) desc, 1")
    ]
    of_first = f"where classifier = {literal(names[0])}"
    control, treated = list(getattr(release.dataset, "classes", ("control", "treated")))[:2]
    wells = f"select * from compound_wells {of_first} order by plate, well"
    curves = f"""select *, (select list(w order by plate, well) from compound_wells w {of_first}) as of_wells
from compounds {of_first} order by rank, compound, dose"""
    blocks: list[Block] = [release.table(f"Compounds and doses by rank, at most {_LINES}", _COMPOUNDS)]
    blocks.append(
        release.figure(
            f"Plates by wells: how much a well looks like class {treated}, by classifier {names[0]}.",
            wells,
            lambda rows: plate_figure(pa.Table.from_pylist(rows), control, treated),
            "Plates with {rows} wells.",
        )
    )
    blocks.append(
        release.figure(
            f"Likeness to class {treated} against dose; dots are wells, the line their mean.",
            curves,
            lambda rows: dose_curves_figure(
                pa.Table.from_pylist(rows), pa.Table.from_pylist(rows[0]["of_wells"]), control, treated
            ),
            "Dose curves from {rows} pairs of compound and dose.",
        )
    )
    return blocks


_COMPOUNDS = f"""select rank, classifier, compound, dose, {number("likeness")} as likeness,
    case when low is not null then format('{{:.2f}} to {{:.2f}}', low, high) else 'none' end as "95 % interval",
    {number("rescue")} as rescue,
    case when rescue_low is not null then format('{{:.2f}} to {{:.2f}}', rescue_low, rescue_high) else 'none' end
        as "interval of the rescue",
    wells, images
from compounds order by classifier, rank nulls last, compound, dose limit {_LINES}"""
