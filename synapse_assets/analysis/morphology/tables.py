"""Between stored tables and the methods of this room: rows in, rows of `schema.morphology` out. No method of its own."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.clustering.consensus import Consensus
from synapse_assets.analysis.clustering.explanations import LEAST_SYNAPSES, MOST
from synapse_assets.analysis.clustering.hdbscan_model import NOISE
from synapse_assets.analysis.clustering.parameter_sweep import Sweep
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
from synapse_assets.analysis.clustering.stability_verdict import Stability
from synapse_assets.analysis.clustering.verdict_power import power
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.stored import classifier_score_row
from synapse_assets.analysis.morphology.classifiers import CLASSIFIERS, ClusterClassifiers
from synapse_assets.analysis.morphology.evaluation import FEATURES, LEAVE_ONE_NEURON_OUT, MAP, RANDOM_80_20
from synapse_assets.analysis.morphology.features import PLACE, FeatureModel
from synapse_assets.artifacts import NoModel
from synapse_assets.schema import morphology

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def in_group(synapses: pa.Table, conditions: Mapping[str, Sequence[str]]) -> pa.Table:
    """Those rows of `schema.morphology.SYNAPSES` that fulfil every condition: column -> allowed values."""
    for column, values in conditions.items():
        synapses = synapses.filter(pc.is_in(synapses.column(column), value_set=pa.array(values, pa.string())))
    return synapses


def of_synapses(rows: pa.Table, ids: Sequence[str]) -> pa.Table:
    """The rows of those synapses, in that order; a synapse that `rows` do not have is left out."""
    indices = pc.index_in(pa.array(ids, pa.string()), value_set=rows.column("synapse_id").combine_chunks())
    return rows.take(indices.drop_null())


def clustered(features: pa.Table) -> pa.Table:
    """The rows of `schema.morphology.FEATURES` that maps and clusters are fitted on, by id: fitted and not left out."""
    is_clustered = pc.and_(pc.equal(features.column("used_for"), "fit"), pc.is_null(features.column("left_out")))
    return features.filter(is_clustered).sort_by("synapse_id")


def scaled_matrix(features: pa.Table) -> Float64:
    """The column `scaled` as (n, F); (0, 0) for no rows."""
    rows = features.column("scaled").to_pylist()
    return np.array(rows, dtype=np.float64) if rows else np.zeros((0, 0))


def unassigned_features(synapses: pa.Table, reason: str, version: str) -> pa.Table:
    """`schema.morphology.FEATURES` of synapses where no feature chain could be fitted: each is left out, for that reason."""
    from_soma_um = {
        axis: synapses.column(f"{axis}_um").to_numpy() - synapses.column(f"soma_{axis}_um").to_numpy() for axis in "xyz"
    }
    copied = ("synapse_id", "neuron_id", "used_for", "synapse_area", "bouton_area", "bouton_volume")
    columns: dict[str, Any] = {name: synapses.column(name) for name in copied}
    columns |= {f"{axis}_from_soma_um": values for axis, values in from_soma_um.items()}
    columns["distance_to_soma_um"] = np.sqrt(sum(np.square(values) for values in from_soma_um.values()))
    for name in (*PLACE, "alignment", "scaled"):
        columns[name] = pa.nulls(synapses.num_rows, morphology.FEATURES.arrow.field(name).type)
    return _conform(morphology.FEATURES, columns, synapses.num_rows, left_out=reason, feature_model=version)


def largest_difference(model: FeatureModel, features: pa.Table) -> float:
    """Largest absolute difference between what the fit computed and what `features`, made by applying it, hold.

    Infinite if a fitted synapse is missing or left out, or another one is not.
    """
    fitted = clustered(features)
    if fitted.column("synapse_id").to_pylist() != list(model.fitted_ids):
        return float("inf")
    return float(np.abs(scaled_matrix(fitted) - model.fitted_scaled).max(initial=0.0))


def place_rows(maps: GroupMaps | NoModel, group: str, version: str) -> pa.Table:
    """`schema.morphology.PROJECTION` of the fitted synapses of a group; no rows without maps."""
    if isinstance(maps, NoModel):
        return morphology.PROJECTION.empty()
    columns: dict[str, Any] = {"synapse_id": pa.array(maps.ids.tolist(), pa.string())}
    columns |= {f"map_{i + 1}": maps.map[:, i] for i in range(2)}
    columns |= {f"space_{i + 1}": maps.space[:, i] for i in range(3)}
    return _conform(morphology.PROJECTION, columns, len(maps.ids), investigation_group=group, projection_model=version)


def sweep_rows(sweep: Sweep | None, group: str, version: str) -> pa.Table:
    """`schema.morphology.PARAMETER_SWEEP` of a group; no rows where nothing was tried."""
    rows = [] if sweep is None else sweep.rows()
    rows = [{**row, "investigation_group": group, "projection_model": version} for row in rows]
    return morphology.PARAMETER_SWEEP.conform(pa.Table.from_pylist(rows, schema=morphology.PARAMETER_SWEEP.arrow))


def labels_of(clusters: pa.Table, ids: Sequence[str]) -> Int64:
    """The cluster number of each of these synapses (n,), from rows of `schema.morphology.CLUSTERS` that have them all."""
    numbers: Int64 = of_synapses(clusters, ids).column("cluster").to_numpy().astype(np.int64)
    return numbers


def cluster_rows(
    features: pa.Table, consensus: Consensus | NoModel, numbers: Mapping[int, int], group: str, version: str
) -> pa.Table:
    """`schema.morphology.CLUSTERS` of every fitted synapse of a group, by id.

    `features` are the group's rows of `schema.morphology.FEATURES`; `numbers` gives the matched number of each cluster of
    `consensus`. What was left out of the fit is in no cluster, with its reason.
    """
    fitted = features.filter(pc.equal(features.column("used_for"), "fit")).sort_by("synapse_id")
    ids = fitted.column("synapse_id").to_pylist()
    row_of = (
        {}
        if isinstance(consensus, NoModel)
        else {synapse_id: row for row, synapse_id in enumerate(consensus.ids.tolist())}
    )
    rows = []
    for synapse_id, left_out in zip(ids, fitted.column("left_out").to_pylist(), strict=True):
        row: dict[str, Any] = {
            "synapse_id": synapse_id,
            "cluster": NOISE,
            "membership_probability": 0.0,
            "consensus": 0.0,
        }
        if isinstance(consensus, NoModel) or left_out is not None:
            row["reason"] = left_out or (consensus.reason if isinstance(consensus, NoModel) else None)
        else:
            index = row_of[synapse_id]
            row["cluster"] = numbers.get(int(consensus.labels[index]), NOISE)
            row["membership_probability"] = float(consensus.membership_probability[index])
            row["consensus"] = float(consensus.consensus[index])
            row["reason"] = str(consensus.reasons[index]) or None
        rows.append({**row, "investigation_group": group, "cluster_model": version})
    return morphology.CLUSTERS.conform(pa.Table.from_pylist(rows, schema=morphology.CLUSTERS.arrow))


def stability_by_number(consensus: Consensus | NoModel, clusters: pa.Table) -> dict[int, float]:
    """The stability of each cluster of `consensus` by its matched number, from rows of `schema.morphology.CLUSTERS`."""
    if isinstance(consensus, NoModel):
        return {}
    numbers = labels_of(clusters, consensus.ids.tolist())
    return {
        int(numbers[np.flatnonzero(consensus.labels == label)[0]]): float(value)
        for label, value in enumerate(consensus.cluster_stability)
    }


def stability_row(
    stability: Stability,
    fitted: pa.Table,
    maps: GroupMaps | NoModel,
    released_ari: float | None,
    group: str,
    version: str,
) -> pa.Table:
    """`schema.morphology.CLUSTER_STABILITY` of a group, one row. `fitted` are the features of its clustered synapses."""
    runs, share, nulls = (0, 0.0, 0) if isinstance(maps, NoModel) else (len(maps.rows), maps.share, len(maps.null_rows))
    low, high = stability.interval
    row = {
        "investigation_group": group,
        "verdict": stability.verdict,
        "sentence": stability.sentence,
        "synapses": fitted.num_rows,
        "neurons": len(set(fitted.column("neuron_id").to_pylist())),
        "clusters": stability.clusters,
        "noise_fraction": stability.noise_fraction,
        "stability_ari": stability.stability_ari,
        "stability_ari_low": low,
        "stability_ari_high": high,
        "independent_ari": stability.independent_ari,
        "null_ari": stability.null_ari,
        "null_ari_highest": stability.null_ari_highest,
        "null_p": stability.null_p,
        "previous_release_ari": released_ari,
        "detectable_separation_sd": power(fitted.num_rows).detectable_sd,
        "runs": runs,
        "share": share,
        "nulls": nulls,
        "cluster_model": version,
    }
    return morphology.CLUSTER_STABILITY.conform(pa.Table.from_pylist([row], schema=morphology.CLUSTER_STABILITY.arrow))


def profile_rows(
    features: pa.Table, clusters: pa.Table, stability: Mapping[int, float], group: str, version: str
) -> pa.Table:
    """`schema.morphology.CLUSTER_PROFILES` of a group, by cluster number.

    `clusters` are the group's rows of `schema.morphology.CLUSTERS`, `stability` is by cluster number. A cluster is of one
    neuron if that has more than half of its synapses and at least five, and the group has other neurons.
    """
    fitted = clustered(features)
    label = labels_of(clusters, fitted.column("synapse_id").to_pylist())
    neurons = np.array(fitted.column("neuron_id").to_pylist(), dtype=str)
    probability = (
        of_synapses(clusters, fitted.column("synapse_id").to_pylist()).column("membership_probability").to_numpy()
    )
    rows = []
    for number in sorted(set(label.tolist()) - {NOISE}):
        inside = label == number
        owners = Counter(neurons[inside].tolist()).most_common()
        most_synapses = owners[0][1]
        measures = ("synapse_area", "bouton_area", "distance_to_soma_um")
        medians = {f"median_{name}": float(np.median(fitted.column(name).to_numpy()[inside])) for name in measures}
        rows.append(
            {
                "investigation_group": group,
                "cluster": number,
                "synapses": int(inside.sum()),
                "share": float(inside.mean()),
                "stability": stability[number],
                "membership_probability": float(probability[inside].mean()),
                "neurons": json.dumps(dict(owners), ensure_ascii=False),
                "top_neuron_share": most_synapses / int(inside.sum()),
                "one_neuron": len(set(neurons.tolist())) > 1
                and most_synapses >= LEAST_SYNAPSES
                and most_synapses > MOST * inside.sum(),
                **medians,
                "cluster_model": version,
            }
        )
    return morphology.CLUSTER_PROFILES.conform(pa.Table.from_pylist(rows, schema=morphology.CLUSTER_PROFILES.arrow))


def released_agreement(released: pa.Table, clusters: pa.Table) -> float | None:
    """Adjusted Rand index of `clusters` of a group to those of the release, over the synapses that both have; None without."""
    from sklearn.metrics import adjusted_rand_score

    old = dict(zip(released.column("synapse_id").to_pylist(), released.column("cluster").to_pylist(), strict=True))
    new = dict(zip(clusters.column("synapse_id").to_pylist(), clusters.column("cluster").to_pylist(), strict=True))
    shared = sorted(old.keys() & new.keys())
    return float(adjusted_rand_score([old[i] for i in shared], [new[i] for i in shared])) if len(shared) > 1 else None


def score_rows(evaluation: Evaluation, group: str, published: Mapping[str, float], version: str) -> pa.Table:
    """`schema.morphology.CLASSIFIER_SCORES` of a group; the published figure stands beside the split it was taken with."""
    rows = []
    for row in map(classifier_score_row, evaluation.scores):
        as_published = row["inputs"] == MAP and row["split"] == RANDOM_80_20
        figure = published.get(row["classifier"]) if as_published else None
        rows.append({**row, "investigation_group": group, "published_accuracy": figure, "classifier_model": version})
    return morphology.CLASSIFIER_SCORES.conform(pa.Table.from_pylist(rows, schema=morphology.CLASSIFIER_SCORES.arrow))


def headline_scores(evaluation: Evaluation) -> dict[str, float]:
    """What the best classifier of a group scores in each way of testing, and what guessing would have; empty without one."""
    names = {
        (FEATURES, LEAVE_ONE_NEURON_OUT): "neuron_left_out",
        (FEATURES, RANDOM_80_20): "random_features",
        (MAP, RANDOM_80_20): "random_map",
    }
    scores: dict[str, float] = {}
    best = evaluation.headline
    for score in evaluation.scores:
        if best is not None and score.classifier == best.classifier:
            test = names[score.inputs, score.split]
            scores |= {f"accuracy_{test}": score.accuracy, f"guessing_{test}": score.guessing}
    return scores


def prediction_rows(
    features: pa.Table,
    model: ClusterClassifiers | NoModel,
    best: str | None,
    maps: GroupMaps | NoModel,
    group: str,
    version: str,
) -> pa.Table:
    """`schema.morphology.PREDICTIONS` of newly observed synapses: `features` are their rows of `schema.morphology.FEATURES`.

    The cluster is that of the classifier `best`; -1, with the reason, where a synapse was left out of the features, the
    one-class SVM rejects it, or there is no classifier.
    """
    rows: list[dict[str, Any]] = []
    for row in features.select(["synapse_id", "neuron_id", "alignment", "left_out"]).to_pylist():
        reason = row.pop("left_out")
        rows.append(
            {**row, "cluster": NOISE, "reason": reason, "investigation_group": group, "classifier_model": version}
        )
    usable = [i for i, row in enumerate(rows) if row["reason"] is None]
    matrix = scaled_matrix(features.take(pa.array(usable, pa.int64())))
    if usable and not isinstance(maps, NoModel):
        for i, (map_1, map_2) in zip(usable, maps.place(matrix)[0].tolist(), strict=True):
            rows[i] |= {"map_1": map_1, "map_2": map_2}
    if isinstance(model, NoModel) or best is None:
        missing_model = model.reason if isinstance(model, NoModel) else "no classifier could be tested"
        for i in usable:
            rows[i]["reason"] = f"no classifier: {missing_model}"
    elif usable:
        predicted = model.predict(matrix)
        for index, i in enumerate(usable):
            rows[i] |= {name: int(predicted.labels[name][index]) for name in CLASSIFIERS}
            if predicted.outlier[index]:
                score = float(predicted.outlier_score[index])
                rows[i]["reason"] = (
                    f"unlike the fitted synapses: the one-class SVM rejects it (score {score:.3g}, below 0)"
                )
            else:
                rows[i] |= {
                    "cluster": int(predicted.labels[best][index]),
                    "probability": float(predicted.probability[best][index]),
                    "classifier": best,
                }
    return morphology.PREDICTIONS.conform(pa.Table.from_pylist(rows, schema=morphology.PREDICTIONS.arrow))


def training_agreement(model: ClusterClassifiers | NoModel, fitted: pa.Table, labels: Int64) -> dict[str, float]:
    """What the fitted synapses would get if they were predicted like new ones: by classifier, the share of clustered
    synapses that get their own cluster back (a rejected one does not), and the share of noise that is put into some
    cluster. Empty without a classifier."""
    if isinstance(model, NoModel):
        return {}
    predicted = model.predict(scaled_matrix(fitted))
    inside = labels >= 0
    shares = {
        f"training_labels_agree_{name}": float(
            (np.where(predicted.outlier, NOISE, clusters)[inside] == labels[inside]).mean()
        )
        for name, clusters in predicted.labels.items()
    }
    if not inside.all():
        shares["training_noise_put_into_clusters"] = float((~predicted.outlier[~inside]).mean())
    return shares


def _conform(table: Any, columns: dict[str, Any], rows: int, **constant: str) -> pa.Table:
    texts = {name: pa.array([value] * rows, pa.string()) for name, value in constant.items()}
    return table.conform(pa.table({**columns, **texts}))
