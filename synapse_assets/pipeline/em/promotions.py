"""What becomes of refitted models: each candidate compared with the model in use, the better one put in use, a row for each.

Putting a model in use is passed in as a function, because Dagster has to record it. How two models are compared belongs to
`analysis.comparison`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from logging import Logger
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.detection.detector import fits as takes_voxels_of
from synapse_assets.pipeline.detection.stored import MODEL as DETECTOR
from synapse_assets.pipeline.em.encoder_vectors import embedder, vectors_from_tiles
from synapse_assets.pipeline.em.labelling.decisions import tested_labels
from synapse_assets.pipeline.em.networks import MODEL as NETWORKS
from synapse_assets.pipeline.em.networks import classes_of, takes_tiles_of
from synapse_assets.pipeline.report import Json, Markdown, Report, Stopwatch
from synapse_assets.pipeline.staining.networks import MODEL as STAIN_NETWORK
from synapse_assets.pipeline.staining.networks import takes_windows_of
from synapse_assets.schema import PROMOTIONS
from synapse_assets.schema.labelling import LABEL_DECISIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.comparison import Comparison

# Labelled tiles that two encoders are run on, and synapses that two maps are compared on: the time for both is in minutes.
COMPARED_TILES = 1_000
COMPARED_SYNAPSES = 2_000
REPLACED_BY_HAND = "it was in use and was replaced by hand: promote it by hand, or refit on other data"

# A row of `schema.PROMOTIONS`.
Row: TypeAlias = dict[str, Any]


def decide_on_candidates(
    store: DatasetStore, dataset: Dataset, device: str, log: Logger, put_in_use: Callable[[str, str], None]
) -> Report:
    """Decides on the candidate of every model; a better one is given to `put_in_use` (model, version).

    What a model is fitted on is decided first: a candidate that was fitted on what is no longer in use is dropped.
    """
    watch = Stopwatch()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = {row["model"]: row for row in store.results(PROMOTIONS).read().to_pylist()}
    rows = []
    for name in chain_of(dataset).models_of(dataset):
        row = _decide(store, dataset, device, name, before.get(name))
        if row["decision"] == "promoted":
            put_in_use(name, str(row["candidate"]))
        else:
            row = _unchanged(store, row, before.get(name)) or row
        log.info(f"{name}: {row['decision']}: {row['reason']}")
        rows.append({"decided_at": now, **row})
    table = PROMOTIONS.conform(pa.Table.from_pylist(rows, schema=PROMOTIONS.arrow))
    store.results(PROMOTIONS).write(table)
    lines = "\n".join(f"| {row['model']} | {row['decision']} | {row['reason']} |" for row in rows)
    return Report(
        details={
            "in_use": Json({name: store.models(name).current for name in chain_of(dataset).models_of(dataset)}),
            "candidates_kept": sum(row["decision"] == "kept" for row in rows),
            "decisions": Markdown(f"| model | decision | reason |\n|---|---|---|\n{lines}"),
        },
        seconds=watch.seconds,
        rows=len(rows),
        content_version=content_key(table.drop_columns(["decided_at"])),
    )


def _decide(store: DatasetStore, dataset: Dataset, device: str, name: str, before: Row | None) -> Row:
    """The row of one model, without its time. A candidate that cannot be used is dropped; nothing is promoted here.

    `before` is the row of the last time.
    """
    models = store.models(name)
    current, candidate = models.current, models.candidate
    row: Row = {"model": name, "in_use_before": current, "candidate": candidate}
    row |= dict.fromkeys(("measure", "score_in_use", "score_candidate"))
    if candidate is None:
        reason = "the model in use is the last one that was fitted" if current else "no model was fitted yet"
        return row | {"decision": "no candidate", "reason": reason}
    problem = _why_unfit(store, dataset, name, candidate)
    if problem:
        models.clear_candidate()
        return row | {"decision": "dropped", "reason": problem}
    was_in_use = before is not None and (before["decision"] == "promoted" or before["reason"] == REPLACED_BY_HAND)
    if before is not None and was_in_use and before["candidate"] == candidate:
        return row | {"decision": "kept", "reason": REPLACED_BY_HAND}
    comparison = COMPARISONS[name](store, dataset, device, str(current), candidate)
    return row | {
        "measure": comparison.measure,
        "score_in_use": comparison.in_use,
        "score_candidate": comparison.candidate,
        "decision": "promoted" if comparison.promote else "kept",
        "reason": comparison.reason,
    }


def _unchanged(store: DatasetStore, row: Row, before: Row | None) -> Row | None:
    """The row of the last time, if it still describes the present state; else None."""
    if before is None:
        return None
    if row["decision"] == "no candidate" and before["decision"] in ("promoted", "dropped"):
        used = before["candidate"] if before["decision"] == "promoted" else before["in_use_before"]
        return before if used == store.models(str(row["model"])).current else None
    return before if {**row, "decided_at": before["decided_at"]} == before else None


def _why_unfit(store: DatasetStore, dataset: Dataset, name: str, candidate: str) -> str:
    """Why a candidate cannot be put in use at all; empty if it can."""
    models = store.models(name)
    if not models.exists(candidate):
        return f"{candidate} was removed"
    provenance = models.provenance(candidate)
    if name in _TAKES and not _TAKES[name][0](provenance, store, dataset):
        return f"it was trained on {_TAKES[name][1]} than the dataset has now"
    fitted_on = chain_of(dataset).facts[name].fitted_on
    if fitted_on is not None and provenance.inputs.get(fitted_on) != store.models(fitted_on).current:
        return f"it was fitted on {fitted_on} {provenance.inputs.get(fitted_on)}, but {store.models(fitted_on).current} is in use"
    return ""


# Whether a model can be applied to what a dataset of its chain has now, and what differs where it cannot.
_TAKES: Mapping[str, tuple[Callable[[Provenance, DatasetStore, Any], bool], str]] = {
    "encoder": (
        lambda provenance, _, dataset: provenance.parameters["tile"] == hashed_fields(dataset.tile_spec),
        "tiles of another size or depth",
    ),
    NETWORKS: (
        lambda provenance, _, dataset: takes_tiles_of(provenance, dataset),
        "tiles of another size, depth or voxel",
    ),
    STAIN_NETWORK: (takes_windows_of, "other classes, or windows of another size, scale, depth or channels"),
    DETECTOR: (
        lambda provenance, _, dataset: takes_voxels_of(provenance, dataset),
        "voxels of another size, or other targets,",
    ),
}


def _compare_encoders(store: DatasetStore, dataset: Dataset, device: str, in_use: str, candidate: str) -> "Comparison":
    """Both encoders run on the same sample of labelled tiles, chosen by content."""
    from synapse_assets.analysis.comparison import compare_encoders
    from synapse_assets.analysis.tables import labelled_sample

    grouping = dataset.group_column
    ids, targets, groups = labelled_sample(
        tested_labels(store, labelled_synapses(store, sorted({"target", grouping}))),
        store.tiles.read(None, ["synapse_id"]),
        grouping,
        COMPARED_TILES,
        dataset.seed,
    )
    in_use_vectors, candidate_vectors = (_vectors_of(store, version, ids, device) for version in (in_use, candidate))
    return compare_encoders(in_use_vectors, candidate_vectors, targets, groups, grouping)


def _vectors_of(store: DatasetStore, encoder: str, ids: list[str], device: str) -> npt.NDArray[np.float32]:
    """The vectors (N, D) that an encoder gives the tiles of `ids`, in their order."""
    return vectors_from_tiles(store, ids, {encoder: embedder(store, encoder, device)})[encoder]


def _compare_maps(store: DatasetStore, dataset: Dataset, _: str, in_use: str, candidate: str) -> "Comparison":
    """Both maps place the same present synapses: another sample than either was fitted on, where there are enough."""
    from synapse_assets.analysis.clustering.projection import Projection
    from synapse_assets.analysis.comparison import compare_maps
    from synapse_assets.analysis.tables import stratified_rows

    vectors, maps = vectors_in_use(store), store.models("umap_model")
    known = vectors.read(None, ["synapse_id", "brain_region"])
    ids = stratified_rows(known, COMPARED_SYNAPSES, dataset.seed + 1).column("synapse_id").to_pylist()
    matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
    map_in_use, candidate_map = (
        load_or_no_model(maps.path(version), Projection.load) for version in (in_use, candidate)
    )
    return compare_maps(map_in_use, candidate_map, matrix)


def _compare_clusterings(store: DatasetStore, _: Dataset, __: str, in_use: str, candidate: str) -> "Comparison":
    from synapse_assets.analysis.comparison import compare_clusterings

    models = store.models("cluster_model")
    return compare_clusterings(models.provenance(in_use).scores, models.provenance(candidate).scores)


def _compare_classifiers(store: DatasetStore, _: Dataset, __: str, in_use: str, candidate: str) -> "Comparison":
    """As each was tested when it was fitted; where people label, on the same labels: those of a round may be harder than all before."""
    from synapse_assets.analysis.comparison import ACCURACY, compare, compare_classifiers

    models = store.models("synapse_classifier")
    shared = _on_shared_labels(store, in_use, candidate)
    if shared is not None:
        of_in_use, of_candidate, count = shared
        return compare(ACCURACY, of_in_use, of_candidate, f"both on the same {count:,} labels")
    return compare_classifiers(models.provenance(in_use).scores, models.provenance(candidate).scores)


def _on_shared_labels(store: DatasetStore, in_use: str, candidate: str) -> tuple[float, float, int] | None:
    """Balanced accuracy of both classifiers, out of fold, on the synapses that both were tested on, by their labels now, and how many
    these are; None where nobody has labelled, one of both is no classifier, or there are fewer than 20."""
    from synapse_assets.analysis.comparison import FEWEST_LABELLED
    from synapse_assets.analysis.evaluation.scores import balanced_accuracy
    from synapse_assets.analysis.evaluation.stored import load_probe_evaluation

    models = store.models("synapse_classifier")
    folders = [models.path(version) for version in (in_use, candidate)]
    nobody = not store.results(LABEL_DECISIONS).read(columns=["synapse_id"]).num_rows
    if nobody or any(NoModel.found(folder) is not None for folder in folders):
        return None
    labelled = tested_labels(store, labelled_synapses(store, ["target"]))
    target_of = dict(zip(*(labelled.column(name).to_pylist() for name in ("synapse_id", "target")), strict=True))
    predicted = []
    for folder in folders:
        tested = load_probe_evaluation(folder)
        best = tested.probabilities.argmax(axis=1)
        # a fold without a model has no probabilities, and is wrong
        names = [
            tested.classes[code] if sure > 0 else None
            for code, sure in zip(best, tested.probabilities.max(axis=1), strict=True)
        ]
        predicted.append(dict(zip(tested.synapse_ids.tolist(), names, strict=True)))
    shared = sorted(one for one in predicted[0].keys() & predicted[1].keys() if target_of.get(one) is not None)
    if len(shared) < FEWEST_LABELLED:
        return None
    number = {name: code for code, name in enumerate(sorted({str(target_of[one]) for one in shared}))}
    true = np.array([number[str(target_of[one])] for one in shared], dtype=np.int64)
    accuracies = []
    for of in predicted:
        # another class than these is one more, of which there are none
        codes = np.array([number.get(str(of[one]), len(number)) for one in shared], dtype=np.int64)
        accuracies.append(balanced_accuracy(true, codes, len(number) + 1))
    return accuracies[0], accuracies[1], len(shared)


def _compare_networks(store: DatasetStore, _: Dataset, __: str, in_use: str, candidate: str) -> "Comparison":
    """The best network of each version, as it was tested when it was trained."""
    from synapse_assets.analysis.comparison import compare_classifiers

    models = store.models(NETWORKS)
    comparison = compare_classifiers(models.provenance(in_use).scores, models.provenance(candidate).scores)
    before, after = (classes_of(models, version) for version in (in_use, candidate))
    if before == after:
        return comparison
    differ = f"classes differ, new are {sorted(after - before)} and gone are {sorted(before - after)}"
    return replace(comparison, reason=f"{comparison.reason}; {differ}")


def _compare_stain_networks(store: DatasetStore, _: Dataset, __: str, in_use: str, candidate: str) -> "Comparison":
    """The best classifier of each version, as it was tested when it was fitted."""
    from synapse_assets.analysis.comparison import compare_classifiers

    models = store.models(STAIN_NETWORK)
    return compare_classifiers(models.provenance(in_use).scores, models.provenance(candidate).scores, "images")


def _compare_detectors(store: DatasetStore, _: Dataset, __: str, in_use: str, candidate: str) -> "Comparison":
    """All detectors of each version, as they were tested when they were trained."""
    from synapse_assets.analysis.comparison import compare_detectors

    models = store.models(DETECTOR)
    return compare_detectors(models.provenance(in_use).scores, models.provenance(candidate).scores)


COMPARISONS: dict[str, Callable[[DatasetStore, Dataset, str, str, str], "Comparison"]] = {
    "encoder": _compare_encoders,
    "umap_model": _compare_maps,
    "cluster_model": _compare_clusterings,
    "synapse_classifier": _compare_classifiers,
    NETWORKS: _compare_networks,
    STAIN_NETWORK: _compare_stain_networks,
    DETECTOR: _compare_detectors,
}
