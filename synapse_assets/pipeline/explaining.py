"""Which methods of explanation can be trusted for a classifier, and which of them is shown. The steps of every chain of images call this.

Methods and what their tests need live in `vision.explanation`; thresholds and verdicts, in `analysis.evaluation.explanation_checks`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.pipeline.report import Stopwatch

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.explanation_checks import PlantedPlaces
    from synapse_assets.vision.explanation.explainable import Explainable

ORDER = ("grad_cam", "contribution", "occlusion", "smooth_grad", "integrated_gradients", "gradients")
"""Methods as they are preferred where several can be trusted."""


def check_methods(
    classifier: "Explainable",
    retrained: "Explainable",
    tiles: npt.NDArray[np.uint8],
    methods: Sequence[str],
    *,
    name: str,
    version: str,
    draws: int,
    seed: int,
    device: str,
    truth: "PlantedPlaces | None" = None,
    log: Callable[[str], None],
) -> pa.Table:
    """`schema.EXPLANATION_CHECKS` of a classifier (its name and version) and these methods, a verdict on each.

    retrained: trained on the same with another seed. tiles: uint8 (N, sections, H, W) that neither was trained on, 8 at least and better
    32. draws: of random weights and orders. truth: where in the tiles the cause was planted, if that is known. Raises BadInput for
    networks of other classes or tiles, and for a method that cannot explain the classifier.
    """
    from synapse_assets.analysis.evaluation.explanation_checks import check_rows, judge
    from synapse_assets.vision.explanation.sanity import measure_method

    checks = []
    for method in methods:
        watch = Stopwatch()
        measured = measure_method(classifier, retrained, method, tiles, draws=draws, seed=seed, device=device)
        checks.append(judge(method, measured, truth, seed))
        log(f"explanations of {name}: {checks[-1].sentence} ({watch.seconds:.0f} s)")
    return check_rows(name, version, checks)


def default_method(checks: pa.Table) -> str | None:
    """The method to show by default, of the checks (`schema.EXPLANATION_CHECKS`) of one classifier: the first in `ORDER` that is
    trustworthy; None if none is."""
    verdicts = dict(zip(checks["method"].to_pylist(), checks["verdict"].to_pylist(), strict=True))
    return next((method for method in ORDER if verdicts.get(method) == "trustworthy"), None)
