"""From workbooks to synapses: reading them, and the checks of what was read.

What a workbook may look like belongs to `sources`.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.pipeline.inputs import confirm_removed
from synapse_assets.pipeline.morphology.inputs import synapse_workbooks
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


def read_synapses(store: DatasetStore, dataset: MorphologyDataset, gone: Sequence[str]) -> Report:
    """Reads the workbooks and replaces the stored synapses with what they hold now.

    gone: names of workbooks whose files are gone and are meant to be; those whose rows were removed are a detail of the report
    (`SOURCES_GONE`). Raises BadInput, and stores nothing, where a workbook cannot be read, an id is not unique, or the files
    of a workbook are gone that `gone` does not name.
    """
    from synapse_assets.sources.listing import listed
    from synapse_assets.sources.workbooks import read_workbooks

    watch = Stopwatch()
    if dataset.generate == "sample_workbook":
        from synapse_assets.sample import draw_sample_workbook

        draw_sample_workbook(store.raw, seed=dataset.seed)
    rows, books = read_workbooks(dataset, store.raw)
    without_files = [book.name for book in dataset.workbooks if not listed(book)]
    had_rows = store.results(morphology.WORKBOOKS).read().column("workbook").to_pylist()
    removed = confirm_removed(synapse_workbooks(dataset), dataset.name, without_files, had_rows, gone)
    store.results(morphology.WORKBOOKS).write(books)
    store.results(morphology.SYNAPSES).write(rows)
    return Report(
        details={
            "newly_observed": pc.sum(pc.equal(rows.column("used_for"), "prediction")).as_py() or 0,
            "synapses_by_neuron": Markdown(_neurons_table(rows)),
            "workbooks": Markdown(_workbooks_table(books)),
            **removed,
        },
        seconds=watch.seconds,
        rows=rows.num_rows,
        content_version=content_key(rows),
        checks=_checks(rows, dataset.features.fewest_for_alignment),
    )


def _checks(rows: pa.Table, fewest_for_axes: int) -> list[Check]:
    from synapse_assets.sources.workbook_checks import far_from_soma, neurons_below, several_somas, uneven_micrometres

    far, somas, uneven = far_from_soma(rows), several_somas(rows), uneven_micrometres(rows)
    small = neurons_below(rows, fewest_for_axes)
    if not rows.num_rows:
        sizes = "no synapses: the workbooks name no files now"
    elif small:
        neurons = ", ".join(f"{name} ({count})" for name, count in small.items())
        sizes = f"too few for axes of their own (fewer than {fewest_for_axes}), left unassigned: {neurons}"
    else:
        sizes = f"all have {fewest_for_axes} or more"
    return [
        Check(
            "distances_plausible",
            not far,
            "; ".join(far) or "all within 5 mm of their soma",
            numbers={"synapses": len(far)},
        ),
        Check("one_soma_per_neuron", not somas, "; ".join(somas) or "one soma each", warn=True),
        Check(
            "micrometres_follow_the_corrected_position",
            not uneven,
            "; ".join(uneven) or "one factor an axis, or no corrected columns",
            warn=True,
        ),
        Check(
            "neurons_have_enough_synapses",
            not small and rows.num_rows > 0,
            sizes,
            warn=True,
            numbers={"neurons": len(small)},
        ),
    ]


def _neurons_table(rows: pa.Table) -> str:
    names = ["neuron_type", "neuron_id", "synapse_type", "used_for"]
    counts = rows.group_by(names).aggregate([([], "count_all")]).sort_by([(name, "ascending") for name in names])
    return markdown_table(
        ["neuron type", "neuron", "synapse type", "used for", "synapses"],
        [[*(row[name] for name in names), f"{row['count_all']:,}"] for row in counts.to_pylist()],
    )


def _workbooks_table(books: pa.Table) -> str:
    return markdown_table(
        ["workbook", "file", "sheet", "rows", "used for", "sha256"],
        [
            [row["workbook"], row["file"], row["sheet"], f"{row['rows']:,}", row["used_for"], row["sha256"][:12]]
            for row in books.to_pylist()
        ],
    )
