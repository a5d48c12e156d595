"""Where the libraries keep what they compile and fetch: below the local root, wherever the package and the home folder lie.

Read by each library when it is imported, so it has to be said before; processes that are started later inherit it.
"""

import os
from pathlib import Path

# By environment variable, the folder below the local root's `.cache`.
_PLACES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
}
# Networks that were fetched, and the login that fetches them: a folder in the usual place stays in use.
_FETCHED = {"HF_HOME": "huggingface", "TORCH_HOME": "torch"}
_FOLLOWED = "XDG_CACHE_HOME"


def keep_caches(local_root: str) -> None:
    """Sends the caches of this process, and of those it starts, to `<local root>/.cache`.

    What is set in the environment stays. The folder is its owner's alone, because numba runs what it finds there; of a root that
    several people use, the others have `.cache-<number of the user>`. Where none can be made each library goes on looking for a
    place of its own.
    """
    if os.path.expanduser("~") == "~":
        # Of a user without a name; some libraries fail where there is no home folder at all, even one that is not there.
        os.environ["HOME"] = local_root
    folder = next(filter(_made, (Path(local_root, name) for name in (".cache", f".cache-{os.geteuid()}"))), None)
    if folder is None:
        return
    places = {name: folder / place for name, place in _PLACES.items()}
    if not os.environ.get(_FOLLOWED):
        usual = Path(os.path.expanduser("~"), ".cache")
        places |= {
            name: usual / place if os.access(usual / place, os.W_OK) else folder / place
            for name, place in _FETCHED.items()
        }
        places[_FOLLOWED] = folder
    for name, place in places.items():
        if not os.environ.get(name):
            os.environ[name] = str(place)


def _made(folder: Path) -> bool:
    """Whether a folder, made if need be, is ours and can be written; then nobody else may enter it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A link is looked at as well: somebody else's may lead to any folder of ours.
        if {folder.lstat().st_uid, folder.stat().st_uid} != {os.geteuid()}:
            return False
        folder.chmod(0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
