"""What `doctor` looks at: each probe gives findings, and may raise whatever it meets.

No probe starts Dagster, and none changes anything but the little file that it writes to the storage and removes again.
"""

import errno
import json
import os
import platform
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from dotenv import dotenv_values

from synapse_assets import __version__
from synapse_assets.cli.cluster import check_cluster, nodes_in_words, runs_at_once
from synapse_assets.cluster.job_interface import JobInterface
from synapse_assets.cores import RUNS_SIDE_BY_SIDE, cores
from synapse_assets.datasets import load_dataset
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets.sources.needs import needs_of
from synapse_assets.stores.files import Files, endpoint

# Those whose version changes what is computed or stored.
_LIBRARIES = (
    *(
        "dagster",
        "torch",
        "torchvision",
        "timm",
        "monai",
        "numpy",
        "scipy",
        "scikit-learn",
        "xgboost",
        "umap-learn",
        "hdbscan",
        "numba",
    ),
    *("pylance", "lancedb", "duckdb", "pyarrow", "pandas", "tensorstore", "h5py", "zarr", "cloud-volume", "caveclient"),
)
# Served by default: what, port, setting or option that takes another.
_PORTS = (("Dagster UI", 3000), ("explorer", 8050), ("code server", 4000))
_ON_THE_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "beegfs",
    "gpfs",
    "ceph",
    "gluster",
    "afs",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
)
_ENOUGH_DISK_BYTES = 5 << 30
_NO_DISK_BYTES = 256 << 20
_ANSWER_S = 2
_STORAGE_VARIABLES = (
    "AWS_",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "HF_HOME",
    "CUDA_VISIBLE_DEVICES",
)


class Level(StrEnum):
    """How bad it is: of a problem something does not work, of a warning something may surprise."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, how it is, and what to do where it is not well."""

    level: Level
    about: str
    text: str
    remedy: str = ""


def ok(about: str, text: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(Level.OK, about, text)


def program() -> Iterator[Finding]:
    """Versions of the package, of Python, of the system and of the libraries, against those that are asked for."""
    container = ", in a container" if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() else ""
    yield ok(
        "package",
        f"synapse-assets {__version__}, Python {platform.python_version()} ({platform.python_implementation()})",
    )
    yield ok("system", f"{platform.platform()}{container}")
    installed = {name: found for name in _LIBRARIES if (found := _version(name)) is not None}
    yield ok("libraries", ", ".join(f"{name} {found}" for name, found in installed.items()))
    if wrong := list(_requirements_unmet()):
        yield Finding(
            Level.PROBLEM,
            "libraries",
            "; ".join(wrong),
            "make install, or pip install --upgrade synapse-assets, in this environment",
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _requirements_unmet() -> Iterator[str]:
    from packaging.requirements import Requirement

    for line in requires("synapse-assets") or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = _version(wanted.name)
        if found is None:
            yield f"{wanted.name} is not installed"
        elif not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name} is {found}, but {wanted.specifier} is needed"


def device(settings: Settings) -> Iterator[Finding]:
    """What networks run on, and in which precision."""
    from synapse_assets.vision.devices import describe_device

    facts = describe_device(settings.device)
    memory = "" if facts.memory_bytes is None else f", {_gb(facts.free_bytes or 0)} of {_gb(facts.memory_bytes)} free"
    bfloat = "native bfloat16" if facts.precision == "bfloat16" else "no native bfloat16"
    text = f"{facts.device} ({facts.name}{memory}) by SYNAPSE_DEVICE={settings.device}; computes in {facts.precision}: {bfloat}"
    if not facts.device.startswith("cuda") and settings.device == "auto" and shutil.which("nvidia-smi"):
        why = (
            "torch is built without CUDA" if facts.cuda_build is None else f"torch is built for CUDA {facts.cuda_build}"
        )
        yield Finding(
            Level.WARNING,
            "device",
            f"{text}. There is an NVIDIA driver, but torch does not reach it: {why}",
            "see that nvidia-smi lists the card, and install the torch of its CUDA version (https://pytorch.org/get-started/locally)",
        )
    else:
        yield ok("device", text)


def computer() -> Iterator[Finding]:
    """Cores, how they are shared, and memory."""
    count, threads = cores(), os.environ.get("OMP_NUM_THREADS", "")
    plural = "" if threads == "1" else "s"
    text = f"{count} for this process; a run has {threads} thread{plural}, {RUNS_SIDE_BY_SIDE} runs go side by side"
    if threads.isdigit() and int(threads) > count:
        remedy = "unset OMP_NUM_THREADS: each run then takes its share of the cores"
        yield Finding(Level.WARNING, "cores", f"{text}: more threads than cores wait for each other", remedy)
    else:
        yield ok("cores", text)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [memory]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if (path := Path(file)).exists() and (limit := path.read_text().strip()).isdigit():
            limits.append(int(limit))
    allowed = "" if min(limits) == memory else f"; {_gb(min(limits))} are allowed to this container"
    yield ok("memory", f"{_gb(memory)}{allowed}")


def storage(settings: Settings) -> Iterator[Finding]:
    """Whether the data root and the local root can be written, on what they lie, and how much room there is."""
    roots = {"SYNAPSE_DATA_ROOT": settings.data_root}
    if settings.local_root != settings.data_root:
        roots["SYNAPSE_LOCAL_ROOT"] = settings.local_root
    for variable, root in roots.items():
        files = Files(root, settings.local_root)
        if not files.is_local:
            server = f" at {endpoint()}" if root.startswith("s3://") and endpoint() else ""
            yield from _tried(variable, files, f"{root}{server}")
            continue
        there = next(folder for folder in (files.path, *files.path.parents) if folder.is_dir())
        kind, free = _file_system(there), shutil.disk_usage(there).free
        where = f"{root}: {kind}, {_gb(free)} free"
        if there == files.path:
            yield from _tried(variable, files, where)
        else:
            yield _makeable(variable, files.path, there, where)
        if free < _ENOUGH_DISK_BYTES:
            level = Level.PROBLEM if free < _NO_DISK_BYTES else Level.WARNING
            yield Finding(
                level,
                "disk",
                f"{_gb(free)} free at {root}",
                f"free some space, or set {variable} to a folder on another disk",
            )
        if root == settings.local_root and settings.postgres_url is None and kind.startswith(_ON_THE_NETWORK):
            yield Finding(
                Level.WARNING,
                "history",
                f"the run history would be SQLite files on a network drive ({kind}), where locks are not to be relied on",
                "set SYNAPSE_LOCAL_ROOT to a folder on a disk of this machine, or SYNAPSE_POSTGRES_URL to a database",
            )


def _tried(variable: str, files: Files, where: str) -> Iterator[Finding]:
    """Writes, reads and removes a little file, as every table is written."""
    name, content = f"doctor-{uuid.uuid4().hex[:8]}", os.urandom(16)
    began = time.perf_counter()
    try:
        try:
            with files.replace(name, sweep=False) as stream:
                stream.write(content)
            with files.open(name) as stream:
                read = stream.read()
        finally:
            if files.exists(name):
                files.remove(name)
    except (SynapseAssetsError, OSError) as error:
        yield Finding(Level.PROBLEM, variable, f"{where}; a file cannot be written and read there: {error}")
        return
    if read != content:
        yield Finding(
            Level.PROBLEM,
            variable,
            f"{where}; what was written is not what is read",
            "use another disk or object storage",
        )
        return
    yield ok(variable, f"{where}; written, read and removed in {(time.perf_counter() - began) * 1e3:.0f} ms")


def _makeable(variable: str, folder: Path, above: Path, where: str) -> Finding:
    """Whether a folder that is not there yet can be made in the one above it that is."""
    try:
        folder.lstat()
        reason = "is no folder"
    except FileNotFoundError:
        try:
            with tempfile.TemporaryDirectory(prefix=".doctor-", dir=above):
                return ok(variable, f"{where}; not there yet, the first run makes it")
        except OSError as error:
            reason = f"cannot be made in {above}: {error.strerror}"
    except OSError as error:
        reason = f"cannot be made: {error.strerror}"
    remedy = f"give this user the right to write there, or set {variable} to another folder"
    return Finding(Level.PROBLEM, variable, f"{folder} {reason}", remedy)


def _file_system(folder: Path, mounts_file: Path = Path("/proc/mounts")) -> str:
    """The kind of file system that a folder lies on, as the kernel names it; 'local' where it does not say."""
    try:
        mounts = [line.split() for line in mounts_file.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "local"
    real = folder.resolve()
    holding = [
        (len(place.parts), kind)
        for _, point, kind, *_ in mounts
        if (place := Path(point.encode().decode("unicode_escape"))) in (real, *real.parents)
    ]
    # Of two at one place the later one covers the other.
    return max(reversed(holding), key=lambda found: found[0])[1] if holding else "local"


def ports() -> Iterator[Finding]:
    """Whether the ports that are served by default are free, or in use by what is served there."""
    for what, port in _PORTS:
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                reason = 0
            except OSError as error:
                reason = error.errno or -1
        if not reason:
            yield ok(f"port {port}", f"free, for the {what}")
        elif reason != errno.EADDRINUSE:
            yield Finding(
                Level.WARNING, f"port {port}", f"cannot be used: {os.strerror(reason)}", _other_port(what, port)
            )
        elif server := _server_at(what, port):
            yield ok(f"port {port}", f"in use, by {server}")
        else:
            yield Finding(
                Level.WARNING,
                f"port {port}",
                f"in use by another program; the {what} wants it",
                _other_port(what, port),
            )


def _other_port(what: str, port: int) -> str:
    command = {"Dagster UI": "ui", "explorer": "explore", "code server": "serve code"}[what]
    return f"give another: synapse-assets {command} --port {port + 1}"


def _server_at(what: str, port: int) -> str:
    """What of the project's own answers at a port; empty for nothing."""
    # Never through a proxy.
    ask = build_opener(ProxyHandler({})).open
    try:
        if what == "Dagster UI":
            query = "/graphql?query=%7BworkspaceOrError%7B...on%20Workspace%7BlocationEntries%7Bname%7D%7D%7D%7D"
            with ask(f"http://127.0.0.1:{port}{query}", timeout=_ANSWER_S) as answer:
                entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
            return (
                "the Dagster UI of synapse_assets" if "synapse_assets" in {entry["name"] for entry in entries} else ""
            )
        if what == "explorer":
            with ask(f"http://127.0.0.1:{port}/", timeout=_ANSWER_S) as answer:
                return "the explorer" if b"/look/explorer.css" in answer.read(1 << 16) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    # It speaks gRPC, which only Dagster would understand.
    return "a server, perhaps `synapse-assets serve code`"


def history(settings: Settings) -> Iterator[Finding]:
    """Where Dagster's history is, and whether it is reached."""
    home = Path(settings.local_root) / ".dagster"
    if settings.postgres_url is not None:
        try:
            import psycopg2  # type: ignore[import-untyped]
        except ImportError:
            remedy = "pip install 'synapse-assets[postgres]'"
            yield Finding(
                Level.PROBLEM, "history", "SYNAPSE_POSTGRES_URL is set, but psycopg2 is not installed", remedy
            )
            return
        try:
            connection = psycopg2.connect(settings.postgres_url.get_secret_value(), connect_timeout=_ANSWER_S)
        except psycopg2.Error as error:
            remedy = "start the database, or correct user, password, host or database in SYNAPSE_POSTGRES_URL"
            yield Finding(
                Level.PROBLEM, "history", f"Postgres does not let us in: {' '.join(str(error).split())}", remedy
            )
            return
        with closing(connection):
            number = connection.server_version
        yield ok("history", f"Postgres {number // 10_000}.{number % 10_000}, reached")
        return
    files = list(home.glob("history/*.db"))
    if not files:
        yield ok("history", f"none yet; the first run makes it in {home}")
        return
    age_s = time.time() - max(file.stat().st_mtime for file in files)
    runs = sum(1 for _ in home.glob("history/runs/*.db"))
    yield ok("history", f"SQLite files in {home}: {runs} runs, the last one wrote {_age(age_s)} ago")


def cluster(settings: Settings) -> Iterator[Finding]:
    """Where runs are sent to a cluster: whether it is reached and lets us in, and its nodes."""
    if settings.ray_address is None:
        return
    check_cluster(settings)
    interface = JobInterface(settings.ray_address)
    nodes = interface.nodes()
    runs = runs_at_once(settings, nodes)
    text = f"{settings.ray_address}: {nodes_in_words(nodes)}; {runs} run{'' if runs == 1 else 's'} at once"
    if interface.asks_for_token():
        yield ok("cluster", text)
    else:
        yield Finding(
            Level.WARNING,
            "cluster",
            f"{text}. It asks for no token: whoever reaches it can run programs on its nodes",
            "start its nodes with `synapse-assets node`, or set RAY_AUTH_MODE=token on all of them",
        )


def check_clock_set(settings: Settings) -> None:
    """Raises BadInput, naming the variable, for a time or time zone that is set and cannot be meant."""
    fields = Settings.model_fields
    if any(getattr(settings, name) != fields[name].default for name in fields if name.endswith(("_cron", "_zone"))):
        # Only then: Dagster, whose rules these are, takes seconds to import.
        from synapse_assets.defs.schedules import check_clock

        check_clock(settings)


def settings_set(settings: Settings) -> Iterator[Finding]:
    """Which settings are not at their defaults, and which variables have no effect."""
    given = {name.upper(): value for name, value in {**dotenv_values(".env"), **os.environ}.items()}
    shown = []
    for field in Settings.model_fields:
        if (name := f"SYNAPSE_{field.upper()}") in given:
            value = getattr(settings, field)
            shown.append(f"{name}={value if not hasattr(value, 'get_secret_value') else '***'}")
    shown += [name for name in sorted(given) if name.startswith(_STORAGE_VARIABLES)]
    yield ok("settings", ", ".join(shown) or "all at their defaults")
    check_clock_set(settings)
    if unused := settings.unused():
        yield Finding(
            Level.WARNING,
            "settings",
            f"{', '.join(unused)}: no setting, and no dataset names it; without effect",
            "remove it",
        )


def datasets(settings: Settings) -> Iterator[Finding]:
    """Whether the datasets that are on can be loaded, and their files are there."""
    in_file = {name for name, value in dotenv_values(".env").items() if value}
    for name in settings.datasets:
        try:
            dataset = load_dataset(name, settings.local_root, keep_unset=True)
            needs = needs_of(name, dataset, settings.local_root)
        except SynapseAssetsError as error:
            yield Finding(Level.PROBLEM, name, str(error), "correct the file, or take it out of SYNAPSE_DATASETS")
            continue
        words = ", ".join(needs.in_words())
        if needs.is_met:
            yield ok(dataset.name, f"{dataset.chain} chain; needs {words}")
            continue
        remedy = f"synapse-assets datasets {name}"
        if only := in_file & set(needs.unset):
            remedy = f"export {' and '.join(sorted(only))}: .env is read for settings, not for what datasets name"
        yield Finding(Level.PROBLEM, dataset.name, f"{dataset.chain} chain; needs {words}", remedy)


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} seconds"
