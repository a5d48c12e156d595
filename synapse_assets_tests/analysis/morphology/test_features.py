"""Features: planted frames are undone, what was fitted is what is applied, and what is left out says why."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.analysis.morphology.features import FeatureModel, HeldOut, fit_features, held_out_features
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.morphology import FeatureChoice
from synapse_assets.errors import BadInput
from synapse_assets.schema import morphology

Array = npt.NDArray[np.float64]
CHOICE = FeatureChoice()
SOMA = np.array([1200.0, -340.0, 77.0])
PCA = ["pca_1_um", "pca_2_um", "pca_3_um"]


def table(neuron: str, place: Array, used_for: str = "fit", first: int = 1, **measures: Any) -> pa.Table:
    """Synapses of one neuron at `place` (n, 3), measured from a soma that is not at the origin; areas near 1 and 3."""
    n = len(place)
    # drawn evenly: no value is extreme unless a test makes it so
    random = np.random.default_rng(sum(map(ord, neuron)) + first)
    columns: dict[str, Any] = {
        "synapse_id": [f"{neuron}/as/{first + k:04d}" for k in range(n)],
        "neuron_id": [neuron] * n,
        "neuron_type": ["parvalbumin"] * n,
        "synapse_type": ["as"] * n,
        "number": np.arange(first, first + n),
        "brain_region": ["V1"] * n,
        "synapse_area": random.uniform(0.5, 1.5, n),
        "bouton_area": random.uniform(1.0, 5.0, n),
        "bouton_volume": pa.nulls(n, pa.float64()),
        "used_for": [used_for] * n,
        "workbook": ["study"] * n,
    }
    for k, axis in enumerate("xyz"):
        columns[f"{axis}_um"] = place[:, k] + SOMA[k]
        columns[f"soma_{axis}_um"] = np.full(n, SOMA[k])
        columns |= {name: pa.nulls(n, pa.float64()) for name in (axis, f"soma_{axis}")}
        columns |= {name: pa.nulls(n, pa.float64()) for name in (f"corrected_{axis}", f"corrected_soma_{axis}")}
    return morphology.SYNAPSES.conform(pa.table(columns | measures))


def cloud(n: int, seed: int, centre: tuple[float, float, float] = (60.0, 30.0, 20.0)) -> Array:
    """Positions whose principal axes are exactly x, y, z: uncorrelated, standard deviations 40, 15 and 5."""
    drawn = np.random.default_rng(seed).normal(size=(n, 3))
    drawn -= drawn.mean(axis=0)
    left, _, right = np.linalg.svd(drawn, full_matrices=False)
    return (left @ right) * np.sqrt(n - 1) @ np.diag([40.0, 15.0, 5.0]) + centre


def turn(seed: int) -> Array:
    """A rotation (or reflection) drawn at random: an orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


def study() -> pa.Table:
    """Three neurons, each traced in a frame of its own, and one of 2 synapses."""
    neurons = [("cb1", 40), ("cr1", 30), ("pv1", 60)]
    return pa.concat_tables(
        [table(name, cloud(n, k) @ turn(k)) for k, (name, n) in enumerate(neurons)] + [table("pv9", cloud(40, 9)[:2])]
    )


def fitted(synapses: pa.Table, choice: FeatureChoice = CHOICE) -> FeatureModel:
    model = fit_features(synapses, choice)
    assert isinstance(model, FeatureModel)
    return model


def columns(features: pa.Table, names: list[str]) -> Array:
    return np.column_stack([features.column(name).to_numpy() for name in names]).astype(np.float64)


def of(features: pa.Table, neuron: str) -> pa.Table:
    return features.filter(pa.array([n == neuron for n in features.column("neuron_id").to_pylist()], pa.bool_()))


def with_value(synapses: pa.Table, column: str, values: Mapping[int, float | None]) -> pa.Table:
    """`synapses` with other values in those rows of a column."""
    old = synapses.column(column).to_pylist()
    new = pa.array([values.get(k, value) for k, value in enumerate(old)], pa.float64())
    return synapses.set_column(synapses.column_names.index(column), synapses.schema.field(column), new)


def test_a_planted_frame_is_found_and_undone() -> None:
    synapses = study()
    model = fitted(synapses)
    features = model.apply(synapses, "v1")
    assert features.schema == morphology.FEATURES.arrow
    assert set(features.column("feature_model").to_pylist()) == {"v1"}
    for seed, (neuron, n) in enumerate([("cb1", 40), ("cr1", 30), ("pv1", 60)]):
        planted, found = cloud(n, seed), model.alignments[neuron]
        # the planted centre is on the positive side of every axis, so the axes point away from the soma as they are
        np.testing.assert_allclose(found.axes, turn(seed), atol=1e-9)
        np.testing.assert_allclose(found.centre_um, np.array([60.0, 30.0, 20.0]) @ turn(seed), atol=1e-9)
        np.testing.assert_allclose(found.explained, [1600, 225, 25], rtol=1e-9)
        assert found.synapses == n
        rows = of(features, neuron)
        np.testing.assert_allclose(columns(rows, PCA), planted - [60, 30, 20], atol=1e-8)
        np.testing.assert_allclose(rows.column("distance_to_soma_um"), np.linalg.norm(planted, axis=1), rtol=1e-10)
        seen = columns(rows, ["x_from_soma_um", "y_from_soma_um", "z_from_soma_um"])
        np.testing.assert_allclose(seen, planted @ turn(seed), atol=1e-9)
        assert set(rows.column("alignment").to_pylist()) == {"fitted"}


def test_mirroring_through_the_soma_turns_the_axes_along() -> None:
    place = cloud(50, 4) @ turn(4)
    there, mirrored = fitted(table("pv1", place)), fitted(table("pv1", -place))
    np.testing.assert_allclose(mirrored.alignments["pv1"].axes, -there.alignments["pv1"].axes, atol=1e-9)
    np.testing.assert_allclose(mirrored.fitted_scaled, there.fitted_scaled, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_signs_do_not_hang_on_the_numerical_library(seed: int) -> None:
    """Reflections of the frame leave it to chance which sign a decomposition returns; the rule does not."""
    place = cloud(30, 1, centre=(7.0, 5.0, 3.0)) @ turn(seed)
    found = fitted(table("cb1", place)).alignments["cb1"]
    assert (found.axes @ found.centre_um > 0).all()
    np.testing.assert_allclose(found.axes @ found.centre_um, [7, 5, 3], atol=1e-9)


def test_a_soma_level_with_the_centre_is_settled_by_the_largest_component() -> None:
    axes = turn(3)
    for flip in (1.0, -1.0):
        found = fitted(table("pv1", flip * cloud(30, 2, centre=(0.0, 0.0, 0.0)) @ axes)).alignments["pv1"].axes
        largest = found[np.arange(3), np.abs(found).argmax(axis=1)]
        assert (largest > 0).all()
        np.testing.assert_allclose(np.abs(found), np.abs(axes), atol=1e-9)


def test_two_halves_of_a_neuron_get_nearly_the_same_frame() -> None:
    place = cloud(400, 5) @ turn(5)
    a, b = (fitted(table("pv1", half)).alignments["pv1"] for half in (place[::2], place[1::2]))
    assert (np.einsum("ij,ij->i", a.axes, b.axes) > 0.97).all()


@pytest.mark.parametrize("spread", [(1.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)], ids=["plane", "line", "place"])
def test_points_that_do_not_spread_still_get_a_frame(spread: tuple[float, float, float]) -> None:
    centre = np.array([60.1, 30.3, 20.7])
    place = (cloud(20, 6) - np.array([60.0, 30.0, 20.0])) * spread + centre
    model = fitted(table("pv1", place))
    frame = model.alignments["pv1"]
    np.testing.assert_allclose(frame.axes, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(columns(model.apply(table("pv1", place), "v"), PCA), place - centre, atol=1e-9)
    assert np.isfinite(model.fitted_scaled).all()
    turned = fitted(table("pv1", place @ turn(6))).alignments["pv1"].axes
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-9)
    # the same points met in another order: rounding differs, the choice of axes does not
    other = fitted(table("pv1", (place @ turn(6))[::-1])).alignments["pv1"].axes
    np.testing.assert_allclose(turned, other, atol=1e-12)
    if spread == (0.0, 0.0, 0.0):
        np.testing.assert_array_equal(np.abs(turned), np.eye(3))


@pytest.mark.parametrize("seed", range(6))
def test_choices_between_equals_do_not_hang_on_rounding(seed: int) -> None:
    """On a line as far from x as from y and z, and with axes whose largest components are equal."""
    steps = np.random.default_rng(seed).normal(size=(15, 1)) * 30
    axes = fitted(table("pv1", np.array([[50.0, 50.0, 50.0]]) + steps)).alignments["pv1"].axes
    np.testing.assert_allclose(axes[1] * 6**0.5, [2, -1, -1], atol=1e-9)
    level = (
        (cloud(30, seed) - np.array([60.0, 30.0, 20.0])) @ np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2**0.5]]) / 2**0.5
    )
    axes = fitted(table("pv1", level)).alignments["pv1"].axes
    np.testing.assert_allclose(axes[0] * 2**0.5, [1, -1, 0], atol=1e-9)


def test_what_is_clustered_is_scaled_and_weighted_and_the_same_for_prediction() -> None:
    """Regression: the published study mapped the unscaled columns, then predicted from scaled, unweighted ones."""
    from sklearn.preprocessing import RobustScaler

    choice = FeatureChoice(place_weight=0.3, shape_weight=2.0)
    synapses = study()
    model = fitted(synapses, choice)
    features = model.apply(synapses, "v")
    ids, matrix = model.matrix(features)
    order = np.argsort(ids)
    assert [ids[k] for k in order] == list(model.fitted_ids)
    np.testing.assert_array_equal(matrix[order], model.fitted_scaled)
    kept = features.filter(pa.array([why is None for why in features.column("left_out").to_pylist()]))
    raw = columns(kept, [*PCA, "synapse_area", "bouton_area"])
    scaler = RobustScaler().fit(raw)
    np.testing.assert_array_equal(model.centre, scaler.center_)
    np.testing.assert_array_equal(model.scale, scaler.scale_)
    np.testing.assert_allclose(matrix, scaler.transform(raw) * [0.3, 0.3, 0.3, 2, 2], rtol=1e-12)
    low, high = np.percentile(matrix, [25, 75], axis=0)
    np.testing.assert_allclose(high - low, [0.3, 0.3, 0.3, 2, 2], rtol=1e-9)


def test_new_synapses_are_placed_in_the_stored_frame_not_in_their_own() -> None:
    """Regression: the published study centred new synapses on their own mean and had lost the signs."""
    model = fitted(study())
    planted = cloud(60, 2)[10:14]
    new = table("pv1", (planted + np.array([100.0, -20.0, 5.0])) @ turn(2), used_for="prediction", first=5001)
    found = model.apply(new, "v")
    np.testing.assert_allclose(columns(found, PCA), planted + np.array([40.0, -50.0, -15.0]), atol=1e-8)
    assert set(found.column("alignment").to_pylist()) == {"fitted"}
    assert found.column("left_out").null_count == 4


def test_a_row_of_a_known_neuron_does_not_depend_on_its_companions() -> None:
    synapses = study()
    model = fitted(synapses)
    new = table("cr1", cloud(17, 11) @ turn(1), used_for="prediction", first=5001)
    together = model.apply(pa.concat_tables([new, synapses]).take(pa.array(np.r_[20:60, 0:17, 17:20])), "v")
    rows = {row["synapse_id"]: row for row in together.to_pylist()}
    for k in range(17):
        assert model.apply(new.slice(k, 1), "v").to_pylist() == [rows[new.column("synapse_id")[k].as_py()]]
    assert model.apply(synapses.slice(0, 0), "v").equals(morphology.FEATURES.empty())


def test_the_order_of_rows_does_not_matter() -> None:
    synapses = study()
    shuffled = synapses.take(pa.array(np.random.default_rng(0).permutation(synapses.num_rows)))
    assert_same(fitted(synapses), fitted(shuffled))
    choice = FeatureChoice(fewest_for_alignment=4)
    unseen = table("cb7", cloud(12, 7) @ turn(7), used_for="prediction")
    forth, back = (
        fitted(synapses, choice).apply(unseen.take(pa.array(o)), "v") for o in (range(12), range(11, -1, -1))
    )
    assert forth.to_pylist() == back.to_pylist()[::-1]


def assert_same(a: FeatureModel, b: FeatureModel) -> None:
    """To the bit."""
    for field in fields(FeatureModel):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name == "alignments":
            assert list(left) == list(right)
            for one, other in zip(left.values(), right.values(), strict=True):
                assert one.synapses == other.synapses
                for name in ("centre_um", "axes", "explained"):
                    np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
        elif isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, strict=True)
        else:
            assert left == right
            assert type(left) is type(right)


def test_a_model_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    synapses = with_value(study(), "bouton_area", {3: 400.0})
    model = fitted(synapses)
    model.save(tmp_path / "model")
    again = FeatureModel.load(tmp_path / "model")
    assert_same(model, again)
    assert model.apply(synapses, "v").equals(again.apply(synapses, "v"))
    assert again.summary() == model.summary()
    assert {file.suffix for file in (tmp_path / "model").iterdir()} == {".npz", ".json"}


def test_extreme_values_are_flagged_exactly_and_counted() -> None:
    """Quartiles 3, 5, 7 of nine values 1..9: with k = 3 the fences are -9 and 19, and 19 itself is not beyond."""
    place = cloud(9, 0)
    areas = np.arange(1.0, 10.0)
    clean = fitted(table("pv1", place, synapse_area=areas, bouton_area=areas))
    assert clean.limits == {"synapse_area": (-9.0, 19.0), "bouton_area": (-9.0, 19.0)}
    assert clean.summary()["extreme_synapses"] == 0
    edge = table("pv1", place[:5], synapse_area=[19.0, 19.001, 5.0, -9.0, -9.5], bouton_area=[5.0, 99.0, 5.0, 5.0, 5.0])
    reasons = clean.apply(edge, "v").column("left_out").to_pylist()
    assert reasons[0] is reasons[2] is reasons[3] is None
    assert reasons[1] == (
        "synapse_area 19.001 is above 19 (3 IQR beyond the upper quartile); "
        "bouton_area 99 is above 19 (3 IQR beyond the upper quartile)"
    )
    assert reasons[4] == "synapse_area -9.5 is below -9 (3 IQR beyond the lower quartile)"

    # the row that is extreme in both measures is counted once as a synapse
    both = table("pv1", place, synapse_area=np.r_[areas[:8], 120.0], bouton_area=np.r_[areas[:8], 121.0])
    other = table("cb1", place, synapse_area=areas, bouton_area=np.r_[122.0, areas[1:]])
    model = fitted(pa.concat_tables([both, other]))
    facts = model.summary()
    assert facts["extreme_by_measure"] == {"synapse_area": 1, "bouton_area": 2}
    assert (facts["extreme_synapses"], facts["fitted_synapses"]) == (2, 16)
    assert "pv1/as/0009" not in model.fitted_ids
    features = model.apply(pa.concat_tables([both, other]), "v")
    assert features.column("left_out").null_count == 16
    # an extreme row moves neither the frame nor the scaling, and has its place all the same
    assert model.alignments["pv1"].synapses == 8
    np.testing.assert_allclose(model.alignments["pv1"].centre_um, place[:8].mean(axis=0), rtol=1e-12)
    assert features.column("scaled").null_count == 0
    assert len(model.matrix(features)[0]) == 16


def test_fewer_iqr_make_more_values_extreme() -> None:
    synapses = table("pv1", cloud(9, 0), synapse_area=np.r_[1.0:9.0, 12.0], bouton_area=np.arange(1.0, 10.0))
    assert fitted(synapses).summary()["extreme_synapses"] == 0
    model = fitted(synapses, FeatureChoice(extreme_iqr=1.0))
    assert model.limits["synapse_area"] == (-1.0, 11.0)
    assert model.summary()["extreme_synapses"] == 1
    reason = model.apply(synapses, "v").column("left_out").to_pylist()[8]
    assert reason == "synapse_area 12 is above 11 (1 IQR beyond the upper quartile)"


def test_a_neuron_of_two_synapses_has_no_axes_and_says_so() -> None:
    synapses = study()
    model = fitted(synapses)
    assert model.unaligned == {"pv9": 2}
    assert model.summary() == {
        "fitted_synapses": 130,
        "extreme_synapses": 0,
        "extreme_by_measure": {"synapse_area": 0, "bouton_area": 0},
        "aligned_neurons": 3,
        "neurons_without_axes": ["pv9"],
        "synapses_without_axes": 2,
    }
    rows = of(model.apply(synapses, "v"), "pv9").to_pylist()
    for row in rows:
        assert row["left_out"] == "neuron pv9 has 2 synapses; axes of its own need 5"
        assert row["alignment"] is row["scaled"] is row["pca_1_um"] is None
        assert row["distance_to_soma_um"] > 0
    single = model.apply(table("pv8", cloud(40, 0)[:1], used_for="prediction"), "v").to_pylist()[0]
    assert single["left_out"] == "neuron pv8 has 1 synapse; axes of its own need 5"


def test_new_synapses_give_no_axes_to_fitted_rows_of_their_neuron() -> None:
    """Else what is clustered would change with what is predicted."""
    synapses = study()
    model = fitted(synapses)
    new = table("pv9", cloud(6, 9), used_for="prediction", first=5001)
    rows = of(model.apply(pa.concat_tables([synapses, new]), "v"), "pv9").to_pylist()
    assert [row["alignment"] for row in rows] == [None, None, *["own"] * 6]
    assert [row["left_out"] is None for row in rows] == [False, False, *[True] * 6]


def test_a_neuron_never_seen_gets_axes_of_its_own() -> None:
    model = fitted(study())
    planted = cloud(12, 7)
    unseen = table("cb7", planted @ turn(7), used_for="prediction")
    found = model.apply(unseen, "v")
    assert set(found.column("alignment").to_pylist()) == {"own"}
    np.testing.assert_allclose(columns(found, PCA), planted - [60, 30, 20], atol=1e-8)
    ids, matrix = model.matrix(found)
    assert ids == unseen.column("synapse_id").to_pylist()
    raw = columns(found, [*PCA, "synapse_area", "bouton_area"])
    np.testing.assert_allclose(matrix, (raw - model.centre) / model.scale * model.weights, rtol=1e-12)
    assert set(model.apply(unseen.slice(0, 5), "v").column("alignment").to_pylist()) == {"own"}
    # an extreme row does not count among those that axes are made of
    six = with_value(unseen.slice(0, 6), "synapse_area", {0: 50.0, 1: 60.0})
    reasons = model.apply(six, "v").column("left_out").to_pylist()
    assert reasons[5] == "neuron cb7 has 6 synapses, 4 of them usable; axes of its own need 5"
    assert reasons[0].startswith("synapse_area 50 is above")
    assert reasons[0].endswith("; " + reasons[5])
    far = with_value(unseen, "synapse_area", {0: 50.0})
    without = columns(model.apply(unseen.slice(1), "v"), PCA)
    np.testing.assert_array_equal(columns(model.apply(far, "v"), PCA)[1:], without)


def test_nothing_to_align_is_an_ordinary_outcome() -> None:
    small = pa.concat_tables([table(name, cloud(10, k)[:4]) for k, name in enumerate(("cb1", "cr1"))])
    outcome = fit_features(small, CHOICE)
    assert isinstance(outcome, NoModel)
    assert outcome.reason == "none of 2 neurons has the 5 synapses that axes need (the most: 4)"
    assert isinstance(fit_features(small, FeatureChoice(fewest_for_alignment=4)), FeatureModel)
    empty = fit_features(morphology.SYNAPSES.empty(), CHOICE)
    assert isinstance(empty, NoModel)
    assert empty.reason == "there are no synapses to fit features on"


def test_bouton_volume_is_optional_but_not_half() -> None:
    synapses = study()
    volumes = {k: 1.0 + 0.01 * (k % 50) for k in range(synapses.num_rows)}
    choice = FeatureChoice(shape=["bouton_volume", "synapse_area"])
    half = with_value(synapses, "bouton_volume", volumes | {4: None, 5: None, 6: None})
    with pytest.raises(BadInput, match=r"3 of 132 synapses have no bouton_volume.*take it out of features\.shape"):
        fit_features(half, choice)
    assert_same(fitted(half), fitted(synapses))
    model = fitted(with_value(synapses, "bouton_volume", volumes), choice)
    assert model.names == (*PCA, "bouton_volume", "synapse_area")
    features = model.apply(half, "v")
    assert features.column("left_out").to_pylist()[4] == "bouton_volume is missing"
    assert features.column("scaled").null_count == 3 + 2
    assert features.column("pca_1_um").null_count == 2
    raw = columns(features.slice(10, 50), [*PCA, "bouton_volume", "synapse_area"])
    expected = (raw - model.centre) / model.scale * model.weights
    np.testing.assert_array_equal(np.array(features.slice(10, 50).column("scaled").to_pylist()), expected)


def test_a_constant_feature_gets_scale_one() -> None:
    model = fitted(table("pv1", cloud(20, 0), synapse_area=np.full(20, 2.5)))
    assert model.scale[3] == 1.0
    assert (model.fitted_scaled[:, 3] == 0).all()
    assert len(model.fitted_ids) == 20
    place_only = fitted(study(), FeatureChoice(shape=[]))
    assert place_only.fitted_scaled.shape == (130, 3)


@pytest.mark.parametrize(("column", "value"), [("y_um", np.nan), ("soma_z_um", np.inf), ("bouton_area", np.nan)])
def test_a_number_that_is_none_is_named(column: str, value: float) -> None:
    synapses = study()
    model = fitted(synapses)
    broken = with_value(synapses, column, {7: value})
    for use in (lambda: fit_features(broken, CHOICE), lambda: model.apply(broken, "v")):
        with pytest.raises(BadInput, match=rf"{column} of synapse cb1/as/0008 is not a finite number"):
            use()


def test_features_of_another_model_are_refused() -> None:
    synapses = study()
    features = fitted(synapses).apply(synapses, "v")
    with pytest.raises(BadInput, match="rows of 5 features do not fit a model of 4"):
        fitted(synapses, FeatureChoice(shape=["synapse_area"])).matrix(features)
    nothing = fitted(synapses).matrix(features.slice(0, 0))
    assert nothing[0] == []
    assert nothing[1].shape == (0, 5)


def held(synapses: pa.Table, neuron: str) -> HeldOut:
    found = held_out_features(synapses, neuron, CHOICE)
    assert isinstance(found, HeldOut)
    return found


@pytest.mark.parametrize(
    "wild",
    [
        lambda rows: with_value(rows, "synapse_area", dict.fromkeys(range(70, 100), 1e6)),
        lambda rows: with_value(rows, "x_um", dict.fromkeys(range(70, 100), -1e6)),
        lambda rows: rows.slice(0, 71),
    ],
    ids=["areas", "places", "absent"],
)
def test_no_step_sees_the_held_out_neuron(wild: Callable[[pa.Table], pa.Table]) -> None:
    """Rows 70 to 129 are of pv1."""
    synapses = study().slice(0, 130)
    before, after = held(synapses, "pv1"), held(wild(synapses), "pv1")
    assert before.train_ids == after.train_ids
    np.testing.assert_array_equal(before.train, after.train)
    whole = fitted(synapses)
    assert not np.array_equal(whole.centre, fitted(synapses.slice(0, 70)).centre)
    np.testing.assert_array_equal(before.train, fitted(synapses.slice(0, 70)).fitted_scaled)


def test_a_held_out_neuron_passes_as_one_never_seen() -> None:
    synapses = with_value(study(), "synapse_area", {71: 80.0})
    found = held(synapses, "pv1")
    others = fitted(synapses.filter(pa.array([n != "pv1" for n in synapses.column("neuron_id").to_pylist()])))
    theirs = others.apply(of(synapses, "pv1"), "v")
    assert set(theirs.column("alignment").to_pylist()) == {"own"}
    ids, matrix = others.matrix(theirs)
    assert found.test_ids == ids
    np.testing.assert_array_equal(found.test, matrix)
    assert found.test.shape == (59, 5)
    assert list(found.left_out) == ["pv1/as/0002"]
    assert not {*found.train_ids} & {*found.test_ids, *found.left_out}
    small = held(synapses, "pv9")
    assert small.test.shape == (0, 5)
    assert set(small.left_out.values()) == {"neuron pv9 has 2 synapses; axes of its own need 5"}
    assert isinstance(held_out_features(of(synapses, "pv1"), "pv1", CHOICE), NoModel)
    with pytest.raises(BadInput, match="neuron 'pv4' has no synapses here"):
        held_out_features(synapses, "pv4", CHOICE)
