"""Training an encoder without labels, on the dataset's own tiles (SimCLR).

Two random views of a tile should be more similar than any other views of the batch. What does not belong here: what a view
may change (see `augmentation`), labels, and running a trained encoder (see `encoder`).
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

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import has_native_bf16, pick_device
from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.encoder_spec import EncoderSpec, Pooling
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.training.augmentation import augment

_WARM_UP_STEPS = 20
_LOG_EVERY = 10


@dataclass(frozen=True)
class PretrainingSettings:
    """How an encoder is trained. It stops at `max_steps` or `max_seconds`, whichever comes first; one may be None.

    Stopped by steps, the result depends on data, settings, machine and, in the last bits, on the number of threads
    (`torch.get_num_threads`). The learning rate falls to zero along the budget, so there is no best step to select:
    the last one is used.

    crop_px: side of what the network sees around the point. views, pooling, section_by_section: see `EncoderSpec`.
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
    pooling: Pooling = "centre"
    section_by_section: bool = False

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_seconds is None:
            raise BadInput("pretraining: give max_steps or max_seconds")
        if (self.max_steps is not None and self.max_steps < 1) or (
            self.max_seconds is not None and self.max_seconds <= 0
        ):
            raise BadInput(
                f"pretraining: the budget must be above zero, not {self.max_steps} steps, {self.max_seconds} s"
            )
        if self.batch_size < 2:
            raise BadInput(f"pretraining: batch_size must be at least 2, not {self.batch_size}")


def pretrain(
    tiles: npt.NDArray[np.uint8],
    settings: PretrainingSettings,
    progress: Callable[[dict[str, float]], None] | None = None,
    device: str = "auto",
    partners: npt.NDArray[np.int64] | None = None,
) -> tuple[Encoder, list[dict[str, float]]]:
    """An encoder trained without labels on uint8 tiles (N, sections, H, H), and the history of its training.

    History, a row every ten steps (`progress` gets each as it comes): `step`, `seconds`; `loss` and, both label-free,
    `matched` (share of views whose nearest view in the batch is of the same tile) and `effective_rank` (RankMe of the
    batch's embeddings: how many directions they use). Tiles larger than the crop by a factor of 1.42 and four pixels
    leave room to rotate; smaller ones are mirrored at their edges. With fewer tiles than a batch, the batch is all
    tiles. `partners` are pairs of rows (P, 2): the second view of a tile that has any is of one of them.
    Raises BadInput below two tiles, or for tiles of another type or shape.
    SimCLR: Chen et al. 2020 (arXiv 2002.05709); RankMe: Garrido et al. 2023 (arXiv 2210.02885).
    """
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[2] != tiles.shape[3]:
        raise BadInput(f"pretraining: tiles must be uint8 (N, sections, side, side), not {tiles.dtype} {tiles.shape}")
    if len(tiles) < 2:
        raise BadInput(f"pretraining: telling tiles apart needs at least 2 of them, not {len(tiles)}")
    compute_device = pick_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        encoder = _untrained(tiles, settings)
        head = projection_head(encoder.dimensions).to(compute_device).train()
    network = encoder.network.to(compute_device).train()
    optimiser = torch.optim.AdamW(
        [*network.parameters(), *head.parameters()], lr=settings.learning_rate, weight_decay=1e-4
    )
    generator = torch.Generator(compute_device).manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    batch = min(settings.batch_size, len(tiles))
    queue = rng.permutation(len(tiles))
    history: list[dict[str, float]] = []
    started = time.monotonic()
    step = 0
    budget_share = 0.0
    while budget_share < 1:
        if len(queue) < batch:
            queue = rng.permutation(len(tiles))
        chosen, queue = queue[:batch], queue[batch:]
        second = chosen if partners is None or not len(partners) else _partners_of(chosen, partners, rng)
        pixels = (torch.from_numpy(tiles[rows]).to(compute_device) for rows in (chosen, second))
        views = torch.cat([augment(tiles_seen, settings.crop_px, generator) for tiles_seen in pixels])
        rate = (
            settings.learning_rate
            * min(1.0, (step + 1) / _WARM_UP_STEPS)
            * 0.5
            * (1 + math.cos(math.pi * budget_share))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(compute_device.type, torch.bfloat16, enabled=has_native_bf16(compute_device)):
            vectors = network.features(network.normalise(views))
            projected = head(vectors)
        projected = projected.float()
        loss = contrastive_loss(projected, settings.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        seconds = time.monotonic() - started
        budget_share = max(step / (settings.max_steps or math.inf), seconds / (settings.max_seconds or math.inf))
        if step % _LOG_EVERY == 0 or budget_share >= 1:
            row = {
                "step": step,
                "seconds": round(seconds, 2),
                "loss": float(loss.detach()),
                "matched": _share_matched(projected.detach()),
                "effective_rank": effective_rank(vectors.detach()),
            }
            history.append(row)
            if progress is not None:
                progress(row)
    network.eval()
    return encoder, history


def _partners_of(
    chosen: npt.NDArray[np.int64], partners: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """For each of the chosen rows one of its partners, drawn at random, or itself where it has none."""
    both_ways = rng.permutation(np.concatenate([partners, partners[:, ::-1]]))
    rows, first = np.unique(both_ways[:, 0], return_index=True)
    at = np.searchsorted(rows, chosen).clip(max=len(rows) - 1)
    return np.where(rows[at] == chosen, both_ways[first[at], 1], chosen)


def untrained_encoder(tiles: npt.NDArray[np.uint8], settings: PretrainingSettings) -> Encoder:
    """The encoder that `pretrain` starts from: random weights, normalised for uint8 tiles (N, sections, H, H), N at least 1.

    What training is worth is what an encoder is better than this one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _untrained(tiles, settings)


def _untrained(tiles: npt.NDArray[np.uint8], settings: PretrainingSettings) -> Encoder:
    spec = _spec(tiles, settings)
    return Encoder(
        spec, TileNetwork(spec, build_backbone(spec.architecture, spec.channels, spec.crop_px, spec.pooling))
    )


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
    """NT-Xent, equation 1 of SimCLR, averaged over both views: how badly a view predicts its positive among all other views.

    `projected` float32 (2N, D): row i and row i + N are views of the same tile. Written here because the library that
    has it pins a parser that Dagster's selection syntax cannot load.
    """
    unit = functional.normalize(projected, dim=1)
    similarity = unit @ unit.T / temperature
    similarity = similarity.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -math.inf)
    positive = (torch.arange(len(unit), device=unit.device) + len(unit) // 2) % len(unit)
    return functional.cross_entropy(similarity, positive)


def effective_rank(vectors: Tensor) -> float:
    """RankMe of embeddings (N, D): exp of the entropy of their singular values, from 1 (collapsed) to min(N, D)."""
    singular = torch.linalg.svdvals(vectors.float().cpu())
    share = singular / singular.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


def _share_matched(projected: Tensor) -> float:
    """Share of views whose nearest other view is of the same tile; view i and view i + N/2 are of one tile."""
    unit = functional.normalize(projected, dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(-math.inf)
    count = len(unit)
    positive = (torch.arange(count, device=unit.device) + count // 2) % count
    return float((similarity.argmax(1) == positive).float().mean())


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
        pooling=settings.pooling,
        views=settings.views,
        section_by_section=settings.section_by_section,
    )
