"""What `fit_once` does with each thing that it is given: when it fits, what is in use, and what waits."""

import logging
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import NOT_ASSESSED, require_same


class Fits:
    """Fits of `map_model`, and what was fitted."""

    def __init__(self, root: Path) -> None:
        self.store = DatasetStore(str(root), "sample")
        self.models = self.store.models("map_model")
        self.fitted: list[str] = []
        self.verdict = NOT_ASSESSED

    def run(
        self,
        tiles: str = "t1",
        neighbours: int = 15,
        seed: int = 0,
        usable: bool = True,
        reason: str = "",
        model: str = "map_model",
        waits: bool = True,
    ) -> dict[str, Any]:
        """What is reported after fitting on these tiles. `usable`: whether what is in use can be applied to what there is.
        With a `reason` nothing can be fitted. `waits`: whether a refit is a candidate first."""

        def fit(folder: Path) -> Fitted:
            self.fitted.append(tiles)
            if reason:
                NoModel(reason).save(folder)
            (folder / "weights").write_text(tiles)
            return Fitted(
                scores={"trust": 0.5}, notes=["few"], details={"steps": 3}, verdict=self.verdict, verdict_reason="why"
            )

        report = fit_once(
            self.store,
            model,
            logging.getLogger(__name__),
            inputs={"tiles": tiles},
            parameters={"neighbours": neighbours},
            seed=seed,
            fit=fit,
            fits_current_inputs=(lambda made: usable or made.inputs["tiles"] == tiles) if waits else None,
        )
        return {**report.details, "content version": report.content_version}


@pytest.fixture
def fits(tmp_path: Path) -> Fits:
    return Fits(tmp_path)


def test_each_thing_that_decides_a_model_makes_another_version(fits: Fits) -> None:
    first = fits.run()
    asked: list[dict[str, Any]] = [{"tiles": "t2"}, {"neighbours": 16}, {"seed": 1}]
    versions = [fits.run(**changes)["version"] for changes in asked]
    assert len({first["version"], *versions}) == 4
    assert len(fits.fitted) == 4
    again = fits.run()
    assert (again["version"], again["fitted_now"], len(fits.fitted)) == (first["version"], False, 4)
    assert (again["trust"], again["notes"]) == (0.5, "few"), "scores are shown, fitted now or before"
    assert fits.run(model="other_model")["version"] not in {first["version"], *versions}, (
        "two models of one content differ"
    )
    made = fits.models.provenance(first["version"])
    assert (made.inputs, made.parameters, made.seed) == ({"tiles": "t1"}, {"neighbours": 15}, 0)
    assert (fits.models.path(first["version"]) / "weights").read_text() == "t1"


def test_a_verdict_is_kept_with_the_model_and_shown(fits: Fits) -> None:
    assert "verdict" not in fits.run(), "nothing is said of a kind of model that has none"
    fits.verdict = "fragile"
    version = fits.run("t2")["version"]
    made = fits.models.provenance(version)
    assert (made.verdict, made.verdict_reason) == ("fragile", "why")
    fits.verdict = "stable"
    again = fits.run("t2")
    assert (again["version"], again["verdict"], again["verdict_reason"]) == (version, "fragile", "why")


def test_a_refit_waits_and_going_back_forgets_it(fits: Fits) -> None:
    first = fits.run()
    assert (fits.models.current, fits.models.candidate, first["status"]) == (first["version"], None, "in use")
    second = fits.run("t2")
    assert (fits.models.current, fits.models.candidate) == (first["version"], second["version"])
    assert second["status"].startswith(f"candidate; {first['version']} stays in use until")
    # What follows is out of date only by the model in use.
    assert second["content version"] == second["in_use"] == first["version"]
    third = fits.run("t3")
    assert (fits.models.current, fits.models.candidate) == (first["version"], third["version"])
    assert fits.run()["status"] == "in use"
    assert (fits.models.current, fits.models.candidate) == (first["version"], None)
    assert fits.models.exists(second["version"])


def test_what_has_no_candidates_is_in_use_at_once(fits: Fits) -> None:
    fits.run(waits=False)
    second = fits.run("t2", waits=False)
    assert (fits.models.current, fits.models.candidate) == (second["version"], None)
    assert second["content version"] == second["version"]


@pytest.mark.parametrize("in_the_way", ["cannot be applied", "is no model"])
def test_a_model_that_is_of_no_use_is_replaced_at_once(fits: Fits, in_the_way: str) -> None:
    fits.run(reason="too few" if in_the_way == "is no model" else "")
    fits.models.set_candidate(str(fits.models.current))
    second = fits.run("t2", usable=in_the_way == "is no model")
    assert (fits.models.current, fits.models.candidate) == (second["version"], None)
    assert second["content version"] == second["version"]
    # Nothing that was fitted is no reason to take a model out of use.
    third = fits.run("t3", reason="too few")
    assert (fits.models.current, fits.models.candidate) == (second["version"], third["version"])


def test_a_model_of_other_inputs_is_not_applied(fits: Fits) -> None:
    version = fits.run()["version"]
    require_same(fits.models, version, "tiles", "t1")
    with pytest.raises(BadInput, match=rf"map_model {version} was fitted on tiles t1, but tiles t2 is in use"):
        require_same(fits.models, version, "tiles", "t2")
    with pytest.raises(BadInput, match="was fitted on encoder None"):
        require_same(fits.models, version, "encoder", "e1")
