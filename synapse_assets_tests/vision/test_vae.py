"""Variational autoencoders: what they give for a picture, their loss against its formula, files, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.errors import BadInput
from synapse_assets.vision.networks.vae import VariationalAutoencoder, divergence
from synapse_assets.vision.vae import SeenAutoencoder, TileVae, VaeSpec, middle_of

SPEC = VaeSpec(picture_px=24, width=16, hidden_dims=(3, 4), latent_dim=5, mean=0.5, std=0.2, source="nothing")


@pytest.fixture(scope="module")
def vae() -> TileVae:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TileVae(SeenAutoencoder(SPEC))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 24, 24), dtype=np.uint8)


def test_a_picture_is_as_many_numbers_as_it_should_be_whatever_is_beside_it(vae: TileVae, pictures: np.ndarray) -> None:
    together = vae.encode(pictures, "cpu")
    assert together.shape == (9, 5)
    assert together.dtype == np.float32
    alone = np.concatenate([vae.encode(pictures[row : row + 1], "cpu") for row in range(9)])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-3
    assert vae.encode(pictures[:0], "cpu").shape == (0, 5)
    assert vae.drawn_again(pictures).shape == (9, 16, 16)


def test_the_divergence_is_that_of_the_formula() -> None:
    mean, log_variance = torch.randn(7, 3), torch.randn(7, 3)
    own, standard = torch.distributions.Normal(mean, log_variance.exp().sqrt()), torch.distributions.Normal(0.0, 1.0)
    by_torch = torch.distributions.kl_divergence(own, standard).sum(1).mean()
    torch.testing.assert_close(divergence(mean, log_variance), by_torch)
    assert float(divergence(torch.zeros(2, 3), torch.zeros(2, 3))) == 0.0


def test_the_loss_is_the_squared_error_and_the_weighted_divergence() -> None:
    torch.manual_seed(1)
    network, pictures = VariationalAutoencoder(8, [2], 3), torch.randn(4, 1, 8, 8)
    torch.manual_seed(2)
    loss, mean = network.loss(pictures, 0.3)
    torch.manual_seed(2)
    centre, log_variance = network.encode(pictures)
    drawn = network.decode(centre + torch.randn(4, 3) * log_variance.exp().sqrt())
    kl = 0.5 * (centre**2 + log_variance.exp() - 1 - log_variance).sum() / 4
    torch.testing.assert_close(loss, ((drawn - pictures) ** 2).sum() / (4 * 64) + 0.3 * kl)
    torch.testing.assert_close(mean, centre)


def test_a_loss_is_finite_however_far_a_variance_goes() -> None:
    network = VariationalAutoencoder(8, [2], 3)
    for number in (-1e6, 1e6):
        torch.nn.init.constant_(network.log_variance.bias, number)
        assert torch.isfinite(network.loss(torch.randn(4, 1, 8, 8), 1e-4)[0])


def test_a_file_holds_it_to_the_bit(vae: TileVae, pictures: np.ndarray, tmp_path: Path) -> None:
    vae.save(tmp_path / "network.safetensors")
    again = TileVae.load(tmp_path / "network.safetensors")
    assert again.spec == SPEC
    np.testing.assert_array_equal(again.encode(pictures, "cpu"), vae.encode(pictures, "cpu"))


def test_weights_of_other_layers_are_refused(vae: TileVae, tmp_path: Path) -> None:
    from synapse_assets.vision.network_files import NetworkFiles

    path = tmp_path / "network.safetensors"
    NetworkFiles("synapse_assets.tile_vae", 1, VaeSpec).write(path, SPEC, VariationalAutoencoder(16, [3], 5))
    with pytest.raises(BadInput, match="does not hold the weights"):
        TileVae.load(path)
    with pytest.raises(BadInput, match="there is no file"):
        TileVae.load(tmp_path / "none")


@pytest.mark.parametrize(("width", "hidden_dims"), [(20, [2, 2, 2]), (16, [])])
def test_a_width_that_cannot_be_halved_is_refused(width: int, hidden_dims: list[int]) -> None:
    with pytest.raises(BadInput, match="cannot be halved for each of the hidden_dims"):
        VariationalAutoencoder(width, hidden_dims, 4)


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 3, 24, 24), (24, 24)])
def test_other_pictures_are_refused(vae: TileVae, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"it takes uint8 pictures \(N, 24, 24\).*materialise tile_vae"):
        vae.encode(np.zeros(shape, np.uint8), "cpu")


def test_it_sees_the_centre_of_the_middle_section() -> None:
    tiles = np.arange(2 * 3 * 6 * 6, dtype=np.uint8).reshape(2, 3, 6, 6)
    np.testing.assert_array_equal(middle_of(tiles, 4), tiles[:, 1, 1:5, 1:5])
    np.testing.assert_array_equal(middle_of(tiles, 8), tiles[:, 1])
