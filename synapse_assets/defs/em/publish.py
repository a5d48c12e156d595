"""What scripts and people read: `warehouse`, one DuckDB file and the release that says which versions belong together."""

import dagster as dg
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.fitting import require_same
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.partitions import every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import (
    ALIGNMENT,
    BRAIN_REGIONS,
    CLUSTER_CARDS,
    CLUSTERS,
    DRIFT,
    NEURON_PREDICTIONS,
    NEURON_SOURCES,
    NEURONS,
    PROMOTIONS,
    SPLITS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    SYNAPSE_SOURCES,
    UMAP_COORDINATES,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vectors_in_use

MODELS = ("encoder", "umap_model", "cluster_model", "synapse_classifier")
# Result tables, the column that names the model a row was made with, and that model.
APPLIED_MODELS = (
    (UMAP_COORDINATES, "umap_model", "umap_model"),
    (CLUSTERS, "cluster_model", "cluster_model"),
    (SYNAPSE_PREDICTIONS, "classifier", "synapse_classifier"),
)
RESULTS = {
    table.name: table
    for table in (
        ALIGNMENT,
        BRAIN_REGIONS,
        SYNAPSE_SOURCES,
        NEURON_SOURCES,
        SYNAPSE_LABELS,
        NEURONS,
        UMAP_COORDINATES,
        CLUSTERS,
        CLUSTER_CARDS,
        SPLITS,
        SYNAPSE_PREDICTIONS,
        NEURON_PREDICTIONS,
        DRIFT,
        PROMOTIONS,
    )
}


def publish_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "warehouse"])
    by_region = [
        "synapses",
        "synapse_labels",
        "tiles",
        "embeddings",
        "umap_coordinates",
        "clusters",
        "synapse_predictions",
    ]
    whole = ["cluster_cards", "splits", "drift", "promotions"]
    whole += ["neuron_predictions"] if dataset.has_neurons else []
    whole += ["neurons"] if dataset.neurons else []
    # Tables that other assets write: what was read, and how well its coordinates fit.
    beside = ["brain_regions", "synapse_sources", "alignment"] + (["neuron_sources"] if dataset.neurons else [])

    @asset(
        dataset,
        "8_publish",
        "warehouse",
        None,
        {"duckdb"},
        deps=[
            *[dg.AssetDep([dataset.name, name], partition_mapping=every_partition()) for name in by_region],
            *[dg.AssetDep([dataset.name, name]) for name in whole],
            # Stored with the vectors: the version of theirs that is released has the index.
            dg.AssetDep([dataset.name, "vector_index"]),
        ],
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(
                "every_synapse_everywhere",
                asset=key,
                description="Every synapse has a tile, a vector, a place on the map, a cluster and a prediction.",
            )
        ],
    )
    def warehouse(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All tables of the dataset in one DuckDB file, with a comment on every table and column, for scripts and notebooks.

        Built beside the old file and put in its place in one step: who has the old one open keeps reading it. `release.json`
        beside it names the table versions and models that belong together.
        """
        from synapse_assets.stores.warehouse import build_warehouse

        watch = Stopwatch()
        store = installation.store(dataset.name)
        _require_models_in_use(store)
        build_warehouse(
            store,
            _published(store, [*by_region, *whole, *beside]),
            {"models": _models_in_use(store), "scores": _scores(store)},
        )
        release = store.release() or {}
        rows = {name: entry["rows"] for name, entry in release["tables"].items()}
        incomplete = {name: rows.get(name, 0) for name in by_region if rows.get(name, 0) != rows["synapses"]}
        # What no model could be fitted for has no rows: nothing is missing that could be materialised.
        without = {name: why for name, why in _without_model(store).items() if incomplete.get(name) == 0}
        incomplete = {name: count for name, count in incomplete.items() if name not in without}
        if not rows.get("splits", 0):
            # A dataset without labels has no predictions, and that is well.
            without.pop("synapse_predictions", None)
        listed = "\n".join(f"| {name} | {count:,} |" for name, count in rows.items())
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(rows["synapses"], sum(rows.values())),
                "dagster/row_count": rows["synapses"],
                "file": dg.MetadataValue.path(store.warehouse_address),
                "explorer": dg.MetadataValue.url(f"{installation.explorer_url}/{dataset.name}"),
                "tables": dg.MetadataValue.md(f"| table | rows |\n|---|---|\n{listed}"),
                "release": dg.MetadataValue.json(release),
            },
            check_results=[
                check(
                    "every_synapse_everywhere",
                    not incomplete and not without,
                    _completeness(rows["synapses"], incomplete, without),
                    warn=True,
                )
            ],
        )

    return [warehouse]


def _without_model(store: DatasetStore) -> dict[str, str]:
    """Why a table of applied rows is empty, where no model could be fitted for it."""
    from synapse_assets.analysis.outcome import NoModel

    reasons = {}
    for table, _, name in APPLIED_MODELS:
        models = store.models(name)
        if models.current is not None and NoModel.found(models.path(models.current)) is not None:
            reasons[table.name] = models.provenance(models.current).notes
    return reasons


def _completeness(synapses: int, incomplete: dict[str, int], without: dict[str, str]) -> str:
    told = []
    if incomplete:
        told.append(f"{synapses:,} synapses, but {incomplete}: materialise what is missing")
    told += [f"{table} is empty and nothing is missing: {why}" for table, why in without.items()]
    return "; ".join(told) or "complete"


def _published(store: DatasetStore, names: list[str]) -> list[RegionTable | ParquetTable]:
    """The stored tables of those names; vectors only where an encoder is in use."""
    tables: list[RegionTable | ParquetTable] = []
    for name in names:
        if name == "synapses":
            tables.append(store.synapses)
        elif name == "tiles":
            tables.append(store.tiles)
        elif name == "embeddings":
            if store.models("encoder").current is not None:
                tables.append(vectors_in_use(store))
        else:
            tables.append(store.results(RESULTS[name]))
    return tables


def _require_models_in_use(store: DatasetStore) -> None:
    """Refuse a mixture: every row to publish is made with the model in use. Raises BadInput naming the regions that are not."""
    from synapse_assets.analysis.tables import current_rows

    in_use = {name: store.models(name).current for name in MODELS}
    for name, fitted_on in (
        ("umap_model", "encoder"),
        ("cluster_model", "umap_model"),
        ("synapse_classifier", "encoder"),
    ):
        version, wanted = in_use[name], in_use[fitted_on]
        if version is not None and wanted is not None:
            require_same(store.models(name), version, fitted_on, wanted)
    synapses = store.synapses.read(None, ["synapse_id", "brain_region"])
    for table, column, model in APPLIED_MODELS:
        rows = current_rows(store.results(table).read(columns=["synapse_id", "brain_region", column]), synapses)
        made_with_others = rows.filter(pc.not_equal(rows.column(column), in_use[model] or ""))
        if made_with_others.num_rows:
            regions = sorted(set(made_with_others.column("brain_region").to_pylist()))
            raise BadInput(
                f"{table.name} of {regions} was made with {model} {made_with_others.column(column)[0].as_py()}, but {in_use[model]} is "
                f"in use: materialise {table.name} of these regions again. The release before stays as it is"
            )


def _models_in_use(store: DatasetStore) -> dict[str, str | None]:
    return {name: store.models(name).current for name in MODELS}


def _scores(store: DatasetStore) -> dict[str, dict[str, float]]:
    return {
        name: store.models(name).provenance(version).scores
        for name, version in _models_in_use(store).items()
        if version
    }
