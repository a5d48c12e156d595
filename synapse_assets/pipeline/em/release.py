"""Building the release: which tables and models belong together, whether they do, and what is missing.

How a DuckDB file is written belongs to `stores.warehouse`.
"""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import Chain, Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.clusters import verdict_on
from synapse_assets.pipeline.report import Check, Json, Link, Markdown, Report, Stopwatch, StoredAt
from synapse_assets.schema import CLUSTERS, Table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import require_same
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vectors_in_use


def build_release(store: DatasetStore, dataset: Dataset, explorer_page: str) -> Report:
    """Puts all tables of the dataset into a new warehouse and release. `explorer_page`: the URL that shows it.

    Raises BadInput naming the regions whose rows were not made with the models in use; the release before stays.
    """
    from synapse_assets.stores.warehouse import build_warehouse, content_version

    watch = Stopwatch()
    chain = chain_of(dataset)
    in_use = {name: store.models(name).current for name in chain.models_of(dataset)}
    _require_in_use(store, chain, in_use)
    outdated = _outdated(store, chain, in_use, dataset.answering_model)
    build_warehouse(
        store,
        [source for source in _released(store, dataset) if source.table.name not in outdated],
        {"models": in_use, "scores": _scores(store, in_use)},
        {CLUSTERS.name: _verdicts(store, in_use["cluster_model"])},
    )
    release = store.release() or {}
    rows = {name: entry["rows"] for name, entry in release["tables"].items()}
    lines = "\n".join(f"| {name} | {count:,} |" for name, count in rows.items())
    return Report(
        details={
            "file": StoredAt(store.warehouse_address),
            "explorer": Link(explorer_page),
            "tables": Markdown(f"| table | rows |\n|---|---|\n{lines}"),
            "release": Json(release),
            **(
                {"left_out": f"made with another classifier than the one in use: {', '.join(outdated)}"}
                if outdated
                else {}
            ),
        },
        seconds=watch.seconds,
        rows=rows["synapses"],
        computed_rows=sum(rows.values()),
        content_version=content_version(release),
        checks=[_every_synapse_everywhere(store, dataset, rows)],
    )


def _scores(store: DatasetStore, in_use: Mapping[str, str | None]) -> dict[str, dict[str, float | str]]:
    """The scores of every model in use; the verdict on the clusters stands first among theirs."""
    scores: dict[str, dict[str, float | str]] = {}
    for name, version in in_use.items():
        if version is not None:
            provenance = store.models(name).provenance(version)
            verdict = (
                {"verdict": provenance.verdict, "verdict_reason": provenance.verdict_reason}
                if name == "cluster_model"
                else {}
            )
            scores[name] = {**verdict, **provenance.scores}
    return scores


def _verdicts(store: DatasetStore, clustering: str | None) -> pa.Table:
    """The verdict on the clustering in use, by its version: every released cluster is of it."""
    verdict = None if clustering is None else verdict_on(store.models("cluster_model"), clustering)
    return pa.table({"cluster_model": pa.array([clustering], pa.string()), "verdict": pa.array([verdict], pa.string())})


def released_tables(dataset: Dataset) -> list[str]:
    """Names of the tables that a release holds: first those made region by region, then the others, in the order of the chain."""
    assets = sorted(chain_of(dataset).assets_of(dataset), key=lambda facts: not facts.by_part)
    return [name for facts in assets for name in facts.released]


def _released(store: DatasetStore, dataset: Dataset) -> list[RegionTable | ParquetTable]:
    """The stored tables that a release holds; vectors only where an encoder is in use."""
    tables: list[RegionTable | ParquetTable] = []
    for name in released_tables(dataset):
        if name == "synapses":
            tables.append(store.synapses)
        elif name == "tiles":
            tables.append(store.tiles)
        elif name == "embeddings":
            if store.models("encoder").current is not None:
                tables.append(vectors_in_use(store))
        else:
            tables.append(store.results(chain_of(dataset).tables[name]))
    return tables


def _outdated(
    store: DatasetStore, chain: Chain, in_use: Mapping[str, str | None], answers_from: str | None
) -> list[str]:
    """Tables that no release waits for, with rows of another classifier or network than is in use: a release goes without them.

    answers_from: the model that answers are made from; None in a chain without a column for it.
    """
    # The first of these columns that a table has names what its rows were made with.
    made_with = {
        "version": set(in_use.values()),
        "synapse_network": {in_use.get("synapse_network")},
    }
    if answers_from is not None:
        made_with["classifier"] = {in_use[answers_from]}
    outdated = []
    for table in (chain.tables[name] for facts in chain.assets if not facts.awaited for name in facts.released):
        column = next((column for column in made_with if column in table.names), None)
        if column is not None:
            versions = store.results(table).read(columns=[column]).column(column)
            if set(versions.unique().to_pylist()) - made_with[column]:
                outdated.append(table.name)
    return outdated


def _applied(chain: Chain) -> Iterator[tuple[Table, str, str]]:
    """Tables of applied rows: the table, the model that it is made with, and the column that names its version."""
    for facts in chain.assets:
        if facts.applied is not None and facts.table is not None:
            yield facts.table, *facts.applied


def _require_in_use(store: DatasetStore, chain: Chain, in_use: Mapping[str, str | None]) -> None:
    """Refuse a mixture: every row to publish is made with the model in use. Raises BadInput naming the regions that are not."""
    from synapse_assets.analysis.tables import current_rows

    for name, version in in_use.items():
        fitted_on = chain.facts[name].fitted_on
        required = in_use[fitted_on] if fitted_on else None
        if fitted_on is not None and version is not None and required is not None:
            require_same(store.models(name), version, fitted_on, required)
    synapses = store.synapses.read(None, ["synapse_id", "brain_region"])
    for table, model, column in _applied(chain):
        rows = current_rows(store.results(table).read(columns=["synapse_id", "brain_region", column]), synapses)
        made_with_others = rows.filter(pc.not_equal(rows.column(column), in_use[model] or ""))
        if made_with_others.num_rows:
            regions = sorted(set(made_with_others.column("brain_region").to_pylist()))
            raise BadInput(
                f"{table.name} of {regions} was made with {model} {made_with_others.column(column)[0].as_py()}, but {in_use[model]} is "
                f"in use: materialise {table.name} of these regions again. The release before stays as it is"
            )


def _every_synapse_everywhere(store: DatasetStore, dataset: Dataset, rows: Mapping[str, int]) -> Check:
    """Whether all tables made region by region that a release waits for have as many rows as there are synapses; `rows` are counted by
    table."""
    chain = chain_of(dataset)
    awaited = [facts for facts in chain.assets_of(dataset) if facts.by_part and facts.awaited]
    released = [name for facts in awaited for name in facts.released]
    by_region = [name for name in released if "synapse_id" in chain.tables[name].names]
    incomplete = {name: rows.get(name, 0) for name in by_region if rows.get(name, 0) != rows["synapses"]}
    # Tables for which no model could be fitted have no rows: nothing is missing that could be materialised.
    without_model = {name: reason for name, reason in _without_model(store, chain).items() if incomplete.get(name) == 0}
    incomplete = {name: count for name, count in incomplete.items() if name not in without_model}
    if not rows.get("splits", 0):
        # A dataset without labels has no predictions, which is fine.
        without_model.pop("synapse_predictions", None)
    sentences = [f"{table} is empty and nothing is missing: {reason}" for table, reason in without_model.items()]
    if incomplete:
        sentences.insert(0, f"{rows['synapses']:,} synapses, but {incomplete}: materialise what is missing")
    return Check(
        "every_synapse_everywhere", not incomplete and not without_model, "; ".join(sentences) or "complete", warn=True
    )


def _without_model(store: DatasetStore, chain: Chain) -> dict[str, str]:
    """Why a table of applied rows is empty, where no model could be fitted for it."""
    reasons = {}
    for table, name, _ in _applied(chain):
        models = store.models(name)
        if models.current is not None and NoModel.found(models.path(models.current)) is not None:
            reasons[table.name] = models.provenance(models.current).notes
    return reasons
