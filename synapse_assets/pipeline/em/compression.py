"""How short the vectors of the encoder in use may become, and what they lose by it.

How vectors are compressed belongs to `analysis.evaluation.compression`; the sample by which they find synapses of the same kind is that
of the scorecard.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from logging import Logger
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.encoder_vectors import stored_vectors
from synapse_assets.pipeline.em.scorecard import (
    LABEL_COLUMNS,
    Sample,
    described,
    exclusion_of,
    groups_of,
    judged_sample,
)
from synapse_assets.pipeline.report import Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import COMPRESSION_REPORT
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import labelled_synapses, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.compression import Compression
    from synapse_assets.analysis.evaluation.retrieval import RetrievalScore

# Vectors that compressions are fitted on, and neighbours searched among.
FITTED = 10_000
# Of these, how many ask for their neighbours.
QUERIES = 1_000
# What the smallest vectors may lose that are recommended.
LARGEST_LOSS = 0.01

Float32 = npt.NDArray[np.float32]
# A row of `schema.COMPRESSION_REPORT`.
Row: TypeAlias = dict[str, Any]


def report_compression(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Measures what ways to store the vectors in use in fewer bytes lose against the full vectors; the stored ones stay as they are.

    Without an encoder, or below two vectors, there are no rows, and the report says why.
    """
    from synapse_assets.analysis.evaluation.compression import compressions

    watch = Stopwatch()
    encoder = store.models("encoder").current
    if encoder is None:
        return _nothing_to_compress(store, "no encoder is in use, and so there are no vectors", watch)
    drawn = Drawn.of(store, dataset)
    if len(drawn.vectors) < 2:
        return _nothing_to_compress(store, f"{len(drawn.vectors)} vectors: none has a neighbour to keep", watch)
    ways = compressions(drawn.vectors, in_falling_order(store, encoder))
    log.info(f"{len(ways)} ways to store vectors, fitted on {len(drawn.vectors):,} of them")
    sample, labelled = _labelled(store, dataset, encoder)
    scores = [
        {**neighbours, **retrieval}
        for neighbours, retrieval in zip(
            _neighbour_scores(drawn, ways, dataset.seed),
            _retrieval_scores(sample, labelled, ways, dataset),
            strict=True,
        )
    ]
    rows = _rows(encoder, ways, scores)
    table = COMPRESSION_REPORT.conform(pa.Table.from_pylist(rows, schema=COMPRESSION_REPORT.arrow))
    store.results(COMPRESSION_REPORT).write(table)
    sentence, recommended = _smallest(rows)
    log.info(sentence)
    return Report(
        details={
            "result": sentence,
            "neighbours": f"of {min(QUERIES, len(drawn.vectors)):,} synapses among {len(drawn.vectors):,}, which compressions are "
            "fitted on too; no label is looked at",
            **({"retrieval": described(sample, dataset)} if len(sample) else {}),
            "losses": Markdown(_markdown(rows)),
            "encoder": encoder,
            "smallest_bytes": recommended,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
    )


def _nothing_to_compress(store: DatasetStore, reason: str, watch: Stopwatch) -> Report:
    store.results(COMPRESSION_REPORT).write(COMPRESSION_REPORT.empty())
    return Report(details={"result": reason}, seconds=watch.seconds, rows=0)


def in_falling_order(store: DatasetStore, encoder: str) -> bool:
    """Whether a closed-form step makes the encoder's vectors: its directions come in falling order (`vision.head`)."""
    from synapse_assets.vision.encoder_spec import read_spec

    return read_spec(store.models("encoder").path(encoder)).head_dimensions > 0


@dataclass(frozen=True)
class Drawn:
    """A sample of the vectors in use (N, D), with the group of each synapse (N,): its neuron where any are known."""

    vectors: Float32
    groups: npt.NDArray[np.str_]

    @classmethod
    def of(cls, store: DatasetStore, dataset: EmDataset) -> "Drawn":
        """At most `FITTED` vectors, every region represented, in the order of their ids."""
        from synapse_assets.analysis.tables import stratified_rows

        table = vectors_in_use(store)
        chosen = stratified_rows(table.read(None, ["synapse_id", "brain_region"]), FITTED, dataset.seed)
        ids = chosen.sort_by("synapse_id").column("synapse_id").to_pylist()
        # A synapse that is gone may have a vector until its region is embedded again.
        rows = labelled_synapses(store, ["neuron_id", *dataset.grouping[:1]], ids)
        vectors = vector_matrix(table.read_ids(rows.column("synapse_id").to_pylist(), ["vector"]))
        return cls(vectors, groups_of(rows, dataset)[1])


def _labelled(store: DatasetStore, dataset: EmDataset, encoder: str) -> tuple[Sample, Float32]:
    """The sample of the scorecard, but for synapses without a vector of their tile, and the vectors."""
    sample = judged_sample(store, dataset)
    vectors, missing = stored_vectors(store, encoder, sample.rows)
    present = ~np.isin(np.array(sample.rows.column("synapse_id").to_pylist(), dtype=str), missing)
    kept = replace(sample, rows=sample.rows.filter(pa.array(present)), groups=sample.groups[present])
    return kept, vectors[present]


# Scores of one compression by label (None: of no label), score and k.
_Scores: TypeAlias = "dict[tuple[str | None, str, int | None], RetrievalScore]"


def _neighbour_scores(drawn: Drawn, ways: "Sequence[Compression]", seed: int) -> list[_Scores]:
    """The neighbour recall of each of the compressions."""
    from synapse_assets.analysis.evaluation.compression import score_neighbours

    queries = np.sort(np.random.default_rng(seed).permutation(len(drawn.vectors))[:QUERIES])
    compressed = [way.restored(drawn.vectors) for way in ways]
    scores = score_neighbours(drawn.vectors, compressed, queries, drawn.groups[queries], seed)
    return [{(None, score.score, score.k): score} for score in scores]


def _retrieval_scores(
    sample: Sample, vectors: Float32, ways: "Sequence[Compression]", dataset: EmDataset
) -> list[_Scores]:
    """How well each of the compressions finds synapses of the same kind, without the own neuron and near places."""
    from synapse_assets.analysis.evaluation.retrieval import AVERAGE_PRECISION, KNN, PRECISION, score_retrieval

    labels = {label: sample.rows.column(column).to_pylist() for label, column in LABEL_COLUMNS.items()}
    labels = {label: values for label, values in labels.items() if any(values)}
    if not labels:
        return [{} for _ in ways]
    reported = {(PRECISION, 10), (KNN, 10), (AVERAGE_PRECISION, None)}
    exclusion = exclusion_of(sample, dataset)
    found: list[_Scores] = []
    for way in ways:
        scored = score_retrieval(way.restored(vectors), labels, exclusion, sample.groups, "cosine", dataset.seed)
        found.append(
            {
                (label, entry.score, entry.k): entry
                for label, entries in scored.items()
                for entry in entries
                if (entry.score, entry.k) in reported
            }
        )
    return found


def judged_by_neighbours(drawn: Drawn, ways: "Sequence[Compression]", encoder: str, seed: int) -> list[Row]:
    """The rows of the report on those ways to store vectors, the full vectors first, as far as they need no labels."""
    return _rows(encoder, ways, _neighbour_scores(drawn, ways, seed))


def _rows(encoder: str, ways: "Sequence[Compression]", scores: Sequence[_Scores]) -> list[Row]:
    return [row for way, of_way in zip(ways, scores, strict=True) for row in _rows_of(encoder, way, of_way, scores[0])]


def _rows_of(encoder: str, way: "Compression", scores: _Scores, full: _Scores) -> list[Row]:
    """The rows of one compression, with what it loses against the scores of the full vectors."""
    from synapse_assets.analysis.evaluation.scores import percentile_interval

    rows: list[Row] = []
    for key, score in scores.items():
        low, high = score.interval or (None, None)
        in_full, loss = full[key].resampled, None
        if in_full is not None and score.resampled is not None:
            loss = percentile_interval(in_full - score.resampled)
        loss_low, loss_high = loss or (None, None)
        rows.append(
            {
                "encoder": encoder,
                **{name: getattr(way, name) for name in ("method", "dimensions", "number", "bytes")},
                "label": key[0],
                **{name: getattr(score, name) for name in ("score", "k", "value", "queries", "groups")},
                "low": low,
                "high": high,
                "loss": full[key].value - score.value,
                "loss_low": loss_low,
                "loss_high": loss_high,
            }
        )
    return rows


def counted(rows: Sequence[Row]) -> tuple[str | None, str]:
    """The label and the score that count in a report: precision@10 by class, else by another label, else neighbour recall of no label."""
    from synapse_assets.analysis.evaluation.compression import NEIGHBOUR_RECALL
    from synapse_assets.analysis.evaluation.retrieval import PRECISION

    label = next((row["label"] for row in rows if row["score"] == PRECISION), None)
    return (label, PRECISION) if label is not None else (None, NEIGHBOUR_RECALL)


def smallest(rows: Sequence[Row], number: str | None = None) -> Row | None:
    """Of a report, the row of the way with the fewest bytes that loses at most `LARGEST_LOSS` in what is `counted`; None where none does.

    number: only of ways that store numbers so, such as int8.
    """
    full, *others = (row for row in rows if (row["label"], row["score"]) == counted(rows))
    good = [
        row
        for row in others
        if row["loss"] <= LARGEST_LOSS and row["bytes"] < full["bytes"] and number in (None, row["number"])
    ]
    return min(good, key=lambda row: (row["bytes"], row["loss"]), default=None)


def _smallest(rows: Sequence[Row]) -> tuple[str, int]:
    """In words, what `smallest` gives, and its bytes; those of the full vectors for none."""
    from synapse_assets.analysis.evaluation.compression import NEIGHBOUR_RECALL

    label, score = counted(rows)
    what = "neighbour recall@10" if label is None else f"precision@10 by {label}"
    full = next(row for row in rows if (row["label"], row["score"]) == (label, score))
    best = smallest(rows)
    if best is None:
        reason = f"none of the smaller vectors loses at most {LARGEST_LOSS} in {what} ({full['value']:.3f} in full)"
        return reason, int(full["bytes"])
    kept = next(row["value"] for row in rows if row["score"] == NEIGHBOUR_RECALL and _name(row) == _name(best))
    interval = f"{best['groups']} groups are too few for an interval"
    if best["loss_low"] is not None:
        interval = f"95 % interval {best['loss_low']:+.3f} to {best['loss_high']:+.3f}"
    sentence = (
        f"the smallest vectors that lose at most {LARGEST_LOSS} in {what}: {_name(best)}, {best['bytes']:,} bytes each in place of "
        f"{full['bytes']:,}; {best['value']:.3f}, in full {full['value']:.3f} (loss {best['loss']:+.3f}, {interval}). "
        f"They keep {kept:.3f} of the ten nearest"
    )
    return sentence, int(best["bytes"])


def _name(row: Row) -> str:
    if row["method"] == "full":
        return f"all {row['dimensions']} numbers in {row['number']}"
    return f"{row['dimensions']} {row['method']} in {row['number']}"


def _markdown(rows: Sequence[Row]) -> str:
    """A line for each way to store vectors: bytes, and each score with what is lost of it."""
    short = {"mean average precision": "mAP", "k-NN balanced accuracy": "10-NN"}
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        line = lines.setdefault(_name(row), {"bytes": f"{row['bytes']:,}"})
        title = short.get(row["score"], f"{row['score']}@{row['k']}")
        interval = "" if row["loss_low"] is None else f" [{row['loss_low']:+.3f}, {row['loss_high']:+.3f}]"
        lost = f", loss {row['loss']:+.3f}{interval}" if len(lines) > 1 else ""
        line[title if row["label"] is None else f"{row['label']}: {title}"] = f"{row['value']:.3f}{lost}"
    titles = list(next(iter(lines.values())))
    return markdown_table(
        ["vectors", *titles], [[name, *(line[title] for title in titles)] for name, line in lines.items()]
    )
