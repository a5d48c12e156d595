"""Copies of a classifier that know nothing, or whose last step does not: what a map of the classifier has to differ from.

After Adebayo et al. 2018 (arXiv 1810.03292). Weights are functions of the seed alone; the classifier is not touched. What does not belong
here: maps of the copies and how far they agree (`sanity`).
"""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from synapse_assets.errors import BadInput
from synapse_assets.vision.explanation.explainable import Explainable
from synapse_assets.vision.explanation.methods import Tiles
from synapse_assets.vision.head import Head


def random_weights(classifier: Explainable, tiles: Tiles, seed: int) -> Explainable:
    """The classifier as it is before training: weights as its layers draw them; what has no rule of its own gets normal numbers of the
    same mean and deviation.

    What was fitted counts as weights, such as the head of an encoder; filters of texture do not. tiles: (N, sections, H, W), on
    which batch normalisation finds its means, as it would in training; with those of the trained weights a random network is saturated.
    """

    def randomise(network: nn.Module) -> None:
        own: set[int] = set()
        for module in network.modules():
            if isinstance(module, Head):
                module.matrix = _normal_like(module.matrix)
            elif callable(reset := getattr(module, "reset_parameters", None)):
                reset()
                own |= {id(parameter) for parameter in module.parameters(recurse=False)}
        for parameter in network.parameters():
            if id(parameter) not in own:
                parameter.data = _normal_like(parameter.data)

    return _changed(classifier, seed, randomise, tiles)


def shuffled_weights(classifier: Explainable, tiles: Tiles, seed: int) -> Explainable:
    """The classifier with the numbers of every tensor of weights dealt out anew; `tiles` as in `random_weights`."""

    def shuffle(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, Head):
                module.matrix = _shuffled(module.matrix)
        for parameter in network.parameters():
            parameter.data = _shuffled(parameter.data)

    return _changed(classifier, seed, shuffle, tiles)


def shuffled_head(classifier: Explainable, seed: int) -> Explainable:
    """The classifier with only the weights of its last layer, which gives the logits, dealt out anew."""

    def shuffle(network: nn.Module) -> None:
        last = _last_layer(network, len(classifier.classes))
        last.weight.data = _shuffled(last.weight.data)

    return _changed(classifier, seed, shuffle, None)


def _changed(
    classifier: Explainable, seed: int, change: Callable[[nn.Module], None], tiles: Tiles | None
) -> Explainable:
    network = copy.deepcopy(classifier.network).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change(network)
    if tiles is not None:
        _find_means(network, tiles)
    return replace(classifier, network=network)


def _find_means(network: nn.Module, tiles: Tiles) -> None:
    """Means and variances of batch normalisation, from one pass over these tiles."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        network(torch.from_numpy(np.ascontiguousarray(tiles)).float())
    for norm in norms:
        norm.eval()


def _last_layer(network: nn.Module, classes: int) -> nn.Linear | nn.Conv2d:
    for module in reversed(list(network.modules())):
        outputs = getattr(module, "out_features", getattr(module, "out_channels", None))
        if isinstance(module, (nn.Linear, nn.Conv2d)) and outputs == classes:
            return module
    raise BadInput(f"explanation: the network has no last layer of {classes} classes whose weights could be shuffled")


def _normal_like(values: Tensor) -> Tensor:
    spread = values.std() if values.numel() > 1 else torch.ones(())
    return torch.randn(values.shape) * spread + values.mean()


def _shuffled(values: Tensor) -> Tensor:
    return values.flatten()[torch.randperm(values.numel())].reshape(values.shape).contiguous()
