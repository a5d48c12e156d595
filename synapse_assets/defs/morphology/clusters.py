"""Maps and clusters of an investigation group: `projection`, `parameter_sweep`, `clusters`, `cluster_stability`."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.fitting import Fitted, fit_once
from synapse_assets.defs.metadata import Stopwatch, asset, check, progress_logger
from synapse_assets.defs.morphology.figures import kept_maps, kept_picture
from synapse_assets.defs.morphology.groups import Group
from synapse_assets.defs.morphology.synapses import FITTED_FEATURES
from synapse_assets.defs.partitions import investigation_groups
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


def cluster_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    groups = investigation_groups(dataset)
    fitted_key, projection_key, sweep_key, clusters_key, stability_key = (
        dg.AssetKey([dataset.name, name])
        for name in (FITTED_FEATURES, "projection", "parameter_sweep", "clusters", "cluster_stability")
    )
    resampling = hashed_fields(dataset.resampling)
    conditions = {name: group.conditions for name, group in dataset.groups.items()}
    published = {
        name: (group.published.min_cluster_size, group.published.min_samples)
        for name, group in dataset.groups.items()
        if group.published
    }

    @asset(
        dataset,
        "4_clusters",
        "projection",
        morphology.PROJECTION,
        {"parquet"},
        [resampling, conditions, dataset.seed],
        page="map",
        deps=[fitted_key],
        partitions_def=groups,
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "enough_synapses",
                asset=projection_key,
                partitions_def=groups,
                description="The group has enough synapses for maps and clusters.",
            )
        ],
    )
    def projection(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The maps of one investigation group: UMAP in two and three dimensions for the eye. A row is one synapse.

        The same step makes the resampled maps that clusters are found in: many, each with a seed and a subsample of its own,
        and more of features redrawn without groups, so that what follows can tell structure from chance. Do not read distances between
        far-away islands off a UMAP.
        """
        from synapse_assets.analysis.morphology.maps import MAPS_A_NULL, fit_maps
        from synapse_assets.analysis.morphology.tables import place_rows, scaled_matrix
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        rows = group.rows

        def fit(folder: Path) -> Fitted:
            total = dataset.resampling.runs + dataset.resampling.nulls * MAPS_A_NULL
            told = progress_logger(context.log.info, f"{group.name}: resampled maps", total)
            maps = fit_maps(scaled_matrix(rows.fitted), rows.ids, dataset.seed, dataset.resampling, progress=told)
            maps.save(folder)
            if isinstance(maps, NoModel):
                return Fitted(notes=[f"no maps: {maps.reason}"])
            return Fitted(scores={"fitted_synapses": float(len(rows.ids))}, notes=[maps.reason] if maps.reason else [])

        result = fit_once(
            context,
            group.store.models(f"projection_{group.name}"),
            inputs={"features": rows.key},
            parameters=resampling,
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        maps = group.maps
        table = place_rows(maps, group.name, group.maps_version)
        group.write(morphology.PROJECTION, table)
        shown = {}
        if not isinstance(maps, NoModel):
            shown = kept_maps(
                group, maps, f"{group.name}_map", f"{dataset.title}, group {group.name}", [-1] * len(rows.ids)
            )
        return result._replace(
            metadata={**shown, **(result.metadata or {}), **watch.numbers(table.num_rows)},
            check_results=[
                check(
                    "enough_synapses",
                    not maps.reason,
                    maps.reason or f"{table.num_rows:,} synapses",
                    warn=True,
                    synapses=len(rows.ids),
                )
            ],
        )

    @asset(
        dataset,
        "4_clusters",
        "parameter_sweep",
        morphology.PARAMETER_SWEEP,
        {"parquet"},
        {"published": published},
        deps=[projection_key],
        partitions_def=groups,
    )
    def parameter_sweep(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What HDBSCAN finds at each setting, and how stable that is over the resampled maps. A row is one setting.

        The setting that clusters are found with is chosen here; `why` says why, for every setting.
        """
        from synapse_assets.analysis.morphology.figures import sweep_figure
        from synapse_assets.analysis.morphology.sweep import sweep
        from synapse_assets.analysis.morphology.tables import sweep_rows
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        found = None if isinstance(group.maps, NoModel) else sweep(group.maps, published.get(group.name))
        table = sweep_rows(found, group.name, group.maps_version)
        group.write(morphology.PARAMETER_SWEEP, table)
        chosen = [row for row in table.to_pylist() if row["chosen"]]
        told = (
            {key: chosen[0][key] for key in ("min_cluster_size", "min_samples", "stability_ari", "why")}
            if chosen
            else {}
        )
        return dg.MaterializeResult(
            metadata={
                **(
                    {"sweep": kept_picture(group.store, f"{group.name}_sweep", sweep_figure(table))}
                    if table.num_rows
                    else {}
                ),
                **(told or {"why": group.maps.reason or "no setting is eligible"}),
                **watch.numbers(table.num_rows),
                "projection_model": group.maps_version,
            },
            data_version=dg.DataVersion(content_key(table, group.maps_version)),
        )

    @asset(
        dataset,
        "4_clusters",
        "clusters",
        morphology.CLUSTERS,
        {"parquet"},
        page="clusters",
        deps=[fitted_key, sweep_key, projection_key],
        partitions_def=groups,
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "found_clusters",
                asset=clusters_key,
                partitions_def=groups,
                description="The resampled maps agree on clusters.",
            ),
            dg.AssetCheckSpec(
                "every_synapse_has_a_row",
                asset=clusters_key,
                blocking=True,
                partitions_def=groups,
                description="Every synapse of the group that is used for the fit has one row, those left out too.",
            ),
        ],
    )
    def clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The consensus of HDBSCAN over all resampled maps of one investigation group. A row is one synapse; -1 is in no cluster.

        Numbers are matched to the previous release, so a cluster keeps its number as long as most of its synapses stay
        together; a new one gets a number never used before. Read `cluster_stability` before you read biology into them.
        """
        from synapse_assets.analysis.matching import match_numbers
        from synapse_assets.analysis.morphology.consensus import consensus
        from synapse_assets.analysis.morphology.tables import cluster_rows, labels_of
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        rows, maps, setting = group.rows, group.maps, group.setting

        def fit(folder: Path) -> Fitted:
            if isinstance(maps, NoModel) or setting is None:
                reason = maps.reason or "no setting finds clusters in most resampled maps"
                NoModel(reason).save(folder)
                return Fitted(notes=[f"no clusters: {reason}"])
            fitted = consensus(maps, setting)
            fitted.save(folder)
            return Fitted(scores=fitted.scores())

        result = fit_once(
            context,
            group.store.models(f"clusters_{group.name}"),
            inputs={"projection": group.maps_version, "setting": str(setting)},
            parameters={},
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        found, version = group.consensus, group.clusters_version
        before = _released(group.store, group.name)
        highest = ((group.store.release() or {}).get("highest_cluster_numbers") or {}).get(group.name, -1)
        numbers = {}
        if not isinstance(found, NoModel):
            now = dict(zip(found.ids.tolist(), found.labels.tolist(), strict=True))
            released = dict(
                zip(before.column("synapse_id").to_pylist(), before.column("cluster").to_pylist(), strict=True)
            )
            numbers = match_numbers(now, released, highest)
        group.write(morphology.CLUSTERS, cluster_rows(rows.features, found, numbers, group.name, version))
        table = group.clusters
        names = sorted(set(table.column("cluster").to_pylist()) - {-1})
        shown = {}
        if not isinstance(maps, NoModel):
            of_map = labels_of(table, rows.ids).tolist()
            title = f"{dataset.title}, clusters of group {group.name}"
            shown = kept_maps(group, maps, f"{group.name}_clusters", title, of_map)
        noise = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
        wanted = set(
            rows.synapses.filter(pc.equal(rows.synapses.column("used_for"), "fit")).column("synapse_id").to_pylist()
        )
        return result._replace(
            metadata={
                **shown,
                **(result.metadata or {}),
                **watch.numbers(table.num_rows),
                "clusters": len(names),
                "in_no_cluster": noise,
                "matched_to_release": bool(before.num_rows),
            },
            data_version=dg.DataVersion(content_key(table.drop_columns(["cluster_model"]), version)),
            check_results=[
                check(
                    "found_clusters",
                    bool(names),
                    found.reason
                    if isinstance(found, NoModel)
                    else f"{len(names)} clusters, {noise:,} synapses in none",
                    warn=True,
                    clusters=len(names),
                ),
                check(
                    "every_synapse_has_a_row",
                    sorted(table.column("synapse_id").to_pylist()) == sorted(wanted),
                    f"{table.num_rows:,} rows for {len(wanted):,} synapses",
                ),
            ],
        )

    @asset(
        dataset,
        "4_clusters",
        "cluster_stability",
        morphology.CLUSTER_STABILITY,
        {"parquet"},
        page="clusters",
        deps=[fitted_key, clusters_key, projection_key],
        partitions_def=groups,
        check_specs=[
            dg.AssetCheckSpec(
                "clusters_are_stable",
                asset=stability_key,
                partitions_def=groups,
                description="The clustering is called stable; a fragile one should not be read as kinds of synapses.",
            )
        ],
    )
    def cluster_stability(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How far the clusters of one investigation group can be trusted: stable, fragile, or not distinguishable from noise.

        The agreement between runs with other seeds and subsamples, with its interval; between two consensus clusterings that
        share nothing; and the same for features redrawn without groups. `cluster_profiles` in the warehouse has one row a cluster.
        """
        from synapse_assets.analysis.morphology.figures import stability_figure
        from synapse_assets.analysis.morphology.stability import assess
        from synapse_assets.analysis.morphology.tables import (
            profile_rows,
            released_agreement,
            stability_by_number,
            stability_row,
        )

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        table, version = group.clusters, group.clusters_version
        stability = assess(group.maps, group.consensus)
        of_cluster = stability_by_number(group.consensus, table)
        agreement = released_agreement(_released(group.store, group.name), table)
        report = stability_row(stability, group.rows.fitted, group.maps, agreement, group.name, version)
        profiles = profile_rows(group.rows.features, table, of_cluster, group.name, version)
        # The report last: it is what a reader asks for first.
        group.write(morphology.CLUSTER_PROFILES, profiles)
        group.write(morphology.CLUSTER_STABILITY, report)
        row = report.to_pylist()[0]
        shown = {}
        if stability.pair_aris.size:
            png = stability_figure(
                stability.pair_aris,
                stability.null_aris,
                of_cluster,
                stability.interval,
                stability.independent_ari,
                stability.verdict,
                stability.sentence,
            )
            shown["stability"] = kept_picture(group.store, f"{group.name}_stability", png)
        numbers = {
            name: row[name]
            for name in ("clusters", "noise_fraction", "stability_ari", "independent_ari", "null_ari", "null_p")
            if row[name] is not None
        }
        return dg.MaterializeResult(
            metadata={
                "verdict": row["verdict"],
                "sentence": row["sentence"],
                **shown,
                **watch.numbers(profiles.num_rows),
                **numbers,
                "cluster_model": version,
            },
            # The agreement with the release before says nothing of the clusters themselves.
            data_version=dg.DataVersion(
                content_key(report.drop_columns(["previous_release_ari"]), content_key(profiles))
            ),
            check_results=[
                check(
                    "clusters_are_stable",
                    row["verdict"] == "stable",
                    f"{row['verdict']}: {row['sentence']}",
                    warn=True,
                )
            ],
        )

    return [projection, parameter_sweep, clusters, cluster_stability]


def _released(store: DatasetStore, group: str) -> pa.Table:
    """The group's clusters in the release; no rows before the first."""
    from synapse_assets.stores.warehouse import read_released

    released = read_released(store, morphology.CLUSTERS)
    return released.filter(pc.equal(released.column("investigation_group"), group))
