"""How a detector was tested, as it is stored with its network: measures, the sites of the test, and how its rules were chosen.

What the numbers are made by belongs to `analysis.evaluation.held_out`; training and testing, to `detector`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapse_assets.artifacts import JSON, read_artifact, write_artifact

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.held_out import Choice, Measure

BLOCK, NEXT_SECTIONS = "block", "next_sections"
FOUND, MISSED, INVENTED = "found", "missed", "invented"
_KIND, _VERSION = "detector_test", 1
_ARRAYS = ("position_nm", "outcome", "score", "distance_nm", "object_id", "fold", "volume")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TestedSites:
    """N sites of the test of one target with parts held out.

    position_nm: (N, 3), x, y, z: of the annotated site, or of what was invented. outcome: found, missed or invented. score: nan for what
    was missed. distance_nm: from the annotated to the detected site; for others to the nearest of the other kind, nan for none. object_id:
    empty for what was invented. fold: the part. volume: its name.
    """

    position_nm: Floats
    outcome: npt.NDArray[np.str_]
    score: Floats
    distance_nm: Floats
    object_id: npt.NDArray[np.str_]
    fold: npt.NDArray[np.int64]
    volume: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass(frozen=True)
class DetectorTest:
    """How one detector does on what it was not trained on.

    measures: by split. choices: by split and part, by which it was tested; applied: by which it is applied. sites: by target. curves: by
    target the probabilities, and precision and recall at each, of all parts together. parts: of them how many were tested, of how many.
    seconds: of training, all together. tolerance_nm: within which sites match. seed: of training and intervals. remarks: what went wrong.
    """

    targets: tuple[str, ...]
    balls: bool
    measures: "Mapping[str, Sequence[Measure]]"
    choices: "Mapping[str, Mapping[int, Choice]]"
    applied: "Choice"
    sites: Mapping[str, TestedSites]
    curves: Mapping[str, tuple[Sequence[float], Sequence[float | None], Sequence[float | None]]]
    parts: tuple[int, int]
    seconds: float
    tolerance_nm: float
    seed: int
    remarks: Sequence[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes the artifact detector_test into `folder` (made if absent)."""
        facts: dict[str, JSON] = {
            "targets": self.targets,
            "balls": self.balls,
            "measures": {split: [asdict(one) for one in every] for split, every in self.measures.items()},
            "choices": {
                split: {str(part): asdict(choice) for part, choice in of_split.items()}
                for split, of_split in self.choices.items()
            },
            "applied": asdict(self.applied),
            "curves": {target: list(curve) for target, curve in self.curves.items()},
            "sites": list(self.sites),
            "parts": self.parts,
            "seconds": self.seconds,
            "tolerance_nm": self.tolerance_nm,
            "seed": self.seed,
            "remarks": list(self.remarks),
        }
        arrays = {f"{target}_{name}": getattr(sites, name) for target, sites in self.sites.items() for name in _ARRAYS}
        write_artifact(folder, _KIND, _VERSION, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "DetectorTest":
        """What `save` wrote; BadInput as `read_artifact`."""
        from synapse_assets.analysis.evaluation.held_out import Choice, Measure

        stored = read_artifact(folder, _KIND, _VERSION)
        facts: Mapping[str, Any] = stored.facts
        return cls(
            targets=tuple(facts["targets"]),
            measures={split: [Measure(**one) for one in every] for split, every in facts["measures"].items()},
            choices={
                split: {int(part): Choice(**choice) for part, choice in of_split.items()}
                for split, of_split in facts["choices"].items()
            },
            applied=Choice(**facts["applied"]),
            sites={
                target: TestedSites(**{name: stored.arrays[f"{target}_{name}"] for name in _ARRAYS})
                for target in facts["sites"]
            },
            curves={target: tuple(curve) for target, curve in facts["curves"].items()},
            parts=tuple(facts["parts"]),
            **stored.values("balls", "seconds", "tolerance_nm", "seed", "remarks"),
        )

    def value(self, target: str, measure: str, objects: str = "limited") -> float | None:
        """A measure of a target with parts held out; None where it was not, or could not be, measured."""
        values = (
            one.value
            for one in self.measures.get(BLOCK, [])
            if (one.target, one.measure, one.objects) == (target, measure, objects)
        )
        return next(values, None)

    def score(self) -> float | None:
        """What detectors are compared by, 0 to 1: the mean over the targets of F1 of objects, of Dice for mitochondria."""
        values = [self.value(target, "dice" if target == "mitochondria" else "f1") for target in self.targets]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None
