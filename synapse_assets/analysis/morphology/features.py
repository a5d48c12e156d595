"""Features: from traced positions and measured areas to the numbers that synapses are compared by.

Belongs here: every fitted step between the workbook and the map (limits of extreme values, axes of each neuron, scaling,
weights), in one model that is applied alike to fitted and newly observed synapses. Does not belong here: reading workbooks
(`sources`), choosing a group's synapses, the map and the clusters.

The published study fitted its map on unscaled columns and then predicted from scaled, unweighted ones; it centred new
synapses on their own mean and kept no signs. Here what is fitted is what is applied: centre, axes with their signs,
scaling and weights are stored, and `FeatureModel.apply` is the only way to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.datasets.morphology import FeatureChoice
from synapse_assets.errors import BadInput
from synapse_assets.schema import morphology

PLACE = ("pca_1_um", "pca_2_um", "pca_3_um")
OPTIONAL = "bouton_volume"
_FLAT = 1e-12  # variance along an axis, relative to the first one's, below which the points do not spread along it
_TIE = 1e-9  # distance of the centre from the soma, relative to the neuron's extent, that is none
_KIND = ("feature_model", 1)
_ARRAYS = ("centre", "scale", "weights", "fitted_scaled")
_FACTS = ("extreme_iqr", "fewest_for_alignment", "extremes", "extreme_synapses", "unaligned")
_AXIS_SIGNS = "axis_signs"
_FRAME_ARRAYS = ("centre_um", "axes", "explained")
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """The frame of one neuron's synapses.

    centre_um  (3,) float64, mean of the soma-centred positions, in micrometres
    axes       (3, 3) float64, row k is principal axis k + 1 as a unit vector; the frame may be left-handed
    synapses   number of synapses it was computed from
    explained  (3,) float64, variance along each axis in square micrometres (divided by n - 1), falling
    """

    centre_um: Float64
    axes: Float64
    synapses: int
    explained: Float64

    def coordinates(self, positions_um: Float64) -> Float64:
        """Soma-centred positions (M, 3) in this frame, (M, 3) float64 in micrometres; to the bit row by row."""
        centred = positions_um - self.centre_um
        # no matrix product: its rounding depends on the number of rows
        return centred[:, 0:1] * self.axes[:, 0] + centred[:, 1:2] * self.axes[:, 1] + centred[:, 2:3] * self.axes[:, 2]


@dataclass(frozen=True)
class FeatureModel:
    """The fitted feature chain.

    names                 F names in order: pca_1_um, pca_2_um, pca_3_um, then the measures
    extreme_iqr           interquartile ranges beyond the quartiles at which a measure is extreme
    fewest_for_alignment  synapses that axes need
    limits                lowest and highest value by measure that is not extreme, in the measure's units
    alignments            frame by neuron
    centre, scale         (F,) float64, what is taken off each feature and what it is divided by (`FeatureChoice.scaling`); 1 for a
                          constant feature
    weights               (F,) float64, by which the scaled numbers are multiplied
    extremes              extreme synapses by measure (one that is extreme in two counts in both)
    extreme_synapses      extreme synapses
    unaligned             synapses that are not extreme, by neuron that has too few of them for axes
    fitted_ids            ids of the n rows that were fitted, sorted: not extreme, on a neuron with axes
    fitted_scaled         (n, F) float64, their scaled and weighted features as the fit itself computed them
    axis_signs            which way axes point (`FeatureChoice.axis_signs`)
    """

    names: tuple[str, ...]
    extreme_iqr: float
    fewest_for_alignment: int
    limits: dict[str, tuple[float, float]]
    alignments: dict[str, Alignment]
    centre: Float64
    scale: Float64
    weights: Float64
    extremes: dict[str, int]
    extreme_synapses: int
    unaligned: dict[str, int]
    fitted_ids: tuple[str, ...]
    fitted_scaled: Float64
    axis_signs: str = "away_from_soma"

    def apply(self, synapses: pa.Table, version: str) -> pa.Table:
        """Features (`morphology.FEATURES`, in the order given) of any rows of `morphology.SYNAPSES`; `version` goes into
        the column feature_model.

        A neuron with a stored frame gets that one, so a row of it is to the bit independent of the other rows and their
        order. Any other neuron gets axes of its own (alignment 'own') from those of its rows here that are not extreme,
        if they are enough: such a row depends on the rows that come with it. Rows used for the fit and rows for
        prediction are aligned apart, so new synapses change no fitted ones. Too few: no coordinates, and left_out says so.

        An extreme row, or one that lacks a measure, has its reason in left_out; coordinates and scaled numbers are given
        as far as they can be computed. Raises BadInput for a position or an area that is not a finite number.
        """
        ids, neurons, uses = (_strings(synapses, name) for name in ("synapse_id", "neuron_id", "used_for"))
        positions_um, measures = _from_soma(synapses), _measures(synapses, self.names[3:])
        reasons = self._reasons_left_out(measures)
        usable = np.array([not reason for reason in reasons], dtype=bool)
        coordinates = np.full((len(ids), 3), np.nan)
        kinds: list[str | None] = [None] * len(ids)
        for neuron, use in sorted(set(zip(neurons.tolist(), uses.tolist(), strict=True))):
            rows = np.flatnonzero((neurons == neuron) & (uses == use))
            frame, alignment = self.alignments.get(neuron), "fitted"
            if frame is None:
                usable_rows, alignment = rows[usable[rows]], "own"
                if len(usable_rows) < self.fewest_for_alignment:
                    for row in rows.tolist():
                        reasons[row].append(self._too_few_message(neuron, len(rows), len(usable_rows)))
                    continue
                frame = _align(positions_um[usable_rows[np.argsort(ids[usable_rows], kind="stable")]], self.axis_signs)
            coordinates[rows] = frame.coordinates(positions_um[rows])
            for row in rows.tolist():
                kinds[row] = alignment
        scaled = (np.column_stack([coordinates, measures]) - self.centre) / self.scale * self.weights
        complete = ~np.isnan(scaled.sum(axis=1))
        columns: dict[str, Any] = {name: synapses.column(name) for name in ("synapse_id", "neuron_id", "used_for")}
        columns |= {f"{axis}_from_soma_um": positions_um[:, k] for k, axis in enumerate("xyz")}
        columns["distance_to_soma_um"] = np.sqrt(
            positions_um[:, 0] ** 2 + positions_um[:, 1] ** 2 + positions_um[:, 2] ** 2
        )
        columns |= {name: pa.array(coordinates[:, k], mask=np.isnan(coordinates[:, k])) for k, name in enumerate(PLACE)}
        columns |= {name: synapses.column(name) for name in ("synapse_area", "bouton_area", OPTIONAL)}
        columns["alignment"] = pa.array(kinds, pa.string())
        columns["left_out"] = pa.array(["; ".join(reason) or None for reason in reasons], pa.string())
        columns["scaled"] = pa.array(
            [row.tolist() if is_complete else None for row, is_complete in zip(scaled, complete.tolist(), strict=True)],
            pa.list_(pa.float64()),
        )
        columns["feature_model"] = pa.array([version] * len(ids), pa.string())
        return morphology.FEATURES.conform(pa.table(columns))

    def matrix(self, features: pa.Table) -> tuple[list[str], Float64]:
        """Ids and scaled features (n, F) float64 of the rows of `features` that are not left out, in their order;
        BadInput if they have another number of features than this model."""
        usable = features.filter(pc.is_null(features.column("left_out")))
        rows = usable.column("scaled").to_pylist()
        wrong_width = next((len(row) for row in rows if len(row) != len(self.names)), None)
        if wrong_width is not None:
            raise BadInput(
                f"rows of {wrong_width} features do not fit a model of {len(self.names)}: make the features anew with this model"
            )
        return usable.column("synapse_id").to_pylist(), np.array(rows, dtype=np.float64).reshape(-1, len(self.names))

    def summary(self) -> dict[str, Any]:
        """Counts of the fit: fitted_synapses, extreme_synapses, extreme_by_measure {measure: count}, aligned_neurons,
        neurons_without_axes [names] and synapses_without_axes. The three counts of synapses add up to those given."""
        return {
            "fitted_synapses": len(self.fitted_ids),
            "extreme_synapses": self.extreme_synapses,
            "extreme_by_measure": dict(self.extremes),
            "aligned_neurons": len(self.alignments),
            "neurons_without_axes": sorted(self.unaligned),
            "synapses_without_axes": sum(self.unaligned.values()),
        }

    def save(self, folder: Path) -> None:
        """Writes the artifact feature_model into `folder` (made if absent)."""
        frames = list(self.alignments.values())
        arrays = {name: np.stack([getattr(frame, name) for frame in frames]) for name in _FRAME_ARRAYS}
        arrays |= {name: getattr(self, name) for name in _ARRAYS}
        facts = {name: getattr(self, name) for name in ("names", "limits", "fitted_ids", *_FACTS)}
        facts["aligned"] = {neuron: frame.synapses for neuron, frame in self.alignments.items()}
        if self.axis_signs != FeatureModel.axis_signs:
            facts[_AXIS_SIGNS] = self.axis_signs
        write_artifact(folder, *_KIND, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "FeatureModel":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        stored = read_artifact(folder, *_KIND)
        facts, arrays = stored.facts, stored.arrays
        frames = zip(facts["aligned"].items(), *(arrays[name] for name in _FRAME_ARRAYS), strict=True)
        return cls(
            names=tuple(facts["names"]),
            limits={name: (low, high) for name, (low, high) in facts["limits"].items()},
            alignments={
                neuron: Alignment(centre, axes, synapses, explained)
                for (neuron, synapses), centre, axes, explained in frames
            },
            fitted_ids=tuple(facts["fitted_ids"]),
            axis_signs=facts.get(_AXIS_SIGNS, cls.axis_signs),
            **stored.values(*_FACTS, *_ARRAYS),
        )

    def _reasons_left_out(self, measures: Float64) -> list[list[str]]:
        """Sentences for each row: which measures are extreme or missing."""
        reasons: list[list[str]] = [[] for _ in range(len(measures))]
        beyond = _beyond(measures, list(self.limits.values()))
        for row, column in zip(*np.nonzero(beyond | np.isnan(measures)), strict=True):
            name, value = self.names[3 + column], float(measures[row, column])
            low, high = self.limits[name]
            if np.isnan(value):
                reasons[row].append(f"{name} is missing")
            else:
                side, limit, quartile = ("above", high, "upper") if value > high else ("below", low, "lower")
                digits = next((n for n in (4, 8) if f"{value:.{n}g}" != f"{limit:.{n}g}"), 17)
                reasons[row].append(
                    f"{name} {value:.{digits}g} is {side} {limit:.{digits}g} "
                    f"({self.extreme_iqr:g} IQR beyond the {quartile} quartile)"
                )
        return reasons

    def _too_few_message(self, neuron: str, rows: int, usable: int) -> str:
        synapses = f"{rows} synapse{'s' * (rows != 1)}" + (f", {usable} of them usable" if usable < rows else "")
        return f"neuron {neuron} has {synapses}; axes of its own need {self.fewest_for_alignment}"


def fit_features(synapses: pa.Table, choice: FeatureChoice) -> FeatureModel | NoModel:
    """The feature chain fitted on `synapses`, rows of `morphology.SYNAPSES` that are used for the fit; their order does
    not matter. NoModel if there are none, or no neuron has enough of them for axes.

    1. Positions relative to the soma. 2. A measure below Q1 - k IQR or above Q3 + k IQR over all rows is extreme, k =
    choice.extreme_iqr (outer fences, k = 3: Tukey, Exploratory Data Analysis, 1977; quartiles by linear interpolation).
    3. For each neuron the principal axes (Pearson, Phil Mag 2:559, 1901) of its rows that are not extreme. 4. With
    choice.scaling robust each feature less its median, divided by its interquartile range (scikit-learn's RobustScaler), with
    standard less its mean, divided by its standard deviation (StandardScaler), over those rows of all neurons with axes; with none
    as it is. 5. Weights: place_weight for the three coordinates, shape_weight for each measure.

    An axis has no sign by itself (Bro, Acar & Kolda, J Chemometrics 22:135, 2008). Here each points away from the soma:
    the centre of the neuron's synapses has a positive coordinate along it, measured from the soma; if the centre is level
    with the soma, the axis' largest component is positive. Handedness is not forced: that would turn an axis back towards
    the soma. Where points do not spread (on a plane, a line, at one place), the axes are completed from x, y and z.
    Two axes of equal variance are not determined by the data; Alignment.explained shows it. Nor is the sign of an axis
    along which soma and centre are close (on normally distributed points two halves of 68 agreed on it in about 85 % of
    300 draws where they were a quarter of a standard deviation apart, and in 96 % or more at half of one).

    The published study instead turns axis k so that coordinates along it correlate with the k-th traced coordinate
    (choice.axis_signs as_traced). For principal axes that is the sign of the axis' k-th component: C a = v a, so the covariance of
    the two is v a_k. A component of 0 leaves the largest positive.

    Raises BadInput if a measure that is asked for is missing, a position or an area is not a finite number, or a scaled feature
    would not be one.
    """
    rows = synapses.sort_by("synapse_id")
    shape: tuple[str, ...] = tuple(choice.shape)
    if not rows.num_rows:
        return NoModel("there are no synapses to fit features on")
    positions_um, measures = _from_soma(rows), _measures(rows, shape)
    for name, missing in zip(shape, np.isnan(measures).sum(axis=0).tolist(), strict=True):
        if missing:
            raise BadInput(
                f"{missing} of {rows.num_rows} synapses have no {name}: fill it in, or take it out of features.shape in "
                "the dataset's YAML"
            )
    limits = {name: _fences(measures[:, k], choice.extreme_iqr) for k, name in enumerate(shape)}
    beyond = _beyond(measures, list(limits.values()))
    extreme = beyond.any(axis=1)
    neurons = _strings(rows, "neuron_id")
    coordinates = np.full((rows.num_rows, 3), np.nan)
    alignments: dict[str, Alignment] = {}
    unaligned: dict[str, int] = {}
    for neuron in np.unique(neurons).tolist():
        fitted_rows = (neurons == neuron) & ~extreme
        if fitted_rows.sum() < choice.fewest_for_alignment:
            unaligned[neuron] = int(fitted_rows.sum())
            continue
        alignments[neuron] = _align(positions_um[fitted_rows], choice.axis_signs)
        coordinates[fitted_rows] = alignments[neuron].coordinates(positions_um[fitted_rows])
    if not alignments:
        return NoModel(
            f"none of {len(unaligned)} neurons has the {choice.fewest_for_alignment} synapses that axes need "
            f"(the most: {max(unaligned.values())})"
        )
    fitted = np.isfinite(coordinates).all(axis=1)
    values = np.column_stack([coordinates, measures])[fitted]
    centre, scale = _scaling(values, choice.scaling)
    weights = np.array([choice.place_weight] * 3 + [choice.shape_weight] * len(shape))
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values - centre) / scale * weights
    sound = np.isfinite(scaled).all(axis=0) & np.isfinite(scale)
    for name, finite in zip(PLACE + shape, sound.tolist(), strict=True):
        if not finite:
            raise BadInput(
                f"scaling: {choice.scaling} makes {name} infinite or no number at all: the column holds numbers too large or too close "
                "together to be scaled; mend it in the workbook, or take the measure out of `shape` in the dataset's YAML"
            )
    return FeatureModel(
        names=PLACE + shape,
        extreme_iqr=choice.extreme_iqr,
        fewest_for_alignment=choice.fewest_for_alignment,
        limits=limits,
        alignments=alignments,
        centre=centre,
        scale=scale,
        weights=weights,
        extremes={name: int(beyond[:, k].sum()) for k, name in enumerate(shape)},
        extreme_synapses=int(extreme.sum()),
        unaligned=unaligned,
        fitted_ids=tuple(_strings(rows, "synapse_id")[fitted].tolist()),
        fitted_scaled=scaled,
        axis_signs=choice.axis_signs,
    )


@dataclass(frozen=True)
class HeldOut:
    """Features for testing on a neuron that no step of the chain has seen.

    train_ids, train  ids and scaled features (n, F) float64 of the other neurons' rows, sorted by id
    test_ids, test    the same of the held-out neuron's rows, on axes of its own
    left_out          reason by id of the held-out neuron's rows that have no features
    """

    train_ids: list[str]
    train: Float64
    test_ids: list[str]
    test: Float64
    left_out: dict[str, str]


def held_out_features(synapses: pa.Table, neuron_id: str, choice: FeatureChoice) -> HeldOut | NoModel:
    """The whole chain fitted on the rows of all other neurons and applied to `neuron_id` as an unseen neuron.

    `synapses` are rows of `morphology.SYNAPSES` that are used for the fit. NoModel if the others give none; BadInput if
    the neuron has no rows, or as `fit_features` does.
    """
    is_held_out = pc.equal(synapses.column("neuron_id"), neuron_id)
    unseen = synapses.filter(is_held_out).sort_by("synapse_id")
    if not unseen.num_rows:
        raise BadInput(f"neuron '{neuron_id}' has no synapses here, so it cannot be held out: take one that has")
    model = fit_features(synapses.filter(pc.invert(is_held_out)), choice)
    if isinstance(model, NoModel):
        return model
    features = model.apply(unseen, "held out")
    ids, matrix = model.matrix(features)
    reasons = zip(features.column("synapse_id").to_pylist(), features.column("left_out").to_pylist(), strict=True)
    left_out = {synapse: reason for synapse, reason in reasons if reason is not None}
    return HeldOut(list(model.fitted_ids), model.fitted_scaled, ids, matrix, left_out)


def _strings(table: pa.Table, name: str) -> npt.NDArray[np.str_]:
    return np.array(table.column(name).to_pylist(), dtype=np.str_)


def _numbers(synapses: pa.Table, name: str) -> Float64:
    """A column as float64, NaN where it is empty; only bouton_volume may be."""
    values = synapses.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    wrong = ~np.isfinite(values) & ~(np.isnan(values) & (name == OPTIONAL))
    if wrong.any():
        first = synapses.column("synapse_id")[int(np.argmax(wrong))].as_py()
        raise BadInput(f"{name} of synapse {first} is not a finite number ({wrong.sum()} such rows): fix the workbook")
    return np.asarray(values, dtype=np.float64)


def _from_soma(synapses: pa.Table) -> Float64:
    """Positions relative to the soma, (n, 3) in micrometres."""
    return np.column_stack([_numbers(synapses, f"{a}_um") - _numbers(synapses, f"soma_{a}_um") for a in "xyz"])


def _measures(synapses: pa.Table, shape: Sequence[str]) -> Float64:
    """The measures of `shape`, (n, len(shape)); NaN where one is missing."""
    columns = [_numbers(synapses, name) for name in shape]
    return np.column_stack(columns) if columns else np.zeros((synapses.num_rows, 0))


def _fences(values: Float64, iqr: float) -> tuple[float, float]:
    low, high = np.percentile(values, [25, 75]).tolist()
    return low - iqr * (high - low), high + iqr * (high - low)


def _beyond(measures: Float64, limits: list[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    """Which measures are extreme, (n, number of measures); a missing one is not."""
    low, high = np.array(limits).reshape(-1, 2).T
    return (measures < low) | (measures > high)


def _scaling(values: Float64, scaling: str) -> tuple[Float64, Float64]:
    """What is taken off each feature of `values` (n, F), and what it is divided by; 1 for a constant one."""
    with np.errstate(over="ignore", invalid="ignore"):
        if scaling == "robust":
            low, high = np.percentile(values, [25, 75], axis=0)
            centre, spread = np.median(values, axis=0), high - low
        elif scaling == "standard":
            centre, spread = values.mean(axis=0), values.std(axis=0)
        else:
            return np.zeros(values.shape[1]), np.ones(values.shape[1])
    return centre, np.where(spread < 10 * np.finfo(np.float64).eps, 1.0, spread)


def _align(positions_um: Float64, axis_signs: str) -> Alignment:
    """The frame of soma-centred positions (n, 3), which must be in an order of their own: sums depend on it."""
    centre = positions_um.mean(axis=0)
    centred = positions_um - centre
    covariance = (centred[:, :, None] * centred[:, None, :]).sum(axis=0) / (len(positions_um) - 1)
    variances, vectors = np.linalg.eigh(covariance)
    variances, axes = np.maximum(variances[::-1], 0.0), vectors[:, ::-1].T.copy()
    extent = max(float(variances.sum()), float(np.square(centre).sum()))
    for k in range(int((variances > max(_FLAT * variances[0], _FLAT**2 * extent)).sum()), 3):
        rest = np.eye(3) - axes[:k].T @ axes[:k]
        lengths = np.sqrt(np.square(rest).sum(axis=1))
        longest = int(np.argmax(lengths.round(9)))  # rounded: of equal ones the first
        axes[k] = rest[longest] / lengths[longest]
    pointing = axes @ centre if axis_signs == "away_from_soma" else np.diagonal(axes)
    nothing = _TIE * extent**0.5 if axis_signs == "away_from_soma" else _TIE
    largest = axes[np.arange(3), np.abs(axes).round(9).argmax(axis=1)]
    backward = np.where(np.abs(pointing) <= nothing, largest, pointing) < 0
    axes[backward] *= -1.0
    return Alignment(centre, axes, len(positions_um), variances)
