"""Training a variational autoencoder: without labels on the pictures of all synapses, and then a little with those that there are.

What does not belong here: the loop itself (`loop`), the layers and their loss (`networks.vae`), and which pictures are seen.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.labelling import VaeChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.training.labelled import ClassBalancedRows
from synapse_assets.vision.training.loop import Batch, Inputs, Outcome, Row, Settings, Task, train
from synapse_assets.vision.vae import SeenAutoencoder, TileVae, VaeSpec, check_pictures

Pictures = npt.NDArray[np.uint8]

_METHOD = 1  # one more whenever the same choice and pictures train another network
_PICTURES, _TUNED = range(1, 3)  # streams of random numbers of a step
# How much the contrast of classes counts beside the loss of the autoencoder, and how sharp it is. At 1 pictures come out worse than before,
# and classes are no further apart.
_CONTRAST, _TEMPERATURE = 0.1, 0.1


def train_vae(
    choice: VaeChoice,
    pictures: Pictures,
    *,
    seed: int,
    device: str,
    folder: Path,
    progress: Callable[[Row], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[TileVae, Outcome]:
    """An autoencoder of uint8 pictures (N, px, px), which are resampled to the width of the choice.

    Each step sees `batch_size` different pictures, or all where there are fewer; all steps are made. A run that was killed goes on from the
    checkpoint in `folder`. Raises BadInput below two pictures, or for others than these.
    """
    if len(pictures) < 2:
        raise BadInput(f"vae: it learns from at least 2 pictures, not {len(pictures)}")
    check_pictures(pictures, pictures.shape[-1])
    sample = pictures[:: max(1, len(pictures) // 1000)]
    spec = VaeSpec(
        picture_px=pictures.shape[-1],
        width=choice.width,
        hidden_dims=tuple(choice.hidden_dims),
        latent_dim=choice.latent_dim,
        mean=float(sample.mean()) / 255,
        std=max(float(sample.std()), 1.0) / 255,
        source=f"{len(pictures):,} pictures, seed {seed}",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SeenAutoencoder(spec)
    size = min(choice.batch_size, len(pictures))

    def read(step: int) -> Batch:
        rows = np.random.default_rng([seed, step, _PICTURES]).choice(len(pictures), size, replace=False)
        return Batch((torch.from_numpy(pictures[rows]),), rows)

    def loss(network: nn.Module, inputs: Inputs) -> Tensor:
        seen = cast(SeenAutoencoder, network)
        return seen.vae.loss(seen.seen(inputs[0]), choice.kld_weight)[0]

    settings = Settings(steps=choice.steps, learning_rate=choice.learning_rate, seed=seed)
    told = _told(hashed_fields(choice), spec, pictures)
    outcome = train(
        network, Task(read, loss), settings, folder=folder, fingerprint=told, device=device, progress=progress, log=log
    )
    return TileVae(network), outcome


def fine_tune_vae(
    vae: TileVae,
    choice: VaeChoice,
    pictures: Pictures,
    codes: npt.NDArray[np.int64],
    *,
    seed: int,
    device: str,
    folder: Path,
    progress: Callable[[Row], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[TileVae, Outcome]:
    """The autoencoder after `fine_tune_steps` more, in which labelled pictures pull their classes apart; `vae` itself is changed.

    pictures: uint8 (N, px, px) of those that it was trained on and those with a label. codes: int64 (N,), the class of each, -1 without.
    Half of a batch is drawn from all pictures, half from the labelled ones, as many of each class; beside the loss of the autoencoder
    counts the supervised contrast of their means (`class_contrast`). Raises BadInput below two classes.
    """
    check_pictures(pictures, vae.spec.picture_px)
    labelled = np.flatnonzero(codes >= 0)
    classes = len(np.unique(codes[labelled]))
    if classes < 2:
        raise BadInput(f"vae: fine-tuning pulls classes apart, and the labelled pictures have {classes}")
    draw = ClassBalancedRows(codes, labelled, choice.batch_size - choice.batch_size // 2, seed)

    def read(step: int) -> Batch:
        others = np.random.default_rng([seed, step, _TUNED]).integers(len(pictures), size=choice.batch_size // 2)
        rows = np.concatenate([draw(step), others])
        return Batch((torch.from_numpy(pictures[rows]), torch.from_numpy(codes[rows])), rows)

    def loss(network: nn.Module, inputs: Inputs) -> Tensor:
        seen = cast(SeenAutoencoder, network)
        total, mean = seen.vae.loss(seen.seen(inputs[0]), choice.kld_weight)
        return total + _CONTRAST * class_contrast(mean, inputs[1], _TEMPERATURE)

    settings = Settings(steps=choice.fine_tune_steps, learning_rate=choice.learning_rate, seed=seed)
    told = _told([hashed_fields(choice), codes.tolist()], vae.spec, pictures)
    outcome = train(
        vae.network,
        Task(read, loss),
        settings,
        folder=folder,
        fingerprint=told,
        device=device,
        progress=progress,
        log=log,
    )
    vae.network.spec = replace(vae.spec, source=f"{vae.spec.source}; {len(labelled):,} labels of {classes} classes")
    return TileVae(vae.network), outcome


def class_contrast(vectors: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """How badly vectors (N, D) say which others have their class, a scalar: the mean over those of which there is another of the same.

    codes: int64 (N,), -1 for no class, which is left out. Zero where no class has two. Khosla et al. 2020 (arXiv 2004.11362), L_out.
    """
    known = codes >= 0
    unit, of_class = functional.normalize(vectors[known].float(), dim=1), codes[known]
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    likeness = (unit @ unit.T / temperature).masked_fill(itself, -math.inf)
    odds = likeness - torch.logsumexp(likeness, dim=1, keepdim=True)
    same = (of_class[:, None] == of_class) & ~itself
    partners = same.sum(1)
    has_partner = partners > 0
    if not bool(has_partner.any()):
        return vectors.sum() * 0
    each = -odds.masked_fill(~same, 0).sum(1)[has_partner] / partners[has_partner]
    return each.mean()


def _told(choice: object, spec: VaeSpec, pictures: Pictures) -> str:
    digest = hashlib.sha256(repr([_METHOD, choice, asdict(spec)]).encode())
    digest.update(np.ascontiguousarray(pictures).data)
    return digest.hexdigest()
