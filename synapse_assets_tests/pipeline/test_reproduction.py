"""What everybody should see of a subset, against a dataset that was made: what holds, what does not, and what only a run can tell."""

import json
from typing import Any

import pytest

from synapse_assets.datasets import PublishedSubset
from synapse_assets.pipeline.em.reproduction import Number, write_reproduction
from synapse_assets_tests.conftest import CLASSES, Lab
from synapse_assets_tests.sources.test_subsets import FILE, TABLE

DIGEST = "a" * 64


def compared(lab: Lab, red: list[str], files: dict[str, str | None], **changes: Any) -> dict[str, Number]:
    values = {
        "downloads": [FILE],
        "table": TABLE,
        "sites": 72,
        "classes": CLASSES,
        "neurons_per_class": 4,
        "salt": "tests",
    }
    subset = PublishedSubset.model_validate({**values, **changes})
    record = {"rule": "r", "sites": 72, "sha256": DIGEST, "files": files}
    return {number.name: number for number in write_reproduction(lab.store, lab.dataset, subset, record, red)}


def test_a_run_that_is_as_it_should_be(finished_lab: Lab) -> None:
    numbers = compared(finished_lab, [], {"t.feather": "md5 1", "n.tsv": None})
    assert [number.name for number in numbers.values() if number.holds is False] == []
    assert (numbers["sites"].expected, numbers["sites"].yours) == ("72", "72")
    assert [numbers[f"sites of {name}"].yours for name in CLASSES] == ["24", "24", "24"]
    assert [numbers[f"neurons of {name}"].yours for name in CLASSES] == ["4", "4", "4"]
    assert numbers["digest of t.feather"].holds
    assert numbers["digest of n.tsv"].holds is None
    assert numbers["SHA-256 of the table of chosen sites"] == Number(
        "SHA-256 of the table of chosen sites",
        "",
        DIGEST,
        None,
        "none is pinned yet: please report yours, it should be the same everywhere",
    )
    nearest = numbers["share of the 10 nearest of the same class, other neurons"]
    assert nearest.expected.startswith("above raw pixels (0.")
    assert nearest.holds is not None
    only_here = numbers["balanced accuracy, neuron_id held out"]
    score = finished_lab.store.release()["scores"]["synapse_classifier"]["balanced_accuracy"]
    assert (only_here.expected, only_here.holds) == ("", None)
    assert float(only_here.yours.split()[0]) == pytest.approx(score, abs=0.06)
    assert numbers["verdict on the clusters"].yours


def test_what_differs_is_said(finished_lab: Lab) -> None:
    changes: dict[str, Any] = {"sites": 75, "neurons_per_class": 3, "sha256": "b" * 64}
    numbers = compared(finished_lab, ["tiles: tiles_whole"], {}, **changes)
    wrong = {number.name for number in numbers.values() if number.holds is False}
    assert wrong >= {"sites", "tiles", "failed runs and checks", "SHA-256 of the table of chosen sites"}
    assert wrong >= {f"{what} of {name}" for what in ("sites", "neurons") for name in CLASSES}
    assert numbers["failed runs and checks"].yours == "tiles: tiles_whole"
    assert compared(finished_lab, [], {}, sha256=DIGEST)["SHA-256 of the table of chosen sites"].holds


def test_the_comparison_lies_beside_the_release(finished_lab: Lab) -> None:
    numbers = compared(finished_lab, [], {})
    content = json.loads((finished_lab.root / "tiny" / "reproduction.json").read_text())
    assert content["dataset"] == "tiny"
    assert "Eckstein et al. 2024" in content["orientation"]
    assert [Number(**row) for row in content["numbers"]] == list(numbers.values())
