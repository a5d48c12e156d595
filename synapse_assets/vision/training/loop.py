"""The training loop of every network of the project: plain torch, and the same end whether or not it was killed on the way.

A step is a function of the seed and its number: which rows it takes, how they are augmented and which units dropout leaves out. So a run
that goes on from a checkpoint has no random state to restore. What does not belong here: what is trained on (the caller's `Task`),
architectures (`networks`), and where finished networks are stored. One device trains; a network on several would be wrapped by the
caller, nothing here would know.
"""

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapse_assets.cores import cores
from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import native_precision, pick_device
from synapse_assets.vision.training.checkpoints import Checkpoint, Checkpoints

CHECKPOINT_SECONDS = 30.0
_MOST_STEPS_BETWEEN_ROWS = 10
_METHOD = 1  # one more whenever the same settings train another network
_MOST_READERS = 8
_AUGMENTATION, _NETWORK = range(2)  # streams of random numbers of a step

Inputs = tuple[Tensor, ...]
Row = dict[str, float]
Stop = Literal["steps", "early", "not_a_number"]


@dataclass(frozen=True)
class Batch:
    """What a step is trained on. inputs: tensors of N rows each, on the processor. rows: int64 (N,), what they are called in messages."""

    inputs: Inputs
    rows: npt.NDArray[np.int64]


def _as_read(inputs: Inputs, generator: torch.Generator) -> Inputs:
    return inputs


@dataclass(frozen=True)
class Task:
    """What a network learns.

    read: the batch of a step, which depends on nothing but its number, also of steps that are not made in the end. Called in threads of its
        own, ahead of the device: one beside a processor, up to eight beside a GPU.
    loss: the mean over the rows of prepared inputs, a scalar.
    prepare: from the inputs as read, now on the device, those the network sees (augmentation). The generator is of the step, on the device.
    validate: a score of the averaged network in evaluation mode, higher is better.
    frozen: parts that keep their weights and running statistics in the first `Settings.frozen_steps` steps.
    """

    read: Callable[[int], Batch]
    loss: Callable[[nn.Module, Inputs], Tensor]
    prepare: Callable[[Inputs, torch.Generator], Inputs] = _as_read
    validate: Callable[[nn.Module], float] | None = None
    frozen: Sequence[nn.Module] = ()


@dataclass(frozen=True)
class Settings:
    """How a network is trained: AdamW, the rate rising linearly over `warm_up_steps` (once more where the frozen parts join) and falling to
    zero as a cosine over `steps`.

    averaging: share that the running average of the weights keeps of itself at each step; it is lower in the first steps.
    validate_every, patience: validated after so many steps; stopped after so many validations in a row without a better score, None for
        never.
    later_learning_rate: in place of `learning_rate` once the frozen parts have joined, None for the same.
    """

    steps: int
    learning_rate: float = 1e-3
    seed: int = 0
    frozen_steps: int = 0
    warm_up_steps: int = 20
    weight_decay: float = 0.05
    averaging: float = 0.99
    validate_every: int = 50
    patience: int | None = None
    later_learning_rate: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.validate_every < 1 or not 0 <= self.frozen_steps < self.steps:
            raise BadInput(
                f"training: {self.steps} steps, {self.frozen_steps} of them frozen, validated every {self.validate_every}: steps and "
                "validate_every must be at least 1, and frozen steps fewer than steps"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        joined = step >= self.frozen_steps
        since = step - self.frozen_steps if joined else step
        highest = self.learning_rate if self.later_learning_rate is None or not joined else self.later_learning_rate
        return (
            highest
            * min(1.0, (since + 1) / max(1, self.warm_up_steps))
            * 0.5
            * (1 + math.cos(math.pi * step / self.steps))
        )


@dataclass(frozen=True)
class Outcome:
    """How a training went. The trained network has the average weights of `best_step`.

    history: rows of `step`, `seconds` (of training, over all attempts), `loss` (mean since the row before), `rate` and `remaining_s`; those
        of a validation have `validation` too.
    steps: how many were made. best_score: None where nothing was validated.
    stopped: "steps" at the planned end, "early" for want of a better score, "not_a_number" where loss or gradient was none.
    reason: the same in a sentence. rows: those of the batch that gave no number, else none.
    """

    history: list[Row]
    steps: int
    best_step: int
    best_score: float | None
    stopped: Stop
    reason: str
    seconds: float
    rows: list[int] = field(default_factory=list)


def train(
    network: nn.Module,
    task: Task,
    settings: Settings,
    *,
    folder: Path,
    fingerprint: str,
    device: str = "auto",
    progress: Callable[[Row], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
    checkpoint_seconds: float | None = None,
) -> Outcome:
    """Trains `network` where it is, leaves it on the processor in evaluation mode, and says how it went.

    `folder` (made if need be) keeps one checkpoint, written every `checkpoint_seconds` (half a minute) and at the end, from which a killed
    run goes on; on a processor with as many threads it ends equal to the last bit to one that was not killed. `fingerprint` says what the
    network starts from and what it is trained on: a checkpoint of another, or of other settings, is removed and the log says so. A disk
    that is full at a checkpoint is a line in the log. Where the device's memory runs out, batches are worked through in halves, quarters
    and so on, gradients added up: normalisation over the batch then sees the parts, and dropout draws anew for each; else the step is the
    same. Arithmetic is bfloat16 where the device has it. Global random states are left as they were.

    Raises BadInput for a checkpoint of this fingerprint whose weights have other shapes, and where not even one row fits into memory.
    """
    checkpoints = Checkpoints(folder, [_METHOD, fingerprint, _told(settings)], log)
    run = _Run(network, task, settings, pick_device(device))
    found = checkpoints.read()
    if found is not None:
        run.restore(found, checkpoints.file)
        log(f"training: goes on from step {run.state.step} of {settings.steps}, after {run.state.seconds:.0f} s")
    if not run.state.stopped:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if run.device.type == "cuda" else []):
            every = CHECKPOINT_SECONDS if checkpoint_seconds is None else checkpoint_seconds
            run.to_the_end(checkpoints, progress or (lambda _: None), log, every)
    return run.outcome()


def _told(settings: Settings) -> dict[str, object]:
    """The settings as checkpoints name them. Those of releases before `later_learning_rate` stay valid where it is not used."""
    return {name: value for name, value in asdict(settings).items() if (name, value) != ("later_learning_rate", None)}


def generator_of(seed: int, step: int, stream: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator that depends on nothing but these numbers."""
    return torch.Generator(device).manual_seed(_mixed(seed, step, stream))


def _mixed(seed: int, step: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, step, stream]).generate_state(1, np.uint64)[0] >> 1)


@dataclass
class _State:
    """All that a run knows but tensors; of plain values, as checkpoints hold it."""

    step: int = 0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # since the last row
    best_score: float | None = None
    best_step: int = 0
    validations_since_best: int = 0
    parts: int = 1  # in which a batch is worked through
    score: float | None = None  # of a validation that the history does not have yet
    stopped: Stop | Literal[""] = ""
    rows: list[int] = field(default_factory=list)


class _Run:
    """A network in training: itself, its average, its best average, the optimiser and the state."""

    def __init__(self, network: nn.Module, task: Task, settings: Settings, device: torch.device) -> None:
        self.network, self.task, self.settings, self.device = network.to(device), task, settings, device
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.best: dict[str, Tensor] = {}
        self.state = _State()
        self.bf16 = native_precision(device) == "bfloat16"
        # Biases and the scales of normalisations are not pulled towards zero.
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.statistics = list(self.network.buffers())
        self.rows_every = min(_MOST_STEPS_BETWEEN_ROWS, max(1, settings.steps // 100))

    def to_the_end(
        self,
        checkpoints: Checkpoints,
        progress: Callable[[Row], None],
        log: Callable[[str], None],
        checkpoint_seconds: float,
    ) -> None:
        """Trains until something ends it, and puts the average weights that are to be used into the network."""
        state = self.state
        began = time.monotonic() - state.seconds
        written = time.monotonic()
        self._thaw(state.step >= self.settings.frozen_steps)
        readers = 1 if self.device.type == "cpu" else min(_MOST_READERS, cores())
        with ThreadPoolExecutor(readers, thread_name_prefix="batches") as pool:
            coming = deque(pool.submit(self.task.read, state.step + ahead) for ahead in range(readers))
            while not state.stopped:
                batch = coming.popleft().result()
                coming.append(pool.submit(self.task.read, state.step + readers))
                self._step(batch, log)
                state.seconds = time.monotonic() - began
                if (row := self._row()) is not None:
                    state.history.append(row)
                    progress(row)
                if not state.stopped and time.monotonic() - written >= checkpoint_seconds:
                    checkpoints.write(self._checkpoint())
                    written = time.monotonic()
        self.network.load_state_dict(self.best or self.average.state_dict())
        checkpoints.write(Checkpoint(asdict(state), _named("network", self.network.state_dict())))

    def _step(self, batch: Batch, log: Callable[[str], None]) -> None:
        state, settings = self.state, self.settings
        if state.step == settings.frozen_steps:
            self._thaw(True)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate(state.step)
        loss = self._gradient(batch, log)
        if loss is None:
            state.stopped, state.rows = "not_a_number", batch.rows.tolist()
            return
        self.optimiser.step()
        self._take_into_average()
        state.losses.append(loss)
        state.step += 1
        last = state.step == settings.steps
        if self.task.validate is not None and (last or state.step % settings.validate_every == 0):
            self._validate(self.task.validate)
        if last and not state.stopped:
            state.stopped = "steps"

    def _gradient(self, batch: Batch, log: Callable[[str], None]) -> float | None:
        """Leaves the gradient of the batch in the parameters and gives its loss; None where one of them is not a number."""
        seed, step = self.settings.seed, self.state.step
        inputs = self.task.prepare(
            tuple(tensor.to(self.device) for tensor in batch.inputs),
            generator_of(seed, step, _AUGMENTATION, self.device),
        )
        before = [statistic.clone() for statistic in self.statistics]
        while True:
            torch.manual_seed(_mixed(seed, step, _NETWORK))  # for dropout
            self.optimiser.zero_grad(set_to_none=True)
            with suppress(torch.OutOfMemoryError):
                loss, norm = self._accumulated(inputs)
                return loss if math.isfinite(loss) and math.isfinite(norm) else None
            # Outside of the handler, whose traceback would hold what the failed attempt had allocated.
            _put_back(self.statistics, before)
            if self.state.parts >= len(batch.rows):
                raise BadInput(
                    f"training: not even one row fits into the memory of {self.device}; choose a smaller network or crop"
                )
            self.state.parts *= 2
            log(f"training: {self.device} ran out of memory; a batch is worked through in {self.state.parts} parts now")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _accumulated(self, inputs: Inputs) -> tuple[float, float]:
        """Loss and norm of the gradient, which is added up over the parts of a batch."""
        count = len(inputs[0])
        total = torch.zeros((), device=self.device)
        for part in zip(*(tensor.chunk(self.state.parts) for tensor in inputs), strict=True):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                loss = self.task.loss(self.network, part)
            loss = loss * (len(part[0]) / count)
            loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.network.parameters() if p.grad is not None])
        found = torch.stack([total, norm.float()]).tolist()  # waits for the device once
        return found[0], found[1]

    def _take_into_average(self) -> None:
        kept = min(self.settings.averaging, (1 + self.state.step) / (10 + self.state.step))
        average, now = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, tensor in now.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([average[name] for name in floats], [now[name] for name in floats], 1 - kept)
        for name in now.keys() - set(floats):  # counters of batches
            average[name].copy_(now[name])

    def _validate(self, validate: Callable[[nn.Module], float]) -> None:
        state, settings = self.state, self.settings
        score = validate(self.average)
        state.score = -math.inf if math.isnan(score) else score
        if state.best_score is None or state.score > state.best_score:
            state.best_score, state.best_step, state.validations_since_best = state.score, state.step, 0
            self.best = {name: tensor.cpu().clone() for name, tensor in self.average.state_dict().items()}
            return
        state.validations_since_best += 1
        if settings.patience is not None and state.validations_since_best >= settings.patience:
            state.stopped = "early"

    def _row(self) -> Row | None:
        """What the history gets after this step, None where nothing is due."""
        state = self.state
        if not state.losses or (state.score is None and not state.stopped and state.step % self.rows_every):
            return None
        row = {
            "step": float(state.step),
            "seconds": round(state.seconds, 2),
            "loss": math.fsum(state.losses) / len(state.losses),
            "rate": self.settings.rate(state.step - 1),
            "remaining_s": round(state.seconds / state.step * (self.settings.steps - state.step), 1),
        }
        if state.score is not None:
            row["validation"] = state.score
        state.losses, state.score = [], None
        return row

    def _thaw(self, everything: bool) -> None:
        """Lets everything learn, or everything but the frozen parts."""
        self.network.train().requires_grad_(True)
        if not everything:
            for part in self.task.frozen:
                part.eval().requires_grad_(False)

    def _checkpoint(self) -> Checkpoint:
        tensors = _named("network", self.network.state_dict()) | _named("average", self.average.state_dict())
        for name, parameter in self.network.named_parameters():
            tensors |= _named(f"optimiser.{name}", self.optimiser.state.get(parameter, {}))
        return Checkpoint(asdict(self.state), tensors | _named("best", self.best))

    def restore(self, found: Checkpoint, file: Path) -> None:
        """Makes this run what it was when it wrote the checkpoint. Raises BadInput, naming `file`, for weights of other shapes."""
        self.state = _State(**found.values)
        network = _of("network", found.tensors)
        for name, tensor in self.network.state_dict().items():
            if name not in network or network[name].shape != tensor.shape:
                stored = tuple(network[name].shape) if name in network else "no"
                raise BadInput(
                    f"{file}: the checkpoint has {stored} values of {name}, this network {tuple(tensor.shape)}: it is of another input "
                    "or architecture; remove the file to begin anew"
                )
        self.network.load_state_dict(network)
        if self.state.stopped:
            return
        self.average.load_state_dict(_of("average", found.tensors))
        self.best = _of("best", found.tensors)
        for name, parameter in self.network.named_parameters():
            stored_state = _of(f"optimiser.{name}", found.tensors)
            if stored_state:
                # In the layout of the parameter, which arithmetic may depend on in the last bit.
                self.optimiser.state[parameter] = {
                    key: value if value.ndim == 0 else torch.empty_like(parameter).detach().copy_(value)
                    for key, value in stored_state.items()
                }

    def outcome(self) -> Outcome:
        """How it went, with the network on the processor, ready to be used."""
        self.network.requires_grad_(True).zero_grad(set_to_none=True)
        self.network.cpu().eval()
        state = self.state
        reason = {
            "steps": f"all {state.step} steps were made",
            "early": f"stopped early at step {state.step}: no better validation score since step {state.best_step}",
            "not_a_number": f"not a number at step {state.step + 1}, rows {_listed(state.rows)}: kept the weights from before",
        }
        return Outcome(
            history=state.history,
            steps=state.step,
            best_step=state.best_step or state.step,
            best_score=state.best_score,
            stopped=cast(Stop, state.stopped),
            reason=reason[state.stopped],
            seconds=state.seconds,
            rows=state.rows,
        )


def _put_back(statistics: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for statistic, value in zip(statistics, values, strict=True):
        statistic.copy_(value)


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _listed(rows: list[int], most: int = 10) -> str:
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(map(str, rows[:most])) + more
