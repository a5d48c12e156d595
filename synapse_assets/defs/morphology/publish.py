"""What scripts and people read: `warehouse`, one DuckDB file and the release that says which versions belong together."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.morphology.groups import ASSETS_OF_GROUP, TABLES_OF_GROUP, Group
from synapse_assets.defs.partitions import every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore

WHOLE = (morphology.SYNAPSES, morphology.FEATURES)
MODELS = ("projection", "clusters", "cluster_classifier")


def publish_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "warehouse"])

    @asset(
        dataset,
        "6_publish",
        "warehouse",
        None,
        {"duckdb"},
        deps=[
            *[dg.AssetDep([dataset.name, table.name]) for table in WHOLE],
            *[dg.AssetDep([dataset.name, asset], partition_mapping=every_partition()) for asset in ASSETS_OF_GROUP],
        ],
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(
                "every_group_complete",
                asset=key,
                description="Every investigation group has its clusters and predictions.",
            )
        ],
    )
    def warehouse(installation: Installation) -> dg.MaterializeResult:
        """All tables of the dataset in one DuckDB file, with a comment on every table and column, for scripts and notebooks.

        Built beside the old file and put in its place in one step: who has the old one open keeps reading it. From then on
        the cluster numbers in it are the ones that later clusterings are matched to.
        """
        from synapse_assets.stores.warehouse import build_warehouse

        watch = Stopwatch()
        store = installation.store(dataset.name)
        missing = [f"{asset} of {name}" for name in dataset.groups for asset in Group(store, dataset, name).missing()]
        # A group that is no longer in the dataset's YAML keeps its files, but is not part of the release.
        by_group = [store.results(table).of(dataset.groups) for table in TABLES_OF_GROUP]
        build_warehouse(
            store,
            [*(store.results(table) for table in (*WHOLE, morphology.WORKBOOKS)), *by_group],
            {
                "models": _models(store, dataset),
                "scores": _scores(store, dataset),
                "highest_cluster_numbers": _highest_numbers(store, dataset),
            },
        )
        release = store.release() or {}
        rows = {name: entry["rows"] for name, entry in release["tables"].items()}
        listed = "\n".join(f"| {name} | {count:,} |" for name, count in rows.items())
        verdicts = (
            store.results(morphology.CLUSTER_STABILITY)
            .of(dataset.groups)
            .read(columns=["investigation_group", "verdict", "sentence"])
        )
        told = "\n".join(
            f"| {row['investigation_group']} | {row['verdict']} | {row['sentence']} |" for row in verdicts.to_pylist()
        )
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(rows["synapses"], sum(rows.values())),
                "dagster/row_count": rows["synapses"],
                "file": dg.MetadataValue.path(store.warehouse_address),
                "explorer": dg.MetadataValue.url(installation.explorer_url),
                "verdicts": dg.MetadataValue.md(f"| group | verdict | why |\n|---|---|---|\n{told}"),
                "tables": dg.MetadataValue.md(f"| table | rows |\n|---|---|\n{listed}"),
                "release": dg.MetadataValue.json(release),
            },
            check_results=[
                check(
                    "every_group_complete",
                    not missing,
                    "complete" if not missing else f"not materialised yet: {'; '.join(missing)}",
                    warn=True,
                )
            ],
        )

    return [warehouse]


def _models(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, str | None]:
    names = [f"{model}_{group}" for group in dataset.groups for model in MODELS]
    return {name: store.models(name).current for name in ("feature_model", *names)}


def _scores(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, dict[str, float | str]]:
    """What a reader wants to know of each group first."""
    found: dict[str, dict[str, float | str]] = {}
    for group in dataset.groups:
        stability = store.results(morphology.CLUSTER_STABILITY).read(group).to_pylist()
        if not stability:
            continue
        row = stability[0]
        named = ("verdict", "clusters", "stability_ari", "null_ari")
        found[group] = {name: row[name] for name in named if row[name] is not None}
        current = store.models(f"cluster_classifier_{group}").current
        if current is not None:
            scores = store.models(f"cluster_classifier_{group}").provenance(current).scores
            shown = ("accuracy_neuron_left_out", "guessing_neuron_left_out", "accuracy_random_map")
            found[group].update({name: scores[name] for name in shown if name in scores})
    return found


def _highest_numbers(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, int]:
    """The highest cluster number ever released of each group, this release included: no number is used for another cluster."""
    before = (store.release() or {}).get("highest_cluster_numbers") or {}
    found = {}
    for group in dataset.groups:
        numbers = store.results(morphology.CLUSTERS).read(group, ["cluster"]).column("cluster").to_pylist()
        found[group] = max([before.get(group, -1), *numbers])
    return {**before, **found}
