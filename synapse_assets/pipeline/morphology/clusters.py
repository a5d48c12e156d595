"""Maps and clusters of an investigation group: maps, the sweep of settings, clusters, and how far they can be trusted.

The methods belong to `analysis.clustering`.
"""

from dataclasses import replace
from logging import Logger
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.morphology.figures import save_cluster_maps, save_picture, save_plain_maps
from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.pipeline.report import Check, Detail, Report, Stopwatch, progress_logger
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


def map_group(store: DatasetStore, dataset: MorphologyDataset, group_name: str, log: Logger) -> Report:
    """Fits the maps of a group and the resampled maps that its clusters are found in; a refit is in use at once.

    Raises BadInput if the features were made from other synapses or another feature model than there are.
    """
    from synapse_assets.analysis.morphology.tables import place_rows

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    report = _fit_maps(group, log)
    rows, maps = group.rows, group.maps
    table = place_rows(maps, group.name, group.maps_version)
    group.write(morphology.PROJECTION, table)
    figures: dict[str, Detail] = {}
    if not isinstance(maps, NoModel):
        figures = save_plain_maps(group, maps)
    return replace(
        report,
        details={**figures, **report.details},
        seconds=watch.seconds,
        rows=table.num_rows,
        checks=[
            Check(
                "enough_synapses",
                not maps.reason,
                maps.reason or f"{table.num_rows:,} synapses",
                warn=True,
                numbers={"synapses": len(rows.ids)},
            )
        ],
    )


def _fit_maps(group: Group, log: Logger) -> Report:
    from synapse_assets.analysis.clustering.resampled_maps import MAPS_A_NULL, fit_maps
    from synapse_assets.analysis.morphology.tables import scaled_matrix

    rows, dataset = group.rows, group.dataset

    def fit(folder: Path) -> Fitted:
        total = dataset.resampling.runs + dataset.resampling.nulls * MAPS_A_NULL
        progress = progress_logger(log.info, f"{group.name}: resampled maps", total)
        maps = fit_maps(scaled_matrix(rows.fitted), rows.ids, dataset.seed, dataset.resampling, progress=progress)
        maps.save(folder)
        if isinstance(maps, NoModel):
            return Fitted(notes=[f"no maps: {maps.reason}"])
        return Fitted(scores={"fitted_synapses": float(len(rows.ids))}, notes=[maps.reason] if maps.reason else [])

    return fit_once(
        group.store,
        f"projection_{group.name}",
        log,
        inputs={"features": rows.key},
        parameters=hashed_fields(dataset.resampling),
        seed=dataset.seed,
        fit=fit,
    )


def sweep_settings(store: DatasetStore, dataset: MorphologyDataset, group_name: str) -> Report:
    """Tries HDBSCAN at each setting on the maps of a group, and chooses the setting that its clusters are found with.

    Raises BadInput if the maps are missing or of other features than there are.
    """
    from synapse_assets.analysis.clustering.parameter_sweep import sweep
    from synapse_assets.analysis.morphology.tables import sweep_rows
    from synapse_assets.figures.stability import sweep_figure

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    published = dataset.groups[group_name].published
    setting = (published.min_cluster_size, published.min_samples) if published else None
    outcome = None if isinstance(group.maps, NoModel) else sweep(group.maps, setting)
    table = sweep_rows(outcome, group.name, group.maps_version)
    group.write(morphology.PARAMETER_SWEEP, table)
    details: dict[str, Detail] = {}
    if table.num_rows:
        details["sweep"] = save_picture(group.store, f"{group.name}_sweep", sweep_figure(table))
    chosen = [row for row in table.to_pylist() if row["chosen"]]
    if chosen:
        details |= {key: chosen[0][key] for key in ("min_cluster_size", "min_samples", "stability_ari", "why")}
    else:
        details["why"] = group.maps.reason or "no setting is eligible"
    return Report(
        details={**details, "projection_model": group.maps_version},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table, group.maps_version),
    )


def cluster_group(store: DatasetStore, dataset: MorphologyDataset, group_name: str, log: Logger) -> Report:
    """Finds the consensus clusters of a group over its resampled maps, and numbers them as in the release.

    A refit is in use at once. Raises BadInput if the maps or the sweep are missing or made from other inputs than there are.
    """
    from synapse_assets.analysis.morphology.tables import cluster_rows

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    report = _fit_clusters(group, log)
    rows, maps, consensus, version = group.rows, group.maps, group.consensus, group.clusters_version
    released = _released_clusters(store, group.name)
    numbers = _matched_numbers(group, released)
    group.write(morphology.CLUSTERS, cluster_rows(rows.features, consensus, numbers, group.name, version))
    table = group.clusters
    clusters = set(table.column("cluster").to_pylist()) - {-1}
    noise = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
    figures: dict[str, Detail] = {}
    if not isinstance(maps, NoModel):
        figures = save_cluster_maps(group, maps, group.verdict)
    used_for_fit = rows.synapses.filter(pc.equal(rows.synapses.column("used_for"), "fit"))
    expected_ids = set(used_for_fit.column("synapse_id").to_pylist())
    return replace(
        report,
        details={
            **figures,
            **report.details,
            "clusters": len(clusters),
            "in_no_cluster": noise,
            "matched_to_release": bool(released.num_rows),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["cluster_model"]), version),
        checks=[
            Check(
                "found_clusters",
                bool(clusters),
                consensus.reason
                if isinstance(consensus, NoModel)
                else f"{len(clusters)} clusters, {noise:,} synapses in none",
                warn=True,
                numbers={"clusters": len(clusters)},
            ),
            Check(
                "every_synapse_has_a_row",
                sorted(table.column("synapse_id").to_pylist()) == sorted(expected_ids),
                f"{table.num_rows:,} rows for {len(expected_ids):,} synapses",
            ),
        ],
    )


def _fit_clusters(group: Group, log: Logger) -> Report:
    from synapse_assets.analysis.clustering.consensus import consensus

    maps, setting = group.maps, group.setting

    def fit(folder: Path) -> Fitted:
        if isinstance(maps, NoModel) or setting is None:
            reason = maps.reason or "no setting finds clusters in most resampled maps"
            NoModel(reason).save(folder)
            return Fitted(notes=[f"no clusters: {reason}"])
        fitted = consensus(maps, setting)
        fitted.save(folder)
        return Fitted(scores=fitted.scores())

    return fit_once(
        group.store,
        f"clusters_{group.name}",
        log,
        inputs={"projection": group.maps_version, "setting": str(setting)},
        parameters={},
        seed=group.dataset.seed,
        fit=fit,
    )


def _matched_numbers(group: Group, released: pa.Table) -> dict[int, int]:
    """The number of each cluster by its label: that of the released cluster which it continues, or a new one."""
    from synapse_assets.analysis.clustering.cluster_numbers import match_numbers

    consensus = group.consensus
    if isinstance(consensus, NoModel):
        return {}
    highest = ((group.store.release() or {}).get("highest_cluster_numbers") or {}).get(group.name, -1)
    label_of = dict(zip(consensus.ids.tolist(), consensus.labels.tolist(), strict=True))
    released_number_of = dict(
        zip(released.column("synapse_id").to_pylist(), released.column("cluster").to_pylist(), strict=True)
    )
    return match_numbers(label_of, released_number_of, highest)


def assess_clusters(store: DatasetStore, dataset: MorphologyDataset, group_name: str) -> Report:
    """Reports how far the clusters of a group can be trusted, describes each of them, and draws them again with the verdict.

    Raises BadInput if maps or clusters are missing or made from other inputs than there are.
    """
    from synapse_assets.analysis.clustering.stability_verdict import assess
    from synapse_assets.analysis.clustering.verdict_power import power
    from synapse_assets.analysis.morphology.tables import (
        profile_rows,
        released_agreement,
        stability_by_number,
        stability_row,
    )
    from synapse_assets.figures.stability import stability_figure

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    clusters, version = group.clusters, group.clusters_version
    stability = assess(group.maps, group.consensus)
    by_number = stability_by_number(group.consensus, clusters)
    agreement = released_agreement(_released_clusters(store, group.name), clusters)
    verdict = stability_row(stability, group.rows.fitted, group.maps, agreement, group.name, version)
    profiles = profile_rows(group.rows.features, clusters, by_number, group.name, version)
    # The verdict last: readers look for it first.
    group.write(morphology.CLUSTER_PROFILES, profiles)
    group.write(morphology.CLUSTER_STABILITY, verdict)
    row = verdict.to_pylist()[0]
    seen = power(row["synapses"]).sentence
    details: dict[str, Detail] = {"verdict": row["verdict"], "sentence": row["sentence"], "power": seen}
    if stability.pair_aris.size:
        png = stability_figure(
            stability.pair_aris,
            stability.null_aris,
            by_number,
            stability.interval,
            stability.independent_ari,
            stability.verdict,
            stability.sentence,
            seen,
        )
        details["stability"] = save_picture(store, f"{group.name}_stability", png)
    if not isinstance(group.maps, NoModel):
        details |= save_cluster_maps(group, group.maps, row)
    scores = (
        "clusters",
        "noise_fraction",
        "stability_ari",
        "independent_ari",
        "null_ari",
        "null_p",
        "detectable_separation_sd",
    )
    details |= {name: row[name] for name in scores if row[name] is not None}
    return Report(
        details={**details, "cluster_model": version},
        seconds=watch.seconds,
        rows=profiles.num_rows,
        # Neither the agreement with the release before nor what could be seen is a property of the clusters themselves.
        content_version=content_key(
            verdict.drop_columns(["previous_release_ari", "detectable_separation_sd"]), content_key(profiles)
        ),
        checks=[
            Check(
                "clusters_are_stable",
                row["verdict"] == "stable",
                f"{row['verdict']}: {row['sentence']} {seen}",
                warn=True,
            )
        ],
    )


def _released_clusters(store: DatasetStore, group_name: str) -> pa.Table:
    """The group's clusters in the release; no rows before the first."""
    from synapse_assets.stores.warehouse import read_released

    released = read_released(store, morphology.CLUSTERS)
    return released.filter(pc.equal(released.column("investigation_group"), group_name))
