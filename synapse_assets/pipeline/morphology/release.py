"""The release: the warehouse that scripts and people read, and which versions belong together in it.

How the file is built belongs to `stores.warehouse`.
"""

from synapse_assets.datasets import MORPHOLOGY, MorphologyDataset, Role
from synapse_assets.pipeline.morphology.group import Group, recipe_model
from synapse_assets.pipeline.report import Check, Json, Link, Markdown, Report, Stopwatch, StoredAt, markdown_table
from synapse_assets.schema import Table, morphology
from synapse_assets.stores import DatasetStore


def build_release(store: DatasetStore, dataset: MorphologyDataset, explorer_url: str) -> Report:
    """Builds the warehouse of all released tables and puts it in place of the one before.

    explorer_url: where it is shown. A check names the groups that are not complete. Raises BadInput where rows of a
    group were made from other inputs than there are now; the release before stays.
    """
    from synapse_assets.stores.warehouse import build_warehouse

    watch = Stopwatch()
    missing = [f"{asset} of {name}" for name in dataset.groups for asset in Group(store, dataset, name).missing()]
    # A group that is no longer in the dataset's YAML keeps its files, but is not part of the release.
    of_groups = [
        store.results(table).of(_released_groups(store, dataset, table))
        for table in _released_tables(dataset, by_group=True)
    ]
    build_warehouse(
        store,
        [*map(store.results, _released_tables(dataset, by_group=False)), *of_groups],
        {
            "models": _models(store, dataset),
            "scores": _scores(store, dataset),
            "highest_cluster_numbers": _highest_numbers(store, dataset),
        },
    )
    release = store.release() or {}
    rows = {name: entry["rows"] for name, entry in release["tables"].items()}
    return Report(
        details={
            "file": StoredAt(store.warehouse_address),
            "explorer": Link(explorer_url),
            "verdicts": Markdown(_verdicts_table(store, dataset)),
            "tables": Markdown(
                markdown_table(["table", "rows"], [[name, f"{count:,}"] for name, count in rows.items()])
            ),
            "release": Json(release),
        },
        seconds=watch.seconds,
        rows=rows["synapses"],
        computed_rows=sum(rows.values()),
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


def _released_groups(store: DatasetStore, dataset: MorphologyDataset, table: Table) -> list[str]:
    """The groups whose rows of that table are released: of a report that a release does not wait for, those that are current."""
    awaited = any(facts.awaited for facts in MORPHOLOGY.assets if table.name in facts.released)
    return [name for name in dataset.groups if awaited or Group(store, dataset, name).is_current(table)]


def _models(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, str | None]:
    fitted = [name for name in MORPHOLOGY.names(Role.FIT) if MORPHOLOGY.facts[name].awaited]
    whole = [name for name in fitted if not MORPHOLOGY.facts[name].by_part]
    by_group = [f"{name}_{group}" for group in dataset.groups for name in fitted if name not in whole]
    by_group += [recipe_model(group, recipe) for group in dataset.groups for recipe in dataset.recipes]
    return {name: store.models(name).current for name in (*whole, *by_group)}


def _scores(store: DatasetStore, dataset: MorphologyDataset) -> dict[str, dict[str, float | str]]:
    """The headline scores of each group."""
    by_group: dict[str, dict[str, float | str]] = {}
    for group in dataset.groups:
        stability = store.results(morphology.CLUSTER_STABILITY).read(group).to_pylist()
        if not stability:
            continue
        row = stability[0]
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


def _verdicts_table(store: DatasetStore, dataset: MorphologyDataset) -> str:
    verdicts = (
        store.results(morphology.CLUSTER_STABILITY)
        .of(dataset.groups)
        .read(columns=["investigation_group", "verdict", "sentence"])
    )
    lines = [[row["investigation_group"], row["verdict"], row["sentence"]] for row in verdicts.to_pylist()]
    return markdown_table(["group", "verdict", "why"], lines)
