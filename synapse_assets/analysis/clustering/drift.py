"""How far the current synapses have drifted from those that the map, the clusters and the classifier were fitted on.

Belongs here: measuring that by brain region, and advising a refit. Does not belong here: fitting, and deciding whether a
refit is better than what is in use (`comparison`).

A refit is advised when a difference is both large (the constants below) and beyond chance: the bounds of all regions
together raise a false alarm once in a hundred times where the difference is just as large as it may be (Bonferroni).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import (
    LANDMARKS,
    FittedSample,
    Float32,
    Float64,
    Projection,
    blend,
    nearest,
    unit_rows,
)
from synapse_assets.analysis.evaluation.sampling import content_keys, stratified_sample
from synapse_assets.artifacts import NoModel, find_artifact, write_artifact
from synapse_assets.schema import DRIFT

MEASURED = 500
"""Synapses of a region whose distances are measured: the median of so many is known to a few per cent."""
NEW_SHARE = 1 / 3
"""Share of synapses (or of labels) that are new: the region has grown by half. Kinds that half as many synapses again may
bring had no chance to be in the fit."""
FARTHER = 1.25
"""Ratio of median distances: nearest neighbours in hundreds of dimensions are all about as far, so a quarter is much."""
MORE_NOISE = 0.1
"""How much larger the share of noise is among synapses that were not fitted than among the fitted ones placed like them."""
FEWEST = 20
"""Synapses (or labels) below which a share or a median says too little; also of the fitted sample's part in a region, below
which the whole sample stands for it."""
SMALLEST_SHARE = 0.01
"""Share of all synapses (or labels) below which a region by itself advises no refit. It would get fewer than 50 of the 5,000
places in the sample a map is fitted on, too few to be a cluster by themselves or to move the others."""
FALSE_ALARMS = 0.01
NOTHING_NEW = "as when it was fitted"
_LABELS = ("known_labels", 1)


def save_known_labels(folder: Path, targets: Mapping[str, str]) -> None:
    """Writes the labels (synapse -> class) that a classifier is fitted on as the artifact known_labels into `folder` (made if
    absent)."""
    write_artifact(folder, *_LABELS, facts={"labels": dict(sorted(targets.items()))}, arrays={})


def load_known_labels(folder: Path) -> dict[str, str] | None:
    """What `save_known_labels` wrote; None if nothing was written there; BadInput as `find_artifact`."""
    stored = find_artifact(folder, *_LABELS)
    return None if stored is None else dict(stored.facts["labels"])


@dataclass(frozen=True)
class RegionNow:
    """One brain region as it is now.

    synapses   synapse_id, tile_hash of every synapse that has a vector
    clusters   synapse_id, cluster, by the clustering in use
    targets    synapse_id, target; empty where unknown
    vectors    the vectors (N, D) of synapses, in the order of the ids
    """

    name: str
    synapses: pa.Table
    clusters: pa.Table
    targets: pa.Table
    vectors: Callable[[Sequence[str]], Float32]


@dataclass(frozen=True)
class Fit:
    """What drift is measured against; without a map, without clusters or without labels that part is not measured.

    seed    the seed that the map's sample was drawn with
    names   versions of umap_model, cluster_model and classifier, by column of `schema.DRIFT`
    """

    projection: Projection | NoModel
    sample: FittedSample
    clusters: ClusterModel | NoModel
    labels: Mapping[str, str] | None
    seed: int
    names: Mapping[str, str | None]


@dataclass(frozen=True)
class Drift:
    """The result: `table` (`schema.DRIFT`), and the reasons of all regions together to refit; empty without any."""

    table: pa.Table
    advice_of_all: str

    @property
    def advised(self) -> dict[str, str]:
        """The reasons by region, those of all regions together under 'all regions'."""
        rows = self.table.filter(self.table.column("refit_advised"))
        reasons = dict(zip(rows.column("brain_region").to_pylist(), rows.column("reason").to_pylist(), strict=True))
        return reasons | ({"all regions": self.advice_of_all} if self.advice_of_all else {})


def measure_drift(fit: Fit, regions: Iterable[RegionNow]) -> Drift:
    """How each of `regions` differs from what `fit` was made of, and whether a refit is advised.

    Reads a few hundred vectors of each region, one region after the other.
    """
    yardstick = _Yardstick.of(fit)
    evidence = [_measure_region(fit, yardstick, region) for region in regions]
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / (len(evidence) + 1))
    overall = _Evidence.together(evidence, yardstick)
    rows = []
    for region_evidence in evidence:
        reasons = region_evidence.reasons(overall, z)
        small = region_evidence.synapses < max(FEWEST, SMALLEST_SHARE * overall.synapses)
        default_reason = "no map in use that knows its sample" if region_evidence.known is None else NOTHING_NEW
        rows.append(
            {
                **region_evidence.row(),
                **fit.names,
                "refit_advised": bool(reasons),
                "reason": "; ".join(reasons) or ("too few synapses to advise a refit" if small else default_reason),
            }
        )
    return Drift(DRIFT.conform(pa.Table.from_pylist(rows, schema=DRIFT.arrow)), "; ".join(overall.reasons(overall, z)))


@dataclass(frozen=True)
class _Yardstick:
    """The fitted sample, each of its synapses treated as if it were new: the distance to the nearest other vector, and
    whether it is noise where the other ones place it.

    A fitted synapse lies where UMAP put it, well inside its cluster; a new one lies between its neighbours, and is noise
    several times as often without being unusual. So new ones are compared with fitted ones that are placed alike.
    """

    distances: Float64
    noise: npt.NDArray[np.bool_]
    hash_of: dict[str, str]

    @classmethod
    def of(cls, fit: Fit) -> "_Yardstick":
        distances, noise = np.zeros(0), np.zeros(0, dtype=bool)
        if isinstance(fit.projection, Projection):
            vectors = fit.projection.sample
            indices, squares = nearest(vectors, vectors, min(LANDMARKS + 1, len(vectors)))
            distances = np.sqrt(squares[:, 1])[fit.sample.rows]
            if isinstance(fit.clusters, ClusterModel) and fit.clusters.clusters:
                placed = blend(indices[:, 1:], squares[:, 1:], fit.projection.reduced)
                noise = (fit.clusters.apply(placed) < 0)[fit.sample.rows]
        ids_and_hashes = zip(fit.sample.synapse_ids.tolist(), fit.sample.tile_hashes.tolist(), strict=True)
        return cls(distances, noise, dict(ids_and_hashes))

    def part(self, fit: Fit, region: str) -> npt.NDArray[np.bool_]:
        """The sample's part in the region, or all of it where that part is small."""
        in_region = fit.sample.brain_regions == region
        return in_region if in_region.sum() >= FEWEST else np.ones(len(in_region), dtype=bool)


@dataclass(frozen=True)
class _Evidence:
    """What was counted and measured in a region. `known` is None without a map, `distances` and `noise` without theirs.

    examined, unknown   synapses that the sample would hold if they had been there, and how many it does not hold
    distances           median now, its lower bound; median within the sample, its upper bound (bounds by z)
    noise               synapses that are not in the sample, and how many of them are noise; the same of the sample, each as if it were new
    labels              labels now, and how many of them are new or changed
    """

    name: str
    synapses: int
    known: int | None
    examined: int
    unknown: int
    new: int
    distances: tuple[Float64, Float64] | None
    noise: tuple[int, int, int, int] | None
    labels: tuple[int, int] | None

    @classmethod
    def together(cls, parts: "Sequence[_Evidence]", yardstick: _Yardstick) -> "_Evidence":
        """All regions as one. Distances are not pooled: a part of each region was measured, of small ones all."""
        fitted = yardstick.noise
        noise, labels = [p.noise for p in parts if p.noise], [p.labels for p in parts if p.labels]
        known = [p.known for p in parts if p.known is not None]
        examined, new, synapses = (sum(getattr(p, name) for p in parts) for name in ("examined", "new", "synapses"))
        return cls(
            "all regions",
            synapses,
            sum(known) if known else None,
            examined,
            round(examined * new / synapses) if synapses else 0,
            new,
            None,
            (sum(n[0] for n in noise), sum(n[1] for n in noise), fitted.size, int(fitted.sum())) if noise else None,
            (sum(n[0] for n in labels), sum(n[1] for n in labels)) if labels else None,
        )

    def row(self) -> dict[str, object]:
        """The columns of `schema.DRIFT` that are measured."""
        medians = None if self.distances is None else [float(np.median(values)) for values in self.distances]
        noise = self.noise if self.noise and self.noise[0] else None
        return {
            "brain_region": self.name,
            "synapses": self.synapses,
            "known_synapses": self.known,
            "new_synapses": None if self.known is None else self.new,
            "new_fraction": self.new / self.known if self.known else None,
            "distance_ratio": None if medians is None else medians[0] / medians[1],
            "noise_fraction": noise and noise[1] / noise[0],
            "fitted_noise_fraction": noise and noise[3] / noise[2],
            "labelled_synapses": self.labels and self.labels[0],
            "new_labels": self.labels and self.labels[1],
        }

    def reasons(self, overall: "_Evidence", z: float) -> list[str]:
        """Sentences why a refit is advised; empty if it is not. `overall` is the whole dataset."""
        reasons = []
        if self.synapses >= max(FEWEST, SMALLEST_SHARE * overall.synapses):
            if self.known is not None and _lower_share(self.unknown, self.examined, z) > NEW_SHARE:
                reasons.append(
                    f"{self.new:,} of {self.synapses:,} synapses are new or changed since the map was fitted"
                )
            if self.distances is not None:
                current, fitted = self.distances
                if _median_bound(current, -z) > FARTHER * _median_bound(fitted, z):
                    ratio = np.median(current) / np.median(fitted)
                    reasons.append(f"its synapses look strange: {ratio:.1f} times as far from the fitted ones as these")
            if self.noise is not None and self.noise[0] >= FEWEST:
                rows, noise, fitted_rows, fitted_noise = self.noise
                before = 1 - _lower_share(fitted_rows - fitted_noise, fitted_rows, z)
                if _lower_share(noise, rows, z) - before > MORE_NOISE:
                    message = f"{noise / rows:.0%} of those that are not in the fitted sample are in no cluster"
                    message += f" (of the sample {fitted_noise / fitted_rows:.0%}, placed like them)"
                    reasons.append(message)
        if self.labels is not None and overall.labels is not None:
            labelled, new = self.labels
            enough = labelled >= max(FEWEST, SMALLEST_SHARE * overall.labels[0])
            if enough and _lower_share(new, labelled, z) > NEW_SHARE:
                reasons.append(f"{new:,} of {labelled:,} labels are new or changed since the classifier was fitted")
        return reasons


def _measure_region(fit: Fit, yardstick: _Yardstick, region: RegionNow) -> _Evidence:
    ids, hashes = (region.synapses.column(name).to_pylist() for name in ("synapse_id", "tile_hash"))
    synapse_ids = region.synapses.column("synapse_id").combine_chunks()
    in_sample = np.array([yardstick.hash_of.get(i) == h for i, h in zip(ids, hashes, strict=True)], dtype=bool)
    known: int | None = None
    examined = unknown = new = 0
    if fit.sample.known:
        known = fit.sample.known.get(region.name, 0)
        comparable = _would_be_sampled(fit, region.name, known, ids)
        examined, unknown = int(comparable.sum()), int((comparable & ~in_sample).sum())
        new = round(len(ids) * unknown / examined) if examined else 0
    distances = None
    if len(yardstick.distances) and ids and isinstance(fit.projection, Projection):
        # Another seed than the map's: that would choose the very synapses which the map was fitted on.
        chosen = stratified_sample([region.name] * len(ids), MEASURED, fit.seed + 1, ids)
        squares = nearest(unit_rows(region.vectors([ids[i] for i in chosen])), fit.projection.sample, 2)[1]
        is_itself = in_sample[chosen] & (squares[:, 0] == 0.0)
        part = yardstick.part(fit, region.name)
        distances = np.sqrt(np.where(is_itself, squares[:, 1], squares[:, 0])), yardstick.distances[part]
    noise = None
    if len(yardstick.noise):
        clusters = _rows_of(region.clusters, synapse_ids.filter(pa.array(~in_sample))).column("cluster").to_numpy()
        fitted = yardstick.noise[yardstick.part(fit, region.name)]
        noise = len(clusters), int((clusters < 0).sum()), len(fitted), int(fitted.sum())
    labels = None
    if fit.labels is not None:
        targets = _rows_of(region.targets, synapse_ids)
        pairs = zip(targets.column("synapse_id").to_pylist(), targets.column("target").to_pylist(), strict=True)
        labelled = [(synapse, target) for synapse, target in pairs if target]
        labels = len(labelled), sum(fit.labels.get(synapse) != target for synapse, target in labelled)
    return _Evidence(region.name, len(ids), known, examined, unknown, new, distances, noise, labels)


def _would_be_sampled(fit: Fit, region: str, known: int, ids: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of `ids` the map's sample would hold if they had been there at the fit.

    The sample holds the synapses of a region with the lowest hashes (`stratified_sample`): one whose hash is below its
    highest and that it does not hold was not there (Cohen & Kaplan, PODC 2007). All, where it held the whole region.
    """
    sampled_ids = fit.sample.synapse_ids[fit.sample.brain_regions == region]
    if len(sampled_ids) >= known:
        return np.ones(len(ids), dtype=bool)
    return content_keys(ids, fit.seed) <= content_keys(sampled_ids, fit.seed).max(initial=np.uint64(0))


def _rows_of(rows: pa.Table, ids: pa.Array) -> pa.Table:
    return rows.filter(pc.is_in(rows.column("synapse_id"), value_set=ids))


def _lower_share(count: int, rows: int, z: float) -> float:
    """Lower bound of a share of `rows` (Wilson, J Am Stat Assoc 22:209, 1927); 0 for no rows."""
    if not rows:
        return 0.0
    share, z2_n = count / rows, z * z / rows
    return float((share + z2_n / 2 - np.sqrt(z2_n * (share * (1 - share) + z2_n / 4))) / (1 + z2_n))


def _median_bound(values: Float64, z: float) -> float:
    """Bound of a median: below it for negative `z`. A value in order, free of assumptions on the distribution (David &
    Nagaraja, Order Statistics, 2003, 7.1), its rank by the normal approximation of the binomial."""
    rank = (len(values) - 1) / 2 + z * np.sqrt(len(values)) / 2
    return float(np.sort(values)[int(np.clip(np.floor(rank) if z < 0 else np.ceil(rank), 0, len(values) - 1))])
