"""The release: the warehouse that scripts and people read, which versions belong together in it, and the verdict beside every cluster.

How the file is built belongs to `stores.warehouse`.
"""

from collections.abc import Sequence

import pyarrow as pa

from synapse_assets.datasets import MORPHOLOGY, MorphologyDataset, Role
from synapse_assets.pipeline.morphology.group import Group, recipe_model
from synapse_assets.pipeline.report import Check, Json, Link, Markdown, Report, Stopwatch, StoredAt, markdown_table
from synapse_assets.schema import Table, morphology
from synapse_assets.stores import DatasetStore

# Tables whose rows are of the group's clusters, or were made from these.
_OF_CLUSTERS = (
    morphology.CLUSTERS,
    morphology.CLUSTER_PROFILES,
    morphology.CLASSIFIER_SCORES,
    morphology.PREDICTIONS,
)


def build_release(store: DatasetStore, dataset: MorphologyDataset, explorer_url: str) -> Report:
    """Builds the warehouse of all released tables and puts it in place of the one before.

    explorer_url: where it is shown. A check names the groups that are not complete. Raises BadInput where rows of a
    group were made from other inputs than there are now; the release before stays.
    """
    from synapse_assets.stores.warehouse import build_warehouse, content_version

    watch = Stopwatch()
    # A group that is no longer in the dataset's YAML keeps its files, but is not part of the release.
    groups = [Group(store, dataset, name) for name in dataset.groups]
    missing = [f"{asset} of {group.name}" for group in groups for asset in group.missing()]
    of_groups = [
        store.results(table).of(_released_groups(groups, table)) for table in _released_tables(dataset, by_group=True)
    ]
    assessed = _released_groups(groups, morphology.CLUSTER_STABILITY)
    build_warehouse(
        store,
        [*map(store.results, _released_tables(dataset, by_group=False)), *of_groups],
        {
            "models": _models(store, dataset),
            "scores": _scores(store, assessed),
            "highest_cluster_numbers": _highest_numbers(store, dataset),
        },
        {table.name: _verdicts(groups, table) for table in _OF_CLUSTERS},
    )
    release = store.release() or {}
    rows = {name: entry["rows"] for name, entry in release["tables"].items()}
    return Report(
        details={
            "file": StoredAt(store.warehouse_address),
            "explorer": Link(explorer_url),
            "verdicts": Markdown(_verdicts_table(store, assessed)),
            "tables": Markdown(
                markdown_table(["table", "rows"], [[name, f"{count:,}"] for name, count in rows.items()])
            ),
            "release": Json(release),
        },
        seconds=watch.seconds,
        rows=rows["synapses"],
        computed_rows=sum(rows.values()),
        content_version=content_version(release),
        checks=[
            Check(
                "every_group_complete",
                not missing,
                "complete" if not missing else f"not materialised yet: {'; '.join(missing)}",
                warn=True,
            )
        ],
    )


def _released_tables(dataset: MorphologyDataset, by_group: bool) -> list[Table]:
    """The released tables that are made group by group, or those of the whole dataset."""
    released = (facts.released for facts in MORPHOLOGY.assets_of(dataset) if facts.by_part == by_group)
    return [MORPHOLOGY.tables[name] for names in released for name in names]


def _released_groups(groups: Sequence[Group], table: Table) -> list[str]:
    """The groups whose rows of that table are released: of a report that a release does not wait for, and of verdicts, those that are
    current."""
    awaited = any(facts.awaited for facts in MORPHOLOGY.assets if table.name in facts.released)
    current_only = not awaited or table is morphology.CLUSTER_STABILITY
    return [group.name for group in groups if not current_only or group.is_current(table)]


def _verdicts(groups: Sequence[Group], table: Table) -> pa.Table:
    """The verdict on the clusters that the rows of that table are of or were made from, by group."""
    names, verdicts = [group.name for group in groups], [group.verdict_on(table) for group in groups]
    return pa.table({"investigation_group": pa.array(names, pa.string()), "verdict": pa.array(verdicts, pa.string())})


def _models(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, str | None]:
    fitted = [name for name in MORPHOLOGY.names(Role.FIT) if MORPHOLOGY.facts[name].awaited]
    whole = [name for name in fitted if not MORPHOLOGY.facts[name].by_part]
    by_group = [f"{name}_{group}" for group in dataset.groups for name in fitted if name not in whole]
    by_group += [recipe_model(group, recipe) for group in dataset.groups for recipe in dataset.recipes]
    return {name: store.models(name).current for name in (*whole, *by_group)}


def _scores(store: DatasetStore, assessed: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """The headline scores of each group whose clusters were assessed."""
    by_group: dict[str, dict[str, float | str]] = {}
    for group in assessed:
        [row] = store.results(morphology.CLUSTER_STABILITY).read(group).to_pylist()
        columns = ("verdict", "clusters", "stability_ari", "null_ari")
        by_group[group] = {name: row[name] for name in columns if row[name] is not None}
        models = store.models(f"cluster_classifier_{group}")
        if models.current is not None:
            scores = models.provenance(models.current).scores
            headline = ("accuracy_neuron_left_out", "guessing_neuron_left_out", "accuracy_random_map")
            by_group[group].update({name: scores[name] for name in headline if name in scores})
    return by_group


def _highest_numbers(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, int]:
    """The highest cluster number ever released of each group, this release included: no number is used for another cluster."""
    before = (store.release() or {}).get("highest_cluster_numbers") or {}
    highest = {}
    for group in dataset.groups:
        numbers = store.results(morphology.CLUSTERS).read(group, ["cluster"]).column("cluster").to_pylist()
        highest[group] = max([before.get(group, -1), *numbers])
    return {**before, **highest}


def _verdicts_table(store: DatasetStore, assessed: Sequence[str]) -> str:
    verdicts = (
        store.results(morphology.CLUSTER_STABILITY)
        .of(assessed)
        .read(columns=["investigation_group", "verdict", "sentence"])
    )
    lines = [[row["investigation_group"], row["verdict"], row["sentence"]] for row in verdicts.to_pylist()]
    return markdown_table(["group", "verdict", "why"], lines)
