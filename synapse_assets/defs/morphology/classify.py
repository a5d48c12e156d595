"""Clusters carried to new synapses: `cluster_classifier`, `predictions`."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use, require_same
from synapse_assets.defs.metadata import Stopwatch, check, describe
from synapse_assets.defs.morphology.figures import kept_picture
from synapse_assets.defs.morphology.groups import group_rows, neurons_of
from synapse_assets.defs.partitions import investigation_groups
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import BadInput, morphology
from synapse_assets.stores.rows import content_key


def classifier_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    groups = investigation_groups(dataset)
    features_key, projection_key, clusters_key, stability_key, classifier_key, predictions_key = (
        dg.AssetKey([dataset.name, name])
        for name in ("features", "projection", "clusters", "cluster_stability", "cluster_classifier", "predictions")
    )
    synapses_key = dg.AssetKey([dataset.name, "synapses"])

    @dg.asset(
        **describe(
            dataset,
            "5_classify",
            "cluster_classifier",
            morphology.CLASSIFIER_SCORES,
            {"scikitlearn", "xgboost"},
            dataset.model_dump(mode="json", include={"groups"}),
        ),
        deps=[synapses_key, features_key, projection_key, clusters_key, stability_key],
        partitions_def=groups,
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "trained_on_stable_clusters",
                asset=classifier_key,
                partitions_def=groups,
                description="The clusters that the classifiers learn are called stable.",
            ),
            dg.AssetCheckSpec(
                "carries_over_to_other_neurons",
                asset=classifier_key,
                partitions_def=groups,
                description="On neurons that were not trained on, the best classifier beats naming the largest cluster.",
            ),
        ],
    )
    def cluster_classifier(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Three classifiers that name the cluster of a new synapse, each tested twice. A row is one classifier and test.

        Once as the published study did (a random fifth, seed 42, on the map that defined the labels) and once honestly: one
        neuron left out, the feature chain fitted without it, on features. Synapses that the one-class SVM rejects count as
        wrong. The model card sets both beside each other.
        """
        from synapse_assets.analysis.morphology.classifiers import Evaluation, evaluate, fit_classifiers
        from synapse_assets.analysis.morphology.features import held_out_features
        from synapse_assets.analysis.morphology.figures import confusions_sheet
        from synapse_assets.analysis.morphology.model_card import model_card, name_of_test
        from synapse_assets.analysis.morphology.tables import (
            headline_scores,
            labels_of,
            of_synapses,
            scaled_matrix,
            score_rows,
        )
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        rows = group_rows(store, dataset, group)
        clusters = store.results(morphology.CLUSTERS).read(group)
        stability = store.results(morphology.CLUSTER_STABILITY).read(group).to_pylist()
        projection = store.results(morphology.PROJECTION).read(group)
        version = model_in_use(store.models(f"clusters_{group}"), f"materialise the asset 'clusters' of {group} first")
        if not stability or stability[0]["cluster_model"] != version:
            raise BadInput(
                f"the stability of {group} is not that of its clusters: materialise 'cluster_stability' of {group}"
            )
        verdict, sentence = stability[0]["verdict"], stability[0]["sentence"]
        labels = labels_of(clusters, rows.ids)
        fitted = rows.synapses.filter(pc.equal(rows.synapses.column("used_for"), "fit"))
        models = store.models(f"cluster_classifier_{group}")
        published = dataset.groups[group].published
        figures = {str(name): value for name, value in published.accuracy.items()} if published else {}

        def fit(folder: Path) -> Fitted:
            matrix, neurons = scaled_matrix(rows.fitted), neurons_of(rows)
            model = fit_classifiers(matrix, labels, dataset.seed, neurons)
            model.save(folder)
            if isinstance(model, NoModel):
                return Fitted(notes=[f"no classifier: {model.reason}"])
            place = np.stack(
                [of_synapses(projection, rows.ids).column(name).to_numpy() for name in ("map_1", "map_2")], 1
            )
            evaluation = evaluate(
                matrix,
                place,
                labels,
                neurons,
                rows.ids,
                lambda neuron: held_out_features(fitted, neuron, dataset.features),
                dataset.seed,
            )
            evaluation.save(folder)
            card = model_card(
                f"{group} ({dataset.title})",
                model,
                evaluation,
                f"{verdict}. {sentence}",
                figures,
                published.source if published else "",
            )
            (folder / "model_card.md").write_text(card, encoding="utf-8")
            return Fitted(scores=headline_scores(evaluation), notes=[*model.warnings, *evaluation.warnings])

        result = fit_once(
            context,
            models,
            inputs={
                "features": rows.key,
                "clusters": content_key(clusters.select(["synapse_id", "cluster"])),
                # Leaving a neuron out fits the features again, from the synapses themselves.
                "synapses": content_key(fitted),
                "stability": verdict,
            },
            parameters={"published": published.model_dump(mode="json") if published else None},
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        version = str(models.current)
        folder = models.path(version)
        without = NoModel.found(folder)
        shown: dict[str, dg.MetadataValue] = {}
        if without is None:
            evaluation = Evaluation.load(folder)
            table = score_rows(evaluation, group, figures, version)
            matrices = {name_of_test(score): score.confusion for score in evaluation.scores}
            png = confusions_sheet(matrices, [str(number) for number in evaluation.clusters])
            shown["model_card"] = dg.MetadataValue.md((folder / "model_card.md").read_text(encoding="utf-8"))
            shown["confusion"] = kept_picture(store, f"{group}_confusion", png)
        else:
            table = morphology.CLASSIFIER_SCORES.empty()
        scores = models.provenance(version).scores
        honest, guessing = (scores.get(f"{name}_neuron_left_out") for name in ("accuracy", "guessing"))
        store.results(morphology.CLASSIFIER_SCORES).write_partition(group, table)
        return result._replace(
            metadata={**shown, **(result.metadata or {}), **watch.numbers(table.num_rows)},
            check_results=[
                check(
                    "trained_on_stable_clusters",
                    without is not None or verdict == "stable",
                    "nothing was trained" if without is not None else f"{verdict}: {sentence}",
                    warn=True,
                ),
                check(
                    "carries_over_to_other_neurons",
                    honest is not None and guessing is not None and honest > guessing,
                    "not tested on other neurons"
                    if honest is None
                    else f"accuracy {honest:.3f}, naming the largest cluster gives {guessing:.3f}",
                    warn=True,
                ),
            ],
        )

    @dg.asset(
        **describe(dataset, "5_classify", "predictions", morphology.PREDICTIONS, {"parquet"}),
        deps=[classifier_key, features_key, projection_key],
        partitions_def=groups,
        check_specs=[
            dg.AssetCheckSpec(
                "every_new_synapse_has_a_row",
                asset=predictions_key,
                blocking=True,
                partitions_def=groups,
                description="Every newly observed synapse of the group has one row, unassigned ones too, with the reason.",
            )
        ],
    )
    def predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The cluster of each newly observed synapse of one investigation group. A row is one synapse.

        New synapses pass through exactly the fitted chain. -1 is no cluster, and `reason` says why: an extreme measure, a
        neuron with too few synapses, or unlike everything that was fitted.
        """
        from synapse_assets.analysis.morphology.classifiers import ClusterClassifiers, Evaluation
        from synapse_assets.analysis.morphology.maps import GroupMaps
        from synapse_assets.analysis.morphology.tables import labels_of, prediction_rows, scaled_matrix
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        store = installation.store(dataset.name)
        group = context.partition_key
        rows = group_rows(store, dataset, group)
        models, maps_store = store.models(f"cluster_classifier_{group}"), store.models(f"projection_{group}")
        version = model_in_use(models, f"materialise the asset 'cluster_classifier' of {group} first")
        require_same(models, version, "features", rows.key)
        maps_version = model_in_use(maps_store, f"materialise the asset 'projection' of {group} first")
        require_same(maps_store, maps_version, "features", rows.key)
        without = NoModel.found(models.path(version))
        model = without or ClusterClassifiers.load(models.path(version))
        best = None if without else Evaluation.load(models.path(version)).best
        maps = NoModel.found(maps_store.path(maps_version)) or GroupMaps.load(maps_store.path(maps_version))
        new = rows.features.filter(pc.equal(rows.features.column("used_for"), "prediction"))
        table = prediction_rows(new, model, best, maps, group, version)
        results = store.results(morphology.PREDICTIONS)
        results.write_partition(group, table)
        agreement = {}
        if not isinstance(model, NoModel):
            labels = labels_of(store.results(morphology.CLUSTERS).read(group), rows.ids)
            named = model.predict(scaled_matrix(rows.fitted))
            inside = labels >= 0
            agreement = {
                f"training_labels_agree_{name}": float((found[inside] == labels[inside]).mean())
                for name, found in named.labels.items()
            }
        unassigned = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "unassigned": unassigned,
                "classifier": best or "none",
                "classifier_model": version,
                **agreement,
                "predicted": dg.MetadataValue.md(_predicted(table)),
            },
            data_version=dg.DataVersion(content_key(table)),
            check_results=[
                check(
                    "every_new_synapse_has_a_row",
                    results.read(group, ["synapse_id"]).num_rows == new.num_rows,
                    f"{table.num_rows:,} rows for {new.num_rows:,} newly observed synapses, {unassigned:,} unassigned",
                )
            ],
        )

    return [cluster_classifier, predictions]


def _predicted(table: pa.Table) -> str:
    counts = table.group_by(["neuron_id", "cluster"]).aggregate([([], "count_all")]).to_pylist()
    lines = [f"| {row['neuron_id']} | {row['cluster']} | {row['count_all']:,} |" for row in counts]
    return "\n".join(["| neuron | cluster | synapses |", "|---|---|---|", *sorted(lines)])
