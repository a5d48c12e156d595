"""Predictions of rows by models that were not fitted on them.

Belongs here: fitting and predicting fold by fold, for any model. Does not belong here: dealing rows to folds (`splits`),
scoring what is predicted (`scores`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Model = TypeVar("Model")


@dataclass(frozen=True)
class Fold:
    """Rows that are tested by a model of other rows.

    train, test  (n,) and (m,) int64, row numbers
    """

    train: Int64
    test: Int64


@dataclass(frozen=True)
class Predictions:
    """The predictions of one classifier for M rows.

    labels         (M,) int64, class numbers from 0; -1 for a row that it does not classify
    probabilities  (M, C) float64; None where it gives none
    rejected       (M,) bool, rows that are unlike all it was fitted on, whatever class they get; None for a
                   classifier without rejection
    """

    labels: Int64
    probabilities: Float64 | None = None
    rejected: Bool | None = None


@dataclass(frozen=True)
class OutOfFold:
    """What was predicted of the tested rows.

    rows         (M,) int64, ascending
    predictions  of these rows, by classifier; empty where no fold had a model
    failures     why a fold had no model, by its position; its rows get no class (-1)
    """

    rows: Int64
    predictions: Mapping[str, Predictions]
    failures: Mapping[int, str]


def folds_of(fold: npt.NDArray[np.integer]) -> list[Fold]:
    """The folds of rows 0 to n - 1, from the fold number (n,) of each; in the order of these numbers."""
    return [Fold(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]


def cross_validate(
    folds: Sequence[Fold],
    fit: Callable[[Int64], Model | NoModel],
    predict: Callable[[Model, Int64], Mapping[str, Predictions]],
) -> OutOfFold:
    """Fits a model on the training rows of each fold and predicts the tested ones with it.

    `fit` gets the numbers of the training rows (n,) and must not use any tested row; whatever is learnt from the rows,
    scaling and settings included, belongs into it. `predict` gets its model and the rows (m,) to predict, and gives their predictions by
    classifier: several where one fit makes several. A model is released before the next is fitted.

    Raises BadInput if a fold tests a row that it trains on, or two folds test the same row.
    """
    tested = np.concatenate([fold.test for fold in folds]) if folds else np.zeros(0, dtype=np.int64)
    if len(np.unique(tested)) != len(tested):
        raise BadInput("folds overlap: a row is tested more than once")
    parts: list[Mapping[str, Predictions] | None] = []
    failures: dict[int, str] = {}
    for number, fold in enumerate(folds):
        if np.isin(fold.test, fold.train).any():
            raise BadInput(f"fold {number} tests rows that it trains on")
        model = fit(fold.train)
        if isinstance(model, NoModel):
            failures[number] = model.reason
            parts.append(None)
        else:
            parts.append(predict(model, fold.test))
        del model
    fitted = next((part for part in parts if part is not None), {})
    order = np.argsort(tested, kind="stable")
    predictions = {
        name: _concatenate(
            [
                _no_predictions(len(fold.test), template) if part is None else part[name]
                for part, fold in zip(parts, folds, strict=True)
            ],
            order,
        )
        for name, template in fitted.items()
    }
    return OutOfFold(tested[order], predictions, failures)


def _no_predictions(rows: int, template: Predictions) -> Predictions:
    """Predictions of rows that no model was fitted for, with what `template` has."""
    return Predictions(
        np.full(rows, -1, dtype=np.int64),
        None if template.probabilities is None else np.zeros((rows, template.probabilities.shape[1])),
        None if template.rejected is None else np.zeros(rows, dtype=bool),
    )


def _concatenate(parts: Sequence[Predictions], order: Int64) -> Predictions:
    """The predictions of all folds, in that order of their rows."""
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    rejected = [part.rejected for part in parts if part.rejected is not None]
    return Predictions(
        np.concatenate([part.labels for part in parts])[order],
        np.concatenate(probabilities)[order] if probabilities else None,
        np.concatenate(rejected)[order] if rejected else None,
    )
