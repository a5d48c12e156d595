"""The tests of methods of explanation, on networks that were taught planted squares and on some that were not."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.explanation_checks import PlantedPlaces
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.explaining import ORDER, check_methods, default_method
from synapse_assets.schema import EXPLANATION_CHECKS
from synapse_assets.vision.explanation.explainable import Explainable, explainable_network
from synapse_assets.vision.explanation.methods import maps_of
from synapse_assets.vision.explanation.sanity import measure_method
from synapse_assets_tests.vision.explanation.planted import PATCH, planted_tiles, trained, untrained

TILES, _, CENTRES = planted_tiles(10, seed=1)


def checked(classifier: Explainable, retrained: Explainable, *methods: str) -> tuple[pa.Table, list[str]]:
    lines: list[str] = []
    table = check_methods(
        classifier,
        retrained,
        TILES,
        methods,
        name="small",
        version="v1",
        draws=2,
        seed=0,
        device="cpu",
        truth=PlantedPlaces(CENTRES[:, None], PATCH // 2 + 2),
        log=lines.append,
    )
    return table, lines


def verdicts(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["method"].to_pylist(), table["verdict"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def pair() -> tuple[Explainable, Explainable]:
    return explainable_network(trained(0, 60)), explainable_network(trained(1, 60))


def test_what_we_show_passes_and_what_draws_edges_fails(pair: tuple[Explainable, Explainable]) -> None:
    table, lines = checked(*pair, "occlusion", "grad_cam", "guided_backpropagation")
    assert EXPLANATION_CHECKS.conform(table).equals(table)
    assert verdicts(table) == {"grad_cam": "trustworthy", "occlusion": "trustworthy", "guided_backpropagation": "not"}
    passed = {(row["method"], row["check"]): row["passed"] for row in table.to_pylist()}
    assert passed["guided_backpropagation", "head"] is False
    assert default_method(table) == "grad_cam"
    assert len(lines) == 3
    assert lines[0].startswith("explanations of small: occlusion passes every test")


def test_a_network_whose_weights_were_never_loaded_fails(pair: tuple[Explainable, Explainable]) -> None:
    table, _ = checked(explainable_network(untrained(seed=7)), pair[0], "grad_cam", "gradients")
    assert verdicts(table) == {"grad_cam": "not", "gradients": "not"}
    assert default_method(table) is None


def test_what_is_measured_is_what_it_is_called(pair: tuple[Explainable, Explainable]) -> None:
    classifier = pair[0]
    measured = measure_method(classifier, classifier, "gradients", TILES[:3], draws=1)
    np.testing.assert_allclose(measured["retrained"], 1)
    maps = np.abs(measured["maps"]).reshape(3, -1)
    ranks = maps.argsort(1).argsort(1)
    np.testing.assert_allclose(measured["other_picture"][1], np.corrcoef(ranks[1], ranks[0])[0, 1], atol=1e-3)
    assert (measured["all_random"].shape, measured["deletion"].shape) == ((1, 3), (3,))
    assert (measured["insertion"] > measured["deletion"]).all()
    blind = measure_method(classifier, classifier, "occlusion", np.full_like(TILES[:1], 9), draws=1)
    assert blind["retrained"] == 0  # an empty map agrees with nothing, not even itself


def test_classes_are_matched_by_name(pair: tuple[Explainable, Explainable]) -> None:
    classifier = pair[0]
    other = explainable_network(trained(0, 60))
    last = other.network.inner.head
    last.weight.data, last.bias.data = last.weight.data[[2, 0, 1]], last.bias.data[[2, 0, 1]]
    renamed = Explainable(("dark", "bright", "checked"), other.tile_shape, other.network, other.methods)
    measured = measure_method(classifier, renamed, "grad_cam", TILES[:3], draws=1)
    np.testing.assert_allclose(measured["retrained"], 1, atol=1e-6)
    assert np.abs(maps_of(renamed, TILES[:1], np.array([0]), "grad_cam", "cpu")).max() > 0
    strange = Explainable(("dark", "bright", "grey"), other.tile_shape, other.network, other.methods)
    with pytest.raises(BadInput, match="retrain it on the same classes"):
        measure_method(classifier, strange, "grad_cam", TILES[:3])
    with pytest.raises(BadInput, match="'contribution' cannot explain"):
        measure_method(classifier, renamed, "contribution", TILES[:3])


def test_the_first_that_can_be_trusted_is_shown() -> None:
    def table(**methods: str) -> pa.Table:
        return pa.table({"method": list(methods), "verdict": list(methods.values())})

    assert default_method(table(occlusion="trustworthy", grad_cam="partly")) == "occlusion"
    assert default_method(table(occlusion="trustworthy", contribution="trustworthy")) == "contribution"
    assert default_method(table(occlusion="partly", grad_cam="not")) is None
    assert default_method(EXPLANATION_CHECKS.empty()) is None


def test_a_release_prefers_the_methods_that_the_checks_prefer() -> None:
    """Offers of one verdict come in the order of the classifier's methods, maps that are stored in `ORDER`."""
    methods = explainable_network(untrained(seed=7)).methods
    assert set(methods) == set(ORDER) - {"contribution"}
    assert list(methods) == [method for method in ORDER if method in methods]
