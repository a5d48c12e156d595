"""What `test_two_nodes.py` starts as a process of its own, in a network of its own: one cluster, all that is asked of it, and the answers.

`python -m synapse_assets_tests.cluster.two_nodes FOLDER`; the last line of its output is JSON.
"""

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from logging import Logger
from pathlib import Path
from typing import Any, TypeVar

from synapse_assets.cluster.engine import RayEngine
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.cluster.harness import (
    REGION,
    cluster,
    dies,
    inputs,
    is_bad,
    made,
    prepared,
    python,
    slowly,
)
from synapse_assets_tests.installation import wait_until
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore

LOG = logging.getLogger("two_nodes")
_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


@dataclass(eq=False)
class Interrupted(RayEngine):
    """A cluster that loses a node, without a word, after some parts, while one is under way there, as a file `under_way` says."""

    after: int = 0
    under_way: Path = Path()
    lose: Callable[[], None] = lambda: None

    def run(
        self, work: Callable[[_Part], _Result], parts: Iterable[_Part], name: Callable[[_Part], str], log: Logger
    ) -> Iterator[tuple[int, _Result]]:
        """See `RayEngine`."""
        for done, result in enumerate(super().run(partial(slowly, 1.0, self.under_way.parent, work), parts, name, log)):
            if done == self.after:
                wait_until("a part is under way", self.under_way.exists, 60)
                log.warning("node removed")
                self.lose()
            yield result


def main(folder: Path) -> dict[str, Any]:
    """Asks the cluster everything; gives the answers by name."""
    answers: dict[str, Any] = {}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    storage = ObjectStore()
    threading.Thread(target=storage.server.serve_forever, args=(0.02,), daemon=True).start()
    os.environ.update(storage.environment, SYNAPSE_LOCAL_ROOT=str(folder / "local of a node"))
    import boto3  # type: ignore[import-untyped]

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    dataset = inputs(folder / "inputs")
    spread = prepared(DatasetStore(f"s3://{BUCKET}/data", "spread", str(folder / "local")))
    alone = prepared(DatasetStore(str(folder / "alone"), "spread"))
    seconds, start = {}, time.monotonic()

    def lap(name: str) -> None:
        seconds[name] = round(time.monotonic() - start, 1)

    with cluster() as nodes:
        lap("head")
        answers["looked at"] = looked_at_while_full()
        lap("look")
        second = nodes.add_node(num_cpus=1, object_store_memory=80_000_000, node_ip_address="127.0.0.2")
        lap("second node")
        engine = RayEngine(2048)
        answers["bad"] = refused(engine, is_bad)
        answers["dies"] = refused(engine, dies)
        lap("bad parts")
        lose = partial(nodes.remove_node, second, allow_graceful=False)
        engine = Interrupted(40, after=4, under_way=folder / second.node_id, lose=lose)
        cut = cut_tiles(spread, dataset, REGION, LOG, engine)
        lap("tiles")
        embedded = embed_region(spread, REGION, "cpu", LOG, RayEngine(40))
        lap("embeddings")
        answers["functions"] = functions_sent()
        answers["computed"] = [cut.computed_rows, embedded.computed_rows]
        answers["checks"] = [check.passed for check in (*cut.checks, *embedded.checks)]
        answers["versions"] = [spread.tiles.version]
        answers |= others(folder)
        lap("other drivers")
    cut_tiles(alone, dataset, REGION, LOG)
    embed_region(alone, REGION, "cpu", LOG)
    answers["equal"] = [here.equals(there) for here, there in zip(made(spread), made(alone), strict=True)]
    answers["folders"] = sorted(path.name for path in folder.iterdir() if path.name.startswith("local"))
    answers["rows"] = [table.num_rows for table in made(spread)]
    lap("all")
    return {**answers, "seconds": seconds}


def refused(engine: RayEngine, work: Callable[[int], int]) -> str:
    """Why a cluster does not carry out that work."""
    try:
        list(engine.run(work, range(4), lambda number: f"region {REGION}, synapses s{number}", LOG))
    except BadInput as error:
        return str(error)
    return ""


def functions_sent() -> int:
    """How many functions the cluster keeps for the tasks of this process."""
    from ray.experimental.internal_kv import _internal_kv_list

    return len(_internal_kv_list(b"RemoteFunction", namespace=b"fun"))


def looked_at_while_full() -> int:
    """How many machines are looked at where a run holds every core."""
    engine = RayEngine(2048)
    engine.at_once(1)
    import ray

    run = ray.remote(lambda: time.sleep(600)).options(num_cpus=1).remote()
    while ray.available_resources().get("CPU", 0):
        time.sleep(0.1)
    looks = engine.everywhere(os.getpid, LOG)
    ray.cancel(run, force=True)
    return len(looks)


_DRIVER = """
import sys
from synapse_assets.cluster.engine import RayEngine
from synapse_assets_tests.cluster.harness import doubled
from synapse_assets_tests.cluster.two_nodes import LOG, connected_with
engine = RayEngine(2048)
connected_with(sys.argv[1])
list(engine.run(doubled, range(1), str, LOG))
print(*engine.remarks)
"""


def connected_with(path: str) -> None:
    """Connects this process so that its workers look for modules in `path` first."""
    import ray

    if path:
        environment = {"PYTHONPATH": os.pathsep.join([path, os.environ.get("PYTHONPATH", "")])}
        ray.init(address="auto", runtime_env={"env_vars": environment}, log_to_driver=False)


def others(folder: Path) -> dict[str, str]:
    """What drivers are told whose workers differ from them, or whose token does."""
    import synapse_assets

    (folder / "changed").mkdir()
    shutil.copytree(Path(synapse_assets.__file__).parent, folder / "changed" / "synapse_assets")
    with (folder / "changed" / "synapse_assets" / "errors.py").open("a") as file:
        file.write("# a change of one's own\n")
    blocked = "import importlib.machinery as m; f = m.PathFinder.find_spec\n"
    blocked += "m.PathFinder.find_spec = lambda n, *a: None if n == 'synapse_assets' else f(n, *a)\n"
    for name, code in (("without", blocked), ("ahead", "import time; t = time.time; time.time = lambda: t() + 300\n")):
        (folder / name).mkdir()
        (folder / name / "sitecustomize.py").write_text(code)
    (folder / "token").write_text("0" * 64)
    tries = {
        **{name: python(folder, _DRIVER, str(folder / name)) for name in ("changed", "without", "ahead")},
        "token": python(folder, _DRIVER, "", RAY_AUTH_TOKEN_PATH=str(folder / "token")),
    }
    said = {name: tried.communicate(timeout=120)[0].decode() for name, tried in tries.items()}
    return {name: text.strip().splitlines()[-1] for name, text in said.items()}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    print(json.dumps(main(Path(sys.argv[1]))))
