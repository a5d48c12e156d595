"""The model card of a trained network, as facts that are stored with it and as a text (Mitchell et al., FAT* 2019, arXiv:1810.03993).

Belongs here: what a card says and how it is worded. Does not belong here: measuring anything of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from synapse_assets.analysis.evaluation.classifier_comparison import FEWEST_GROUPS_OF_CLASS
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.artifacts import JSON, read_artifact, write_artifact

CARD_FILE = "card.md"
_CARD = ("network_card", 1)


@dataclass(frozen=True)
class NetworkCard:
    """What is known of a network since it was trained.

    dataset, title  name of the dataset that it was trained on, and what it is
    about           architecture, origin and input in words
    source          which weights it started from and what it was trained on, in words
    input_text      what a tile must be
    classes         by name: labelled synapses, and groups of the headline
    scores          what `split_scores` gives
    metrics         numbers that plot over time
    training        how the training of the network that is applied ended; seconds: how long it took
    early_stopping  whether groups were set aside for it
    libraries       versions by name
    """

    name: str
    dataset: str
    title: str
    about: str
    source: str
    input_text: str
    headline: str
    seed: int
    classes: Mapping[str, Sequence[int]]
    scores: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, float]
    training: str
    early_stopping: bool
    seconds: float
    warnings: Sequence[str]
    libraries: Mapping[str, str]

    def save(self, folder: Path) -> None:
        """Writes the artifact network_card and the text card.md into `folder` (made if absent)."""
        facts: dict[str, JSON] = asdict(self)
        write_artifact(folder, *_CARD, facts=facts, arrays={})
        (folder / CARD_FILE).write_text(card_text(self), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "NetworkCard":
        """What `save` wrote; BadInput as `read_artifact`."""
        facts = read_artifact(folder, *_CARD).facts
        return cls(**{entry.name: facts[entry.name] for entry in fields(cls)})


def split_scores(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The scores of a card by split, the headline first: columns of `schema.CLASSIFIER_COMPARISON` that need no other classifier."""
    scores = sorted(evaluation.splits.values(), key=lambda score: score.split != evaluation.headline_split)
    rows = []
    for score in scores:
        low, high = score.balanced_accuracy_interval or (None, None)
        rows.append(
            {
                "split": score.split,
                "synapses": score.rows,
                "groups": score.groups,
                "balanced_accuracy": score.balanced_accuracy,
                "low": low,
                "high": high,
                "macro_f1": score.macro_f1,
            }
        )
    return rows


def card_text(
    card: NetworkCard,
    scores: Sequence[Mapping[str, Any]] | None = None,
    leakage: Sequence[str] = (),
    model: str = f"the folder of this card ({CARD_FILE})",
) -> str:
    """The card as Markdown. `scores`: rows of `schema.CLASSIFIER_COMPARISON`, by default those of the card; `leakage`: sentences of the
    dataset's report on it; `model`: where the network's file lies."""
    rare = {name: counts[1] for name, counts in card.classes.items() if counts[1] < FEWEST_GROUPS_OF_CLASS}
    synapses = sum(counts[0] for counts in card.classes.values())
    classes = "\n".join(f"| {name} | {count:,} | {groups:,} |" for name, (count, groups) in card.classes.items())
    sections = [
        f"# {card.name}",
        f"Names the class of a synapse from its tile. {card.about}. Weights: {card.source}. It takes {card.input_text}.",
        f"## Data\n\n{card.title} (dataset {card.dataset}), {synapses:,} labelled synapses. Seed {card.seed}.\n\n"
        f"| class | synapses | groups ({card.headline}) |\n|---|---|---|\n{classes}",
        f"## Training\n\n{card.training} {_stopping(card)} It took {card.seconds:,.0f} s.",
        f"## Scores on synapses that it was not trained on\n\n{_scores(scores or card.scores)}\n\n"
        f"Held out are whole groups of the split, by networks that were trained as this one on the other folds; intervals are 95 %, "
        f"over groups.{_OVERSTATES if any(row['split'] == RANDOM for row in scores or card.scores) else ''}",
        "## Calibration\n\n" + _calibration(scores or ()),
        "## Leakage\n\n" + _leakage(card, leakage),
        "## What it may not be used for\n\n" + "\n".join(f"- {limit}" for limit in _limits(card, rare)),
        "## How to use it\n\n```\nsynapse-assets predict --model "
        f"{model} --dataset NAME --out predictions.parquet\n```\n\n`NAME` is a dataset whose tiles are cut: {card.input_text}.",
        "## Made with\n\n" + ", ".join(f"{name} {version}" for name, version in card.libraries.items()),
    ]
    if card.warnings:
        sections.insert(5, "## Warnings\n\n" + "\n".join(f"- {warning}" for warning in card.warnings))
    return "\n\n".join(sections) + "\n"


_OVERSTATES = " The random split tests on groups that were trained on: it overstates."
_NO_LEAKAGE = (
    "Not measured yet: materialise leakage_report (how far a score is recognition of neurons), then network_cards."
)


def _stopping(card: NetworkCard) -> str:
    if card.early_stopping:
        return "A fifth of the groups was set aside to choose the step, and no weight learnt from them."
    return "No group was set aside to choose the step: a class has too few. The number of steps was fixed beforehand."


def _scores(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| classifier | held out | synapses | groups | balanced accuracy | macro F1 | neurons right | against the linear probe |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        neurons = "" if row.get("neuron_accuracy") is None else f"{row['neuron_accuracy']:.3f}"
        difference = "" if row.get("difference") is None else f"{row['difference']:+.3f}"
        difference += interval_text(row.get("difference_low"), row.get("difference_high"))
        lines.append(
            f"| {row.get('classifier', 'this network')} | {row['split']} | {row['synapses']:,} | {row['groups']:,} | "
            f"{row['balanced_accuracy']:.3f}{interval_text(row['low'], row['high'])} | {row['macro_f1']:.3f} | {neurons} | "
            f"{difference} |"
        )
    return "\n".join(lines)


def interval_text(low: float | None, high: float | None) -> str:
    """An interval to stand behind its value; empty without one."""
    return "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"


def _calibration(rows: Sequence[Mapping[str, Any]]) -> str:
    measured = [row for row in rows if row.get("calibration_error") is not None]
    sentences = [
        f"{row['classifier']}, {row['split']}: expected calibration error {row['calibration_error']:.3f} of the most probable class; "
        f"a perfect classifier of this size would show {row['calibration_floor']:.3f}."
        for row in measured
    ]
    return " ".join(["Probabilities are those of the network, not calibrated.", *sentences])


def _leakage(card: NetworkCard, sentences: Sequence[str]) -> str:
    gap = card.metrics.get("random_split_gap")
    own = (
        []
        if gap is None
        else [f"For this network the random split claims {gap:+.3f} against {card.headline} held out."]
    )
    of_probe = "\n".join(f"- {sentence}" for sentence in sentences)
    return "\n\n".join([*own, f"Of the linear probe on the vectors in use:\n\n{of_probe}" if of_probe else _NO_LEAKAGE])


def _limits(card: NetworkCard, rare: Mapping[str, int]) -> list[str]:
    limits = [
        f"Tiles of another size of voxel, or another number of sections, than it was trained on: {card.input_text}.",
        "Other species, preparations, stains or microscopes, unless it was tested on labelled synapses of them.",
        f"Classes that it was not trained on: every synapse is called one of {', '.join(card.classes)}, and what is no synapse too.",
        "Probabilities taken at their word, thresholds among them, without calibration on labelled neurons of the dataset in question.",
        "A single synapse as evidence for a neuron: pool those of the neuron.",
    ]
    for name, groups in rare.items():
        promise = "its score says nothing" if groups == 1 else "its score may be chance"
        limits.append(
            f"The class {name}: only {groups} group{'s' * (groups != 1)} of {card.headline} trained it, so {promise}, and nothing is "
            "promised of it."
        )
    return limits
