"""A third chain, declared here alone: dendritic spines, counted on each side of the brain. What a chain needs, and no more."""

from enum import StrEnum
from typing import Literal

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from synapse_assets.datasets import AssetFacts, Chain, Dataset, Role, Workbook
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.resources import Installation
from synapse_assets.explorer.server import Site
from synapse_assets.pipeline.inputs import Input
from synapse_assets.pipeline.report import Check, Report, Stopwatch
from synapse_assets.schema import Column, Table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key
from synapse_assets.stores.warehouse import build_warehouse

SPINES = Table(
    "synapses",
    "One row per spine.",
    (
        Column("synapse_id", pa.string(), "Unique in the dataset."),
        Column("brain_region", pa.string(), "The side it lies on."),
        Column("head_um", pa.float64(), "Width of its head in micrometres."),
    ),
)
COUNTS = Table(
    "spine_counts",
    "One row per side.",
    (
        Column("brain_region", pa.string(), "The side."),
        Column("spines", pa.int64(), "How many spines there are."),
        Column("mean_head_um", pa.float64(), "Mean width of their heads in micrometres.", nullable=True),
    ),
)


class Stage(StrEnum):
    """The groups of the lineage."""

    SPINES = "2_spines"
    PUBLISH = "3_publish"


class SpineDataset(Dataset):
    """Tables of spines, and the sides that they are counted on."""

    chain: Literal["spines"]
    tables: list[Workbook]
    sides: list[str]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.sides)


CHAIN = Chain(
    name="spines",
    dataset_type=SpineDataset,
    part="side",
    assets=(
        AssetFacts("spines", Stage.SPINES, Role.READ, SPINES, job="ingest", released=("synapses",)),
        AssetFacts(
            "spine_counts",
            Stage.SPINES,
            Role.APPLY,
            COUNTS,
            by_part=True,
            job="count",
            released=("spine_counts",),
            page="counts",
        ),
        AssetFacts("warehouse", Stage.PUBLISH, Role.PUBLISH, kinds=("duckdb",)),
    ),
    jobs={"ingest": "Read the spines of {title}.", "count": "Count the spines of one side of {title}."},
    lineage="synapse_assets_tests.spines:LINEAGE",
    pages={"counts": "Counts"},
    own_pages="synapse_assets_tests.spines:add_pages",
)


def read_spines(store: DatasetStore, dataset: SpineDataset) -> Report:
    """Reads the tables."""
    watch = Stopwatch()
    rows = SPINES.conform(pa.concat_tables([pyarrow.csv.read_csv(table.path) for table in dataset.tables]))
    store.results(SPINES).write(rows)
    return Report({}, watch.seconds, rows.num_rows, content_version=content_key(rows))


def count_spines(store: DatasetStore, side: str) -> Report:
    """Counts the spines of one side."""
    watch = Stopwatch()
    heads = _of_side(store, side).column("head_um")
    mean = pc.mean(heads).as_py()
    row = {"brain_region": side, "spines": len(heads), "mean_head_um": mean}
    counts = pa.Table.from_pylist([row], schema=COUNTS.arrow)
    store.results(COUNTS).write_partition(side, counts)
    checks = [Check("has_spines", len(heads) > 0, f"{len(heads)} spines", warn=True)]
    return Report({"mean_head_um": mean}, watch.seconds, 1, content_version=content_key(counts), checks=checks)


def publish_counts(store: DatasetStore) -> Report:
    """Builds the release."""
    watch = Stopwatch()
    build_warehouse(store, [store.results(SPINES), store.results(COUNTS)], {})
    rows = (store.release() or {})["tables"]["synapses"]["rows"]
    return Report({}, watch.seconds, rows)


def _of_side(store: DatasetStore, side: str) -> pa.Table:
    rows = store.results(SPINES).read()
    return rows.filter(pc.equal(rows.column("brain_region"), side))


def _content(dataset: SpineDataset) -> PartitionContent:
    def content_of(store: DatasetStore, side: str) -> dict[str, tuple[str, int]]:
        rows = _of_side(store, side)
        return {"side_spines": (content_key(rows), rows.num_rows)}

    described = {"side_spines": "The spines that the tables name on each side of the brain"}
    return PartitionContent(dataset, "spines", described, lambda *_: dataset.sides, content_of)


def _inputs(dataset: SpineDataset) -> list[Input]:
    shown = {table.name: table.path for table in dataset.tables}
    text = f"Tables of the spines of {dataset.title}, as the lab holds them. Read by `spines`."
    return [Input("spine_tables", "spines", text, {"csv"}, shown, dataset.tables)]


def _assets(dataset: SpineDataset) -> list[dg.AssetsDefinition]:
    content = _content(dataset)

    @asset(dataset, "spines", deps=["spine_tables"])
    def spines(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All spines of the dataset, read once from their tables and told apart by side of the brain. A row is one spine."""
        store = installation.store(dataset.name)
        report = read_spines(store, dataset)
        for observation in content.observations(store, context.instance):
            context.log_event(observation)
        return materialized(context, report)

    @asset(dataset, "spine_counts", deps=["side_spines"], checks=[CheckSpec("has_spines", "The side has spines.")])
    def spine_counts(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How many spines there are on one side of the brain, and how wide their heads are on average. A row is one side."""
        return materialized(context, count_spines(installation.store(dataset.name), context.partition_key))

    @asset(dataset, "warehouse", deps=["spines", "spine_counts"], pool="warehouse")
    def warehouse(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All tables of the dataset in one DuckDB file, with a comment on every table and column, for scripts."""
        return materialized(context, publish_counts(installation.store(dataset.name)))

    return [spines, content.assets(), spine_counts, warehouse]


LINEAGE = Lineage(assets=_assets, inputs=_inputs, content=lambda dataset: [_content(dataset)])


def add_pages(app: FastAPI, site: Site) -> None:
    """The page of counts."""

    @app.get("/{dataset}/counts", response_class=HTMLResponse)
    def counts(request: Request, dataset: str) -> HTMLResponse:
        rows = site.releases(dataset).sql("select brain_region, spines from spine_counts order by all")
        lines = "".join(f"<p>{side}: {spines} spines</p>" for side, spines in rows.itertuples(index=False))
        return HTMLResponse(site.header(dataset, "counts") + lines)
