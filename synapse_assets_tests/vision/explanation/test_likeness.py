"""What makes two tiles alike, against hiding by hand."""

from dataclasses import replace

import numpy as np
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.vision.explanation.likeness import alike
from synapse_assets_tests.vision.explanation.planted import planted_tiles, untrained
from synapse_assets_tests.vision.explanation.test_explainable import BESIDE, encoder

A, B = planted_tiles(2, seed=6)[0]
for tile in (A, B):
    tile.ravel()[: int(tile.sum() % tile.size)] -= 1  # a mean that a byte can hold
PLAIN = encoder(replace(BESIDE, views=1, texture_px=0))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seen_by", [PLAIN, untrained()], ids=["encoder", "network"])
def test_a_map_is_the_similarity_that_is_lost(seen_by: object) -> None:
    vectors = getattr(seen_by, "embed", None) or seen_by.features  # type: ignore[attr-defined]
    maps = alike(seen_by, A, B, "cpu")  # type: ignore[arg-type]
    hidden = np.stack([A, B]).astype(float)
    for tile in hidden:  # the first window of a fifth of the tile: the only one that hides the first pixel
        tile[:, :6, :6] = tile.mean()
    before = cosine(*vectors(np.stack([A, B]), "cpu", "float32"))
    after = vectors(np.rint(hidden).astype(np.uint8), "cpu", "float32")
    other = vectors(np.stack([B, A]), "cpu", "float32")
    for found, vector, fixed in zip(maps, after, other, strict=True):
        assert found.shape == (32, 32)
        assert found[0, 0] == pytest.approx(before - cosine(vector, fixed), abs=2e-6)
        assert abs(found[0, 0]) > 1e-5


def test_other_tiles_are_refused() -> None:
    with pytest.raises(BadInput, match=r"uint8 \(1, 32, 32\), not uint8 \(1, 30, 32\)"):
        alike(untrained(), A, B[:, :30], "cpu")
