"""A convolutional variational autoencoder: a picture becomes a few numbers from which it can be drawn again.

What does not belong here: weights, normalisation and files (see `vae` above this folder), training.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.errors import BadInput

_LOG_VARIANCE = (-20.0, 20.0)
_MOST_GROUPS = 8


class VariationalAutoencoder(nn.Module):
    """Convolutions that halve the picture at each of the `hidden_dims` (channels), two layers for mean and log variance of `latent_dim`
    numbers, and the same way back. Group norm and SiLU, so that a picture's numbers do not depend on the others of its batch.

    Kingma and Welling 2014 (arXiv 1312.6114); the layers are those of Lin et al. 2020 (ECCV, two-stream active query suggestion). Raises
    BadInput for a width that cannot be halved so often.
    """

    def __init__(self, width: int, hidden_dims: Sequence[int], latent_dim: int) -> None:
        super().__init__()
        if not hidden_dims or width % 2 ** len(hidden_dims):
            raise BadInput(
                f"vae: a width of {width} px cannot be halved for each of the hidden_dims {list(hidden_dims)}: make it a multiple of "
                f"{2 ** len(hidden_dims)}, or name fewer hidden_dims"
            )
        self.width, self.latent_dim = width, latent_dim
        self._inner = (hidden_dims[-1], width >> len(hidden_dims), width >> len(hidden_dims))
        pairs = list(zip([1, *hidden_dims[:-1]], hidden_dims, strict=True))
        self.encoder = nn.Sequential(
            *(layer for before, after in pairs for layer in _with_norm(nn.Conv2d(before, after, 3, 2, 1), after))
        )
        size = math.prod(self._inner)
        self.mean, self.log_variance = nn.Linear(size, latent_dim), nn.Linear(size, latent_dim)
        self.from_latent = nn.Linear(latent_dim, size)
        first = hidden_dims[0]
        self.decoder = nn.Sequential(
            *(
                layer
                for before, after in reversed(pairs[1:])
                for layer in _with_norm(nn.ConvTranspose2d(after, before, 3, 2, 1, 1), before)
            ),
            *_with_norm(nn.ConvTranspose2d(first, first, 3, 2, 1, 1), first),
            nn.Conv2d(first, 1, 3, padding=1),
        )

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, float32 (N, latent_dim) each, of normalised pictures (N, 1, width, width)."""
        features = self.encoder(pictures).flatten(1)
        return self.mean(features).float(), self.log_variance(features).float().clamp(*_LOG_VARIANCE)

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised pictures, float32 (N, 1, width, width), from numbers (N, latent_dim)."""
        pictures: Tensor = self.decoder(self.from_latent(latent).unflatten(1, self._inner))
        return pictures.float()

    def loss(self, pictures: Tensor, kld_weight: float) -> tuple[Tensor, Tensor]:
        """The loss of normalised pictures (N, 1, width, width), a scalar, and their means (N, latent_dim).

        The mean squared error of the pictures drawn again, per pixel, plus kld_weight times the divergence per picture. What is drawn
        again is one random place about the mean, from torch's global random state.
        """
        mean, log_variance = self.encode(pictures)
        latent = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        error = functional.mse_loss(self.decode(latent), pictures.float())
        return error + kld_weight * divergence(mean, log_variance), mean


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution, summed over the numbers (N, latent_dim) of a picture and averaged
    over pictures; a scalar in nats."""
    return (-0.5 * (1 + log_variance - mean**2 - log_variance.exp())).sum(1).mean()


def _with_norm(convolution: nn.Module, channels: int) -> tuple[nn.Module, ...]:
    return convolution, nn.GroupNorm(math.gcd(channels, _MOST_GROUPS), channels), nn.SiLU()
