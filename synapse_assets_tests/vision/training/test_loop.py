"""The training loop: what a step is, what ends it, what a checkpoint is good for."""

import errno
import math
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.training.loop import Batch, Inputs, Outcome, Settings, Task, train
from synapse_assets_tests.vision.training.small import (
    SETTINGS,
    Small,
    learn,
    loss,
    pixels_and_kinds,
    rows_of,
    small,
    task_of,
)

# Starts once with everything imported, and every process afterwards is a copy.
SERVER = multiprocessing.get_context("forkserver")


def trained(folder: Path, settings: Settings = SETTINGS, task: Task | None = None, **options) -> tuple[Small, Outcome]:
    network = options.pop("network", None) or small()
    arguments = {"fingerprint": "small", "device": "cpu"} | options
    return network, train(network, task or task_of(network), settings, folder=folder, **arguments)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- a killed run


class Learning:
    """A process that learns into a folder."""

    def __init__(self, folder: Path, result: Path) -> None:
        SERVER.set_forkserver_preload(["synapse_assets_tests.vision.training.small"])
        self.pipe, theirs = SERVER.Pipe()
        self.process = SERVER.Process(target=learn, args=(folder, result, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def until(self, step: int) -> int:
        """Waits for a step at least as late, and gives its number."""
        while (told := self.pipe.recv()) < step:
            pass
        return told

    def ends(self) -> None:
        self.process.join(60)
        assert self.process.exitcode == 0


def test_a_run_killed_twice_ends_equal_to_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed = Learning(tmp_path / "undisturbed", tmp_path / "undisturbed.safetensors")
    undisturbed.until(SETTINGS.steps)
    undisturbed.ends()
    chance = random.Random()
    first_step = []
    for earliest in (1, 20):
        run = Learning(tmp_path / "killed", tmp_path / "killed.safetensors")
        first_step.append(run.until(1))
        run.until(chance.randrange(earliest, earliest + 15))
        time.sleep(chance.uniform(0, 0.005))
        os.kill(run.process.pid, signal.SIGKILL)
        run.process.join()
        assert not (tmp_path / "killed.safetensors").exists()
    last = Learning(tmp_path / "killed", tmp_path / "killed.safetensors")
    first_step.append(last.until(1))
    last.ends()
    # Each went on from where the one before had been, and did not begin anew.
    assert first_step[0] == 1 < first_step[1] < first_step[2]
    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("undisturbed", "killed"))
    assert equal(one, other)
    assert not equal(one, {name: tensor.contiguous() for name, tensor in weights(small()).items()})


def test_a_finished_run_is_not_made_again(tmp_path: Path) -> None:
    first, once = trained(tmp_path)
    reads = []
    task = task_of(small())
    again, twice = trained(tmp_path, task=replace(task, read=lambda step: reads.append(step) or task.read(step)))
    assert reads == []
    assert equal(weights(first), weights(again))
    assert once == twice


def test_a_checkpoint_of_another_training_is_removed_and_the_log_says_so(tmp_path: Path) -> None:
    short = replace(SETTINGS, steps=8)
    fresh, _ = trained(tmp_path / "fresh", short)
    trained(tmp_path / "used", replace(short, learning_rate=0.5))
    for options in ({}, {"fingerprint": "other tiles"}):
        told: list[str] = []
        network, outcome = trained(tmp_path / "used", short, log=told.append, **options)
        assert equal(weights(network), weights(fresh))
        assert outcome.steps == 8
        assert len([line for line in told if "of another training: removed" in line]) == 1


def test_a_damaged_checkpoint_is_removed_and_the_log_says_so(tmp_path: Path) -> None:
    short = replace(SETTINGS, steps=8)
    fresh, _ = trained(tmp_path, short)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    told: list[str] = []
    network, _ = trained(tmp_path, short, log=told.append)
    assert equal(weights(network), weights(fresh))
    assert "is damaged" in told[0]


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, replace(SETTINGS, steps=8))
    with pytest.raises(
        BadInput, match=r"checkpoint has \(6, 2, 3, 3\) values of body.0.weight, this network \(7, 2, 3, 3\)"
    ):
        trained(tmp_path, replace(SETTINGS, steps=8), network=small(width=7))


# --- a full disk


class Disk:
    """One that can be full: a file system of its own where this may be mounted, else errors of the same kind."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.filler = folder / "filler"
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        self.mounted = subprocess.run(command, capture_output=True).returncode == 0
        self.is_full = False
        if not self.mounted:
            replace_file = os.replace

            def replaced(one: Path, other: Path) -> None:
                if self.is_full:
                    raise OSError(errno.ENOSPC, "No space left on device")
                replace_file(one, other)

            monkeypatch.setattr(os, "replace", replaced)

    def fill(self) -> None:
        self.is_full = True
        if self.mounted:
            with suppress(OSError), self.filler.open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass

    def free(self) -> None:
        self.is_full = False
        self.filler.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk", monkeypatch)
    yield disk
    if disk.mounted:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)


def test_a_disk_that_is_full_at_a_checkpoint_ends_no_training(tmp_path: Path, disk: Disk) -> None:
    undisturbed, _ = trained(tmp_path / "undisturbed")
    told: list[str] = []

    def fill(row: dict[str, float]) -> None:
        if row["step"] == 10:
            disk.fill()

    folder = tmp_path / "disk" / "run"
    network, outcome = trained(folder, progress=fill, log=told.append, checkpoint_seconds=0)
    assert outcome.stopped == "steps"
    assert equal(weights(network), weights(undisturbed))
    warnings = [line for line in told if "WARNING, no checkpoint could be written" in line]
    assert len(warnings) == SETTINGS.steps - 9
    assert "No space left" in warnings[0]
    assert sorted(file.name for file in folder.iterdir()) == ["checkpoint.safetensors"]
    disk.free()
    told.clear()
    again, _ = trained(folder, log=told.append)
    assert told[0].startswith("training: goes on from step 9 of 40")
    assert equal(weights(again), weights(undisturbed))


# --- no number


def test_a_loss_that_is_no_number_ends_it_with_the_weights_from_before(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []
    network = small()
    task = task_of(network)

    def read(step: int) -> Batch:
        batch = task.read(step)
        if step == 7:
            batch.inputs[0][3] = math.nan
        return batch

    def validate(average: nn.Module) -> float:
        seen.append(weights(average))
        return float(len(seen))

    settings = replace(SETTINGS, validate_every=1)
    _, outcome = trained(tmp_path, settings, replace(task, read=read, validate=validate), network=network)
    assert (outcome.stopped, outcome.steps, outcome.rows) == ("not_a_number", 7, rows_of(7).tolist())
    assert outcome.reason.startswith(f"not a number at step 8, rows {rows_of(7)[0]}, {rows_of(7)[1]}, ")
    assert len(seen) == 7
    assert equal(weights(network), seen[-1])


class Poisoned(torch.autograd.Function):
    """Passes its input on, and gives no number as its gradient."""

    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * math.nan


def test_a_gradient_that_is_no_number_ends_it_too(tmp_path: Path) -> None:
    steps: list[int] = []

    def poisoned(network: nn.Module, inputs: Inputs) -> Tensor:
        steps.append(len(steps))
        value = loss(network, inputs)
        return Poisoned.apply(value) if steps[-1] == 7 else value

    network, outcome = trained(tmp_path, task=replace(task_of(small(), validated=False), loss=poisoned))
    assert (outcome.stopped, outcome.steps, outcome.best_score) == ("not_a_number", 7, None)
    assert outcome.rows == rows_of(7).tolist()
    assert all(tensor.isfinite().all() for tensor in weights(network).values())


# --- memory


class Narrow(nn.Module):
    """A device that has no memory for more than so many rows."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Flatten(), nn.Linear(2 * 8 * 8, 5), nn.Tanh(), nn.Linear(5, 2))
        self.most = most
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, pixels: Tensor) -> Tensor:
        self.batches += 1
        if len(pixels) > self.most:
            raise torch.OutOfMemoryError("planted")
        return self.inside(pixels)


def narrow(most: int) -> Narrow:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Narrow(most).double()  # so that no bfloat16 comes between


def test_where_memory_runs_out_the_step_is_made_in_parts(tmp_path: Path) -> None:
    pixels, kinds = pixels_and_kinds()

    def read(step: int) -> Batch:
        rows = rows_of(step, 22)
        return Batch((pixels[rows].double(), kinds[rows]), rows)

    settings = replace(SETTINGS, steps=5, frozen_steps=0)
    ended, told = [], []
    for most in (22, 6):
        network = narrow(most)
        _, outcome = trained(tmp_path / str(most), settings, Task(read, loss), network=network, log=told.append)
        ended.append((weights(network), [row["loss"] for row in outcome.history]))
    assert [line.split("; ")[1] for line in told] == [
        f"a batch is worked through in {parts} parts now" for parts in (2, 4)
    ]
    (whole, losses), (in_parts, same_losses) = ended
    assert losses == pytest.approx(same_losses, rel=1e-6)
    # A part counts as a batch, but not what was tried in vain.
    assert (whole.pop("batches"), in_parts.pop("batches")) == (5, 20)
    for name, tensor in whole.items():
        torch.testing.assert_close(in_parts[name], tensor, rtol=1e-9, atol=1e-12)
        assert not torch.equal(tensor, narrow(1).state_dict()[name])
    with pytest.raises(BadInput, match="not even one row fits into the memory of cpu"):
        trained(tmp_path / "0", settings, Task(read, loss), network=narrow(0))


# --- when it stops, and which weights it leaves


def test_without_a_better_score_it_stops_and_keeps_the_best(tmp_path: Path) -> None:
    seen: dict[int, dict[str, Tensor]] = {}

    def validate(average: nn.Module) -> float:
        seen[4 * (len(seen) + 1)] = weights(average)
        return -abs(len(seen) - 3.0)  # best at the third look

    network = small()
    settings = replace(SETTINGS, patience=4)
    _, outcome = trained(tmp_path, settings, replace(task_of(network), validate=validate), network=network)
    assert (outcome.stopped, outcome.steps, outcome.best_step, outcome.best_score) == ("early", 28, 12, 0.0)
    assert equal(weights(network), seen[12])
    validations = {row["step"]: row["validation"] for row in outcome.history if "validation" in row}
    assert validations == {4 * look: -abs(look - 3.0) for look in range(1, 8)}


def test_the_average_is_what_its_formula_gives(tmp_path: Path) -> None:
    live: list[dict[str, Tensor]] = []

    def watched(network: nn.Module, inputs: Inputs) -> Tensor:
        live.append(weights(network))
        return loss(network, inputs)

    network = small()
    start = weights(network)
    settings = replace(SETTINGS, steps=20, frozen_steps=0, averaging=0.5)
    trained(tmp_path, settings, replace(task_of(network, validated=False), loss=watched), network=network)
    name = "last.weight"
    average = start[name]
    for step, now in enumerate(live[1:]):  # weights after each step but the last
        kept = min(0.5, (1 + step) / (10 + step))
        average = kept * average + (1 - kept) * now[name]
    final = network.state_dict()[name]
    # The last step adds what the loss has not seen.
    assert (final - average).abs().max() < (live[-1][name] - start[name]).abs().max()
    torch.testing.assert_close(final, average, rtol=0, atol=3e-4)
    assert not torch.allclose(live[-1][name], average, atol=1e-5)


def test_frozen_parts_stay_as_they_are_until_they_join(tmp_path: Path) -> None:
    bodies: list[dict[str, Tensor]] = []
    heads: list[Tensor] = []

    def watched(network: Small, inputs: Inputs) -> Tensor:
        bodies.append(weights(network.body))
        heads.append(network.last.weight.detach().clone())
        return loss(network, inputs)

    network = small()
    start = weights(network.body)
    trained(tmp_path, task=replace(task_of(network), loss=watched), network=network)
    frozen = SETTINGS.frozen_steps
    # Running statistics too: the first step that changes them is the one after.
    assert all(equal(body, start) for body in bodies[: frozen + 1])
    assert not any(torch.equal(bodies[frozen + 1][name], tensor) for name, tensor in start.items())
    assert not torch.equal(heads[0], heads[frozen])
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_rate_warms_up_twice_and_falls_as_a_cosine() -> None:
    settings = Settings(steps=100, learning_rate=0.2, frozen_steps=30, warm_up_steps=10)
    rates = np.array([settings.rate(step) for step in range(100)])
    cosine = 0.1 * (1 + np.cos(np.pi * np.arange(100) / 100))
    assert rates[0] == pytest.approx(0.02)
    assert rates[10:30] == pytest.approx(cosine[10:30])
    assert rates[30] == pytest.approx(cosine[30] / 10)
    assert rates[40:] == pytest.approx(cosine[40:])


def test_rows_of_the_history(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    _, outcome = trained(tmp_path, progress=rows.append)
    assert rows == outcome.history
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert {*rows[0]} == {"step", "seconds", "loss", "rate", "remaining_s"}
    assert {*rows[3]} == {*rows[0], "validation"}
    assert rows[-1]["remaining_s"] == 0
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_global_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    trained(tmp_path, replace(SETTINGS, steps=8))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"frozen_steps": 40}, {"validate_every": 0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="must be at least 1"):
        replace(SETTINGS, **wrong)
