"""What makes classes of pooled features. What does not belong here: pooling, and the last step of encoders (`vision.head`)."""

from typing import Literal

from torch import nn

HeadKind = Literal["linear", "three_layers"]

_HIDDEN = 2048  # of the three dense layers
_DROPOUT = 0.5


def dense_head(kind: HeadKind, dimensions: int, classes: int) -> nn.Module:
    """From features (N, dimensions) to logits (N, classes): one layer, or the 2048, 2048, classes of the staining study, with ReLU and
    dropout.
    """
    if kind == "linear":
        return nn.Linear(dimensions, classes)
    return nn.Sequential(
        nn.Linear(dimensions, _HIDDEN),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, classes),
    )
