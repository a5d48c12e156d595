"""Building the release of a dataset on the detection chain: which tables and detectors belong together, whether they do, what is missing.

How a DuckDB file is written belongs to `stores.warehouse`.
"""

from collections.abc import Collection, Mapping

import pyarrow.compute as pc

from synapse_assets.datasets import DetectionDataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.stored import MODEL, detectors_store
from synapse_assets.pipeline.em.release import released_tables
from synapse_assets.pipeline.report import Check, Json, Link, Markdown, Report, Stopwatch, StoredAt, markdown_table
from synapse_assets.schema.detection import DETECTIONS, MITOCHONDRIA, PROBABILITY_MAPS, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.parquet_table import ParquetTable

_VERSION = "version"


def build_release(store: DatasetStore, dataset: DetectionDataset, explorer_page: str) -> Report:
    """Puts all tables of the dataset into a new warehouse and release. `explorer_page`: the URL that shows it.

    What a release does not wait for is left out where it is of other detectors than those in use. Raises BadInput naming the blocks that
    were not searched by the detectors in use, or by another one than the dataset names now; the release before stays.
    """
    from synapse_assets.stores.warehouse import build_warehouse, content_version

    watch = Stopwatch()
    chain = chain_of(dataset)
    models = detectors_store(store, dataset).models(MODEL)
    in_use = models.current
    blocks = store.results(VOLUME_BLOCKS).read(columns=["block"]).column("block").to_pylist()
    awaited = {name for facts in chain.assets_of(dataset) if facts.awaited for name in facts.released}
    tables, outdated = [], []
    for name in released_tables(dataset):
        table = store.results(chain.tables[name])
        if table.by == "block" and name != VOLUME_BLOCKS.name:
            table = table.of(blocks)
        if name in (DETECTIONS.name, MITOCHONDRIA.name):
            _refuse_another(
                table, dataset.synapse_detector if name == DETECTIONS.name else dataset.mitochondria_detector
            )
        if _VERSION in table.table.names and _other_versions(table, in_use):
            if name in awaited:
                _refuse(table, in_use)
            outdated.append(name)
        else:
            tables.append(table)
    scores = {} if in_use is None else {MODEL: models.provenance(in_use).scores}
    build_warehouse(store, tables, {"models": {MODEL: in_use}, "scores": scores})
    release = store.release() or {}
    rows = {name: entry["rows"] for name, entry in release["tables"].items()}
    return Report(
        details={
            "file": StoredAt(store.warehouse_address),
            "explorer": Link(explorer_page),
            "tables": Markdown(
                markdown_table(["table", "rows"], [[name, f"{count:,}"] for name, count in rows.items()])
            ),
            "release": Json(release),
            **({"left_out": f"of other detectors than those in use: {', '.join(outdated)}"} if outdated else {}),
        },
        seconds=watch.seconds,
        rows=rows.get("synapses", rows.get("mitochondria", 0)),
        computed_rows=sum(rows.values()),
        content_version=content_version(release),
        checks=[_every_block_searched(store, dataset, blocks, rows)],
    )


def _other_versions(table: ParquetTable, in_use: str | None) -> list[str]:
    """The versions of detectors that rows were made with beside the one in use."""
    versions = set(table.read(columns=[_VERSION]).column(_VERSION).unique().to_pylist())
    return sorted(versions - {in_use})


def _refuse(table: ParquetTable, in_use: str | None) -> None:
    rows = table.read(columns=["block", _VERSION])
    others = rows.filter(pc.not_equal(rows.column(_VERSION), in_use or ""))
    raise BadInput(
        f"{table.table.name} of {_named(others.column('block').to_pylist())} was made with {MODEL} "
        f"{others.column(_VERSION)[0].as_py()}, but {in_use} is in use: materialise these blocks again. The release before stays as it is"
    )


def _refuse_another(table: ParquetTable, detector: str | None) -> None:
    """Raises BadInput where rows were made with another detector of the same version: the YAML named it before."""
    rows = table.read(columns=["block", "detector"])
    others = rows.filter(pc.not_equal(rows.column("detector"), detector or ""))
    if others.num_rows:
        raise BadInput(
            f"{table.table.name} of {_named(others.column('block').to_pylist())} was made with the detector "
            f"'{others.column('detector')[0].as_py()}', but the dataset's YAML now names '{detector}': materialise these blocks again. The "
            "release before stays as it is"
        )


def _named(blocks: Collection[str]) -> str:
    distinct = sorted(set(blocks))
    return ", ".join(distinct[:5]) + (f" and {len(distinct) - 5} more" if len(distinct) > 5 else "")


def _every_block_searched(
    store: DatasetStore, dataset: DetectionDataset, blocks: list[str], rows: Mapping[str, int]
) -> Check:
    searched = store.results(PROBABILITY_MAPS).read(columns=["block"]).column("block").unique().to_pylist()
    left = set(blocks) - set(searched)
    return Check(
        "every_block_searched",
        not left,
        f"{len(left):,} of {len(blocks):,} blocks were not searched: {_named(left)}; materialise probability_maps of them"
        if left
        else f"all {len(blocks):,} blocks were searched",
        warn=True,
        numbers={"missing": len(left)},
    )
