"""Training an encoder without labels, on the dataset's own tiles (SimCLR).

Two random views of a tile shall be found in each other among all views of the batch. What a view may change says what
the embedding shall ignore: orientation in the section, brightness, noise, a damaged neighbouring section. What it must
not change stays visible: size in nanometres (nothing is ever rescaled) and what lies at the point (the centre moves by
one pixel at most). What does not belong here: labels, and running a trained encoder (see `embedding`).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.vision.embedding import has_native_bf16, pick_device
from synapse_assets.vision.encoder import Encoder, TileNetwork, build_backbone
from synapse_assets.vision.encoder_spec import EncoderSpec

_SHIFT_PX = 1.0  # a view's centre lies at most this far from the tile's, along each axis
_CONTRAST = 0.15  # contrast of a view: 1 +- this, and of each of its sections +- half of it
_BRIGHTNESS = 0.05  # brightness likewise, of grey values scaled to 0..1
_NOISE = 0.03  # highest standard deviation of added noise, of grey values scaled to 0..1
_BLUR_SHARE = 0.2  # views blurred with a 3x3 binomial kernel
_DROP_SHARE = 0.1  # views in which one section is replaced by the middle one
_WARM_UP_STEPS = 20
_LOG_EVERY = 10


@dataclass(frozen=True)
class PretrainingSettings:
    """How an encoder is trained. It stops at `max_steps` or `max_seconds`, whichever comes first; one may be None.

    Stopped by steps, the result depends on data, settings, machine and, in the last bits, on the number of threads
    (`torch.get_num_threads`). The learning rate falls to zero along the budget, so there is no best moment to look for:
    the last step is the one that is kept.

    crop_px: side of what the network sees around the point. views: see `EncoderSpec`.
    temperature: of the contrastive loss.
    """

    architecture: str = "em_resnet18"
    crop_px: int = 48
    batch_size: int = 128
    max_steps: int | None = 600
    max_seconds: float | None = None
    learning_rate: float = 1e-3
    temperature: float = 0.2
    views: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_seconds is None:
            raise ValueError("pretraining: give max_steps or max_seconds")
        if (self.max_steps is not None and self.max_steps < 1) or (
            self.max_seconds is not None and self.max_seconds <= 0
        ):
            raise ValueError(
                f"pretraining: the budget must be above zero, not {self.max_steps} steps, {self.max_seconds} s"
            )
        if self.batch_size < 2:
            raise ValueError(f"pretraining: batch_size must be at least 2, not {self.batch_size}")


def pretrain(
    tiles: npt.NDArray[np.uint8],
    settings: PretrainingSettings,
    progress: Callable[[dict[str, float]], None] | None = None,
    device: str = "auto",
) -> tuple[Encoder, list[dict[str, float]]]:
    """An encoder trained without labels on uint8 tiles (N, sections, H, H), and the history of its training.

    History, a row every ten steps (`progress` gets each as it comes): `step`, `seconds`; `loss` and, both label-free,
    `matched` (share of views whose nearest view in the batch is of the same tile) and `effective_rank` (RankMe of the
    batch's embeddings: how many directions they use). Tiles larger than the crop by a factor of 1.42 and four pixels
    leave room to rotate; smaller ones are mirrored at their edges. With fewer tiles than a batch, the batch is all
    tiles. Raises ValueError below two tiles, or for tiles of another type or shape.
    SimCLR: Chen et al. 2020 (arXiv 2002.05709); RankMe: Garrido et al. 2023 (arXiv 2210.02885).
    """
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[2] != tiles.shape[3]:
        raise ValueError(f"pretraining: tiles must be uint8 (N, sections, side, side), not {tiles.dtype} {tiles.shape}")
    if len(tiles) < 2:
        raise ValueError(f"pretraining: telling tiles apart needs at least 2 of them, not {len(tiles)}")
    where = pick_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        spec = _spec(tiles, settings)
        encoder = Encoder(
            spec, TileNetwork(spec, build_backbone(spec.architecture, spec.sections, spec.crop_px, "centre"))
        )
        head = projection_head(encoder.dimensions).to(where).train()
    network = encoder.network.to(where).train()
    optimiser = torch.optim.AdamW(
        [*network.parameters(), *head.parameters()], lr=settings.learning_rate, weight_decay=1e-4
    )
    generator = torch.Generator(where).manual_seed(settings.seed)
    order = np.random.default_rng(settings.seed)
    batch = min(settings.batch_size, len(tiles))
    queue = order.permutation(len(tiles))
    history: list[dict[str, float]] = []
    started = time.monotonic()
    step = 0
    spent = 0.0
    while spent < 1:
        if len(queue) < batch:
            queue = order.permutation(len(tiles))
        chosen, queue = queue[:batch], queue[batch:]
        pixels = torch.from_numpy(tiles[chosen]).to(where)
        views = torch.cat([augment(pixels, settings.crop_px, generator) for _ in range(2)])
        rate = settings.learning_rate * min(1.0, (step + 1) / _WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * spent))
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(where.type, torch.bfloat16, enabled=has_native_bf16(where)):
            vectors = network.features(network.normalise(views))
            projected = head(vectors)
        projected = projected.float()
        loss = contrastive_loss(projected, settings.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        seconds = time.monotonic() - started
        spent = max(step / (settings.max_steps or math.inf), seconds / (settings.max_seconds or math.inf))
        if step % _LOG_EVERY == 0 or spent >= 1:
            row = {
                "step": step,
                "seconds": round(seconds, 2),
                "loss": float(loss.detach()),
                "matched": _matched(projected.detach()),
                "effective_rank": effective_rank(vectors.detach()),
            }
            history.append(row)
            if progress is not None:
                progress(row)
    network.eval()
    return encoder, history


def augment(tiles: Tensor, crop_px: int, generator: torch.Generator) -> Tensor:
    """A random view of each tile: float32 (N, sections, crop_px, crop_px), grey values scaled to about 0..1.

    `tiles` are uint8 (N, sections, H, H). A view is rotated (half of them by quarter turns, which keep the pixels as
    they are) and mirrored about the tile's centre, moved by a pixel at most, but never rescaled, its sections perhaps
    in reverse order; then contrast, brightness, blur, noise, and a section replaced by the middle one. `generator`
    lives on the tiles' device.
    """
    count, sections, side, _ = tiles.shape
    device = tiles.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def spread(*shape: int) -> Tensor:
        return uniform(*shape) * 2 - 1

    start = (side - crop_px) // 2
    margin = min(start, math.ceil(crop_px * (math.sqrt(2) - 1) / 2 + _SHIFT_PX) + 1)
    window = crop_px + 2 * margin  # as much as a rotated view can touch
    near = tiles[..., start - margin : start - margin + window, start - margin : start - margin + window].float() / 255

    angle = uniform(count) * 2 * math.pi
    exact = uniform(count) < 0.5
    angle = torch.where(exact, torch.floor(angle / (math.pi / 2)) * (math.pi / 2), angle)
    shift = spread(count, 2) * _SHIFT_PX
    shift = torch.where(exact[:, None], shift.round(), shift) * 2 / window
    mirror = torch.where(uniform(count) < 0.5, -1.0, 1.0)
    share = crop_px / window  # the output spans this share of the window: a pixel stays a pixel
    cosine, sine = torch.cos(angle) * share, torch.sin(angle) * share
    maps = torch.stack(
        [torch.stack([cosine * mirror, -sine, shift[:, 0]], 1), torch.stack([sine * mirror, cosine, shift[:, 1]], 1)], 1
    )
    grid = functional.affine_grid(maps, [count, sections, crop_px, crop_px], align_corners=False)
    views = functional.grid_sample(near, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    views = torch.where((uniform(count) < 0.5)[:, None, None, None], views.flip(1), views)
    contrast = 1 + spread(count, 1, 1, 1) * _CONTRAST + spread(count, sections, 1, 1) * _CONTRAST / 2
    brightness = spread(count, 1, 1, 1) * _BRIGHTNESS + spread(count, sections, 1, 1) * _BRIGHTNESS / 2
    views = (views - 0.5) * contrast + 0.5 + brightness
    tap = torch.tensor([0.25, 0.5, 0.25], device=device)
    kernel = (tap[:, None] * tap[None, :]).expand(sections, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(views, (1, 1, 1, 1), mode="replicate"), kernel, groups=sections)
    views = torch.where((uniform(count) < _BLUR_SHARE)[:, None, None, None], blurred, views)
    views = views + torch.randn(views.shape, generator=generator, device=device) * uniform(count, 1, 1, 1) * _NOISE
    dropped = torch.floor(uniform(count) * sections).long()
    lost = (torch.arange(sections, device=device)[None, :] == dropped[:, None]) & (uniform(count) < _DROP_SHARE)[
        :, None
    ]
    middle = sections // 2
    return torch.where(lost[:, :, None, None], views[:, middle : middle + 1], views)


def projection_head(dimensions: int) -> nn.Sequential:
    """The small network between embedding and loss, dropped after training (SimCLR section 2.1, with batch norm)."""
    return nn.Sequential(
        nn.Linear(dimensions, 512, bias=False),
        nn.BatchNorm1d(512),
        nn.ReLU(),
        nn.Linear(512, 128, bias=False),
        nn.BatchNorm1d(128),
    )


def contrastive_loss(projected: Tensor, temperature: float) -> Tensor:
    """NT-Xent, equation 1 of SimCLR, averaged over both views: how badly a view finds its other among all others.

    `projected` float32 (2N, D): row i and row i + N are views of the same tile. Written here because the library that
    has it pins a parser that Dagster's selection syntax cannot load.
    """
    unit = functional.normalize(projected, dim=1)
    likeness = unit @ unit.T / temperature
    likeness = likeness.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -math.inf)
    other = (torch.arange(len(unit), device=unit.device) + len(unit) // 2) % len(unit)
    return functional.cross_entropy(likeness, other)


def effective_rank(vectors: Tensor) -> float:
    """RankMe of embeddings (N, D): exp of the entropy of their singular values, from 1 (collapsed) to min(N, D)."""
    singular = torch.linalg.svdvals(vectors.float().cpu())
    share = singular / singular.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


def _matched(projected: Tensor) -> float:
    """Share of views whose nearest other view is of the same tile; view i and view i + N/2 are of one tile."""
    unit = functional.normalize(projected, dim=1)
    alike = unit @ unit.T
    alike.fill_diagonal_(-math.inf)
    count = len(unit)
    partner = (torch.arange(count, device=unit.device) + count // 2) % count
    return float((alike.argmax(1) == partner).float().mean())


def _spec(tiles: npt.NDArray[np.uint8], settings: PretrainingSettings) -> EncoderSpec:
    """One mean and deviation for all sections, as views may reverse their order."""
    sample = tiles[:: max(1, len(tiles) // 1000)]
    sections, side = tiles.shape[1], tiles.shape[2]
    return EncoderSpec(
        architecture=settings.architecture,
        sections=sections,
        tile_px=side,
        crop_px=settings.crop_px,
        mean=(float(sample.mean()) / 255,) * sections,
        std=(max(float(sample.std()), 1.0) / 255,) * sections,
        origin="self_supervised",
        source=f"SimCLR on {len(tiles)} tiles, seed {settings.seed}",
        pooling="centre",
        views=settings.views,
    )
