"""The content of the page that compares the classifiers of a dataset: the rows of `classifier_comparison`, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse_assets.analysis.evaluation.classifier_comparison import LINEAR_PROBE
from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse


def classifiers(warehouse: Warehouse, name: str, split: str) -> dict[str, Any]:
    """The comparison by one split, by default the first. Raises BadInput for a split that there is not. name: of the explorer's entry."""
    rows = warehouse.classifiers()
    splits = list(dict.fromkeys(row["split"] for row in rows))
    if split and split not in splits:
        raise BadInput(f"no split '{split[:60]}'; there are {', '.join(splits) or 'none'}")
    chosen = split or next(iter(splits), "")
    of_split = [row for row in rows if row["split"] == chosen]
    content: dict[str, Any] = {
        "splits": splits,
        "split": chosen,
        "lines": [_line(row) for row in sorted(of_split, key=_rank)],
        "verdict": _verdict(of_split, chosen),
        "rare": list(dict.fromkeys(row["rare_classes"] for row in of_split if row["rare_classes"])),
        "few_groups": any(row["low"] is None for row in of_split),
        "cards": warehouse.network_cards(),
        "scores": warehouse.release.get("scores", {}).get("synapse_classifier") or {},
    }
    if not rows:
        content["reason"] = _reason(warehouse, name)
    return content


def _reason(warehouse: Warehouse, name: str) -> str:
    if "target" not in warehouse.points.categories:
        return "There is nothing to compare: no class of any synapse is known in this dataset, so no classifier was fitted."
    return (
        "There is no comparison of classifiers in this release. Name a network in the dataset file, such as "
        f"networks: {{small: {{architecture: resnet18}}}}, materialise {name}/classifier_comparison with what it is made from, then "
        f"{name}/warehouse."
    )


def _rank(row: Mapping[str, Any]) -> tuple[bool, float]:
    """The linear probe first, then by balanced accuracy."""
    return row["classifier"] != LINEAR_PROBE, -row["balanced_accuracy"]


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    seconds = row["training_seconds"]
    return {**row, "is_probe": row["classifier"] == LINEAR_PROBE, "against": _difference(row), "time": _time(seconds)}


def _difference(row: Mapping[str, Any]) -> str:
    """`+0.020, 0.004 to 0.040`; three digits, so that an end near zero keeps its sign."""
    if row["difference"] is None:
        return ""
    whole = f"{_signed(row['difference'])}"
    if row["difference_low"] is None or row["difference_high"] is None:
        return whole
    return f"{whole}, {_number(row['difference_low'])} to {_number(row['difference_high'])}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _verdict(rows: Sequence[Mapping[str, Any]], split: str) -> dict[str, Any]:
    """Which classifier wins the split, and the sentence that says so; empty without rows."""
    best = next((row for row in rows if row["best"]), None)
    if best is None:
        return {}
    score, others = f"{best['balanced_accuracy']:.2f}", [row for row in rows if row["classifier"] != LINEAR_PROBE]
    if best["classifier"] != LINEAR_PROBE:
        sentence = f"balanced accuracy {score}. Against the linear probe that is {_difference(best)}, an interval that excludes zero."
    elif not others:
        sentence = f"balanced accuracy {score}; no network was compared with it."
    else:
        leader = max(others, key=lambda row: row["balanced_accuracy"])
        sentence = (
            f"balanced accuracy {score}; no network is better beyond chance. The nearest, {leader['classifier']}, has "
            f"{leader['balanced_accuracy']:.2f} ({_difference(leader)})."
        )
    return {"best": best["classifier"], "sentence": sentence, "split": split}
