"""What `fit_once` does with each thing that it is given: when it fits, what is in use, and what waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from synapse_assets.analysis.outcome import NoModel
from synapse_assets.defs.fitting import Fitted, fit_once, require_same
from synapse_assets.errors import BadInput
from synapse_assets.stores import DatasetStore, ModelStore


class Fits:
    """An asset that fits `map_model`, materialised by Dagster."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.store, self._instance = DatasetStore(str(root), "sample"), instance
        self.models = self.store.models("map_model")
        self.fitted: list[str] = []

    def run(
        self,
        tiles: str = "t1",
        neighbours: int = 15,
        seed: int = 0,
        usable: bool = True,
        reason: str = "",
        models: ModelStore | None = None,
    ) -> dict[str, Any]:
        """What the asset shows after fitting on these tiles. `usable`: whether what is in use can be applied to what there is.
        With a `reason` nothing can be fitted."""

        def fit(folder: Path) -> Fitted:
            self.fitted.append(tiles)
            if reason:
                NoModel(reason).save(folder)
            (folder / "weights").write_text(tiles)
            return Fitted(scores={"trust": 0.5}, notes=["few"], shown={"steps": 3})

        @dg.asset(key_prefix="sample")
        def map_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            return fit_once(
                context,
                models or self.models,
                inputs={"tiles": tiles},
                parameters={"neighbours": neighbours},
                seed=seed,
                fit=fit,
                fits_current_inputs=lambda provenance: usable or provenance.inputs["tiles"] == tiles,
            )

        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = dg.materialize([map_model], instance=self._instance, run_config=quiet)
        (event,) = result.get_asset_materialization_events()
        made = event.step_materialization_data.materialization
        return {name: one.value for name, one in made.metadata.items()} | {
            "data version": (made.tags or {})["dagster/data_version"]
        }


@pytest.fixture
def fits(tmp_path: Path) -> Iterator[Fits]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Fits(tmp_path, instance)


def test_each_thing_that_decides_a_model_makes_another_version(fits: Fits) -> None:
    first = fits.run()
    asked: list[dict[str, Any]] = [{"tiles": "t2"}, {"neighbours": 16}, {"seed": 1}]
    versions = [fits.run(**changes)["version"] for changes in asked]
    assert len({first["version"], *versions}) == 4
    assert len(fits.fitted) == 4
    again = fits.run()
    assert (again["version"], again["fitted_now"], len(fits.fitted)) == (first["version"], False, 4)
    assert (again["trust"], again["notes"]) == (0.5, "few"), "scores are shown, fitted now or before"
    other = fits.store.models("other_model")
    assert fits.run(models=other)["version"] not in {first["version"], *versions}, "two models of one content differ"
    made = fits.models.provenance(first["version"])
    assert (made.inputs, made.parameters, made.seed) == ({"tiles": "t1"}, {"neighbours": 15}, 0)
    assert (fits.models.path(first["version"]) / "weights").read_text() == "t1"


def test_a_refit_waits_and_going_back_forgets_it(fits: Fits) -> None:
    first = fits.run()
    assert (fits.models.current, fits.models.candidate, first["status"]) == (first["version"], None, "in use")
    second = fits.run("t2")
    assert (fits.models.current, fits.models.candidate) == (first["version"], second["version"])
    assert second["status"].startswith(f"candidate; {first['version']} stays in use until")
    # What follows is out of date only by the model in use.
    assert second["data version"] == second["in_use"] == first["version"]
    third = fits.run("t3")
    assert (fits.models.current, fits.models.candidate) == (first["version"], third["version"])
    assert fits.run()["status"] == "in use"
    assert (fits.models.current, fits.models.candidate) == (first["version"], None)
    assert fits.models.exists(second["version"])


@pytest.mark.parametrize("in_the_way", ["cannot be applied", "is no model"])
def test_a_model_that_is_of_no_use_is_replaced_at_once(fits: Fits, in_the_way: str) -> None:
    fits.run(reason="too few" if in_the_way == "is no model" else "")
    fits.models.set_candidate(str(fits.models.current))
    second = fits.run("t2", usable=in_the_way == "is no model")
    assert (fits.models.current, fits.models.candidate) == (second["version"], None)
    assert second["data version"] == second["version"]
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
