"""Running a network: order, batches, memory, devices."""

import subprocess
import sys
import threading
from typing import ClassVar, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from synapse_assets.errors import BadInput
from synapse_assets.vision import devices
from synapse_assets.vision.devices import Precision, has_native_bf16, native_precision, pick_device
from synapse_assets.vision.encoder import Encoder, TileNetwork, embed_batches
from synapse_assets.vision.inference import BatchRunner


class SmallMemory(TileNetwork):
    """A network on a device that runs out of memory above `limit` tiles."""

    limit = 8

    def forward(self, tiles: Tensor) -> Tensor:
        self.sizes.append(len(tiles))
        if len(tiles) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(tiles)


def small_memory(encoder: Encoder, limit: int) -> tuple[Encoder, list[int]]:
    network = SmallMemory(encoder.spec, encoder.network.backbone)
    network.sizes = []
    network.limit = 1
    small = Encoder(encoder.spec, network)
    network.limit = limit
    network.sizes.clear()
    return small, network.sizes


def test_the_reader_runs_while_the_network_does(trained, tiles):
    encoder, _ = trained
    threads = []

    def batches():
        for start in (0, 7):
            threads.append(threading.current_thread())
            yield [f"s{i}" for i in range(start, start + 7)], tiles[start : start + 7]
        raise OSError("the disk is gone")

    stream = embed_batches(encoder, batches(), device="cpu")
    next(stream), next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert threading.current_thread() not in threads


def test_stream_keeps_order_and_is_lazy(trained, tiles):
    encoder, _ = trained
    watched, sizes = small_memory(encoder, limit=100)
    asked = []

    def batches():
        for start in (0, 7, 14):
            asked.append(start)
            yield [f"s{i}" for i in range(start, start + 7)], tiles[start : start + 7]

    stream = embed_batches(watched, batches(), device="cpu", batch_size=4)
    expected = encoder.embed(tiles[:21])
    assert len({row.tobytes() for row in expected}) == 21
    for number, start in enumerate((0, 7, 14), 1):
        ids, vectors = next(stream)
        assert number <= len(asked) <= number + 1, "one batch is read ahead, not more"
        assert sizes == [4, 3] * number, "at most so many tiles at once"
        assert ids == [f"s{i}" for i in range(start, start + 7)]
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected[start : start + 7], atol=1e-4)
    assert next(stream, None) is None
    assert asked == [0, 7, 14]


def test_ids_and_tiles_must_match(trained, tiles):
    with pytest.raises(ValueError, match="2 ids came with 3 tiles"):
        next(embed_batches(trained[0], iter([(["a", "b"], tiles[:3])])))


def test_embedding_does_not_depend_on_companions(trained, tiles):
    """Alone, among others, in any order: less apart than one step of float16, in which vectors are stored."""
    runner = BatchRunner(trained[0].network, "cpu", "float32")
    together = runner.run(tiles[:64])
    order = np.random.default_rng(0).permutation(64)
    alone = np.concatenate([runner.run(tiles[i : i + 1]) for i in range(8)])
    step = np.spacing(np.abs(together).astype(np.float16)).astype(np.float32).clip(1e-4)
    assert (np.abs(runner.run(tiles[:64][order])[np.argsort(order)] - together) <= step).all()
    assert (np.abs(alone - together[:8]) <= step[:8]).all()


def test_batch_is_halved_when_memory_runs_out(trained, tiles):
    encoder, _ = trained
    small, sizes = small_memory(encoder, limit=8)
    runner = BatchRunner(small.network, "cpu", "float32", batch_size=30)
    vectors = runner.run(tiles[:40])
    assert sizes == [30, 15, 7, 7, 7, 7, 7, 5]
    assert runner.batch_size == 7
    np.testing.assert_allclose(vectors, encoder.embed(tiles[:40], "cpu", "float32"), atol=1e-4)


def test_memory_too_small_for_one_tile_is_the_devices_error(trained, tiles):
    small, _ = small_memory(trained[0], limit=0)
    with pytest.raises(torch.OutOfMemoryError):
        small.embed(tiles[:4], "cpu")


def test_reduced_precision_stays_close(trained, tiles):
    encoder, _ = trained
    exact = encoder.embed(tiles[:16], "cpu", "float32")
    reduced = encoder.embed(tiles[:16], "cpu", "bfloat16")
    assert not np.allclose(exact, reduced, atol=1e-6), "it is another precision"
    cosine = (exact * reduced).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(reduced, axis=1)
    assert cosine.min() > 0.999


def test_read_only_and_strided_tiles(trained, tiles):
    locked = tiles[:6].copy()
    locked.flags.writeable = False
    runner = BatchRunner(trained[0].network, "cpu", "float32")
    np.testing.assert_allclose(runner.run(locked), runner.run(tiles[:6]), atol=1e-6)
    np.testing.assert_allclose(runner.run(tiles[:12:2]), runner.run(tiles[:12])[::2], atol=1e-4)


def test_device_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("there is a cuda device")
    with pytest.raises(BadInput, match="device 'cuda' is not available here"):
        pick_device("cuda")
    assert pick_device().type in ("mps", "cpu")


def test_bf16_follows_the_processor(monkeypatch):
    for abilities, native in (
        ({"avx2": True, "avx512_f": True}, False),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=abilities: found)
        assert has_native_bf16(torch.device("cpu")) is native


@pytest.mark.parametrize(
    ("native", "wanted", "precision"),
    [
        (False, None, "float32"),
        (True, None, "bfloat16"),
        (False, "bfloat16", "float32"),
        (True, "bfloat16", "bfloat16"),
        (True, "float32", "float32"),
    ],
)
def test_a_device_computes_in_what_is_wanted_where_it_can(monkeypatch, native, wanted, precision):
    monkeypatch.setattr(devices, "has_native_bf16", lambda device: native)
    assert native_precision(torch.device("cpu"), wanted) == precision


def test_any_network_is_run_in_halves_and_in_a_precision():
    """A linear head on vectors: it shares nothing with an encoder but this."""

    class Head(torch.nn.Linear):
        seen: ClassVar[list[tuple[int, torch.dtype]]] = []

        def forward(self, vectors: Tensor) -> Tensor:
            if len(vectors) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            scores = super().forward(vectors)
            self.seen.append((len(vectors), scores.dtype))
            return scores.softmax(1)

    torch.manual_seed(0)
    head = Head(6, 4)
    vectors = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    wanted = np.exp(vectors @ head.weight.detach().numpy().T + head.bias.detach().numpy())
    wanted /= wanted.sum(1, keepdims=True)
    for precision, atol in (("float32", 1e-6), ("bfloat16", 1e-2)):
        runner = BatchRunner(head, "cpu", precision, batch_size=5)
        found = runner.run(vectors)
        assert (found.dtype, found.shape) == (np.float32, (7, 4))
        np.testing.assert_allclose(found, wanted, atol=atol)
        assert np.allclose(found, wanted, atol=1e-6) == (precision == "float32")
        assert runner.batch_size == 2
    assert Head.seen == [(size, dtype) for dtype in (torch.float32, torch.bfloat16) for size in (2, 2, 2, 1)]


@pytest.mark.parametrize("native", [False, True])
def test_precision_is_that_of_the_device_unless_it_is_said(trained, tiles, monkeypatch, native):
    monkeypatch.setattr(devices, "has_native_bf16", lambda device: native)
    found = {name: trained[0].embed(tiles[:4], "cpu", name) for name in (None, *get_args(Precision))}
    np.testing.assert_array_equal(found[None], found["bfloat16" if native else "float32"])
    assert not np.array_equal(found["float32"], found["bfloat16"])


def test_float32_is_not_rounded_by_convolutions():
    """On a GPU they would be in TF32; whatever a program set is as it was afterwards."""

    class Watching(torch.nn.Identity):
        seen: ClassVar[list[bool]] = []

        def forward(self, inputs: Tensor) -> Tensor:
            self.seen.append(torch.backends.cudnn.allow_tf32)
            return inputs

    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled
    BatchRunner(Watching(), "cpu").run(np.zeros((1, 1), np.float32))
    assert Watching.seen == [False]
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled) == before == (True, True)


def test_only_what_is_needed_is_imported():
    code = "import sys, synapse_assets.vision; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
