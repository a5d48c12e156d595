"""Copies that know nothing: what they change, and what they leave."""

import numpy as np
import torch

from synapse_assets.vision.explanation.explainable import explainable_network, explainable_probe
from synapse_assets.vision.explanation.methods import logits_of
from synapse_assets.vision.explanation.randomised import random_weights, shuffled_head, shuffled_weights
from synapse_assets_tests.vision.explanation.planted import planted_tiles, untrained
from synapse_assets_tests.vision.explanation.test_explainable import encoder

TILES = planted_tiles(12, seed=8)[0]


def test_copies_are_functions_of_the_seed_and_the_classifier_stays() -> None:
    classifier = explainable_network(untrained())
    before = {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}
    for copy in (
        lambda seed: random_weights(classifier, TILES, seed),
        lambda seed: shuffled_weights(classifier, TILES, seed),
        lambda seed: shuffled_head(classifier, seed),
    ):
        first, again, other = (logits_of(copy(seed), TILES, "cpu") for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3
        assert np.abs(first - logits_of(classifier, TILES, "cpu")).max() > 1e-3
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.network.state_dict().items())


def test_shuffling_keeps_the_numbers_of_each_tensor_and_the_head_alone_the_rest() -> None:
    classifier = explainable_network(untrained())
    own = dict(classifier.network.named_parameters())
    for name, parameter in shuffled_weights(classifier, TILES, 0).network.named_parameters():
        assert torch.equal(parameter.flatten().sort()[0], own[name].flatten().sort()[0])
    head = shuffled_head(classifier, 0).network.state_dict()
    changed = [name for name, tensor in classifier.network.state_dict().items() if not torch.equal(tensor, head[name])]
    assert changed == ["inner.head.weight"]


def test_batch_normalisation_of_a_random_network_sees_what_it_normalises() -> None:
    network = random_weights(explainable_network(untrained()), TILES, 0).network
    seen = []
    norm = network.inner.backbone.layer3[0].bn1
    norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    network(torch.from_numpy(TILES).float())
    mean, spread = seen[0].mean((0, 2, 3)), seen[0].std((0, 2, 3))
    assert ((norm.running_mean - mean).abs() < 0.05 * spread).all()
    torch.testing.assert_close(norm.running_var.sqrt(), spread, atol=0, rtol=0.1)
    assert not any(module.training for module in network.inner.modules())


def test_of_a_texture_encoder_what_was_fitted_changes_and_filters_do_not() -> None:
    classifier = explainable_probe(encoder(), np.eye(6), np.zeros(6), tuple("abcdef"))
    own = classifier.network.encoder
    for copy in (random_weights(classifier, TILES, 0), shuffled_weights(classifier, TILES, 0)):
        other = copy.network.encoder
        assert not torch.equal(other.head.matrix, own.head.matrix)
        assert torch.equal(other.texture.fine, own.texture.fine)
        assert not torch.equal(copy.network.probe.weight, classifier.network.probe.weight)
