"""From synapses to features: fitting the steps that every synapse passes through, and the features of all synapses.

The formulas belong to `analysis.morphology.features`.
"""

from logging import Logger
from pathlib import Path

import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.morphology.figures import save_page, save_picture
from synapse_assets.pipeline.morphology.group import fitted_synapses, measured_key
from synapse_assets.pipeline.report import Check, Detail, Report, Stopwatch
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use, require_same
from synapse_assets.stores.rows import content_key

# What features computed twice may differ by, in scaled units.
LARGEST_DIFFERENCE = 1e-9


def fit_feature_model(store: DatasetStore, dataset: MorphologyDataset, log: Logger) -> Report:
    """Fits limits of extreme values, axes of each neuron, scaling and weights on the synapses used for the fit.

    A refit is in use at once: the groups below take seconds, and cluster numbers are matched to the release.
    """
    rows = fitted_synapses(store.results(morphology.SYNAPSES).read())

    def fit(folder: Path) -> Fitted:
        from synapse_assets.analysis.morphology.features import fit_features

        model = fit_features(rows, dataset.features)
        model.save(folder)
        if isinstance(model, NoModel):
            return Fitted(notes=[f"no features: {model.reason}"])
        summary = model.summary()
        scores = {name: float(value) for name, value in summary.items() if isinstance(value, int)}
        without_axes = ", ".join(summary["neurons_without_axes"])
        return Fitted(scores=scores, notes=[f"too few synapses for axes: {without_axes}"] if without_axes else [])

    return fit_once(
        store,
        "feature_model",
        log,
        inputs={"synapses": measured_key(rows)},
        parameters=hashed_fields(dataset.features),
        seed=dataset.seed,
        fit=fit,
    )


def compute_features(store: DatasetStore, dataset: MorphologyDataset) -> Report:
    """Computes the features of all synapses, the newly observed ones too, with the feature model in use.

    Raises BadInput if none is fitted, or if it was fitted on other synapses than there are.
    """
    from synapse_assets.analysis.morphology.features import FeatureModel
    from synapse_assets.analysis.morphology.tables import largest_difference, unassigned_features
    from synapse_assets.figures.interactive_3d import neuron_positions_page
    from synapse_assets.figures.neurons import neuron_positions_figure

    watch = Stopwatch()
    models = store.models("feature_model")
    version = model_in_use(models, "materialise the asset 'feature_model' first")
    rows = store.results(morphology.SYNAPSES).read()
    require_same(models, version, "synapses", measured_key(fitted_synapses(rows)))
    model = load_or_no_model(models.path(version), FeatureModel.load)
    if isinstance(model, NoModel):
        table, difference = unassigned_features(rows, model.reason, version), 0.0
    else:
        table = model.apply(rows, version)
        difference = largest_difference(model, table)
    made_from = {"synapses": measured_key(rows), "feature_model": version}
    store.results(morphology.FEATURES).write(table, made_from)
    figures: dict[str, Detail] = {}
    if table.num_rows:
        figures["positions"] = save_picture(store, "neuron_positions", neuron_positions_figure(table, None))
        title = f"{dataset.title}: synapses around the soma of each neuron"
        html = neuron_positions_page(table, None, title, area_unit=dataset.units.get("synapse_area", ""))
        figures["turnable"] = save_page(store, "neuron_positions", html)
    reasons = table.column("left_out").drop_null()
    extreme = sum(" IQR " in reason for reason in reasons.to_pylist())
    return Report(
        details={
            **figures,
            "feature_model": version,
            "left_out": len(reasons),
            "extreme": extreme,
            "with_axes_of_their_own": pc.sum(pc.equal(table.column("alignment"), "own")).as_py() or 0,
            "largest_difference_to_the_fit": difference,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
        checks=[
            Check(
                "prediction_path_equals_fit",
                difference <= LARGEST_DIFFERENCE,
                f"largest difference {difference:.3g}",
                numbers={"largest_difference": difference},
            ),
            Check(
                "extreme_values",
                extreme <= 0.05 * max(1, table.num_rows),
                f"{extreme:,} of {table.num_rows:,} synapses are extreme, {len(reasons) - extreme:,} have no axes",
                warn=True,
                numbers={"extreme": extreme},
            ),
        ],
    )
