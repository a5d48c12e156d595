"""How a classifier of pictures was tested and calibrated, as it is stored with its fitted model: out-of-fold probabilities, thresholds.

What they come to belongs to `analysis.evaluation.image_scores`; training, to `networks` and `probe`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synapse_assets.artifacts import JSON, read_artifact, write_artifact

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.image_scores import Judged
    from synapse_assets.analysis.evaluation.youden import Threshold

_KIND, _VERSION = "stain_test", 1
_ARRAYS = ("images", "wells", "truth", "probabilities")


@dataclass(frozen=True)
class StainTest:
    """How one classifier does on pictures that it never saw.

    classes: in the order of the probabilities. tested: what it says of rows held out, by split and level. calibrated: what it says, under
    the headline split, of pictures that the classifier of their fold was neither trained nor tested on, by level; each once.
    thresholds: chosen on these, by level, one a class. headline: the split whose folds are stored. fold_of_group: the fold in which each
    of its groups is held out. seconds: of training, all folds together. remarks: how trainings ended, and what went wrong.
    """

    classes: tuple[str, ...]
    tested: "Sequence[Judged]"
    calibrated: "Sequence[Judged]"
    thresholds: "Mapping[str, Sequence[Threshold]]"
    headline: str
    fold_of_group: Mapping[str, int]
    seconds: float = 0.0
    remarks: Sequence[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes the artifact stain_test into `folder` (made if absent)."""
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        facts: dict[str, JSON] = {
            "classes": self.classes,
            "headline": self.headline,
            "fold_of_group": self.fold_of_group,
            "seconds": self.seconds,
            "remarks": self.remarks,
            "thresholds": {level: [asdict(one) for one in chosen] for level, chosen in self.thresholds.items()},
        }
        for part, every in (("tested", self.tested), ("calibrated", self.calibrated)):
            facts[part] = [[one.split, one.level] for one in every]
            for number, one in enumerate(every):
                arrays |= {f"{part}_{number}_{name}": getattr(one, name) for name in _ARRAYS}
        write_artifact(folder, _KIND, _VERSION, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path, classifier: str, version: str) -> "StainTest":
        """What `save` wrote, under the name and version that the classifier has now; BadInput as `read_artifact`."""
        from synapse_assets.analysis.evaluation.image_scores import Judged
        from synapse_assets.analysis.evaluation.youden import Threshold

        stored = read_artifact(folder, _KIND, _VERSION)
        classes = tuple(stored.facts["classes"])

        def parts(part: str) -> list[Judged]:
            return [
                Judged(
                    classifier,
                    version,
                    split,
                    level,
                    classes,
                    *(stored.arrays[f"{part}_{number}_{name}"] for name in _ARRAYS),
                )
                for number, (split, level) in enumerate(stored.facts[part])
            ]

        thresholds = {
            level: [Threshold(**one) for one in chosen] for level, chosen in stored.facts["thresholds"].items()
        }
        facts = stored.values("headline", "fold_of_group", "seconds", "remarks")
        return cls(
            classes=classes, tested=parts("tested"), calibrated=parts("calibrated"), thresholds=thresholds, **facts
        )

    def of(self, level: str) -> "Judged":
        """What it says of the rows of a level, image or window, under the headline split."""
        return next(one for one in self.tested if one.split == self.headline and one.level == level)

    def balanced_accuracy(self) -> float:
        """Mean recall over the classes, of pictures, under the headline split."""
        from synapse_assets.analysis.evaluation.scores import balanced_accuracy

        images = self.of("image")
        return balanced_accuracy(images.truth, images.probabilities.argmax(axis=1), len(self.classes))

    def answers(self, probabilities: npt.NDArray[np.float64]) -> list[str]:
        """The answer for pictures by their probabilities (N, K): a class, or 'uncertain', as all are without thresholds."""
        from synapse_assets.analysis.evaluation.youden import UNCERTAIN, answers

        chosen = self.thresholds.get("image")
        return [UNCERTAIN] * len(probabilities) if chosen is None else answers(probabilities, chosen, self.classes)
