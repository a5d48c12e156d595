"""The networks in use beside the linear probe: which names classes better, beyond chance, and the card of each network.

Training and applying networks belongs to `networks`; the comparison itself to `analysis`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.labelling.decisions import without_untested
from synapse_assets.pipeline.em.networks import MODEL, NETWORK_FILE
from synapse_assets.pipeline.report import Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import CLASSIFIER_COMPARISON, LEAKAGE_REPORT, NETWORK_CARDS, SPLITS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import content_key, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.classifier_comparison import Contestant
    from synapse_assets.analysis.evaluation.network_card import NetworkCard

CLASSIFIER = "synapse_classifier"


def compare_with_networks(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Scores the linear probe in use, every network in use and a probe on both together, on the same synapses.

    Where the probe or the networks could not be fitted there are no rows, and the report says why. Raises BadInput if one of the two
    was never fitted.
    """
    from synapse_assets.analysis.evaluation.classifier_comparison import compare_classifiers, comparison_sentence

    watch = Stopwatch()
    missing = _missing(store)
    if missing:
        table, sentence = CLASSIFIER_COMPARISON.empty(), f"Nothing can be compared: {missing}."
    else:
        splits = store.results(SPLITS).read()
        headline = dataset.grouping[0]
        tested = _Tested.of(store, dataset, splits)
        networks = list(tested.networks())
        names = sorted({split for network in networks for split in network.out_of_sample})
        log.info(f"{len(networks)} classifiers beside the linear probe, under the splits {names}")
        scored = without_untested(store, splits)
        table = compare_classifiers(tested.probe(names), networks, scored, headline, dataset.seed)
        sentence = comparison_sentence(table, headline)
    log.info(sentence)
    store.results(CLASSIFIER_COMPARISON).write(table)
    return Report(
        details={"result": sentence, "comparison": Markdown(_markdown(table)), **_plotted(table, dataset.grouping[0])},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["training_seconds"])),
    )


def _missing(store: DatasetStore) -> str:
    """Why there is no probe or no network in use; empty where there are both."""
    for name in (CLASSIFIER, MODEL):
        models = store.models(name)
        version = model_in_use(models, f"materialise the asset '{name}' first")
        missing = NoModel.found(models.path(version))
        if missing is not None:
            return f"{name} has no model, as {missing.reason}"
    return ""


@dataclass(frozen=True)
class _Tested:
    """What is compared: the stored tests, and vectors (N, D) of the labelled synapses `ids` by the encoder in use."""

    store: DatasetStore
    dataset: EmDataset
    splits: pa.Table
    ids: list[str]
    vectors: npt.NDArray[np.float32]

    @classmethod
    def of(cls, store: DatasetStore, dataset: EmDataset, splits: pa.Table) -> "_Tested":
        labelled = sorted(set(splits.column("synapse_id").to_pylist()))
        rows = vectors_in_use(store).read_ids(labelled, ["synapse_id", "vector"])
        return cls(store, dataset, splits, rows.column("synapse_id").to_pylist(), vector_matrix(rows))

    def probe(self, names: Iterable[str]) -> "Contestant":
        """The probe in use: its stored test under the headline, and under other splits tested anew in the same way."""
        from synapse_assets.analysis.evaluation.classifier_comparison import LINEAR_PROBE, Contestant
        from synapse_assets.analysis.evaluation.evaluation import Evaluation, OutOfSample
        from synapse_assets.analysis.evaluation.linear_probe import evaluate_probe
        from synapse_assets.analysis.evaluation.stored import load_probe_evaluation

        models = self.store.models(CLASSIFIER)
        version = str(models.current)
        stored = load_probe_evaluation(models.path(version))
        evaluations = {stored.headline_split: stored}
        tested = {stored.headline_split: OutOfSample(stored.synapse_ids, stored.probabilities)}
        for name in set(names) - set(tested):
            part = self.splits.filter(pc.equal(self.splits.column("split"), name))
            found = evaluate_probe(self.ids, self.vectors, part, name, self.dataset.seed)
            if isinstance(found, Evaluation):
                evaluations[name], tested[name] = found, found.out_of_sample[name]
        classes = tuple(sorted({label for evaluation in evaluations.values() for label in evaluation.classes}))
        widened = {name: tested[name].in_classes(evaluations[name].classes, classes) for name in tested}
        about = f"logistic regression on the {self.vectors.shape[1]} numbers of {self._vectors}"
        return Contestant(LINEAR_PROBE, version, about, classes, widened)

    def networks(self) -> "Iterator[Contestant]":
        """Every network in use, and a linear probe on its features together with the vectors in use."""
        from synapse_assets.analysis.evaluation.classifier_comparison import Contestant
        from synapse_assets.analysis.evaluation.tested_networks import NetworkTest, load_features, probe_beside

        for name, version, folder, card in network_cards_in_use(self.store):
            test = NetworkTest.load(folder)
            yield Contestant(name, version, card.about, test.classes, test.out_of_sample, test.training_seconds)
            beside = probe_beside(test, partial(load_features, folder), self.ids, self.vectors, self.dataset.seed)
            if len(beside.synapse_ids):
                about = f"logistic regression on the features of {name} together with {self._vectors}"
                named = f"{name} beside {'texture' if self._is_texture else 'the vectors'}"
                headline = self.dataset.grouping[0]
                yield Contestant(named, version, about, test.classes, {headline: beside}, test.training_seconds)

    @property
    def _is_texture(self) -> bool:
        encoders = self.store.models("encoder")
        return encoders.provenance(str(encoders.current)).parameters.get("origin") == "texture"

    @property
    def _vectors(self) -> str:
        return "the texture" if self._is_texture else "the vectors in use"


def _markdown(table: pa.Table) -> str:
    from synapse_assets.analysis.evaluation.network_card import interval_text

    rows = [
        (
            f"**{row['classifier']}**" if row["best"] else row["classifier"],
            row["split"],
            f"{row['synapses']:,} / {row['groups']:,}",
            f"{row['balanced_accuracy']:.3f}{interval_text(row['low'], row['high'])}",
            f"{row['macro_f1']:.3f}",
            None if row["neuron_accuracy"] is None else f"{row['neuron_accuracy']:.3f}",
            None
            if row["difference"] is None
            else f"{row['difference']:+.3f}{interval_text(row['difference_low'], row['difference_high'])}",
            row["rare_classes"],
        )
        for row in table.to_pylist()
    ]
    head = [
        "classifier (best in bold)", "held out", "synapses / groups", "balanced accuracy", "macro F1", "neurons right",
        "against the linear probe", "rare classes",
    ]  # fmt: skip
    return markdown_table(head, rows) if rows else "no rows"


def _plotted(table: pa.Table, headline: str) -> dict[str, float]:
    """Balanced accuracy under the headline, by classifier, to plot over time."""
    return {
        f"{row['classifier'].replace(' ', '_')}_balanced_accuracy": row["balanced_accuracy"]
        for row in table.to_pylist()
        if row["split"] == headline
    }


# Cards


def write_cards(store: DatasetStore) -> Report:
    """The card of every network in use, with what the comparison and the report on leakage say of it by now."""
    from synapse_assets.analysis.evaluation.network_card import card_text

    watch = Stopwatch()
    leakage = store.results(LEAKAGE_REPORT).read().to_pylist()
    sentences = [row["sentence"] for row in leakage if row["probe"] == "class_gap"]
    compared = store.results(CLASSIFIER_COMPARISON).read().to_pylist()
    rows = []
    for name, version, _, card in network_cards_in_use(store):
        own = [row for row in compared if row["version"] == version]
        scores = [row for row in own if row["classifier"] == name or row["classifier"].startswith(f"{name} beside ")]
        file = store.models(MODEL).folder.address(f"{version}/{name}/{NETWORK_FILE}")
        text = card_text(card, scores or None, sentences, file)
        rows.append({"network": name, "version": version, "card": text})
    store.results(NETWORK_CARDS).write(pa.Table.from_pylist(rows, schema=NETWORK_CARDS.arrow))
    return Report(
        details={f"card_{row['network']}": Markdown(row["card"]) for row in rows} or {"cards": "no network is in use"},
        seconds=watch.seconds,
        rows=len(rows),
    )


def network_cards_in_use(store: DatasetStore) -> "Iterator[tuple[str, str, Path, NetworkCard]]":
    """Name, version, folder and card of every network in use; none where none could be trained.

    Raises BadInput if networks were never trained.
    """
    from synapse_assets.analysis.evaluation.network_card import NetworkCard

    models = store.models(MODEL)
    version = model_in_use(models, f"materialise the asset '{MODEL}' first")
    folder = models.path(version)
    if NoModel.found(folder) is None:
        for name in models.provenance(version).parameters["networks"]:
            yield name, version, folder / name, NetworkCard.load(folder / name)
