"""Parts of a region's work as tasks on the nodes of a Ray cluster that this process belongs to.

A task is sent as plain text and bytes, and unpickled only where the node has the same program and libraries as this process: another
version might make other numbers without a word. Ray's own retries are off: what is tried again, how often, and what a person is told,
is decided here. What a part is, and what it leaves in the store, belongs to `pipeline`.
"""

import logging
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from logging import Logger
from typing import Any, TypeVar

from synapse_assets.cluster.carrier import carrier, requirement
from synapse_assets.cluster.clocks import Clocks
from synapse_assets.cluster.node import INSTALL, environment
from synapse_assets.errors import BadInput, StorageError, Unreachable

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

# How often a part is carried out before it is given up.
_TRIES = 4
_TRIES_WITHOUT_MEMORY = 3
_SECONDS_BETWEEN_LOOKS = 10.0
# Without a node that could carry out a part the run ends, to be tried again.
_SECONDS_WITHOUT_NODES = 60.0
_SECONDS_OF_WAITING = 60.0
_REFUSED = (
    "the Ray cluster refuses this process: its token is not that of the cluster. Set RAY_AUTH_MODE=token, and give the nodes' token "
    "in the file ~/.ray/auth_token or the one that RAY_AUTH_TOKEN_PATH names"
)
_OUTSIDE = (
    "this process belongs to no Ray cluster, though SYNAPSE_RAY_ADDRESS is set: send the run there (from the Dagster UI, or "
    "`synapse-assets materialize`), make this machine a node (`synapse-assets node HEAD`), or remove the setting"
)


def require_shared(address: str) -> None:
    """Raises BadInput where what is stored at that path or address cannot be reached by every node of a cluster."""
    if "://" not in address or address.startswith("file://"):
        raise BadInput(
            f"the data root {address} is a folder of this machine, which the other nodes of the Ray cluster do not have: set "
            "SYNAPSE_DATA_ROOT to an address on object storage (s3://, gs://) on all of them, or remove SYNAPSE_RAY_ADDRESS"
        )


@dataclass(eq=False)
class _Task:
    number: int
    name: str
    payload: bytes
    sent: float = 0.0
    lost_nodes: int = 0
    dead_workers: int = 0
    out_of_memory: int = 0


@dataclass(eq=False)
class RayEngine:
    """See `pipeline.engine.Engine`, which this is. Connects when it is used.

    part_tiles: of a part. cpus, gpus: processor cores and graphics cards of a part; with none of these, networks run on processors. runs:
    that go on side by side, by default one a node. wanted_device: what networks run on where parts have graphics cards.
    """

    part_tiles: int
    cpus: float = 1.0
    gpus: float = 0.0
    runs: int | None = None
    wanted_device: str = "auto"
    _clocks: Clocks = field(default_factory=Clocks)

    @property
    def device(self) -> str:
        """What networks run on in a part. Of the cards of a node a part sees only its own, as the first."""
        if not self.gpus:
            return "cpu"
        return "cuda" if self.wanted_device == "auto" else self.wanted_device.split(":")[0]

    @property
    def remarks(self) -> Sequence[str]:
        """What is wrong with the clocks of the nodes."""
        return self._clocks.remarks()

    def at_once(self, parts: int) -> int:
        """See `Engine`."""
        ray = _connected()
        places = self._places(ray)
        return max(1, min(sum(places.values()), (self.runs or len(places)) * parts))

    def run(
        self, work: Callable[[_Part], _Result], parts: Iterable[_Part], name: Callable[[_Part], str], log: Logger
    ) -> Iterator[tuple[int, _Result]]:
        """See `Engine`. Raises BadInput too where no node can carry out a part, and for a part that fails always; Unreachable where the
        nodes are lost."""
        tasks = (_Task(number, name(part), pickle.dumps((work, part))) for number, part in enumerate(parts))
        first = next(tasks, None)
        if first is None:
            return
        ray = _connected()
        if not self._places(ray):
            raise BadInput(self._no_place(ray))
        again = [first]
        flying: dict[Any, _Task] = {}
        last_result = seen_nodes = time.monotonic()
        try:
            while True:
                places = sum(self._places(ray).values())
                # More than there is room for, so that none waits for this process; not many, since each is held in memory.
                while len(flying) < 2 * max(1, places):
                    task = again.pop() if again else next(tasks, None)
                    if task is None:
                        break
                    flying[self._sent(ray, task)] = task
                if not flying:
                    break
                now = time.monotonic()
                seen_nodes = now if places else seen_nodes
                if now - seen_nodes > _SECONDS_WITHOUT_NODES:
                    raise Unreachable(f"{self._no_place(ray)}. What was done stays; the run goes on from there")
                ready, _ = ray.wait(list(flying), num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
                if not ready and now - last_result > _SECONDS_OF_WAITING:
                    last_result = now
                    log.info(f"waiting for {len(flying)} parts, first {next(iter(flying.values())).name}; {_free(ray)}")
                for reference in ready:
                    task = flying.pop(reference)
                    answer = self._answer(ray, reference, task, log)
                    if answer is None:
                        again.append(task)
                        continue
                    last_result = time.monotonic()
                    yield task.number, pickle.loads(answer["result"])  # noqa: S301 -- made by our own function on a node of the cluster
        finally:
            for reference in flying:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
        for remark in self.remarks:
            log.warning(remark)

    def everywhere(self, work: Callable[[], _Result], log: Logger) -> Mapping[str, _Result]:
        """See `Engine`. A node that is lost meanwhile is left out; raises Unreachable where all are."""
        ray = _connected()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        waiting: dict[Any, _Task] = {}
        for node in self._places(ray):
            task = _Task(0, "a look at the node", pickle.dumps((_called, work)))
            # It takes no core: those of a small node may all be held by runs, this one among them, until they end.
            waiting[self._sent(ray, task, NodeAffinitySchedulingStrategy(node, soft=False), cpus=0)] = task
        if not waiting:
            raise BadInput(self._no_place(ray))
        results: dict[str, _Result] = {}
        try:
            for reference, task in waiting.items():
                answer = self._answer(ray, reference, task, log, "it is left out")
                if answer is not None:
                    results[answer["node"]] = pickle.loads(answer["result"])  # noqa: S301 -- as above
        finally:
            for reference in waiting:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
        if not results:
            raise Unreachable(
                "no node of the Ray cluster said what it can do: look at them (`ray status`), and start the run again"
            )
        return results

    def _sent(self, ray: Any, task: _Task, strategy: Any = "SPREAD", cpus: float | None = None) -> Any:
        task.sent = time.time()
        carry = _remote(ray).options(
            num_cpus=self.cpus if cpus is None else cpus,
            num_gpus=self.gpus or None,
            max_retries=0,
            scheduling_strategy=strategy,
            name=task.name,
        )
        return carry.remote(requirement(), task.payload)

    def _answer(
        self, ray: Any, reference: Any, task: _Task, log: Logger, otherwise: str = "it is carried out again"
    ) -> dict[str, Any] | None:
        """What a task answered, its result in it; None where its machine or process was lost. `otherwise`: what then becomes of it."""
        try:
            answer: dict[str, Any] = ray.get(reference)
        except Exception as error:
            log.warning(f"{self._judged(error, task)}; {otherwise}")
            return None
        node = answer["node"]
        self._clocks.seen(node, task.sent, answer["began"], answer["ended"], time.time())
        if "result" in answer:
            return answer
        if "refused" in answer:
            raise BadInput(f"node {node} {answer['refused']}")
        kind, text, where = answer["error"]
        sentence = f"node {node}, {task.name}: {text}"
        if kind == "BadInput":
            raise BadInput(sentence)
        if kind == "ConnectionError":
            raise Unreachable(sentence)
        if kind == "StorageError":
            raise StorageError(sentence)
        raise RuntimeError(f"{sentence}\n{where}")

    def _judged(self, error: Exception, task: _Task) -> str:
        """What happened to a task that gave no answer, in words. Raises what ends the run, where it has happened too often."""
        from ray import exceptions

        what = " ".join(str(error).split())[:300]
        if isinstance(error, exceptions.OutOfMemoryError):
            task.out_of_memory += 1
            said = f"{task.name}: the node ran out of memory"
            if task.out_of_memory >= _TRIES_WITHOUT_MEMORY:
                raise BadInput(f"{said} {task.out_of_memory} times. {self._less_at_once()}. Ray says: {what}") from None
            return said
        if isinstance(error, exceptions.ObjectStoreFullError | exceptions.OutOfDiskError):
            raise BadInput(
                f"{task.name}: the object store of a node is full, or the disk that it lies on. Free space in the folder of "
                "`ray start --temp-dir` (/tmp/ray), or start the node with a larger --object-store-memory. "
                f"Little of this program lies there: look what else uses the cluster. Ray says: {what}"
            ) from None
        if isinstance(error, exceptions.NodeDiedError):
            task.lost_nodes += 1
            said = f"{task.name}: its node was lost"
            if task.lost_nodes >= _TRIES:
                raise Unreachable(
                    f"{said} {task.lost_nodes} times: look at the nodes (`ray status`) and their network. What was done stays"
                ) from None
            return said
        if isinstance(
            error, exceptions.WorkerCrashedError | exceptions.ObjectLostError | exceptions.LocalRayletDiedError
        ):
            task.dead_workers += 1
            said = f"{task.name}: the process that made it died"
            if task.dead_workers >= _TRIES:
                raise BadInput(
                    f"{said} {task.dead_workers} times, on whatever node; most often a node has too little memory. {self._less_at_once()}. "
                    "If it stays, look for these synapses in the logs of the nodes (/tmp/ray/session_latest/logs). What was done stays. "
                    f"Ray says: {what}"
                ) from None
            return said
        if isinstance(error, exceptions.TaskCancelledError):
            raise Unreachable(
                f"{task.name} was cancelled on the cluster: start the run again, it goes on from there"
            ) from None
        raise error

    def _less_at_once(self) -> str:
        return (
            f"Set SYNAPSE_RAY_PART_TILES lower than {self.part_tiles:,}, or SYNAPSE_RAY_CPUS higher than {self.cpus:g}, so that fewer "
            "parts share a node, and start the run again"
        )

    def _places(self, ray: Any) -> dict[str, int]:
        """Parts that each node has room for at the same time, by the node's id; nodes without room are left out."""
        places = {}
        for node in ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                room = int(has.get("CPU", 0) / self.cpus)
                if self.gpus:
                    room = min(room, int(has.get("GPU", 0) / self.gpus))
                if room:
                    places[node["NodeID"]] = room
        return places

    def _no_place(self, ray: Any) -> str:
        cards = f" and {self.gpus:g} graphics cards (SYNAPSE_RAY_GPUS)" if self.gpus else ""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        there = "; ".join(f"{has.get('CPU', 0):g} cores, {has.get('GPU', 0):g} cards" for has in nodes) or "no node"
        return (
            f"no node of the Ray cluster has {self.cpus:g} processor cores (SYNAPSE_RAY_CPUS){cards}, as a part takes; there is {there}: "
            "lower these settings, or start nodes that have them"
        )


@lru_cache(maxsize=1)
def _remote(ray: Any) -> Any:
    """What carries out a task, made once: the cluster keeps each that is made until the run ends."""
    return ray.remote(carrier())


def _called(work: Callable[[], _Result]) -> _Result:
    return work()


def _free(ray: Any) -> str:
    free = ray.available_resources()
    return f"free in the cluster: {free.get('CPU', 0):g} cores, {free.get('GPU', 0):g} graphics cards"


def _answers(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    with suppress(OSError, ValueError):
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        return True
    return False


def _connected() -> Any:
    """Ray, connected to the cluster that this process runs in. Raises BadInput where it is not installed or there is none, and where it
    refuses."""
    for name, value in environment().items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BadInput(
            f"SYNAPSE_RAY_ADDRESS is set, but Ray is not installed here: {INSTALL}, or remove the setting"
        ) from error
    if ray.is_initialized():
        return ray
    from ray.exceptions import AuthenticationError

    # As Ray sets it in what it starts. Where nothing listens, it would try for minutes.
    address = os.environ.get("RAY_ADDRESS", "")
    if address and not _answers(address):
        raise BadInput(f"{_OUTSIDE}. Nothing listens at {address} (RAY_ADDRESS)")
    try:
        ray.init(address="auto", logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    except AuthenticationError:
        raise BadInput(_REFUSED) from None
    except (ConnectionError, RuntimeError, ValueError) as error:
        # It does not say why; but the cluster has just answered.
        said = " ".join(str(error).split())[:300]
        raise BadInput(_REFUSED if address and _answers(address) else f"{_OUTSIDE}. Ray says: {said}") from None
    return ray
