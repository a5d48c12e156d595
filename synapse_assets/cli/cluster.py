"""What an installation on a Ray cluster needs beside its settings: what is refused at the start, and Dagster's settings that follow the
cluster's size.
"""

import math
import socket
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import Any

import yaml

from synapse_assets.cluster.engine import require_shared
from synapse_assets.cluster.job_interface import JobInterface, Node, is_loopback
from synapse_assets.cluster.node import INSTALL
from synapse_assets.datasets import load_dataset, places_of
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings
from synapse_assets.sources.needs import needs_of
from synapse_assets.stores.cluster_claim import ClusterName, claim
from synapse_assets.stores.files import Files

# A run waits for free cores; one whose job is over is ended by the sensor `cluster_runs`.
_START_TIMEOUT_S = 7 * 24 * 3600
_LOGS_EVERY_S = 30
_RUN_CPUS = 1
LOCAL_LOGS = "DAGSTER_LOCAL_LOGS"
"""The variable that names the folder in which each machine keeps logs until they are on object storage."""


def check_cluster(settings: Settings) -> None:
    """Raises BadInput for what a cluster cannot work with; asks no server. For an installation on one machine it does nothing."""
    if settings.ray_address is None:
        return
    missing = [name for name in ("ray", "dagster_ray", "dagster_aws") if find_spec(name) is None]
    if missing:
        raise BadInput(f"SYNAPSE_RAY_ADDRESS is set, but {' and '.join(missing)} cannot be imported: {INSTALL}")
    require_shared(settings.data_root)
    if settings.postgres_url is None and not is_loopback(settings.ray_address):
        raise BadInput(
            "a cluster needs SYNAPSE_POSTGRES_URL: its nodes write the run history, which without it is files of this machine"
        )
    refuse_local_inputs(settings.datasets, settings)


def refuse_local_inputs(datasets: Sequence[str], settings: Settings) -> None:
    """Raises BadInput for a dataset whose inputs this machine draws or fetches into its local root, where no other node finds them."""
    if settings.ray_address is None:
        return
    for name in datasets:
        dataset = load_dataset(name, settings.local_root, keep_unset=True)
        made_by = needs_of(name, dataset, settings.local_root).made_by
        inside = any(
            place.address.startswith(f"{settings.local_root}/") for place in places_of(name, settings.local_root)
        )
        if made_by or inside:
            how = f"made on this machine ({made_by})" if made_by else "below SYNAPSE_LOCAL_ROOT"
            raise BadInput(
                f"{dataset.name} cannot be made on a cluster: its inputs are {how}, where other nodes do not find them; take it out of "
                "SYNAPSE_DATASETS, or unset SYNAPSE_RAY_ADDRESS"
            )


def cluster_settings(settings: Settings, text: str) -> str:
    """dagster.yaml of an installation on the cluster at SYNAPSE_RAY_ADDRESS, from that of one machine.

    Where logs of steps go: beside the data on S3; for other storage nowhere, they are then in the log of the run's job in the cluster's
    dashboard. Raises Unreachable or BadInput where no cluster answers, or it is too small.
    """
    address = str(settings.ray_address)
    runs = runs_at_once(settings, JobInterface(address).nodes())
    content: dict[str, Any] = yaml.safe_load(text)
    content["run_launcher"] = {
        "module": "synapse_assets.defs.cluster_launcher",
        "class": "ClusterRunLauncher",
        "config": {"ray": {"address": address}},
    }
    content["concurrency"]["runs"]["max_concurrent_runs"] = runs
    content["concurrency"]["pools"]["default_limit"] = runs
    content["run_monitoring"]["start_timeout_seconds"] = _START_TIMEOUT_S
    content["compute_logs"] = _compute_logs(settings.data_root)
    return yaml.safe_dump(content, sort_keys=False, width=200)


def runs_at_once(settings: Settings, nodes: Sequence[Node]) -> int:
    """How many runs the cluster carries out at once: SYNAPSE_RAY_RUNS, or else as many as it has nodes.

    Each holds a core while its parts are made. Raises BadInput where runs could hold so many that no part ever finds room.
    """
    room = [node for node in nodes if node.cpus >= settings.ray_cpus and node.gpus >= settings.ray_gpus]
    if not room:
        raise BadInput(
            f"no node of the cluster at {settings.ray_address} has what a part needs ({_part(settings)}): lower SYNAPSE_RAY_CPUS or "
            f"SYNAPSE_RAY_GPUS. There are {nodes_in_words(nodes)}"
        )
    # In the worst case runs fill one node after the other, each just so far that no part fits beside them.
    most = sum(math.floor((node.cpus - settings.ray_cpus) / _RUN_CPUS) + 1 for node in room) - 1
    wanted = settings.ray_runs or min(len(nodes), max(1, most))
    if wanted > most:
        raise BadInput(
            f"{wanted} run{'' if wanted == 1 else 's'} at once, each holding a core, could leave no node room for a part "
            f"({_part(settings)}), and wait for ever; there is room for {most}: lower SYNAPSE_RAY_RUNS or SYNAPSE_RAY_CPUS, or add a node. "
            f"There are {nodes_in_words(nodes)}"
        )
    return wanted


def check_terminal(settings: Settings, datasets: Sequence[str]) -> None:
    """Before a command that makes assets in its own process: its parts go to the cluster, which this machine has to be a node of.

    Raises BadInput where it is none, and where another cluster works on the data root.
    """
    if settings.ray_address is None:
        return
    refuse_local_inputs(datasets, settings)
    interface = JobInterface(settings.ray_address)
    nodes = interface.nodes()
    if not any(_is_here(node.host) for node in nodes):
        raise BadInput(
            f"this machine is no node of the cluster at {settings.ray_address}: make it one (`synapse-assets node HEAD:6379`), start the "
            "runs from `synapse-assets ui`, or unset SYNAPSE_RAY_ADDRESS to work on this machine alone"
        )
    name = ClusterName(interface.session(), interface.address, is_loopback(interface.address))
    claim(Files(settings.data_root, settings.local_root), name)


def nodes_in_words(nodes: Sequence[Node]) -> str:
    """Each node with what it has to give out."""
    cards = [f", {node.gpus:g} graphics cards" if node.gpus else "" for node in nodes]
    return (
        "; ".join(f"{node.host} with {node.cpus:g} cores{more}" for node, more in zip(nodes, cards, strict=True))
        or "none"
    )


def _compute_logs(data_root: str) -> dict[str, Any]:
    scheme, _, inside = data_root.partition("://")
    if scheme != "s3":
        from synapse_assets.defs.dagster_private import NO_COMPUTE_LOGS

        return dict(NO_COMPUTE_LOGS)
    bucket, _, folder = inside.partition("/")
    # The server (AWS_ENDPOINT_URL) and the credentials are those of each machine's environment.
    return {
        "module": "dagster_aws.s3.compute_log_manager",
        "class": "S3ComputeLogManager",
        "config": {
            "bucket": bucket,
            "prefix": "/".join(part for part in (folder, ".logs") if part),
            "local_dir": {"env": LOCAL_LOGS},
            "upload_interval": _LOGS_EVERY_S,
            "skip_empty_files": True,
        },
    }


def _part(settings: Settings) -> str:
    cards = f" and {settings.ray_gpus:g} of a graphics card" if settings.ray_gpus else ""
    return f"{settings.ray_cpus:g} core{'' if settings.ray_cpus == 1 else 's'}{cards}"


def _is_here(host: str) -> bool:
    """Whether that is an address of this machine: only then can one listen there."""
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
