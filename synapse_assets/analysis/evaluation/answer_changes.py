"""What would change the pooled answer of a neuron: synapses taken away, added, or of one brain region left out.

Belongs here: adding up the evidence of other sets of synapses than the neuron has. Does not belong here: estimating how far synapses of one
neuron depend on each other, or when an answer is unclear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.neuron_answers import pool

_SMALLEST = 1e-12
# Ratios of pooled probabilities that rounding makes.
_TIE = 1 + 1e-9
# At most so many synapses are added for each that there is.
_MOST_ADDED = 20


@dataclass(frozen=True)
class AnswerChanges:
    """How firmly the most probable class of a neuron stands against the next one.

    predicted, runner_up: the two most probable classes. synapses: of the neuron; supporting: so many of them speak more for
    `predicted` than for `runner_up`. removed: so many, those that speak most for `predicted` first, can be taken away before the
    others name another class, `instead`; None where any number can. added: so many more synapses, each as sure of `runner_up` as the
    neuron's typical supporting one is of `predicted`, make `runner_up` the more probable; None where no number does. without_region:
    by brain region, the class that the other synapses name, where it is another; regions: brain regions that the neuron has synapses
    in.
    """

    predicted: str
    runner_up: str
    synapses: int
    supporting: int
    removed: int | None
    instead: str | None
    added: int | None
    without_region: dict[str, str]
    regions: int

    @property
    def sentences(self) -> list[str]:
        """The same in words."""
        said = [
            f"{self.supporting:,} of {self.synapses:,} synapses speak more for {self.predicted} than for {self.runner_up}, the next class."
        ]
        if self.synapses == 1:
            return [*said, "The answer rests on one synapse: another one could change it."]
        if self.removed is None:
            said.append(
                f"No number of synapses taken away changes it: even the one that speaks least for it names {self.predicted}."
            )
        else:
            share = 100 * self.removed / self.synapses
            which = "one synapse that speaks" if self.removed == 1 else f"{self.removed:,} synapses that speak"
            said.append(
                f"Without the {which} most for {self.predicted} ({share:.0f} %), the others would name {self.instead}."
            )
        if self.added is not None:
            more = "One more synapse" if self.added == 1 else f"{self.added:,} more synapses"
            said.append(
                f"{more}, as sure of {self.runner_up} as its typical synapse is of {self.predicted}, would make {self.runner_up} "
                "the more probable."
            )
        if self.without_region:
            said += [
                f"Without its synapses in {region}, the others would name {other}."
                for region, other in self.without_region.items()
            ]
        elif self.regions > 1:
            said.append(
                f"Whichever one of its {self.regions} brain regions is left out, the others name {self.predicted}."
            )
        return said


def answer_changes(
    probabilities: npt.NDArray[np.float64],
    independent: float,
    prior: npt.NDArray[np.float64],
    regions: npt.NDArray[np.object_],
    classes: Sequence[str],
) -> AnswerChanges | None:
    """What would change the answer of a neuron; None where there are fewer than two classes, or no synapses.

    probabilities: float64 (n, classes), calibrated, of the n synapses that its answer is pooled from. independent: what these are worth as
    independent ones. prior: float64 (classes,), the shares of the classes that the probabilities contain. regions: the brain region
    of each synapse, texts (n,).

    Evidence is pooled as for the answer itself: the mean logarithm of probability over prior, times what the synapses are worth,
    n / (1 + (n - 1) rho) for the same rho, over the prior.
    """
    count = len(probabilities)
    if not count or len(classes) < 2:
        return None
    evidence = np.log(np.maximum(probabilities, _SMALLEST)) - np.log(prior)
    dependence = 0.0 if count == 1 else max(0.0, (count / max(independent, 1.0) - 1) / (count - 1))

    def pooled(sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return pool(sums / counts[:, None], counts, dependence, prior)

    first, second = (
        int(at) for at in np.argsort(-pooled(evidence.sum(axis=0)[None], np.array([count]))[0], kind="stable")[:2]
    )
    margin = evidence[:, first] - evidence[:, second] + np.log(prior[first]) - np.log(prior[second])
    removed, instead = _removed(evidence[np.argsort(margin, kind="stable")], pooled, first)
    without_region = {}
    for region in sorted(set(regions.tolist())):
        others = evidence[regions != region]
        if len(others):
            winner = int(pooled(others.sum(axis=0)[None], np.array([len(others)]))[0].argmax())
            if winner != first:
                without_region[region] = classes[winner]
    return AnswerChanges(
        classes[first],
        classes[second],
        count,
        int((margin > 0).sum()),
        removed,
        None if instead is None else classes[instead],
        _added(evidence, np.log(prior), margin, pooled, first, second),
        without_region,
        len(set(regions.tolist())),
    )


# Pooled probabilities (k, classes) of sums of evidence (k, classes) over so many synapses each (k,).
_Pool = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]


def _removed(rising: npt.NDArray[np.float64], pooled: _Pool, first: int) -> tuple[int | None, int | None]:
    """How many of the last rows have to go before the others name another class, and which."""
    left = np.arange(len(rising), 0, -1)
    winners = pooled(np.cumsum(rising, axis=0)[::-1], left).argmax(axis=1)
    changed = np.flatnonzero(winners != first)
    return (int(changed[0]), int(winners[changed[0]])) if len(changed) else (None, None)


def _added(
    evidence: npt.NDArray[np.float64],
    log_prior: npt.NDArray[np.float64],
    margin: npt.NDArray[np.float64],
    pooled: _Pool,
    first: int,
    second: int,
) -> int | None:
    """How many more synapses like the typical supporting one, with its probabilities of the two classes exchanged, turn their order."""
    supporting = np.flatnonzero(margin > 0)
    if not len(supporting):
        return None
    middle = supporting[np.argsort(margin[supporting], kind="stable")[len(supporting) // 2]]
    typical = evidence[middle] + log_prior
    typical[[first, second]] = typical[[second, first]]
    typical -= log_prior
    more = np.arange(1, _MOST_ADDED * len(evidence) + 1)
    values = pooled(evidence.sum(axis=0) + more[:, None] * typical, len(evidence) + more)
    turned = np.flatnonzero(values[:, second] > values[:, first] * _TIE)
    return int(more[turned[0]]) if len(turned) else None
