"""Views for training with labels: what they may move and what not, faults of sections, and that old views stay as they were."""

import hashlib

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from synapse_assets.vision.training.augmentation import augment
from synapse_assets.vision.training.section_augmentation import augment_sections

Floats = npt.NDArray[np.float64]


def random_tiles(count: int, sections: int, side: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, sections, side, side), dtype=np.uint8))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(places: list[tuple[float, float]], count: int, sections: int, side: int) -> Tensor:
    """Black tiles with a bright blob at each of the places, x and y from the voxel side // 2, in every section."""
    y, x = np.mgrid[:side, :side] - side // 2
    picture = sum((np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in places), np.zeros((side, side)))
    return torch.from_numpy((picture * 240).astype(np.uint8)).expand(count, sections, side, side).contiguous()


def weights(views: Tensor) -> Floats:
    """What is clearly brighter than noise."""
    return np.maximum(views.double().numpy() - 0.35, 0)


def centroids(views: Tensor) -> Floats:
    """x and y (N, sections, 2) of what is bright, from the pixel side // 2; NaN where a section is black."""
    seen, side = weights(views), views.shape[-1]
    offset = np.arange(side) - side // 2
    mass = seen.sum((2, 3))
    with np.errstate(invalid="ignore"):
        return np.stack([(seen.sum(2) * offset).sum(-1) / mass, (seen.sum(3) * offset).sum(-1) / mass], -1)


def distances(views: Tensor) -> Floats:
    """How far apart two equal round blobs are, (N, sections), by the second moments along and across the pair."""
    seen, side = weights(views), views.shape[-1]
    y, x = np.mgrid[:side, :side].astype(float)
    found = np.full(seen.shape[:2], np.nan)
    for index in np.ndindex(found.shape):
        if seen[index].any():
            across, along = np.linalg.eigvalsh(np.cov(x.ravel(), y.ravel(), aweights=seen[index].ravel()))
            found[index] = 2 * np.sqrt(along - across)
    return found


# Of a generator's second draw of views: the digest, means of the first three sections, four pixels, and the generator's next number.
BEFORE = {
    (7, 3, 48, 24, 0): (
        "99c06f0c8a034490", [0.48681, 0.48879, 0.51009], [0.692, 0.57071, 0.53254, 0.53082], 241175469,
    ),
    (5, 1, 33, 33, 1): ("0d76b0243f8c94d6", [0.50991], [0.54997, 0.61091, 0.64361, 0.67292], 1733993754),
    (3, 9, 64, 32, 2): (
        "1fa9aa6427e78168", [0.49387, 0.49193, 0.48368], [0.3173, 0.42555, 0.51875, 0.47841], 459913244,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BEFORE)
def test_views_without_labels_are_those_that_encoders_were_trained_with(case: tuple[int, int, int, int, int]) -> None:
    count, sections, side, crop_px, seed = case
    digest, means, pixels, after = BEFORE[case]
    generator = seeded(seed)
    for _ in range(2):
        views = augment(random_tiles(count, sections, side, seed), crop_px, generator)
    assert int(torch.randint(2**31, (1,), generator=generator)) == after
    if hashlib.sha256(views.numpy().tobytes()).hexdigest()[:16] != digest:
        # Another processor may round the last digit otherwise.
        np.testing.assert_allclose(views.double().mean((0, 2, 3))[:3], means, atol=2e-5)
        np.testing.assert_allclose(views[-1, -1, crop_px // 2, :4], pixels, atol=2e-5)


@pytest.mark.parametrize("sections", [1, 2, 3, 16, 40])
@pytest.mark.parametrize(("side", "crop_px"), [(40, 24), (33, 33), (96, 81)])
def test_any_number_of_sections(sections: int, side: int, crop_px: int) -> None:
    tiles = random_tiles(2, sections, side)
    views = augment_sections(tiles, crop_px, seeded(1))
    assert (views.shape, views.dtype) == ((2, sections, crop_px, crop_px), torch.float32)
    assert views.isfinite().all()
    assert views.min() > -0.4
    assert views.max() < 1.4
    assert torch.equal(views, augment_sections(tiles, crop_px, seeded(1)))
    assert not torch.equal(views, augment_sections(tiles, crop_px, seeded(2)))


def test_a_pair_of_dots_keeps_its_distance() -> None:
    """Whatever the turn; in half of the views to the pixel, in the others within a tenth."""
    tiles = blobs([(-15, 6), (15, -6)], 80, 3, 96)
    found = distances(augment_sections(tiles, 64, seeded(0)))
    true = distances(tiles[:1] / 255)[0, 0]
    assert true == pytest.approx(np.hypot(30, 12), rel=0.02)
    change = np.abs(found / true - 1)
    assert np.nanmax(change) < 0.1
    bent = np.nanmax(change, 1) > 0.006
    assert 0.2 < bent.mean() < 0.6
    assert np.isfinite(found).mean() > 0.95


@pytest.mark.parametrize(("sections", "side", "crop_px"), [(1, 65, 41), (5, 65, 41), (16, 64, 40), (3, 48, 48)])
def test_the_voxel_of_the_synapse_stays(sections: int, side: int, crop_px: int) -> None:
    """A pixel of movement at most, and another where an even number of pixels or sections is turned or reversed."""
    tiles = blobs([(0, 0)], 60, sections, side)
    tiles[:, np.arange(sections) != sections // 2] = 0
    views = augment_sections(tiles, crop_px, seeded(3))
    away = np.abs(centroids(views)).max(2)
    there = np.isfinite(away)
    own = [sections // 2, sections - 1 - sections // 2]
    assert there[:, own].any(1).all()
    assert there[:, own].any(0).all(), "in either order"
    assert there.sum(1).max() <= 2, "once more where a neighbour is lost"
    assert 0.5 < np.nanmax(away) < (1.25 if crop_px % 2 else 2.25)


def test_a_section_and_all_behind_it_slip_together() -> None:
    tiles = blobs([(0, 0)], 60, 17, 80)
    found = centroids(augment_sections(tiles, 64, seeded(4)))
    offsets = np.linalg.norm(found - found[:, 8:9], axis=-1)
    steps = np.linalg.norm(np.diff(found, axis=1), axis=-1)
    steps = steps[np.isfinite(steps)]
    share = (steps > 0.8).mean()
    assert 0.025 < share < 0.08
    assert np.nanmax(steps) < np.hypot(5, 5) + 1.5
    assert np.nanmax(offsets) < np.hypot(10, 10) + 1.5
    near, far = np.nanmean(offsets[:, 7:10]), np.nanmean(offsets[:, [0, 16]])
    assert far > 2 * near
    assert np.nanmax(offsets[:, 8]) == 0


def test_a_quarter_of_the_views_keep_their_pixels() -> None:
    """Quarter turns without a bend: a checkerboard of single pixels keeps its contrast."""
    board = torch.from_numpy((np.indices((64, 64)).sum(0) % 2 * 200 + 20).astype(np.uint8))
    views = augment_sections(board.expand(300, 1, 64, 64).contiguous(), 32, seeded(2))
    assert 0.12 < (views.std((1, 2, 3)) > 0.25).float().mean() < 0.3


def test_sections_keep_their_order_or_reverse_it() -> None:
    levels = torch.arange(5, dtype=torch.uint8) * 50 + 30
    tiles = levels[None, :, None, None].expand(200, 5, 32, 32).contiguous()
    means = augment_sections(tiles, 24, seeded(5)).mean((2, 3))
    whole = means[(means > 0.02).all(1) & (means.diff(dim=1).abs() > 0.05).all(1)]
    rising, falling = (whole.diff(dim=1) > 0).all(1), (whole.diff(dim=1) < 0).all(1)
    assert len(whole) > 150
    assert (rising | falling).all()
    assert 0.35 < rising.float().mean() < 0.65


def test_sections_get_lost_but_not_that_of_the_synapse() -> None:
    views = augment_sections(random_tiles(400, 9, 40), 24, seeded(6))
    black = (views == 0).all(3).all(2)
    nearer = torch.tensor([1, 2, 3, 4, 4, 4, 5, 6, 7])
    filled = (views == views[:, nearer]).all(3).all(2) & ~black
    for lost in (black, filled):
        share = lost.float().mean(0)
        # Of the synapse's section both are said by construction: it is nobody's neighbour but its own.
        others = torch.cat([share[:4], share[5:]])
        assert 0.01 < others.mean() < 0.02
        assert (others > 0).all()
    assert not black[:, 4].any()
    one = augment_sections(random_tiles(300, 1, 40), 24, seeded(7))
    assert (one.std((1, 2, 3)) > 0.05).all()


def test_no_view_mixes_tiles() -> None:
    tiles = random_tiles(6, 4, 40)
    views = augment_sections(tiles, 24, seeded(8))
    tiles[2] = 255 - tiles[2]
    changed = (augment_sections(tiles, 24, seeded(8)) != views).any(3).any(2).any(1)
    assert changed.tolist() == [False, False, True, False, False, False]
