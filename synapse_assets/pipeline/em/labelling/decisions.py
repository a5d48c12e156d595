"""From answers to labels: what people decided about each synapse, how far they agree, and which labels may test.

The rules are in `analysis.labelling`; the answers as they were given, in `pipeline.labelling.annotations`.
"""

from dataclasses import replace
from logging import Logger
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Check, Json, Report, Stopwatch
from synapse_assets.schema import NEURONS, SYNAPSE_LABELS
from synapse_assets.schema.labelling import (
    ANNOTATIONS,
    ANNOTATOR_AGREEMENT,
    DISAGREEMENT,
    LABEL_AGREEMENT,
    LABEL_DECISIONS,
    NEVER_TEST,
    NOT_A_SYNAPSE,
    OF_CLASS,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.labelling.decisions import Decided

REGION_DECISIONS = "region_decisions"
"""Content of `label_decisions` by brain region, as far as labels follow from it."""
LOWEST_KAPPA = 0.6
"""Agreement below which people do not mean the same by a class (moderate at best: Landis & Koch 1977, doi 10.2307/2529310)."""


def decide_labels(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Writes what follows from the answers of all rounds, and how far people agree. Nobody having answered is an ordinary outcome.

    Raises BadInput for a dataset that nobody labels.
    """
    from synapse_assets.analysis.labelling.agreement import agreement
    from synapse_assets.analysis.labelling.decisions import decide

    watch = Stopwatch()
    choice = dataset.labelling
    if choice is None:
        raise BadInput(f"{dataset.name} is not labelled here: add 'labelling: {{}}' to its file")
    annotations = store.results(ANNOTATIONS).read().sort_by("given_at")
    classes = classes_now(store, dataset)
    decided = decide(annotations, _asked(store, annotations), classes, choice.renamed)
    table = LABEL_DECISIONS.conform(decided.table)
    of_class, of_pair = agreement(annotations, classes, choice.renamed, dataset.seed)
    for schema, rows in ((LABEL_AGREEMENT, of_class), (ANNOTATOR_AGREEMENT, of_pair), (LABEL_DECISIONS, table)):
        store.results(schema).write(rows)
    for remark in decided.remarks:
        log.warning(remark)
    counts = {item["values"]: item["counts"] for item in table.column("decision").value_counts().to_pylist()}
    targets = {item["values"]: item["counts"] for item in table.column("target").drop_null().value_counts().to_pylist()}
    return Report(
        details={
            "answers": annotations.num_rows,
            "decisions": Json(dict(sorted(counts.items()))),
            "classes": Json(dict(sorted(targets.items()))),
            "labels_that_test": counts.get(OF_CLASS, 0) - len(untested_labels(store)),
            "agreement": of_class.column("sentence")[0].as_py() if of_class.num_rows else "nobody has answered yet",
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
        checks=[
            _classes_known(decided),
            _people_agree(of_class, counts.get(DISAGREEMENT, 0)),
            _tiles_unchanged(decided),
        ],
    )


def classes_now(store: DatasetStore, dataset: EmDataset) -> list[str]:
    """The classes that an answer may name: those of the dataset file, or else those that the sources know, by the alphabet."""
    if dataset.labelling is not None and dataset.labelling.classes:
        return list(dataset.labelling.classes)
    columns = [store.results(NEURONS).read(columns=["target"]).column("target")]
    for region in store.synapse_table.regions():
        columns.append(store.synapse_table.read(region, ["target"]).column("target"))
    return sorted({name for column in columns for name in pc.unique(column).to_pylist() if name})


def region_decisions(store: DatasetStore, region: str) -> dict[str, tuple[str, int]]:
    """Content version and number of decisions of a region that change labels: what `synapse_labels` of the region follows."""
    rows = _deciding(store, region)
    return {REGION_DECISIONS: (content_key(rows.select(["synapse_id", "target"])), rows.num_rows)}


def with_decisions(store: DatasetStore, region: str, labels: pa.Table) -> pa.Table:
    """`SYNAPSE_LABELS` of a region after what people decided, which counts first.

    Where they named a class, it is that; what they called no synapse has none, and so trains none. What they were unsure or of several
    minds about stays as it was.
    """
    rows = _deciding(store, region)
    at = pc.index_in(labels.column("synapse_id").combine_chunks(), value_set=rows.column("synapse_id").combine_chunks())
    decided, target = pc.is_valid(at), rows.column("target").combine_chunks().take(at)
    of_one = pa.array([[] if name is None else [name] for name in target.to_pylist()], pa.list_(pa.string()))
    columns = {
        "target": pc.if_else(decided, target, labels.column("target").combine_chunks()),
        "known_classes": pc.if_else(decided, of_one, labels.column("known_classes").combine_chunks()),
    }
    for name, column in columns.items():
        labels = labels.set_column(labels.column_names.index(name), name, column)
    return SYNAPSE_LABELS.conform(labels)


def untested_labels(store: DatasetStore) -> frozenset[str]:
    """Synapses with a label that there is because a strategy or a likeness chose them: they train, and no score may count them. None
    where nobody has decided anything.

    A label that was suspected to be wrong tests on, as people see it: without those that a model contradicts the test would be too easy.
    """
    rows = store.results(LABEL_DECISIONS).read(columns=["synapse_id", "decision", "origin"])
    never = pc.is_in(rows.column("origin"), value_set=pa.array(NEVER_TEST))
    chosen = pc.and_(pc.equal(rows.column("decision"), OF_CLASS), never)
    return frozenset(rows.filter(chosen).column("synapse_id").to_pylist())


def tested_labels(store: DatasetStore, rows: pa.Table) -> pa.Table:
    """`rows` (synapse_id, target) with the class only where it may test."""
    untested = untested_labels(store)
    if not untested:
        return rows
    hidden = pc.is_in(rows.column("synapse_id"), value_set=pa.array(sorted(untested), pa.string()))
    target = pc.if_else(hidden, pa.scalar(None, pa.string()), rows.column("target"))
    return rows.set_column(rows.column_names.index("target"), "target", target)


def without_untested(store: DatasetStore, rows: pa.Table) -> pa.Table:
    """Those of `rows` (synapse_id) whose label may test."""
    untested = pa.array(sorted(untested_labels(store)), pa.string())
    return rows.filter(pc.invert(pc.is_in(rows.column("synapse_id"), value_set=untested)))


def _deciding(store: DatasetStore, region: str) -> pa.Table:
    rows = store.results(LABEL_DECISIONS).read(columns=["synapse_id", "brain_region", "decision", "target"])
    changes_labels = pc.is_in(rows.column("decision"), value_set=pa.array([OF_CLASS, NOT_A_SYNAPSE]))
    return rows.filter(pc.and_(changes_labels, pc.equal(rows.column("brain_region"), region)))


def _asked(store: DatasetStore, annotations: pa.Table) -> pa.Table:
    """The synapses that people answered about and that there are now: synapse_id, brain_region, and tile_hash of the tile now."""
    ids = sorted(set(annotations.column("item").to_pylist()))
    rows = store.synapses.read_ids(ids, ["synapse_id", "brain_region"])
    tiles = store.tiles.read_ids(ids, ["synapse_id", "tile_hash"])
    at = pc.index_in(rows.column("synapse_id").combine_chunks(), value_set=tiles.column("synapse_id").combine_chunks())
    return rows.append_column("tile_hash", tiles.column("tile_hash").combine_chunks().take(at))


def _classes_known(decided: "Decided") -> Check:
    remarks = replace(decided, outdated=0, unknown_items=0).remarks
    count = sum(decided.unknown_classes.values())
    description = "; ".join(remarks) or "every answer names a class that there is"
    return Check("classes_known", not count, description, warn=True, numbers={"answers": count})


def _tiles_unchanged(decided: "Decided") -> Check:
    remarks = replace(decided, unknown_classes={}, unknown_items=0).remarks
    description = "; ".join(remarks) or "every answer is to the tile that there is now"
    return Check("tiles_unchanged", not decided.outdated, description, warn=True, numbers={"answers": decided.outdated})


def _people_agree(of_class: pa.Table, disagreements: int) -> Check:
    """Whether people mean the same by the classes, and nothing waits to be settled."""
    of_all = next((row for row in of_class.to_pylist() if row["class"] == "all"), None)
    kappa = None if of_all is None else of_all["kappa"]
    low = kappa is not None and kappa < LOWEST_KAPPA
    sentences = [of_all["sentence"]] if of_all else ["Nobody has answered yet."]
    if low:
        sentences.append(f"Below {LOWEST_KAPPA} labels are not reliable: agree first on what each class looks like.")
    if disagreements:
        sentences.append(f"{disagreements:,} synapses wait to be settled: on the labelling page, under Disagreements.")
    numbers = {"disagreements": disagreements, **({} if kappa is None else {"kappa": kappa})}
    return Check("people_agree", not low and not disagreements, " ".join(sentences), warn=True, numbers=numbers)
