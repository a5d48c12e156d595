"""Where the program stands: its name in commands to paste, and the folder of Dagster's history, `<local root>/.dagster`: made, closed to
others, and named to Dagster in the environment.
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from synapse_assets import serving
from synapse_assets.caches import keep_caches
from synapse_assets.cli.cluster import LOCAL_LOGS, check_cluster, cluster_settings
from synapse_assets.cluster.node import environment as cluster_environment
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

# In a wheel it lies in the package, in a checkout beside it.
_DAGSTER_SETTINGS = next(
    file for file in (folder / "dagster.yaml" for folder in Path(__file__).resolve().parents[1:3]) if file.exists()
)
_OWN_FOLDER = "set SYNAPSE_LOCAL_ROOT to a folder of your own"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def program() -> str:
    """The program in a command that is to be pasted: as it was called, where the name alone would not be found."""
    called = sys.argv[0]
    if Path(called).name == "synapse-assets" and shutil.which("synapse-assets") is None:
        return called
    return "synapse-assets"


def prepare_home(settings: Settings, sends_runs: bool = True) -> Path:
    """The Dagster home of this installation, `<local root>/.dagster`, with its dagster.yaml and workspace.yaml; sets DAGSTER_HOME.

    It is its owner's alone: whoever reads the history and its logs may read the secrets of a run. sends_runs: whether a cluster has to be
    there, where SYNAPSE_RAY_ADDRESS names one; what only reads the history needs none. Raises BadInput where
    the folder cannot be made, or belongs to somebody else; for a cluster what `cli.cluster` raises.
    """
    home = Path(settings.local_root) / ".dagster"
    on_cluster = settings.ray_address is not None and sends_runs
    if on_cluster:
        check_cluster(settings)
    _make_private(home)
    keep_caches(settings.local_root)
    configuration = _DAGSTER_SETTINGS.read_text(encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["SYNAPSE_DATA_ROOT"] = settings.data_root
    os.environ["SYNAPSE_LOCAL_ROOT"] = settings.local_root
    # The first tick of automation over many regions reads much of the history; Dagster's own limit is a minute.
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "300")
    export_history(settings)
    if settings.postgres_url is not None:
        configuration += "storage: {postgres: {postgres_url: {env: SYNAPSE_POSTGRES_URL}}}\n"
    if settings.ray_address is not None:
        _join_cluster(home)
    if on_cluster:
        configuration = cluster_settings(settings, configuration)
    if settings.ray_address is None or on_cluster or not (home / "dagster.yaml").exists():
        serving.write_whole(home / "dagster.yaml", configuration)
    if settings.postgres_url is None:
        make_history(home)
    return home


def export_history(settings: Settings) -> None:
    """Sets SYNAPSE_POSTGRES_URL for Dagster, which reads it from the environment: its files hold no password."""
    if settings.postgres_url is not None:
        # Of the drivers, this is the installed one.
        url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", settings.postgres_url.get_secret_value())
        os.environ["SYNAPSE_POSTGRES_URL"] = url


def _join_cluster(home: Path) -> None:
    """Sets what this process, and those that it starts, need in their environment for the cluster, and to keep logs beside the data."""
    os.environ.update(cluster_environment())
    logs = home / "logs"
    logs.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    os.environ[LOCAL_LOGS] = str(logs)
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)


@contextmanager
def open_history(settings: Settings) -> "Iterator[DagsterInstance]":
    """Dagster's history, in the home that `prepare_home` made. Raises BadInput where it is in Postgres and that does not let us in."""
    import dagster as dg

    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:
        # Its errors can be imported only where the extra `postgres` is installed.
        if settings.postgres_url is None or type(error).__module__ != "dagster_postgres.utils":
            raise
        raise BadInput(
            "SYNAPSE_POSTGRES_URL: the database of the run history does not let us in: start it, or correct user, password, host or "
            f"database; `synapse-assets doctor` says more: {' '.join(str(getattr(error.__cause__, 'orig', error.__cause__)).split())}"
        ) from error
    with instance:
        yield instance


def make_history(home: Path) -> None:
    """Dagster's tables of a new installation, in SQLite files below DAGSTER_HOME: the first process makes them, others wait for it.

    Two that made them at once would both fail, and code server, webserver and daemon are often started together. In Postgres
    Dagster itself tries again.
    """
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Of the files, the one that is made last.
        if not (home / "schedules" / "schedules.db").exists():
            # Only then: it takes seconds to import.
            import dagster as dg

            with dg.DagsterInstance.get():
                pass


def _make_private(folder: Path) -> None:
    """A folder that only its owner may enter, made or closed, with everything in it; links stay as they are."""
    remedy = _OWN_FOLDER
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        # A link is checked as well: somebody else's may lead to any folder of ours.
        owners = {folder.lstat().st_uid, folder.stat().st_uid} - {os.geteuid()}
    except OSError as error:
        raise BadInput(
            f"{folder}, the folder of the run history, cannot be made: {error.strerror}; {remedy}"
        ) from error
    if owners:
        owner: int | str = owners.pop()
        with suppress(KeyError):
            owner = pwd.getpwuid(int(owner)).pw_name
        raise BadInput(
            f"{folder}, the folder of the run history, belongs to user {owner}: start this as that user, or {remedy}"
        )
    real = folder.resolve()
    if not os.access(real, os.W_OK):
        raise BadInput(
            f"{folder}, the folder of the run history, cannot be written: give this user the right to write there, or {remedy}"
        )
    if not real.stat().st_mode & _OTHERS:
        return  # nobody else reaches what lies in it
    contents = (os.path.join(parent, name) for parent, folders, files in os.walk(real) for name in (*folders, *files))
    for path in chain([str(real)], contents):
        # Other processes of the installation remove files meanwhile; what is not ours lies in a closed folder.
        with suppress(FileNotFoundError, PermissionError):
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode) and mode & _OTHERS:
                os.chmod(path, stat.S_IMODE(mode) & ~_OTHERS)
