"""What runs on a node before anything of this program is unpickled there: it compares versions, carries out, and answers in plain values.

Ray sends these functions as code, not by name, so that a node without the package, or with another version of it, can say so. They
therefore import what they need inside and use nothing else of this module.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from synapse_assets.errors import BadInput

# Where another version may make other numbers, or files that the others cannot read.
_LIBRARIES = ("torch", "timm", "numpy", "pyarrow", "pylance", "tensorstore")


def _by_value() -> tuple[Callable[[list[str]], dict[str, str]], Callable[[str, bytes], dict[str, Any]]]:
    """The functions: nested, since Ray sends by name whatever has one."""

    def versions(libraries: list[str]) -> dict[str, str]:
        """The version of the program, of its source files and of these libraries here; empty for what there is not."""
        import hashlib
        import importlib.metadata
        import importlib.util
        from pathlib import Path

        found = {"synapse_assets": "", "its source files": ""}
        spec = importlib.util.find_spec("synapse_assets")
        if spec is not None and spec.submodule_search_locations:
            [folder] = list(spec.submodule_search_locations)[:1]
            content = hashlib.sha256()
            for file in sorted(Path(folder).rglob("*.py")):
                content.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
            found["its source files"] = content.hexdigest()[:16]
            found["synapse_assets"] = str(getattr(importlib.import_module("synapse_assets"), "__version__", "unknown"))
        for name in libraries:
            try:
                # Without what is built for: a node with a graphics card has another build of torch.
                found[name] = importlib.metadata.version(name).split("+")[0]
            except importlib.metadata.PackageNotFoundError:
                found[name] = ""
        return found

    def carry(needed: str, payload: bytes) -> dict[str, Any]:
        """The answer to a pickled (function, argument): node, began and ended (its clock, seconds), and one of result (pickled), refused
        (the reason) and error (kind, text, traceback)."""
        import json
        import pickle
        import socket
        import sys
        import time
        import traceback

        import ray

        node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        answer: dict[str, Any] = {"node": node, "began": time.time()}
        wanted = json.loads(needed)
        here = versions([name for name in wanted if name not in ("synapse_assets", "its source files")])
        differing = [name for name in wanted if here.get(name) != wanted[name]]
        if not here["synapse_assets"]:
            answer["refused"] = (
                f"has no synapse_assets in {sys.executable}: run `{sys.executable} -m pip install "
                f"'synapse-assets[ray]=={wanted['synapse_assets']}'` there, or `make install` in the checkout of this run, then start again"
            )
        elif differing == ["its source files"]:
            answer["refused"] = (
                f"has other source files of synapse_assets {here['synapse_assets']} than this run (in {sys.executable}): bring its "
                "checkout to the state of this one (`git pull`, and no changes of its own), then start again"
            )
        elif differing:
            name = next(name for name in differing if name != "its source files")
            answer["refused"] = (
                f"has {name} {here[name] or '(not installed)'} and this run {wanted[name]}, so their numbers or files could differ: "
                f"install the same there (in {sys.executable}), then start again"
            )
        else:
            try:
                work, argument = pickle.loads(payload)  # noqa: S301 -- of the driver, whom the cluster's token let in
                answer["result"] = pickle.dumps(work(argument))
            except Exception as error:
                from synapse_assets.errors import BadInput, StorageError

                kinds = {"BadInput": BadInput, "ConnectionError": ConnectionError, "StorageError": StorageError}
                kind = next((name for name, of in kinds.items() if isinstance(error, of)), type(error).__name__)
                text = str(error) if kind in kinds else f"{kind}: {error}"
                answer["error"] = (kind, text, traceback.format_exc())
        answer["ended"] = time.time()
        return answer

    return versions, carry


@lru_cache(maxsize=1)
def carrier() -> Callable[[str, bytes], dict[str, Any]]:
    """The function that Ray carries to the nodes: of `requirement()` and a pickled (function, argument)."""
    return _by_value()[1]


@lru_cache(maxsize=1)
def requirement() -> str:
    """What a node has to have, as text. Raises BadInput where a library is not installed here."""
    here = _by_value()[0](list(_LIBRARIES))
    absent = [name for name, version in here.items() if not version]
    if absent:
        raise BadInput(f"{absent} are not installed here: pip install 'synapse-assets[ray]'")
    return json.dumps(here)
