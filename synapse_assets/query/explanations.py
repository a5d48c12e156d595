"""Where in its tile a classifier of a release sees a class, computed when it is asked for; and what makes two tiles alike.

Methods and classifiers belong to `vision`, the maps that are stored with a release to `kept_pictures`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.linear_probe import LINEAR_PROBE, LinearProbe
from synapse_assets.errors import BadInput
from synapse_assets.query.pictures import PictureEncoder
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.vision.explanation.explainable import Explainable

# Of a method for a classifier, best first; "" where it was not checked.
VERDICTS = ("trustworthy", "partly", "", "not")
_NETWORK_FILE = "network.safetensors"
_KEPT = 256
_PATIENCE_S = 60.0

Tile = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Offer:
    """A method that can explain a classifier of a release. verdict: see `VERDICTS`. sentence: the verdict in words."""

    classifier: str
    method: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Explanation:
    """Where in a tile a classifier sees a class.

    map: float32 (H, W), in pixels of the tile, above zero what speaks for the class. class_name: the class, which the classifier names;
    probability: what it gives it now, 0 to 1. It may have been trained on this tile: the answer of a release is out of fold. method,
    verdict, sentence: see `Offer`.
    """

    map: npt.NDArray[np.float32]
    class_name: str
    probability: float
    classifier: str
    method: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class _Classifier:
    explained: "Explainable"
    probabilities: Callable[[Tile], npt.NDArray[np.float64]]


class Explanations:
    """Explanations of the tiles of one release by its classifiers. What was computed last is kept, up to 256 maps.

    tile: the tile of a synapse, uint8 (sections, H, W).
    """

    def __init__(
        self, store: DatasetStore, file: ReleaseFile, encoder: PictureEncoder, tile: Callable[[str], Tile]
    ) -> None:
        self._store, self._file, self._encoder, self._tile = store, file, encoder, tile
        self._classifiers: dict[str, _Classifier] = {}
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The classifiers of the release: the linear probe, then its networks."""
        return tuple(self._files)

    def offers(self, classifier: str) -> list[Offer]:
        """What can explain a classifier, by verdict, best first. Raises BadInput for a classifier that the release does not have."""
        methods = self._classifier(classifier).explained.methods
        judged = {row["method"]: row for row in self._checks if row["classifier"] == classifier}
        offers = [
            Offer(classifier, method, judged[method]["verdict"], judged[method]["sentence"])
            if method in judged
            else Offer(classifier, method, "", "")
            for method in methods
        ]
        return sorted(offers, key=lambda offer: VERDICTS.index(offer.verdict))

    def explain(self, synapse_id: str, classifier: str | None, method: str | None) -> Explanation:
        """See `Warehouse.explain`."""
        from synapse_assets.vision.explanation.methods import explain

        name, offer = self._chosen(classifier, method)
        key = ("explain", synapse_id, name, offer.method)

        def compute() -> Explanation:
            used, tile = self._classifier(name), self._tile(synapse_id)
            probabilities = used.probabilities(tile)
            target = int(probabilities.argmax())
            maps = explain(used.explained, tile[None], [target], offer.method)
            return Explanation(
                np.asarray(maps[0], dtype=np.float32),
                used.explained.classes[target],
                float(probabilities[target]),
                name,
                offer.method,
                offer.verdict,
                offer.sentence,
            )

        found: Explanation = self._once(key, compute)
        return found

    def alike(self, synapse_id: str, other: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """See `Warehouse.alike`."""
        from synapse_assets.vision.explanation.likeness import alike

        first, second = sorted((synapse_id, other))

        def compute() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
            return alike(self._encoder.encoder, self._tile(first), self._tile(second))

        found: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] = self._once(("alike", first, second), compute)
        return found if first == synapse_id else (found[1], found[0])

    def _once(self, key: tuple[str, ...], compute: Callable[[], Any]) -> Any:
        """What was computed under that key; one thing is computed at a time, as each takes all cores.

        Raises BadInput where others are computed for too long.
        """
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise BadInput("other explanations are being computed at this moment: try again in a minute")
        try:
            if key not in self._kept:
                self._kept[key] = compute()
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
        finally:
            self._lock.release()

    def _chosen(self, classifier: str | None, method: str | None) -> tuple[str, Offer]:
        name = classifier or next(iter(self.names), "")
        if not name:
            raise BadInput(f"the release of {self._file.dataset} has no classifier that could be explained")
        offers = self.offers(name)
        if method is None:
            best = offers[0]
            # What nobody checked is no way out where all that was checked failed.
            if best.verdict in ("", "not") and any(offer.verdict for offer in offers):
                raise BadInput(
                    f"no method can be trusted for {name}: each that was checked failed. Name one to see its map all the same: "
                    f"{', '.join(offer.method for offer in offers)}"
                )
            return name, best
        for offer in offers:
            if offer.method == method:
                return name, offer
        raise BadInput(f"no method '{method[:60]}' for {name}; there are {', '.join(offer.method for offer in offers)}")

    def _classifier(self, name: str) -> _Classifier:
        if name not in self._files:
            raise BadInput(
                f"no classifier '{name[:60]}' in the release of {self._file.dataset}; there are {', '.join(self.names) or 'none'}"
            )
        if name not in self._classifiers:
            folder = self._files[name]
            with self._file.damage_explained("classifiers", str(folder.parent), "synapse_classifier"):
                self._classifiers[name] = self._probe(folder) if name == LINEAR_PROBE else _network(folder)
        return self._classifiers[name]

    def _probe(self, folder: Path) -> _Classifier:
        from synapse_assets.vision.explanation.explainable import explainable_probe

        probe, encoder = LinearProbe.load(folder), self._encoder.encoder
        weights = probe.weights / probe.scale
        explained = explainable_probe(encoder, weights, probe.intercept - weights @ probe.mean, probe.classes)
        return _Classifier(explained, lambda tile: probe.predict(encoder.embed(tile[None]))[1][0])

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Where each classifier of the release is stored; those of which nothing could be fitted are left out."""
        from synapse_assets.artifacts import NoModel

        versions = self.versions
        files = {}
        if (probe := versions.get("synapse_classifier")) is not None:
            files[LINEAR_PROBE] = self._store.models("synapse_classifier").path(probe)
        if (version := versions.get("synapse_network")) is not None:
            networks = self._store.models("synapse_network")
            names: Sequence[str] = list(networks.provenance(version).parameters["networks"])
            files |= {name: networks.path(version) / name for name in names}
        return {name: folder for name, folder in files.items() if folder.exists() and NoModel.found(folder) is None}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the models of the release, by name."""
        models = self._file.release.get("models") or {}
        return {name: version for name, version in models.items() if version is not None}

    @cached_property
    def _checks(self) -> list[dict[str, Any]]:
        """The rows of `explanation_checks` on the classifiers of this release."""
        if "explanation_checks" not in self._file.release["tables"]:
            return []
        rows: list[dict[str, Any]] = self._file.table(
            "select distinct classifier, version, method, verdict, sentence from explanation_checks order by all"
        ).to_pylist()
        return [row for row in rows if row["version"] in self.versions.values()]


def _network(folder: Path) -> _Classifier:
    from synapse_assets.vision.classifier import SynapseNetwork
    from synapse_assets.vision.explanation.explainable import explainable_network

    network = SynapseNetwork.load(folder / _NETWORK_FILE)

    def probabilities(tile: Tile) -> npt.NDArray[np.float64]:
        logits = network.logits(tile[None])[0].astype(np.float64)
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum())

    return _Classifier(explainable_network(network), probabilities)
