"""Twenty trainings, each killed (SIGKILL) at a random moment and started again, beside one that was left alone: equal to the last bit?

    python -m benchmarks.soak.training [kills, default 20]

A small ResNet with dropout learns planted tiles as `train_network` trains it, with early stopping, weight averaging and a frozen start, and
a checkpoint every half a second. A moment counts from when the process begins to train; of those killed before the first
checkpoint the next begins anew.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.soak.report import Report
from synapse_assets.datasets import NetworkChoice, TileSpec

SERVER = multiprocessing.get_context("forkserver")
TILE = TileSpec(size_px=48, sections=3)
STEPS, SEED = 30, 4


def learn(folder: Path, told: Connection) -> None:
    """Trains, and tells that it begins, where it began, and in the end the hash of the weights."""
    import torch

    from synapse_assets.vision.training import loop
    from synapse_assets.vision.training.supervised import LabelledTiles, train_network
    from synapse_assets_tests.vision.conftest import planted_tiles

    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = 0.5
    tiles, kinds = planted_tiles(300, SEED)
    data = LabelledTiles(lambda rows: tiles[rows], kinds, np.arange(300) // 10)
    choice = NetworkChoice(architecture="em_resnet10", head="three_layers", crop_nm=96, steps=STEPS, batch_size=16)
    choice = choice.model_copy(update={"frozen_steps": 10})
    steps: list[float] = []

    def progress(row: dict[str, float]) -> None:
        if not steps:
            told.send(row["step"])
        steps.append(row["step"])

    told.send("begins")
    network, _ = train_network(  # type: ignore[misc]
        choice,
        ("fine", "coarse", "blotched"),
        TILE,
        (4.0, 4.0, 40.0),
        data,
        np.arange(300),
        seed=SEED,
        device="cpu",
        folder=folder,
        progress=progress,
    )
    digest = hashlib.sha256()
    for name, tensor in sorted(network.network.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    told.send(digest.hexdigest())


class Learner:
    """A process that trains into a folder."""

    def __init__(self, folder: Path) -> None:
        self.pipe, theirs = SERVER.Pipe()
        self.process = SERVER.Process(target=learn, args=(folder, theirs), daemon=True)
        self.process.start()
        theirs.close()
        assert self.pipe.recv() == "begins"

    def ends(self) -> tuple[float, str]:
        """Its first step with a row in the history (0 if it had none to make), and the hash of the weights."""
        first: float | str = self.pipe.recv()
        found = (0.0, first) if isinstance(first, str) else (first, str(self.pipe.recv()))
        self.process.join()
        return found

    def killed(self, after_seconds: float) -> bool:
        """Whether it was still training when it was killed."""
        end = time.monotonic() + after_seconds
        while (left := end - time.monotonic()) > 0 and self.pipe.poll(left):
            if isinstance(self.pipe.recv(), str):
                self.process.join()
                return False
        os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join()
        return True


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kills", nargs="?", type=int, default=20)
    wanted = parser.parse_args().kills
    report, chance = Report("training"), random.Random(SEED)
    SERVER.set_forkserver_preload(["synapse_assets.vision.training.supervised", "synapse_assets_tests.vision.conftest"])
    with tempfile.TemporaryDirectory() as name:
        learner = Learner(Path(name) / "undisturbed")
        began = time.monotonic()
        _, expected = learner.ends()
        seconds = time.monotonic() - began
        kills = equal = went_on = late = 0
        while kills < wanted and late < wanted:
            folder = Path(name) / f"{kills}_{late}"
            if not Learner(folder).killed(chance.uniform(0, seconds)):
                late += 1
                continue
            kills += 1
            first, found = Learner(folder).ends()
            equal += found == expected
            print(f"  kill {kills}: went on at step {first:.0f}, {equal} equal so far", flush=True)
            went_on += first != 1
    report.figure("seconds of an undisturbed training", f"{seconds:.1f}")
    report.promise("kills, all in the middle of a training", kills, wanted)
    report.figure("of them after the first checkpoint", went_on)
    report.figure("trainings that ended before they could be killed", late)
    report.promise("weights equal to the last bit", equal, wanted)
    report.close()


if __name__ == "__main__":
    main()
