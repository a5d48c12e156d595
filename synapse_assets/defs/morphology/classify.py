"""Clusters carried to new synapses: `cluster_classifier`, `predictions`."""

from itertools import count
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.fitting import Fitted, fit_once
from synapse_assets.defs.metadata import Stopwatch, asset, check, progress_logger
from synapse_assets.defs.morphology.figures import kept_picture
from synapse_assets.defs.morphology.groups import Group, fitted_synapses, measured_key
from synapse_assets.defs.morphology.synapses import FITTED_FEATURES, NEW_FEATURES
from synapse_assets.defs.partitions import investigation_groups
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import morphology
from synapse_assets.stores.rows import content_key


def classifier_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    groups = investigation_groups(dataset)
    projection_key, clusters_key, stability_key, classifier_key, predictions_key = (
        dg.AssetKey([dataset.name, name])
        for name in ("projection", "clusters", "cluster_stability", "cluster_classifier", "predictions")
    )
    fitted_key, new_key = (dg.AssetKey([dataset.name, name]) for name in (FITTED_FEATURES, NEW_FEATURES))

    @asset(
        dataset,
        "5_classify",
        "cluster_classifier",
        morphology.CLASSIFIER_SCORES,
        {"scikitlearn", "xgboost"},
        hashed_fields(dataset, include={"groups", "features"}),
        deps=[fitted_key, projection_key, clusters_key, stability_key],
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

        Once in the published study's way (a random fifth, seed 42, from the two coordinates of the map) and once honestly: one
        neuron left out, the feature chain fitted without it, on features. Synapses that the one-class SVM rejects count as
        wrong. The model card sets both beside each other.
        """
        from synapse_assets.analysis.morphology.classifiers import Evaluation, evaluate, fit_classifiers
        from synapse_assets.analysis.morphology.features import HeldOut, held_out_features
        from synapse_assets.analysis.morphology.figures import confusions_sheet
        from synapse_assets.analysis.morphology.maps import GroupMaps
        from synapse_assets.analysis.morphology.model_card import model_card, name_of_test
        from synapse_assets.analysis.morphology.tables import headline_scores, labels_of, scaled_matrix, score_rows
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        rows, maps = group.rows, group.maps
        verdict, sentence = group.stability["verdict"], group.stability["sentence"]
        labels = labels_of(group.clusters, rows.ids)
        # Leaving a neuron out fits the whole feature chain again, so all groups' synapses are needed.
        every = fitted_synapses(group.store.results(morphology.SYNAPSES).read())
        models = group.store.models(f"cluster_classifier_{group.name}")
        published = dataset.groups[group.name].published
        figures = {str(name): value for name, value in published.accuracy.items()} if published else {}

        def fit(folder: Path) -> Fitted:
            matrix = scaled_matrix(rows.fitted)
            model = fit_classifiers(matrix, labels, dataset.seed, rows.neurons)
            model.save(folder)
            if isinstance(model, NoModel) or not isinstance(maps, GroupMaps):
                return Fitted(notes=[f"no classifier: {model.reason}"] if isinstance(model, NoModel) else [])
            told = progress_logger(context.log.info, f"{group.name}: neurons left out", len(set(rows.neurons)))
            neurons = count(1)

            def held_out(neuron: str) -> HeldOut | NoModel:
                told(next(neurons))
                return held_out_features(every, neuron, dataset.features)

            evaluation = evaluate(matrix, maps.map, labels, rows.neurons, rows.ids, held_out, dataset.seed)
            evaluation.save(folder)
            card = model_card(
                f"{group.name} ({dataset.title})",
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
                "clusters": group.clusters_key,
                "synapses": measured_key(every),
                "stability": sentence,
            },
            parameters={
                "published": hashed_fields(published) if published else None,
                "features": hashed_fields(dataset.features),
            },
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda _: False,
        )
        version = group.classifier_version
        folder = models.path(version)
        without = NoModel.found(folder)
        shown: dict[str, dg.MetadataValue] = {}
        table = morphology.CLASSIFIER_SCORES.empty()
        if without is None:
            evaluation = Evaluation.load(folder)
            table = score_rows(evaluation, group.name, figures, version)
            matrices = {name_of_test(score): score.confusion for score in evaluation.scores}
            png = confusions_sheet(matrices, [str(number) for number in evaluation.clusters])
            shown["model_card"] = dg.MetadataValue.md((folder / "model_card.md").read_text(encoding="utf-8"))
            shown["confusion"] = kept_picture(group.store, f"{group.name}_confusion", png)
        group.write(morphology.CLASSIFIER_SCORES, table)
        scores = models.provenance(version).scores
        honest, guessing = (scores.get(f"{name}_neuron_left_out") for name in ("accuracy", "guessing"))
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

    @asset(
        dataset,
        "5_classify",
        "predictions",
        morphology.PREDICTIONS,
        {"parquet"},
        page="map",
        deps=[new_key, projection_key, clusters_key, classifier_key],
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
        from synapse_assets.analysis.morphology.tables import labels_of, prediction_rows, training_agreement
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        group = Group(installation.store(dataset.name), dataset, context.partition_key)
        rows, version = group.rows, group.classifier_version
        folder = group.store.models(f"cluster_classifier_{group.name}").path(version)
        model = NoModel.found(folder) or ClusterClassifiers.load(folder)
        best = None if isinstance(model, NoModel) else Evaluation.load(folder).best
        new = prediction_rows(rows.used_for("prediction"), model, best, group.maps, group.name, version)
        group.write(morphology.PREDICTIONS, new)
        table = group.read(morphology.PREDICTIONS)
        unassigned = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
        observed = rows.synapses.filter(pc.equal(rows.synapses.column("used_for"), "prediction"))
        wanted = sorted(observed.column("synapse_id").to_pylist())
        return dg.MaterializeResult(
            metadata={
                "predicted": dg.MetadataValue.md(_predicted(table)),
                **watch.numbers(table.num_rows),
                "unassigned": unassigned,
                "classifier": best or "none",
                "classifier_model": version,
                **training_agreement(model, rows.fitted, labels_of(group.clusters, rows.ids)),
            },
            data_version=dg.DataVersion(content_key(table)),
            check_results=[
                check(
                    "every_new_synapse_has_a_row",
                    sorted(table.column("synapse_id").to_pylist()) == wanted,
                    f"{table.num_rows:,} rows for {len(wanted):,} newly observed synapses, {unassigned:,} unassigned",
                )
            ],
        )

    return [cluster_classifier, predictions]


def _predicted(table: pa.Table) -> str:
    counts = table.group_by(["neuron_id", "cluster"]).aggregate([([], "count_all")]).to_pylist()
    lines = [f"| {row['neuron_id']} | {row['cluster']} | {row['count_all']:,} |" for row in counts]
    return "\n".join(["| neuron | cluster | synapses |", "|---|---|---|", *sorted(lines)])
