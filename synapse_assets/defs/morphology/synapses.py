"""From workbooks to features: `synapses`, `feature_model`, and `features`."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use, require_same
from synapse_assets.defs.inputs import READING_METHOD, Reading, believed_gone, observe_gone
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.morphology.figures import kept_page, kept_picture
from synapse_assets.defs.morphology.groups import Group, fitted_synapses, measured_key
from synapse_assets.defs.partitions import investigation_groups
from synapse_assets.defs.parts import PartContent
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

# Content of `features` by investigation group, apart for what is fitted and what is predicted.
FITTED_FEATURES = "fitted_features"
NEW_FEATURES = "new_features"
# What features computed twice may differ by, in scaled units.
LARGEST_DIFFERENCE = 1e-9
PURPOSES = {FITTED_FEATURES: "fit", NEW_FEATURES: "prediction"}


def group_content(dataset: MorphologyDataset) -> PartContent:
    """What `features` holds of each investigation group."""

    def content_of(store: DatasetStore, group: str) -> dict[str, tuple[str, int]]:
        rows = Group(store, dataset, group).rows
        return {name: (rows.key_of(purpose), rows.used_for(purpose).num_rows) for name, purpose in PURPOSES.items()}

    described = {
        FITTED_FEATURES: "The features that maps, clusters and classifiers of each investigation group are made from",
        NEW_FEATURES: "The features of newly observed synapses in each investigation group, which are predicted",
    }
    groups = investigation_groups(dataset)
    return PartContent(dataset.name, "features", described, groups, lambda *_: dataset.groups, content_of)


def synapse_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    synapses_key, features_key = (dg.AssetKey([dataset.name, name]) for name in ("synapses", "features"))
    model_key = dg.AssetKey([dataset.name, "feature_model"])
    reading = hashed_fields(dataset, include={"workbooks", "neuron_types", "synapse_types", "brain_region", "seed"})

    @asset(
        dataset,
        "2_synapses",
        "synapses",
        morphology.SYNAPSES,
        {"parquet"},
        reading,
        method=READING_METHOD,
        deps=[[dataset.name, "synapse_workbooks"]],
        check_specs=[
            dg.AssetCheckSpec(
                "distances_plausible",
                asset=synapses_key,
                blocking=True,
                description="Every synapse lies within five millimetres of its soma: the micron columns hold micrometres.",
            ),
            dg.AssetCheckSpec(
                "one_soma_per_neuron", asset=synapses_key, description="All synapses of a neuron name the same soma."
            ),
            dg.AssetCheckSpec(
                "micrometres_follow_the_corrected_position",
                asset=synapses_key,
                description="The micron columns are the corrected ones times one factor an axis.",
            ),
            dg.AssetCheckSpec(
                "neurons_have_enough_synapses",
                asset=synapses_key,
                description="Every neuron has enough synapses for axes of its own.",
            ),
        ],
    )
    def synapses(
        context: dg.AssetExecutionContext, installation: Installation, config: Reading
    ) -> dg.MaterializeResult:
        """All synapses of the workbooks, the fitted and the newly observed ones. A row is one synapse.

        Start here. Positions in micrometres lie in a frame of the neuron's own, so neurons are compared relative to their
        soma only. Nothing is stored unless every workbook could be read and every id is unique. Where all files of a workbook
        are gone, its rows go only if `gone` names it.
        """
        from synapse_assets.sources.listing import listed
        from synapse_assets.sources.workbook_checks import (
            far_from_soma,
            neurons_below,
            several_somas,
            uneven_micrometres,
        )
        from synapse_assets.sources.workbooks import read_workbooks

        watch = Stopwatch()
        store = installation.store(dataset.name)
        if dataset.generate == "sample_workbook":
            from synapse_assets.sample import draw_sample_workbook

            draw_sample_workbook(store.raw, seed=dataset.seed)
        rows, books = read_workbooks(dataset, store.raw)
        without_files = [book.name for book in dataset.workbooks if not listed(book)]
        had_rows = store.results(morphology.WORKBOOKS).read().column("workbook").to_pylist()
        gone = believed_gone(dataset, "synapses", without_files, had_rows, config)
        if gone:
            observe_gone(context, dataset, "synapses")
        store.results(morphology.WORKBOOKS).write(books)
        store.results(morphology.SYNAPSES).write(rows)
        far, somas, uneven = far_from_soma(rows), several_somas(rows), uneven_micrometres(rows)
        fewest = dataset.features.fewest_for_alignment
        small = neurons_below(rows, fewest)
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(rows.num_rows),
                "dagster/row_count": rows.num_rows,
                "newly_observed": pc.sum(pc.equal(rows.column("used_for"), "prediction")).as_py() or 0,
                "synapses_by_neuron": dg.MetadataValue.md(_by_neuron(rows)),
                "workbooks": dg.MetadataValue.md(_books_shown(books)),
                **gone,
            },
            data_version=dg.DataVersion(content_key(rows)),
            check_results=[
                check(
                    "distances_plausible", not far, "; ".join(far) or "all within 5 mm of their soma", synapses=len(far)
                ),
                check("one_soma_per_neuron", not somas, "; ".join(somas) or "one soma each", warn=True),
                check(
                    "micrometres_follow_the_corrected_position",
                    not uneven,
                    "; ".join(uneven) or "one factor an axis, or no corrected columns",
                    warn=True,
                ),
                check(
                    "neurons_have_enough_synapses",
                    not small and rows.num_rows > 0,
                    "no synapses: the workbooks name no files now"
                    if not rows.num_rows
                    else f"too few for axes of their own (fewer than {fewest}), left unassigned: "
                    + ", ".join(f"{name} ({count})" for name, count in small.items())
                    if small
                    else f"all have {fewest} or more",
                    warn=True,
                    neurons=len(small),
                ),
            ],
        )

    @asset(
        dataset,
        "3_features",
        "feature_model",
        None,
        {"numpy"},
        hashed_fields(dataset.features),
        deps=[synapses_key],
        pool="fit",
    )
    def feature_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The fitted steps that every synapse passes through: limits of extreme values, axes of each neuron, scaling, weights.

        Fitted on the study's synapses once and kept as one artifact, with the centre and the sign of every axis, so that new
        synapses are treated exactly as the fitted ones were.
        """
        store = installation.store(dataset.name)
        rows = fitted_synapses(store.results(morphology.SYNAPSES).read())

        def fit(folder: Path) -> Fitted:
            from synapse_assets.analysis.morphology.features import fit_features
            from synapse_assets.analysis.outcome import NoModel

            model = fit_features(rows, dataset.features)
            model.save(folder)
            if isinstance(model, NoModel):
                return Fitted(notes=[f"no features: {model.reason}"])
            found = model.summary()
            scores = {name: float(value) for name, value in found.items() if isinstance(value, int)}
            without = ", ".join(found["neurons_without_axes"])
            return Fitted(scores=scores, notes=[f"too few synapses for axes: {without}"] if without else [])

        return fit_once(
            context,
            store.models("feature_model"),
            inputs={"synapses": measured_key(rows)},
            parameters=hashed_fields(dataset.features),
            seed=dataset.seed,
            fit=fit,
            # A refit is in use at once: the groups below take seconds, and cluster numbers are matched to the release.
            fits_current_inputs=lambda _: False,
        )

    @asset(
        dataset,
        "3_features",
        "features",
        morphology.FEATURES,
        {"parquet"},
        deps=[synapses_key, model_key],
        check_specs=[
            dg.AssetCheckSpec(
                "prediction_path_equals_fit",
                asset=features_key,
                blocking=True,
                description="Fitted synapses sent through the stored chain get the numbers that the fit gave them.",
            ),
            dg.AssetCheckSpec(
                "extreme_values",
                asset=features_key,
                description="Few synapses have a measure far beyond the others; they are kept, flagged and not clustered.",
            ),
        ],
    )
    def features(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every synapse relative to its soma and along its neuron's axes, and the scaled numbers that are clustered.

        A row is one synapse, fitted or newly observed. `left_out` says in words why one is not clustered; no row is dropped.
        """
        from synapse_assets.analysis.morphology.features import FeatureModel
        from synapse_assets.analysis.morphology.figures import neuron_positions_figure
        from synapse_assets.analysis.morphology.pages import neuron_positions_page
        from synapse_assets.analysis.morphology.tables import largest_difference, unassigned_features
        from synapse_assets.analysis.outcome import NoModel

        watch = Stopwatch()
        store = installation.store(dataset.name)
        models = store.models("feature_model")
        version = model_in_use(models, "materialise the asset 'feature_model' first")
        rows = store.results(morphology.SYNAPSES).read()
        require_same(models, version, "synapses", measured_key(fitted_synapses(rows)))
        model = NoModel.found(models.path(version)) or FeatureModel.load(models.path(version))
        if isinstance(model, NoModel):
            table, difference = unassigned_features(rows, model.reason, version), 0.0
        else:
            table = model.apply(rows, version)
            difference = largest_difference(model, table)
        made_from = {"synapses": measured_key(rows), "feature_model": version}
        store.results(morphology.FEATURES).write(table, made_from)
        same = difference <= LARGEST_DIFFERENCE
        # The blocking check below holds the groups back too.
        for observation in group_content(dataset).observations(store, context.instance) if same else ():
            context.log_event(observation)
        shown: dict[str, dg.MetadataValue] = {}
        if table.num_rows:
            shown["positions"] = kept_picture(store, "neuron_positions", neuron_positions_figure(table, None))
            html = neuron_positions_page(table, None, f"{dataset.title}: synapses around the soma of each neuron")
            shown["turnable"] = kept_page(store, "neuron_positions", html)
        reasons = table.column("left_out").drop_null()
        extreme = sum(" IQR " in reason for reason in reasons.to_pylist())
        return dg.MaterializeResult(
            metadata={
                **shown,
                **watch.numbers(table.num_rows),
                "dagster/row_count": table.num_rows,
                "feature_model": version,
                "left_out": len(reasons),
                "extreme": extreme,
                "with_axes_of_their_own": pc.sum(pc.equal(table.column("alignment"), "own")).as_py() or 0,
                "largest_difference_to_the_fit": difference,
            },
            data_version=dg.DataVersion(content_key(table)),
            check_results=[
                check(
                    "prediction_path_equals_fit",
                    same,
                    f"largest difference {difference:.3g}",
                    largest_difference=difference,
                ),
                check(
                    "extreme_values",
                    extreme <= 0.05 * max(1, table.num_rows),
                    f"{extreme:,} of {table.num_rows:,} synapses are extreme, {len(reasons) - extreme:,} have no axes",
                    warn=True,
                    extreme=extreme,
                ),
            ],
        )

    return [synapses, feature_model, features]


def _by_neuron(rows: pa.Table) -> str:
    counts = rows.group_by(["neuron_type", "neuron_id", "synapse_type", "used_for"]).aggregate([([], "count_all")])
    lines = [
        f"| {row['neuron_type']} | {row['neuron_id']} | {row['synapse_type']} | {row['used_for']} | {row['count_all']:,} |"
        for row in counts.sort_by([(name, "ascending") for name in counts.column_names[:4]]).to_pylist()
    ]
    return "\n".join(["| neuron type | neuron | synapse type | used for | synapses |", "|---|---|---|---|---|", *lines])


def _books_shown(books: pa.Table) -> str:
    lines = [
        f"| {row['workbook']} | {row['file']} | {row['sheet'] or ''} | {row['rows']:,} | {row['used_for']} | {row['sha256'][:12]} |"
        for row in books.to_pylist()
    ]
    return "\n".join(["| workbook | file | sheet | rows | used for | sha256 |", "|---|---|---|---|---|---|", *lines])
