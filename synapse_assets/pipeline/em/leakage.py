"""How much of a classifier's score is recognition of neurons, and what else the vectors of the encoder in use tell."""

from collections.abc import Sequence
from logging import Logger
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.labelling.decisions import tested_labels, without_untested
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import LEAKAGE_REPORT, SPLITS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import labelled_synapses, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.leakage import Measure

# Balanced accuracy that a random split may claim more than neurons held out.
LARGEST_GAP = 0.05
_OF_TILES = ("contrast", "valid_fraction")


def report_leakage(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Measures what a sample of the vectors in use tells of the class, under every split, and of what is no class.

    Raises BadInput if no encoder is fitted.
    """
    from synapse_assets.analysis.evaluation.leakage import measure_class, measure_nuisance, sentences

    watch = Stopwatch()
    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    synapses = _sampled(store, dataset)
    vectors = vector_matrix(vectors_in_use(store).read_ids(synapses.column("synapse_id").to_pylist(), ["vector"]))
    log.info(f"probing the vectors of {synapses.num_rows:,} synapses")
    measures = [
        *measure_class(synapses, vectors, without_untested(store, store.results(SPLITS).read()), dataset.seed),
        *measure_nuisance(synapses, vectors, dataset.seed),
    ]
    table = _table(measures, encoder)
    store.results(LEAKAGE_REPORT).write(table)
    bullets = "\n".join(f"- {sentence}" for sentence in sentences(measures))
    return Report(
        details={
            "encoder": encoder,
            "sampled_synapses": synapses.num_rows,
            "in_words": Markdown(bullets),
            "measures": Markdown(_markdown(measures)),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        checks=[_gap_check(measures, dataset)],
    )


def _sampled(store: DatasetStore, dataset: EmDataset) -> pa.Table:
    """The sampled synapses that have a vector, with what the probes are to read of each."""
    from synapse_assets.analysis.evaluation.leakage import COLUMNS, leakage_sample

    columns = [name for name in (*COLUMNS, *dataset.grouping) if name not in _OF_TILES]
    rows = tested_labels(store, labelled_synapses(store, list(dict.fromkeys(columns))))
    embedded = vectors_in_use(store).read(None, ["synapse_id"]).column("synapse_id").combine_chunks()
    rows = rows.filter(pc.is_in(rows.column("synapse_id"), value_set=embedded))
    ids = pa.array(leakage_sample(rows, dataset.seed), pa.string())
    rows = rows.take(pc.index_in(ids, value_set=rows.column("synapse_id").combine_chunks()))
    rows = rows.set_column(rows.column_names.index("section"), "section", _section_numbers(rows, dataset))
    tiles = store.tiles.read_ids(ids.to_pylist(), ["synapse_id", "section_contrast", "valid_fraction"])
    at = pc.index_in(ids, value_set=tiles.column("synapse_id").combine_chunks())
    contrast = [float(np.mean(values)) if values else None for values in tiles.column("section_contrast").to_pylist()]
    rows = rows.append_column("contrast", pa.array(contrast, pa.float64()).take(at))
    return rows.append_column("valid_fraction", tiles.column("valid_fraction").combine_chunks().take(at))


def _section_numbers(rows: pa.Table, dataset: EmDataset) -> pa.Array:
    """The section (N,) that the source gives, else that of z in the volume."""
    depth_nm = {name: spec.voxel_size_nm[2] for name, spec in dataset.volumes.items()}
    size = np.array([depth_nm[name] for name in rows.column("volume").to_pylist()])
    # z may lie a rounding error below the section's first nanometre
    number = np.floor(rows.column("z_nm").to_numpy() / size + 1e-6) if rows.num_rows else np.zeros(0)
    return pc.coalesce(rows.column("section").combine_chunks(), pa.array(number.astype(np.int64)))


def _table(measures: "Sequence[Measure]", encoder: str) -> pa.Table:
    rows = [
        {
            "encoder": encoder,
            "probe": measure.probe,
            "split": measure.split,
            "score": measure.score,
            "value": measure.value,
            "low": measure.interval and measure.interval[0],
            "high": measure.interval and measure.interval[1],
            "chance": measure.chance,
            "synapses": measure.synapses,
            "groups": measure.groups,
            "sentence": measure.sentence,
        }
        for measure in measures
    ]
    return pa.Table.from_pylist(rows, schema=LEAKAGE_REPORT.arrow)


def _markdown(measures: "Sequence[Measure]") -> str:
    def digits(value: float | None) -> str | None:
        return None if value is None else f"{value:.3f}"

    lines = [
        [
            measure.probe,
            measure.split,
            measure.score,
            digits(measure.value),
            " to ".join(f"{end:.3f}" for end in measure.interval or ()),
            digits(measure.chance),
            f"{measure.synapses:,}",
            measure.groups,
        ]
        for measure in measures
    ]
    return markdown_table(["probe", "split", "score", "value", "95 %", "chance", "synapses", "groups"], lines)


def _gap_check(measures: "Sequence[Measure]", dataset: EmDataset) -> Check:
    """Whether the random split claims little more than neurons held out, or the first grouping where no gap to neurons is known."""
    gaps = {
        measure.split: measure for measure in measures if measure.probe == "class_gap" and measure.value is not None
    }
    gap = gaps.get("neuron_id") or gaps.get(dataset.grouping[0])
    if gap is None or gap.value is None:
        told = [measure.sentence for measure in measures if measure.probe.startswith("class") and measure.value is None]
        return Check("random_split_gap_small", True, " ".join(told) or "no split to compare with", warn=True)
    return Check(
        "random_split_gap_small",
        gap.value <= LARGEST_GAP,
        gap.sentence,
        warn=True,
        numbers={"gap": round(gap.value, 4), "largest": LARGEST_GAP},
    )
