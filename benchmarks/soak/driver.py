"""A run that makes a region on the cluster, as a process of its own; every part tells in a file where and when it is carried out."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from logging import Logger
from pathlib import Path
from typing import Any, TypeVar

from synapse_assets.cluster.engine import RayEngine
from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.cluster.harness import REGION

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


@dataclass(eq=False)
class Witnessed(RayEngine):
    """A cluster whose parts append to the file `witness` when they begin and when they have ended."""

    witness: str = ""

    def run(
        self, work: Callable[[_Part], _Result], parts: Iterable[_Part], name: Callable[[_Part], str], log: Logger
    ) -> Iterator[tuple[int, _Result]]:
        """See `RayEngine`."""
        return super().run(partial(witnessed, self.witness, work), parts, name, log)


def witnessed(witness: str, work: Callable[[Any], _Result], part: Any) -> _Result:
    """As `work`, which is told of in the file `witness`."""
    import ray

    execution = f"{ray.util.get_node_ip_address()} {os.getpid()} {time.time()}"
    ids = part.rows.column("synapse_id").to_pylist()
    _tell(witness, {"execution": execution, "ids": ids, "node": execution.split()[0], "began": time.time()})
    core_s = time.process_time()
    result = work(part)
    _tell(witness, {"execution": execution, "ended": time.time(), "core_s": time.process_time() - core_s})
    return result


def _tell(witness: str, what: dict[str, Any]) -> None:
    # One write to the end of a file: lines of several processes do not mix.
    line = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, json.dumps(what).encode() + b"\n")
    os.close(line)


def awake() -> None:
    """What a process of a node imports before its first part."""
    from synapse_assets.pipeline.em import parts  # noqa: F401
    from synapse_assets.vision import encoder  # noqa: F401
    from synapse_assets.volumes import cropping  # noqa: F401


def main(folder: str, address: str, part_tiles: str, witness: str, answer: str) -> None:
    """Makes the region of the dataset in `folder`, and writes into the file `answer` what came of it, as JSON."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    log = logging.getLogger("driver")
    dataset = EmDataset.model_validate_json((Path(folder) / "dataset.json").read_text(encoding="utf-8"))
    store = DatasetStore(address, dataset.name, f"{folder}/local")
    engine = Witnessed(int(part_tiles), witness=witness)
    began = time.time()
    engine.everywhere(awake, log)
    start_s = time.time() - began
    cut = cut_tiles(store, dataset, REGION, log, engine)
    embedded = embed_region(store, REGION, "cpu", log, engine)
    steps = (cut, embedded)
    told = {
        "computed": [step.computed_rows for step in steps],
        "resumed": [step.details["resumed_rows"] for step in steps],
        "failed_checks": [check.name for step in steps for check in step.checks if not check.passed],
        "start_s": start_s,
        "ended": time.time(),
    }
    Path(answer).write_text(json.dumps(told), encoding="utf-8")
