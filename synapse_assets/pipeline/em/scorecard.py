"""How well the vectors of every encoder find synapses of the same kind, beside what pixels and chance find.

The scores themselves belong to `analysis.evaluation.retrieval`; which encoder is put in use, to `promotions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.em.classify import FOLDS
from synapse_assets.pipeline.em.encoder_vectors import (
    Embed,
    embedder,
    sampled_synapses,
    stored_vectors,
    tile_batches,
    vectors_from_tiles,
)
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import RETRIEVAL_SCORECARD
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.retrieval import Exclusion, RetrievalScore

# Labelled synapses of the sample: with two cores every encoder and baseline is judged in seconds.
SYNAPSES = 2_000
PIXELS, UNTRAINED, RANDOM_VECTORS = "raw pixels", "untrained network", "random"
IN_USE, CANDIDATE, EARLIER, BASELINE = "in use", "candidate", "earlier", "baseline"
LINEAR = "linear balanced accuracy"
CHECK = "better_than_pixels"
# Labels by the name they have on the scorecard.
LABEL_COLUMNS = {"class": "target", "cell_type": "cell_type", "hemilineage": "hemilineage"}
_CENTRE_PX = 32
_PROBED_DIMENSIONS = 128
_RANDOM_DIMENSIONS = 64
_ARCHITECTURE = "em_resnet10"

Float32 = npt.NDArray[np.float32]
# A row of `schema.RETRIEVAL_SCORECARD`.
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """Vectors (N, D) of the sample: what they are called, what they are to the dataset, and where they come from in words."""

    name: str
    role: str
    origin: str
    vectors: Float32


@dataclass(frozen=True)
class Sample:
    """The synapses that every contestant is judged on.

    rows: synapse_id, brain_region, tile_hash, labels, neurons and places, in the order of the ids. grouping: the column whose groups
    intervals are over, or "synapse"; groups (N,): their names.
    """

    rows: pa.Table
    grouping: str
    groups: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return int(self.rows.num_rows)


def score_encoders(store: DatasetStore, dataset: EmDataset, device: str, log: Logger) -> Report:
    """Judges every encoder that has vectors, the candidate and the baselines on the same sample of labelled synapses.

    What an encoder has no stored vectors of is computed from the stored tiles. Without an encoder or labels there are no rows, and
    the report says why.
    """
    watch = Stopwatch()
    encoders = _encoders(store, dataset)
    if not any(role == IN_USE for role in encoders.values()):
        return _nothing_to_score(
            store,
            "no encoder that takes the tiles of the dataset is in use, and so there are no vectors to judge",
            watch,
        )
    sample = judged_sample(store, dataset)
    if len(sample) < 2:
        reason = (
            "no class, cell type or hemilineage of any synapse with a tile is known: nothing can be told right or wrong"
        )
        return _nothing_to_score(store, reason, watch)
    log.info(f"{len(sample):,} labelled synapses, {len(encoders)} encoders")
    contestants = _contestants(store, dataset, sample, encoders, device)
    rows, knn = _score(contestants, sample, dataset)
    if not rows:
        reason = "after the own neuron and near places are left out, no synapse has another of its kind to find"
        return _nothing_to_score(store, reason, watch)
    table = RETRIEVAL_SCORECARD.conform(pa.Table.from_pylist(rows, schema=RETRIEVAL_SCORECARD.arrow))
    store.results(RETRIEVAL_SCORECARD).write(table)
    sentence = _comparison(contestants, knn)
    log.info(sentence)
    return Report(
        details={
            "result": sentence,
            "sample": described(sample, dataset),
            "scores": Markdown(_markdown(rows)),
            "encoders": len(encoders),
            **_plotted(rows),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        checks=[_better_than_pixels(rows)],
    )


def _nothing_to_score(store: DatasetStore, reason: str, watch: Stopwatch) -> Report:
    """The report where nothing can be judged; the table has no rows."""
    store.results(RETRIEVAL_SCORECARD).write(RETRIEVAL_SCORECARD.empty())
    return Report(
        details={"result": reason}, seconds=watch.seconds, rows=0, checks=[Check(CHECK, True, reason, warn=True)]
    )


def _encoders(store: DatasetStore, dataset: EmDataset) -> dict[str, str]:
    """The encoders to judge with their roles: in use, candidate, and earlier ones that still have vectors, newest first.

    An encoder of tiles of another size or depth cannot be judged on the present ones.
    """
    models = store.models("encoder")
    roles: dict[str, str] = {}
    for version in reversed(models.versions()):
        provenance = models.provenance(version)
        if provenance.parameters.get("tile") != hashed_fields(dataset.tile):
            continue
        if version in (models.current, models.candidate):
            roles[version] = IN_USE if version == models.current else CANDIDATE
        elif store.vectors(version, int(provenance.scores["dimensions"])).count():
            roles[version] = EARLIER
    order = (IN_USE, CANDIDATE, EARLIER)
    return dict(sorted(roles.items(), key=lambda entry: order.index(entry[1])))


def judged_sample(store: DatasetStore, dataset: EmDataset) -> Sample:
    """The synapses that vectors are judged on, with their groups: at most `SYNAPSES` with a label and a tile, in the order of the ids."""
    columns = ["neuron_id", "volume", "x_nm", "y_nm", "z_nm", *dataset.grouping[:1]]
    rows = sampled_synapses(store, columns, SYNAPSES, dataset.seed)
    return Sample(rows, *groups_of(rows, dataset))


def groups_of(rows: pa.Table, dataset: EmDataset) -> tuple[str, npt.NDArray[np.str_]]:
    """What intervals are over, and the group (N,) of each of `rows` (synapse_id, neuron_id, the first grouping): the neuron where any
    are known, else the dataset's first grouping, else each synapse by itself."""
    grouping = dataset.grouping[0] if dataset.grouping else "synapse"
    if rows.column("neuron_id").null_count < rows.num_rows:
        grouping = "neuron_id"
    ids = rows.column("synapse_id").to_pylist()
    values = rows.column(grouping).to_pylist() if grouping in rows.column_names else [None] * len(ids)
    # A name that no group has: a synapse of unknown neuron is a group of its own.
    groups = [f"synapse {i}" if value in (None, "") else str(value) for i, value in zip(ids, values, strict=True)]
    return grouping, np.array(groups, dtype=str)


def _contestants(
    store: DatasetStore, dataset: EmDataset, sample: Sample, encoders: Mapping[str, str], device: str
) -> list[Contestant]:
    """The encoders and the baselines with their vectors of the sample. Tiles are read and decoded once."""
    from synapse_assets.vision.training.simclr import PretrainingSettings, untrained_encoder

    ids = sample.rows.column("synapse_id").to_pylist()
    vectors: dict[str, Float32] = {}
    makers: dict[str, Embed] = {PIXELS: _centre_pixels}
    for version in encoders:
        vectors[version], missing = stored_vectors(store, version, sample.rows)
        if missing:
            makers[version] = embedder(store, version, device)
    settings = PretrainingSettings(
        architecture=_ARCHITECTURE,
        # What the pixels of the other baseline show; it takes a third of the time that the usual crop takes.
        crop_px=min(_CENTRE_PX, dataset.tile.size_px),
        seed=dataset.seed,
    )
    untrained = untrained_encoder(next(tile_batches(store, ids)), settings)
    makers[UNTRAINED] = partial(untrained.embed, device=device)
    # An encoder that lacks vectors of some of the sample is run on all of it.
    vectors |= vectors_from_tiles(store, ids, makers)
    vectors[PIXELS] = _principal_components(vectors[PIXELS])
    rng = np.random.default_rng(dataset.seed)
    vectors[RANDOM_VECTORS] = rng.normal(size=(len(ids), _RANDOM_DIMENSIONS)).astype(np.float32)
    side = min(_CENTRE_PX, dataset.tile.size_px)
    baselines = {
        PIXELS: f"PCA to {vectors[PIXELS].shape[1]} of the centre {side} x {side} pixels of the middle section",
        UNTRAINED: f"{_ARCHITECTURE} with random weights (seed {dataset.seed}) on the centre {side} x {side} pixels",
        RANDOM_VECTORS: "normally distributed numbers: what chance gives",
    }
    models = store.models("encoder")
    origins = {version: _origin(models.provenance(version).parameters) for version in encoders} | baselines
    return [Contestant(name, encoders.get(name, BASELINE), origins[name], vectors[name]) for name in origins]


def _centre_pixels(tiles: npt.NDArray[np.uint8]) -> Float32:
    """The grey values around the centre of the middle section of tiles (n, sections, H, W), float32 (n, pixels)."""
    sections, height, width = tiles.shape[1:]
    top, left = (max(0, (length - _CENTRE_PX) // 2) for length in (height, width))
    centre = tiles[:, sections // 2, top : top + _CENTRE_PX, left : left + _CENTRE_PX]
    return centre.reshape(len(tiles), -1).astype(np.float32)


def _principal_components(rows: Float32) -> Float32:
    """At most 128 principal components of `rows` (N, D), float32."""
    # Not scikit-learn's, which divides by the total variance: constant tiles have none.
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, : min(_PROBED_DIMENSIONS, *rows.shape)]
    projected: Float32 = (centred @ directions).astype(np.float32)
    return projected


def _origin(parameters: Mapping[str, Any]) -> str:
    """What an encoder is, in words, from the parameters of its fit (`vision.building.encoder_parameters`)."""
    origin = str(parameters.get("origin", "unknown"))
    training, head, architecture = (parameters.get(name) for name in ("training", "head", "architecture"))
    words = {"hub": "published weights", "checkpoint": "weights of a local file"}.get(origin, origin.replace("_", "-"))
    if isinstance(training, Mapping):
        words = f"{words} {training.get('architecture')}, {training.get('max_steps')} steps"
    elif architecture:
        words = f"{architecture}, {words}"
    if isinstance(head, Mapping):
        beside = ", beside texture" if head.get("beside_texture") else ""
        words = f"{words}{beside}, closed form to {head.get('dimensions')} dimensions"
    return words


def _score(
    contestants: Sequence[Contestant], sample: Sample, dataset: EmDataset
) -> tuple[list[Row], dict[tuple[str, str], "RetrievalScore"]]:
    """The rows of all contestants, and their k-NN scores by name and label, by cosine distance."""
    from synapse_assets.analysis.evaluation.retrieval import KNN, RetrievalMetric, score_retrieval

    labels = {label: sample.rows.column(column).to_pylist() for label, column in LABEL_COLUMNS.items()}
    exclusion = exclusion_of(sample, dataset)
    rows: list[Row] = []
    knn: dict[tuple[str, str], RetrievalScore] = {}
    for contestant in contestants:
        facts = {"encoder": contestant.name, "role": contestant.role, "origin": contestant.origin}
        for metric in get_args(RetrievalMetric):
            scored = score_retrieval(contestant.vectors, labels, exclusion, sample.groups, metric, dataset.seed)
            for label, scores in scored.items():
                for entry in scores:
                    low, high = entry.interval or (None, None)
                    rows.append(
                        {
                            **facts,
                            "metric": metric,
                            "label": label,
                            **{name: getattr(entry, name) for name in ("score", "k", "value", "queries", "groups")},
                            "left_out": entry.left_out,
                            "low": low,
                            "high": high,
                        }
                    )
                    if metric == "cosine" and entry.score == KNN:
                        knn[contestant.name, label] = entry
        rows += [{**facts, **row} for row in _linear_rows(contestant.vectors, sample, dataset)]
    return rows, knn


def exclusion_of(sample: Sample, dataset: EmDataset) -> "Exclusion":
    """What no synapse of the sample may find: its own neuron, and places within half a tile."""
    from synapse_assets.analysis.evaluation.retrieval import Exclusion

    neurons, volumes = (
        np.unique(np.array([str(value) for value in sample.rows.column(name).to_pylist()]), return_inverse=True)[1]
        for name in ("neuron_id", "volume")
    )
    neurons[sample.rows.column("neuron_id").is_null().to_numpy()] = -1
    places = np.stack([sample.rows.column(axis).to_numpy() for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
    return Exclusion(neurons, places, volumes, dataset.same_place_nm)


def _linear_rows(vectors: Float32, sample: Sample, dataset: EmDataset) -> list[Row]:
    """The balanced accuracy of a linear probe with whole groups of the first grouping held out; none where nothing can be.

    Of longer vectors the probe gets 128 principal components: all are asked alike, and none takes ten times as long as the others.
    """
    import pyarrow.compute as pc

    from synapse_assets.analysis.evaluation.linear_probe import evaluate_probe
    from synapse_assets.analysis.evaluation.splits import make_splits

    if not dataset.grouping:
        return []
    headline = dataset.grouping[0]
    splits, _ = make_splits(sample.rows, [headline], seed=dataset.seed, folds=FOLDS)
    held_out = splits.filter(pc.equal(splits.column("split"), headline))
    ids = sample.rows.column("synapse_id").to_pylist()
    if vectors.shape[1] > _PROBED_DIMENSIONS:
        vectors = _principal_components(vectors)
    evaluation = evaluate_probe(ids, vectors, held_out, headline, seed=dataset.seed)
    if isinstance(evaluation, NoModel) or evaluation.headline is None:
        return []
    score = evaluation.headline
    low, high = score.balanced_accuracy_interval or (None, None)
    labelled = sum(bool(target) for target in sample.rows.column("target").to_pylist())
    return [
        {
            "metric": None,
            "label": "class",
            "score": LINEAR,
            "k": None,
            "value": score.balanced_accuracy,
            "low": low,
            "high": high,
            "queries": score.rows,
            "groups": score.groups,
            "left_out": labelled - score.rows,
        }
    ]


def described(sample: Sample, dataset: EmDataset) -> str:
    """Which synapses were judged, in words."""
    names = {"neuron_id": "neurons"}
    return (
        f"{len(sample):,} labelled synapses with a tile, at most {SYNAPSES:,}, chosen by id, every brain region represented; "
        f"intervals over {len(np.unique(sample.groups)):,} {names.get(sample.grouping, f'groups ({sample.grouping})')}; left out of "
        f"what a synapse may find: its own neuron, and places within {dataset.same_place_nm:,} nm in its volume"
    )


# Columns of the table in the report: title, label, score, k.
def _columns(rows: Sequence[Row]) -> list[tuple[str, str, str, int | None]]:
    from synapse_assets.analysis.evaluation.retrieval import AVERAGE_PRECISION, KNN, PRECISION, RECALL

    labels = dict.fromkeys(row["label"] for row in rows)
    columns: list[tuple[str, str, str, int | None]] = []
    for label in labels:
        columns += [
            (f"{label}: 10-NN", label, KNN, 10),
            (f"{label}: linear", label, LINEAR, None),
            (f"{label}: precision@10", label, PRECISION, 10),
            (f"{label}: recall@1", label, RECALL, 1),
            (f"{label}: mAP", label, AVERAGE_PRECISION, None),
        ]
    present = {(row["label"], row["score"], row["k"]) for row in rows}
    return [column for column in columns if column[1:] in present]


def _by_cosine(rows: Sequence[Row]) -> dict[tuple[str, str, str, int | None], Row]:
    """Rows by encoder, label, score and k: those by cosine distance, and those without a distance."""
    return {(row["encoder"], row["label"], row["score"], row["k"]): row for row in rows if row["metric"] != "euclidean"}


def _markdown(rows: Sequence[Row]) -> str:
    """Encoders and, below them, baselines by score, by cosine distance."""
    columns, of = _columns(rows), _by_cosine(rows)
    facts = {row["encoder"]: (f"{row['encoder']} ({row['role']})", row["origin"]) for row in rows}
    lines = [[*facts[name], *(_value(of.get((name, *column[1:]))) for column in columns)] for name in facts]
    return markdown_table(["vectors", "origin", *(column[0] for column in columns)], lines)


def _value(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row['value']:.3f}" + ("" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]")


def _plotted(rows: Sequence[Row]) -> dict[str, float]:
    """Numbers of the encoder in use for a plot over time."""
    names = {"knn_balanced_accuracy": "10-NN", "linear_balanced_accuracy": "linear", "precision_at_10": "precision@10"}
    of = _by_cosine(rows)
    in_use = next(row["encoder"] for row in rows if row["role"] == IN_USE)
    found = {title.removeprefix("class: "): of.get((in_use, *key)) for title, *key in _columns(rows)}
    return {name: float(row["value"]) for name, title in names.items() if (row := found.get(title)) is not None}


def _comparison(contestants: Sequence[Contestant], knn: Mapping[tuple[str, str], "RetrievalScore"]) -> str:
    """Which encoder is best by its 10 nearest neighbours, and whether the interval of the difference separates it from the next;
    with one encoder, from the best baseline."""
    from synapse_assets.analysis.evaluation.scores import percentile_interval

    label = next((label for label in LABEL_COLUMNS if any(key[1] == label for key in knn)), None)
    if label is None:
        return "after the own neuron and near places are left out, no synapse has another of its kind to find"
    ranked = sorted((c for c in contestants), key=lambda c: -knn[c.name, label].value)
    encoders = [contestant for contestant in ranked if contestant.role != BASELINE]
    best = encoders[0]
    if len(encoders) > 1:
        start, other = f"of {len(encoders)} encoders {best.name} ({best.role}; {best.origin}) is best", encoders[1]
    else:
        other = next(contestant for contestant in ranked if contestant.role == BASELINE)
        start = f"the only encoder is {best.name} ({best.role}; {best.origin})"
    score, below = knn[best.name, label], knn[other.name, label]
    start += (
        f": 10-NN balanced accuracy by {label} {score.value:.3f}; {other.name} ({other.role}) has {below.value:.3f}"
    )
    if score.resampled is None or below.resampled is None:
        return f"{start}. {score.groups} groups are too few for an interval (8 are needed)"
    low, high = percentile_interval(score.resampled - below.resampled) or (0.0, 0.0)
    separates = "separates the two" if low > 0 or high < 0 else "does not separate the two"
    return f"{start}. The difference, {score.value - below.value:+.3f} (95 % interval {low:+.3f} to {high:+.3f}), {separates}"


def _better_than_pixels(rows: Sequence[Row]) -> Check:
    """Whether the encoder in use beats raw pixels in every balanced accuracy of the class that both have."""
    from synapse_assets.analysis.evaluation.retrieval import KNN

    of = _by_cosine(rows)
    in_use = next(row["encoder"] for row in rows if row["role"] == IN_USE)
    compared = {
        title: (of[in_use, *key]["value"], of[PIXELS, *key]["value"])
        for title, key in (("10-NN", ("class", KNN, 10)), ("linear", ("class", LINEAR, None)))
        if (in_use, *key) in of and (PIXELS, *key) in of
    }
    if not compared:
        return Check(CHECK, True, "no class is known of enough synapses to compare with pixels", warn=True)
    parts = [f"{title} {encoder:.3f}, raw pixels {pixels:.3f}" for title, (encoder, pixels) in compared.items()]
    return Check(
        CHECK,
        all(encoder > pixels for encoder, pixels in compared.values()),
        f"balanced accuracy by class of the encoder in use, {in_use}: {'; '.join(parts)} ("
        f"{next(row['origin'] for row in rows if row['encoder'] == PIXELS)})",
        warn=True,
        numbers={
            f"{title} {name}": value
            for title, pair in compared.items()
            for name, value in zip(("encoder", "pixels"), pair, strict=True)
        },
    )
