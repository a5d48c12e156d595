"""`python -m` this on a node of the cluster: carries out one run of Dagster there, or says in one line why this node cannot.

The line begins with a mark that `endings` finds in the log of the job.
"""

import os
import runpy
import socket
import sys
from pathlib import Path

from synapse_assets import __version__
from synapse_assets.caches import keep_caches
from synapse_assets.cluster.endings import MARK
from synapse_assets.datasets import load_dataset
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.settings import Settings

_CONNECT_S = 20


def carry_out(version: str, arguments: str) -> None:
    """Carries out the run that a machine with that version of the package sent: `arguments` are those of `dagster api execute_run`."""
    try:
        _check_node(version, arguments)
    except SynapseAssetsError as error:
        print(f"\n{MARK} on the node {socket.gethostname()}: {' '.join(str(error).split())}", flush=True)
        raise SystemExit(1) from None
    sys.argv = ["dagster", "api", "execute_run", arguments]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def _check_node(version: str, arguments: str) -> None:
    """Prepares this process as the command line does one of a single machine. Raises BadInput for what this node lacks."""
    if version != __version__:
        raise BadInput(
            f"synapse-assets {__version__} is installed there, and the run was sent by {version}: install that version on every node"
        )
    # Ray gives the process of a run one thread, whatever it computes.
    if os.environ.get("OMP_NUM_THREADS") == "1":
        del os.environ["OMP_NUM_THREADS"]
    settings = Settings()
    keep_caches(settings.local_root)
    logs = Path(settings.local_root) / ".dagster" / "logs"
    try:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{logs} cannot be made ({error.strerror}): set SYNAPSE_LOCAL_ROOT there to a folder of its own"
        ) from error
    os.environ["DAGSTER_LOCAL_LOGS"] = str(logs)
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)
    for name in settings.datasets:
        try:
            load_dataset(name, settings.local_root)
        except BadInput as error:
            raise BadInput(
                f"{error} (a dataset file, and the variables that it names, have to be the same on every node)"
            ) from error
    if "SYNAPSE_POSTGRES_URL" in arguments:
        _check_history()


def _check_history() -> None:
    url = os.environ.get("SYNAPSE_POSTGRES_URL")
    if url is None:
        raise BadInput(
            "SYNAPSE_POSTGRES_URL is not set there: set it, to the same database, where `synapse-assets node` is started"
        )
    try:
        import psycopg2  # type: ignore[import-untyped]
    except ImportError:
        raise BadInput("psycopg2 is not installed there: pip install 'synapse-assets[postgres,ray]'") from None
    try:
        psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://", 1), connect_timeout=_CONNECT_S).close()
    except psycopg2.Error as error:
        raise BadInput(
            f"the database of the run history (SYNAPSE_POSTGRES_URL there) does not let it in: {' '.join(str(error).split())}"
        ) from None


if __name__ == "__main__":
    carry_out(*sys.argv[1:])
