"""Maps and clusters of an investigation group: `projection`, `parameter_sweep`, `clusters`, `cluster_stability`."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use, require_same
from synapse_assets.defs.metadata import Stopwatch, check, describe
from synapse_assets.defs.morphology.figures import kept_maps, kept_picture
from synapse_assets.defs.morphology.groups import group_rows
from synapse_assets.defs.partitions import investigation_groups
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import BadInput, morphology
from synapse_assets.stores.rows import content_key


def cluster_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    groups = investigation_groups(dataset)
    features_key, projection_key, sweep_key, clusters_key, stability_key = (
        dg.AssetKey([dataset.name, name])
        for name in ("features", "projection", "parameter_sweep", "clusters", "cluster_stability")
    )
    resampling = dataset.resampling.model_dump(mode="json")

    @dg.asset(
        **describe(dataset, "4_clusters", "projection", morphology.PROJECTION, {"parquet"}, resampling),
        deps=[features_key],
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
        and as many of shuffled features, so that what follows can tell structure from chance. Do not read distances between
        far-away islands off a UMAP.
        """
        from synapse_assets.analysis.morphology.maps import GroupMaps, fit_maps
        from synapse_assets.analysis.morphology.tables import place_rows, scaled_matrix
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        rows = group_rows(store, dataset, group)
        models = store.models(f"projection_{group}")

        def fit(folder: Path) -> Fitted:
            maps = fit_maps(scaled_matrix(rows.fitted), rows.ids, dataset.seed, dataset.resampling)
            maps.save(folder)
            if isinstance(maps, NoModel):
                return Fitted(notes=[f"no maps: {maps.reason}"])
            return Fitted(scores={"fitted_synapses": float(len(rows.ids))})

        result = fit_once(
            context,
            models,
            inputs={"features": rows.key},
            parameters=resampling,
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        version = str(models.current)
        maps = NoModel.found(models.path(version)) or GroupMaps.load(models.path(version))
        shown: dict[str, dg.MetadataValue] = {}
        table = place_rows(maps, group, version)
        if not isinstance(maps, NoModel):
            shown = kept_maps(
                store, f"{group}_map", f"{dataset.title}, group {group}", rows, maps, [-1] * len(rows.ids)
            )
        store.results(morphology.PROJECTION).write_partition(group, table)
        return result._replace(
            metadata={**shown, **(result.metadata or {}), **watch.numbers(table.num_rows)},
            check_results=[
                check(
                    "enough_synapses",
                    table.num_rows > 0,
                    maps.reason if isinstance(maps, NoModel) else f"{table.num_rows:,} synapses",
                    warn=True,
                    synapses=len(rows.ids),
                )
            ],
        )

    @dg.asset(
        **describe(
            dataset,
            "4_clusters",
            "parameter_sweep",
            morphology.PARAMETER_SWEEP,
            {"parquet"},
            dataset.model_dump(mode="json", include={"groups"}),
        ),
        deps=[projection_key],
        partitions_def=groups,
    )
    def parameter_sweep(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What HDBSCAN finds at each setting, and how stable that is over the resampled maps. A row is one setting.

        The setting that clusters are found with is chosen here; `why` says why, for every setting.
        """
        from synapse_assets.analysis.morphology.figures import sweep_figure
        from synapse_assets.analysis.morphology.maps import GroupMaps
        from synapse_assets.analysis.morphology.sweep import sweep
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        models = store.models(f"projection_{group}")
        version = model_in_use(models, f"materialise the asset 'projection' of {group} first")
        maps = NoModel.found(models.path(version)) or GroupMaps.load(models.path(version))
        published = dataset.groups[group].published
        extra = (published.min_cluster_size, published.min_samples) if published else None
        found = [] if isinstance(maps, NoModel) else sweep(maps, extra).rows()
        table = morphology.PARAMETER_SWEEP.conform(
            pa.Table.from_pylist(
                [{**row, "investigation_group": group, "projection_model": version} for row in found],
                schema=morphology.PARAMETER_SWEEP.arrow,
            )
        )
        store.results(morphology.PARAMETER_SWEEP).write_partition(group, table)
        shown: dict[str, dg.MetadataValue] = {}
        if table.num_rows:
            shown["sweep"] = kept_picture(store, f"{group}_sweep", sweep_figure(table))
        chosen = [row for row in found if row["chosen"]]
        return dg.MaterializeResult(
            metadata={
                **shown,
                **watch.numbers(table.num_rows),
                "projection_model": version,
                **(
                    {key: chosen[0][key] for key in ("min_cluster_size", "min_samples", "stability_ari", "why")}
                    if chosen
                    else {"why": maps.reason if isinstance(maps, NoModel) else "no setting is eligible"}
                ),
            },
            data_version=dg.DataVersion(content_key(table)),
        )

    @dg.asset(
        **describe(dataset, "4_clusters", "clusters", morphology.CLUSTERS, {"parquet"}),
        deps=[features_key, sweep_key, projection_key],
        partitions_def=groups,
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "found_clusters",
                asset=clusters_key,
                partitions_def=groups,
                description="The resampled maps agree on at least two clusters.",
            ),
            dg.AssetCheckSpec(
                "every_synapse_has_a_row",
                asset=clusters_key,
                blocking=True,
                partitions_def=groups,
                description="Every fitted synapse of the group has one row, those left out too.",
            ),
        ],
    )
    def clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The consensus of HDBSCAN over all resampled maps of one investigation group. A row is one synapse; -1 is in no cluster.

        Numbers are matched to the previous release, so a cluster keeps its number as long as most of its synapses stay
        together; a new one gets a number never used before. Read `cluster_stability` before you read biology into them.
        """
        from synapse_assets.analysis.morphology.consensus import Consensus, consensus
        from synapse_assets.analysis.morphology.maps import GroupMaps
        from synapse_assets.analysis.morphology.matching import match_numbers
        from synapse_assets.analysis.morphology.tables import cluster_rows, labels_of
        from synapse_assets.analysis.outcome import NoModel
        from synapse_assets.stores.warehouse import read_released

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        rows = group_rows(store, dataset, group)
        maps_store = store.models(f"projection_{group}")
        maps_version = model_in_use(maps_store, f"materialise the asset 'projection' of {group} first")
        if maps_store.provenance(maps_version).inputs["features"] != rows.key:
            raise BadInput(
                f"the maps of {group} are of other features than there are now: materialise 'projection' of {group}"
            )
        maps = NoModel.found(maps_store.path(maps_version)) or GroupMaps.load(maps_store.path(maps_version))
        settings = store.results(morphology.PARAMETER_SWEEP).read(group)
        if set(settings.column("projection_model").to_pylist()) - {maps_version}:
            raise BadInput(
                f"the sweep of {group} is of other maps than there are now: materialise 'parameter_sweep' of {group}"
            )
        chosen = settings.filter(settings.column("chosen")).to_pylist()
        setting = (chosen[0]["min_cluster_size"], chosen[0]["min_samples"]) if chosen else None
        models = store.models(f"clusters_{group}")

        def fit(folder: Path) -> Fitted:
            if isinstance(maps, NoModel) or setting is None:
                reason = (
                    maps.reason if isinstance(maps, NoModel) else "no setting finds clusters in most resampled maps"
                )
                NoModel(reason).save(folder)
                return Fitted(notes=[f"no clusters: {reason}"])
            found = consensus(maps, setting)
            found.save(folder)
            return Fitted(scores=found.scores())

        result = fit_once(
            context,
            models,
            inputs={"projection": maps_version},
            parameters={"setting": list(setting or ())},
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        version = str(models.current)
        found = NoModel.found(models.path(version)) or Consensus.load(models.path(version))
        previous = read_released(store, morphology.CLUSTERS)
        previous = previous.filter(pc.equal(previous.column("investigation_group"), group))
        highest = ((store.release() or {}).get("highest_cluster_numbers") or {}).get(group, -1)
        numbers = (
            {}
            if isinstance(found, NoModel)
            else match_numbers(
                dict(zip(found.ids.tolist(), found.labels.tolist(), strict=True)),
                dict(
                    zip(previous.column("synapse_id").to_pylist(), previous.column("cluster").to_pylist(), strict=True)
                ),
                highest,
            )
        )
        table = cluster_rows(rows.features, found, numbers, group, version)
        store.results(morphology.CLUSTERS).write_partition(group, table)
        fitted = pc.sum(pc.equal(rows.features.column("used_for"), "fit")).as_py() or 0
        names = sorted(set(table.column("cluster").to_pylist()) - {-1})
        shown: dict[str, dg.MetadataValue] = {}
        if not isinstance(maps, NoModel):
            of_map = labels_of(table, rows.ids).tolist()
            shown = kept_maps(
                store, f"{group}_clusters", f"{dataset.title}, clusters of group {group}", rows, maps, of_map
            )
        noise = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
        return result._replace(
            metadata={
                **shown,
                **(result.metadata or {}),
                **watch.numbers(table.num_rows),
                "clusters": len(names),
                "in_no_cluster": noise,
                "matched_to_release": bool(previous.num_rows),
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
                    store.results(morphology.CLUSTERS).read(group, ["synapse_id"]).num_rows == fitted,
                    f"{table.num_rows:,} rows for {fitted:,} synapses",
                ),
            ],
        )

    @dg.asset(
        **describe(dataset, "4_clusters", "cluster_stability", morphology.CLUSTER_STABILITY, {"parquet"}),
        deps=[features_key, clusters_key, projection_key],
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
        share nothing; and the same for shuffled features. `cluster_profiles` in the warehouse has one row a cluster.
        """
        from synapse_assets.analysis.morphology.consensus import Consensus
        from synapse_assets.analysis.morphology.figures import stability_figure
        from synapse_assets.analysis.morphology.maps import GroupMaps
        from synapse_assets.analysis.morphology.stability import assess
        from synapse_assets.analysis.morphology.tables import (
            profile_rows,
            released_agreement,
            stability_by_number,
            stability_row,
        )
        from synapse_assets.analysis.outcome import NoModel
        from synapse_assets.stores.warehouse import read_released

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        rows = group_rows(store, dataset, group)
        models, maps_store = store.models(f"clusters_{group}"), store.models(f"projection_{group}")
        version = model_in_use(models, f"materialise the asset 'clusters' of {group} first")
        maps_version = model_in_use(maps_store, f"materialise the asset 'projection' of {group} first")
        require_same(models, version, "projection", maps_version)
        table = store.results(morphology.CLUSTERS).read(group)
        found = NoModel.found(models.path(version)) or Consensus.load(models.path(version))
        maps = NoModel.found(maps_store.path(maps_version)) or GroupMaps.load(maps_store.path(maps_version))
        stability = assess(maps, found)
        released = read_released(store, morphology.CLUSTERS)
        released = released.filter(pc.equal(released.column("investigation_group"), group))
        report = stability_row(
            stability, rows.fitted, dataset.resampling, released_agreement(released, table), group, version
        )
        of_cluster = {} if isinstance(found, NoModel) else stability_by_number(found, table)
        profiles = profile_rows(rows.features, table, of_cluster, group, version)
        store.results(morphology.CLUSTER_STABILITY).write_partition(group, report)
        store.results(morphology.CLUSTER_PROFILES).write_partition(group, profiles)
        row = report.to_pylist()[0]
        shown: dict[str, dg.MetadataValue] = {}
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
            shown["stability"] = kept_picture(store, f"{group}_stability", png)
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
