"""What becomes of refitted models: `promotions` compares each candidate with the model in use and puts the better one in use."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
)

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.em.publish import MODELS
from synapse_assets.defs.metadata import Stopwatch, asset
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import PROMOTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.comparison import Comparison

# The model that each is fitted on. In the order of MODELS: what lies below is decided first.
FITTED_ON = {"umap_model": "encoder", "cluster_model": "umap_model", "synapse_classifier": "encoder"}
# Labelled tiles that two encoders are run on, and synapses that two maps are compared on: the time for both is in minutes.
COMPARED_TILES = 1_000
COMPARED_SYNAPSES = 2_000
TILES_AT_A_TIME = 256
REPLACED_BY_HAND = "it was in use and was replaced by hand: promote it by hand, or refit on other data"
# What says which inputs a materialisation was made from; see dagster._core.definitions.data_version.
_PROVENANCE_TAGS = (CODE_VERSION_TAG, INPUT_DATA_VERSION_TAG_PREFIX, INPUT_EVENT_POINTER_TAG_PREFIX)

Context: TypeAlias = dg.OpExecutionContext | dg.AssetExecutionContext
Row: TypeAlias = dict[str, Any]


def promotion_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "7_models",
        "promotions",
        PROMOTIONS,
        {"parquet"},
        deps=[dg.AssetKey([dataset.name, name]) for name in MODELS],
        pool="gpu",
    )
    def promotions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which refitted models were put in use, and why not the others. A row is one model.

        A refit is a candidate. It is compared with the model in use on the same present data and replaces it unless it scores
        worse; then it stays a candidate, for a person to promote (job `<dataset>_promote`) or for the next refit to replace.
        """
        watch = Stopwatch()
        store, now = installation.store(dataset.name), datetime.now(UTC).isoformat(timespec="seconds")
        before = {row["model"]: row for row in store.results(PROMOTIONS).read().to_pylist()}
        rows = []
        for name in MODELS:
            row = _decide(store, dataset, installation.device, name, before.get(name))
            if row["decision"] == "promoted":
                put_in_use(context, store, name, str(row["candidate"]))
            else:
                _mend(context, store, name)
                row = _unchanged(store, row, before.get(name)) or row
            context.log.info(f"{name}: {row['decision']}: {row['reason']}")
            rows.append({"decided_at": now, **row})
        table = PROMOTIONS.conform(pa.Table.from_pylist(rows, schema=PROMOTIONS.arrow))
        store.results(PROMOTIONS).write(table)
        told = "\n".join(f"| {row['model']} | {row['decision']} | {row['reason']} |" for row in rows)
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(len(rows)),
                "dagster/row_count": len(rows),
                "in_use": dg.MetadataValue.json({name: store.models(name).current for name in MODELS}),
                "candidates_kept": sum(row["decision"] == "kept" for row in rows),
                "decisions": dg.MetadataValue.md(f"| model | decision | reason |\n|---|---|---|\n{told}"),
            },
            data_version=dg.DataVersion(content_key(table.drop_columns(["decided_at"]))),
        )

    return [promotions]


def promote(context: Context, installation: Installation, dataset: str, model: str, version: str | None = None) -> str:
    """Put `version` of a model in use, or its candidate. Gives the version; raises BadInput naming what there is."""
    if model not in MODELS:
        raise BadInput(f"no model '{model}': one of {MODELS}")
    store = installation.store(dataset)
    models = store.models(model)
    chosen = version or models.candidate
    if chosen is None:
        raise BadInput(
            f"{dataset}/{model} has no candidate; in use is {models.current}, fitted are {models.versions()}"
        )
    put_in_use(context, store, model, chosen)
    return chosen


def put_in_use(context: Context, store: DatasetStore, model: str, version: str) -> None:
    """Make `version` the one that regions apply, and tell Dagster: the asset has a new data version, and what it is applied
    to is out of date. What it was fitted on stays as its last materialisation says, so it is not out of date itself.

    Raises BadInput if there is no such version.
    """
    store.models(model).promote(version)
    _tell(context, dg.AssetKey([store.dataset, model]), version)


def _tell(context: Context, key: dg.AssetKey, version: str) -> None:
    last = context.instance.get_latest_materialization_event(key)
    made_from = {
        name: value for name, value in ((last and last.tags) or {}).items() if name.startswith(_PROVENANCE_TAGS)
    }
    context.log_event(
        dg.AssetMaterialization(
            key,
            metadata={"version": version, "in_use": version, "status": "promoted"},
            tags={**made_from, DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"},
        )
    )


def _mend(context: Context, store: DatasetStore, model: str) -> None:
    """Tell Dagster of a model that a killed run put in use without telling."""
    key, current = dg.AssetKey([store.dataset, model]), store.models(model).current
    last = context.instance.get_latest_materialization_event(key)
    if current is not None and last is not None and (last.tags or {}).get(DATA_VERSION_TAG) != current:
        _tell(context, key, current)


def _decide(store: DatasetStore, dataset: EmDataset, device: str, name: str, before: Row | None) -> Row:
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
    unfit = _unfit(store, dataset, name, candidate)
    if unfit:
        models.clear_candidate()
        return row | {"decision": "dropped", "reason": unfit}
    was_in_use = before is not None and (before["decision"] == "promoted" or before["reason"] == REPLACED_BY_HAND)
    if before is not None and was_in_use and before["candidate"] == candidate:
        return row | {"decision": "kept", "reason": REPLACED_BY_HAND}
    found = COMPARISONS[name](store, dataset, device, str(current), candidate)
    return row | {
        "measure": found.measure,
        "score_in_use": found.in_use,
        "score_candidate": found.candidate,
        "decision": "promoted" if found.promote else "kept",
        "reason": found.reason,
    }


def _unchanged(store: DatasetStore, row: Row, before: Row | None) -> Row | None:
    """The row of the last time, if it still says how things stand; else None."""
    if before is None:
        return None
    if row["decision"] == "no candidate" and before["decision"] in ("promoted", "dropped"):
        used = before["candidate"] if before["decision"] == "promoted" else before["in_use_before"]
        return before if used == store.models(str(row["model"])).current else None
    return before if {**row, "decided_at": before["decided_at"]} == before else None


def _unfit(store: DatasetStore, dataset: EmDataset, name: str, candidate: str) -> str:
    """Why a candidate cannot be put in use at all; empty if it can."""
    models = store.models(name)
    if not models.exists(candidate):
        return f"{candidate} was removed"
    made = models.provenance(candidate)
    if name == "encoder" and made.parameters["tile"] != hashed_fields(dataset.tile):
        return "it was trained on tiles of another size or depth than the dataset has now"
    below = FITTED_ON.get(name)
    if below is not None and made.inputs.get(below) != store.models(below).current:
        return f"it was fitted on {below} {made.inputs.get(below)}, but {store.models(below).current} is in use"
    return ""


def _compare_encoders(
    store: DatasetStore, dataset: EmDataset, device: str, in_use: str, candidate: str
) -> "Comparison":
    """Both encoders run on the same sample of labelled tiles, chosen by content."""
    from synapse_assets.analysis.comparison import compare_encoders
    from synapse_assets.analysis.tables import labelled_sample

    grouping = dataset.grouping[0]
    ids, targets, groups = labelled_sample(
        labelled_synapses(store, sorted({"target", grouping})),
        store.tiles.read(None, ["synapse_id"]),
        grouping,
        COMPARED_TILES,
        dataset.seed,
    )
    ours, theirs = (_vectors_of(store, version, ids, device) for version in (in_use, candidate))
    return compare_encoders(ours, theirs, targets, groups, grouping)


def _vectors_of(store: DatasetStore, encoder: str, ids: list[str], device: str) -> npt.NDArray[np.float32]:
    from synapse_assets.vision.embedding import embed_batches
    from synapse_assets.vision.encoder import Encoder
    from synapse_assets.volumes.cropping import decode_tiles

    parts = (ids[start : start + TILES_AT_A_TIME] for start in range(0, len(ids), TILES_AT_A_TIME))
    tiles = ((part, decode_tiles(store.tiles.read_ids(part, ["image"]).column("image"))) for part in parts)
    network = Encoder.load(store.models("encoder").path(encoder))
    return np.concatenate(
        [np.zeros((0, network.dimensions), np.float32), *(v for _, v in embed_batches(network, tiles, device))]
    )


def _compare_maps(store: DatasetStore, dataset: EmDataset, _: str, in_use: str, candidate: str) -> "Comparison":
    """Both maps place the same present synapses: another sample than either was fitted on, where there are enough."""
    from synapse_assets.analysis.comparison import compare_maps
    from synapse_assets.analysis.tables import load_projection, stratified_rows

    vectors, maps = vectors_in_use(store), store.models("umap_model")
    known = vectors.read(None, ["synapse_id", "brain_region"])
    ids = stratified_rows(known, COMPARED_SYNAPSES, dataset.seed + 1).column("synapse_id").to_pylist()
    matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
    return compare_maps(load_projection(maps.path(in_use)), load_projection(maps.path(candidate)), matrix)


def _compare_clusterings(store: DatasetStore, _: EmDataset, __: str, in_use: str, candidate: str) -> "Comparison":
    from synapse_assets.analysis.comparison import compare_clusterings

    models = store.models("cluster_model")
    return compare_clusterings(models.provenance(in_use).scores, models.provenance(candidate).scores)


def _compare_classifiers(store: DatasetStore, _: EmDataset, __: str, in_use: str, candidate: str) -> "Comparison":
    from synapse_assets.analysis.comparison import compare_classifiers

    models = store.models("synapse_classifier")
    return compare_classifiers(models.provenance(in_use).scores, models.provenance(candidate).scores)


COMPARISONS: dict[str, Callable[[DatasetStore, EmDataset, str, str, str], "Comparison"]] = {
    "encoder": _compare_encoders,
    "umap_model": _compare_maps,
    "cluster_model": _compare_clusterings,
    "synapse_classifier": _compare_classifiers,
}
