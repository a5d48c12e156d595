"""What every training with labels shares: which rows may be looked at, which decide when it stops, which a step takes, and how it went.

What does not belong here: the loop itself (`loop`), and what is trained on what (`supervised`, `stain`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets.vision.training.loop import Outcome, Row, Settings

Rows = npt.NDArray[np.int64]

_FEWEST_GROUPS = 5  # of a class, for some of them to be set aside for early stopping
_VALIDATIONS = 20  # in a training
_PATIENCE = 6  # validations without a better score


@dataclass(frozen=True)
class Training:
    """How a training went.

    history: see `loop.Outcome`; `validation` is balanced accuracy. best_step: whose weights were kept. score: of that step, None without
        early stopping.
    stopped: "steps", "early", or "not a number at step k, tiles (or pictures) ..."; those are `bad_rows`.
    early_stopping: whether groups were set aside for it, and `validation` the rows of them; if not, `remark` says why.
    """

    history: list[Row]
    steps: int
    best_step: int
    score: float | None
    stopped: str
    seconds: float
    early_stopping: bool
    remark: str
    validation: Rows
    bad_rows: list[int]

    @classmethod
    def of(cls, outcome: Outcome, validation: Rows, remark: str, rows: str) -> Self:
        """Of a run of the loop with these rows set aside. rows: what they are to the reader, such as tiles."""
        no_number = outcome.stopped == "not_a_number"
        return cls(
            history=outcome.history,
            steps=outcome.steps,
            best_step=outcome.best_step,
            score=outcome.best_score,
            stopped=outcome.reason.replace(", rows ", f", {rows} ") if no_number else outcome.stopped,
            seconds=outcome.seconds,
            early_stopping=bool(len(validation)),
            remark=remark,
            validation=validation,
            bad_rows=outcome.rows,
        )


@dataclass(frozen=True)
class Labels:
    """What is known of N rows, int64 (N,) each. codes: the class, by its place among `classes`. groups: what is independent of another."""

    codes: Rows
    groups: Rows
    classes: Sequence[str]

    def check(self, rows: Rows) -> None:
        """Raises BadInput where these rows are none, or have no class."""
        count = len(self.codes)
        if len(self.groups) != count:
            raise BadInput(
                f"network: {count} codes came with {len(self.groups)} groups; give one of each for every tile"
            )
        if len(np.unique(rows)) != len(rows) or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
            raise BadInput(f"network: rows to train on must be different numbers from 0 to {count - 1}")
        wrong = rows[(self.codes[rows] < 0) | (self.codes[rows] >= len(self.classes))]
        if len(wrong):
            raise BadInput(
                f"network: row {wrong[0]} has class {self.codes[wrong[0]]}, but there are {len(self.classes)} class names; leave out "
                "what has no class"
            )

    def why_none(self, rows: Rows, what: str) -> NoModel | None:
        """That these rows have fewer than two classes, if so. what: what they are to the reader, such as synapses."""
        present = np.unique(self.codes[rows])
        if len(present) >= 2:
            return None
        named = f"only '{self.classes[present[0]]}'" if len(present) else "none"
        return NoModel(
            f"a network needs {what} of at least two classes to tell apart; of those to train on there is {named}"
        )

    def set_aside(self, rows: Rows, seed: int) -> tuple[Rows, Rows, str]:
        """Rows to fit on, rows of whole other groups to validate on, and why there are none where that cannot be."""
        codes, groups = self.codes[rows], self.groups[rows]
        present = np.unique(codes)
        nothing = np.empty(0, np.int64)
        for code in present:
            count = len(np.unique(groups[codes == code]))
            if count < _FEWEST_GROUPS:
                few = f"'{self.classes[code]}' has only {count} groups, fewer than {_FEWEST_GROUPS}: no early stopping"
                return rows, nothing, few
        folds = StratifiedGroupKFold(_FEWEST_GROUPS, shuffle=True, random_state=seed % 2**32)
        for fitted, held in folds.split(codes, codes, groups):
            if all(len(np.unique(codes[part])) == len(present) for part in (fitted, held)):
                return rows[fitted], rows[held], ""
        return rows, nothing, "no fifth of the groups has every class: no early stopping"

    def fingerprint(self, configuration: object, network: nn.Module, *parts: Rows) -> str:
        """Of a configuration, the labels of these rows and the weights that training starts from."""
        digest = hashlib.sha256(repr(configuration).encode())
        for rows in parts:
            for values in (rows, self.codes[rows], self.groups[rows]):
                digest.update(np.ascontiguousarray(values, np.int64).tobytes() + b"|")
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


class ClassBalancedRows:
    """Rows of a step, int64 (batch_size,), drawn from `rows`: as many of each class as of the others, give or take one, and within a class
    each equally likely. A function of seed and step."""

    def __init__(self, codes: Rows, rows: Rows, batch_size: int, seed: int) -> None:
        of_rows = codes[rows]
        self._classes = [rows[of_rows == code] for code in np.unique(of_rows)]
        self._batch_size, self._seed = batch_size, seed

    def __call__(self, step: int) -> Rows:
        """Those of a step, counted from 0."""
        rng = np.random.default_rng([self._seed, step])
        # Where the classes do not divide the batch, other ones get the rest at each step.
        order = rng.permutation(len(self._classes))
        members = (self._classes[order[place % len(order)]] for place in range(self._batch_size))
        return np.array([rows[rng.integers(len(rows))] for rows in members], np.int64)


def settings_of(
    steps: int, learning_rate: float, seed: int, frozen_steps: int, later_learning_rate: float | None = None
) -> Settings:
    """The loop's settings of a training with labels: validated twenty times, stopped after six times without a better score."""
    return Settings(
        steps=steps,
        learning_rate=learning_rate,
        seed=seed,
        frozen_steps=frozen_steps,
        validate_every=max(1, steps // _VALIDATIONS),
        patience=_PATIENCE,
        later_learning_rate=later_learning_rate,
    )
