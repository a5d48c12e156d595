"""Known classes and predicted ones: `splits`, `synapse_classifier`, `synapse_predictions`, `neuron_predictions`."""

from pathlib import Path

import dagster as dg
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use, require_same
from synapse_assets.defs.metadata import Stopwatch, asset, check, picture
from synapse_assets.defs.partitions import brain_regions, every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import NEURON_PREDICTIONS, SPLITS, SYNAPSE_PREDICTIONS
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

FOLDS = 5


def classify_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    synapses_key, labels_key = (dg.AssetKey([dataset.name, name]) for name in ("synapses", "synapse_labels"))
    embeddings_key, encoder_key = (dg.AssetKey([dataset.name, name]) for name in ("embeddings", "encoder"))
    splits_key, classifier_key = (
        dg.AssetKey([dataset.name, "splits"]),
        dg.AssetKey([dataset.name, "synapse_classifier"]),
    )
    predictions_key = dg.AssetKey([dataset.name, "synapse_predictions"])
    headline = dataset.grouping[0]

    @asset(
        dataset,
        "6_classify",
        "splits",
        SPLITS,
        {"parquet"},
        deps=[
            dg.AssetDep(synapses_key, partition_mapping=every_partition()),
            dg.AssetDep(labels_key, partition_mapping=every_partition()),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "classes_in_every_fold",
                asset=splits_key,
                description="Every class can be learned and tested in every fold.",
            ),
        ],
    )
    def splits(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which labelled synapses are held out together when the classifier is tested. A row is one synapse in one split.

        Synapses of one neuron look alike, so a random split tests on neurons that were trained on and overstates the
        accuracy. Whole groups are held out instead; the random split is kept to show the difference.
        """
        from synapse_assets.analysis.splits import make_splits

        watch = Stopwatch()
        store = installation.store(dataset.name)
        labelled = labelled_synapses(store, sorted({"target", *dataset.grouping}))
        table, report = make_splits(labelled, list(dataset.grouping), seed=dataset.seed, folds=FOLDS)
        store.results(SPLITS).write(SPLITS.conform(table))
        for warning in report.warnings:
            context.log.warning(warning)
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "dagster/row_count": table.num_rows,
                "labelled_synapses": len(set(table.column("synapse_id").to_pylist())),
                "warnings": "; ".join(report.warnings) or "none",
            },
            data_version=dg.DataVersion(content_key(table.drop_columns(["brain_region"]))),
            check_results=[
                check(
                    "classes_in_every_fold",
                    not report.warnings,
                    "; ".join(report.warnings) or "every class is in every fold",
                    warn=True,
                    warnings=len(report.warnings),
                )
            ],
        )

    @asset(
        dataset,
        "6_classify",
        "synapse_classifier",
        None,
        {"scikitlearn"},
        deps=[splits_key, encoder_key, dg.AssetDep(embeddings_key, partition_mapping=every_partition())],
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "better_than_chance",
                asset=classifier_key,
                description="On held-out groups the classifier beats guessing (balanced accuracy above one over the classes).",
            ),
        ],
    )
    def synapse_classifier(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """A linear probe: how well the known class of a synapse can be read from its vector, tested on held-out groups.

        The headline is the balanced accuracy on groups that were not trained on, with a 95 % interval over those groups; the
        score of a random split stands beside it to show what it would have claimed.
        """
        from synapse_assets.analysis.classification import STRENGTHS

        store = installation.store(dataset.name)
        encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
        vectors = vectors_in_use(store)
        folds = store.results(SPLITS).read()
        known = vectors.read(None, ["synapse_id", "tile_hash"])
        folds = folds.filter(pc.is_in(folds.column("synapse_id"), known.column("synapse_id").combine_chunks()))
        used = known.filter(pc.is_in(known.column("synapse_id"), folds.column("synapse_id").combine_chunks()))

        def fit(folder: Path) -> Fitted:
            from synapse_assets.analysis.classification import evaluate, fit_probe
            from synapse_assets.analysis.drift import save_known_labels
            from synapse_assets.analysis.figures import confusion_figure, score_figure
            from synapse_assets.analysis.outcome import NoModel
            from synapse_assets.analysis.tables import targets_and_groups

            ids = sorted(used.column("synapse_id").to_pylist())
            matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
            target_of, group_of = targets_and_groups(folds, headline)
            save_known_labels(folder, target_of)
            evaluation = evaluate(ids, matrix, folds, headline, seed=dataset.seed)
            if isinstance(evaluation, NoModel):
                evaluation.save(folder)
                return Fitted(
                    scores={"labelled_synapses": float(len(ids))}, notes=[f"no classifier: {evaluation.reason}"]
                )
            probe = fit_probe(matrix, [target_of[i] for i in ids], dataset.seed, [group_of.get(i, i) for i in ids])
            probe.save(folder)
            evaluation.save(folder)
            return Fitted(
                scores={
                    "labelled_synapses": float(len(ids)),
                    "classes": float(len(evaluation.classes)),
                    **evaluation.scores(),
                },
                notes=evaluation.warnings,
                shown={
                    "scores": picture(score_figure(evaluation), "score by split"),
                    "confusion": picture(
                        confusion_figure(evaluation.headline.confusion, evaluation.classes), "confusion"
                    ),
                },
            )

        result = fit_once(
            context,
            store.models("synapse_classifier"),
            inputs={
                "encoder": encoder,
                "embeddings": content_key(used),
                "splits": content_key(folds.drop_columns(["brain_region"])),
            },
            parameters={"headline": headline, "folds": FOLDS, "strengths": list(STRENGTHS)},
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda provenance: provenance.inputs["encoder"] == encoder,
        )
        models = store.models("synapse_classifier")
        scores = models.provenance(str(models.current)).scores
        accuracy = scores.get("balanced_accuracy")
        chance = 1 / scores["classes"] if "classes" in scores else 1.0
        return result._replace(
            check_results=[
                check(
                    "better_than_chance",
                    accuracy is not None and accuracy > chance,
                    "no classifier was fitted"
                    if accuracy is None
                    else f"balanced accuracy {accuracy:.3f}, guessing gives {chance:.3f}",
                    warn=True,
                )
            ]
        )

    @asset(
        dataset,
        "6_classify",
        "synapse_predictions",
        SYNAPSE_PREDICTIONS,
        {"parquet"},
        page="classes",
        deps=[embeddings_key, classifier_key],
        partitions_def=regions,
        check_specs=[
            dg.AssetCheckSpec(
                "probabilities_add_up",
                asset=predictions_key,
                blocking=True,
                partitions_def=regions,
                description="The probabilities of every synapse add up to one.",
            )
        ],
    )
    def synapse_predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The predicted class of each synapse of one brain region, with the probability of every class. A row is one synapse.

        A synapse that was labelled when the classifier was fitted gets the prediction of a model that never saw its group,
        so these rows can be compared with the known classes. Probabilities are not calibrated.
        """
        from synapse_assets.analysis.classification import load_classifier, predict_rows

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        models = store.models("synapse_classifier")
        version = model_in_use(models, "materialise the asset 'synapse_classifier' first")
        require_same(
            models, version, "encoder", model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
        )
        classifier = load_classifier(models.path(version))
        rows = vectors_in_use(store).read(region, ["synapse_id", "brain_region", "tile_hash", "vector"])
        table = predict_rows(classifier, rows, vector_matrix(rows), version)
        results = store.results(SYNAPSE_PREDICTIONS)
        results.write_partition(region, table)
        sums = [sum(p for _, p in pairs) for pairs in results.read(region).column("probabilities").to_pylist()]
        wrong = sum(abs(total - 1) > 1e-6 for total in sums)
        predicted = table.column("predicted").value_counts().to_pylist()
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "classifier": version,
                "out_of_fold_rows": sum(table.column("out_of_fold").to_pylist()),
                "predicted_classes": dg.MetadataValue.json({item["values"]: item["counts"] for item in predicted}),
            },
            data_version=dg.DataVersion(f"{version}-{content_key(rows.select(['synapse_id', 'tile_hash']))}"),
            check_results=[
                check("probabilities_add_up", wrong == 0, f"{wrong:,} of {len(sums):,} rows do not", wrong=wrong)
            ],
        )

    assets: list[dg.AssetsDefinition] = [splits, synapse_classifier, synapse_predictions]
    if dataset.has_neurons:

        @asset(
            dataset,
            "6_classify",
            "neuron_predictions",
            NEURON_PREDICTIONS,
            {"parquet"},
            deps=[
                dg.AssetDep(predictions_key, partition_mapping=every_partition()),
                dg.AssetDep(synapses_key, partition_mapping=every_partition()),
                dg.AssetDep(labels_key, partition_mapping=every_partition()),
            ],
        )
        def neuron_predictions(installation: Installation) -> dg.MaterializeResult:
            """The class that most synapses of a neuron vote for. A row is one neuron.

            For neurons with a known class every vote comes from a model that never saw that neuron.
            """
            from synapse_assets.analysis.classification import neuron_accuracy, neuron_votes
            from synapse_assets.analysis.tables import current_rows

            watch = Stopwatch()
            store = installation.store(dataset.name)
            synapses = labelled_synapses(store, ["neuron_id", "target"])
            predictions = current_rows(store.results(SYNAPSE_PREDICTIONS).read(), synapses)
            votes = neuron_votes(predictions, synapses)
            store.results(NEURON_PREDICTIONS).write(votes)
            return dg.MaterializeResult(
                metadata={
                    **watch.numbers(votes.num_rows, predictions.num_rows),
                    "dagster/row_count": votes.num_rows,
                    **neuron_accuracy(votes, seed=dataset.seed),
                }
            )

        assets.append(neuron_predictions)
    return assets
