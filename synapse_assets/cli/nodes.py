"""The command `node`: makes this machine a node of a Ray cluster."""

import os
from typing import Annotated

import typer
from rich.console import Console

from synapse_assets import serving
from synapse_assets.cli.home import export_history
from synapse_assets.cluster import node as nodes
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings


def node(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HEAD_HOST:PORT] [-- OPTIONS]",
            help="The head of the cluster to join, as its `node --head` names it; after -- options of `ray start`, such as --num-cpus 8.",
            show_default=False,
        ),
    ] = None,
    head: Annotated[bool, typer.Option("--head", help="Start a new cluster, with this machine as its head.")] = False,
    address: Annotated[
        str | None,
        typer.Option(
            help="IP address by which the others reach this machine. Default: that of its private network.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make this machine a node of a Ray cluster, until Ctrl-C or SIGTERM.

    The head makes a token where there is none; every other node, and the machine that runs `synapse-assets ui`, needs a copy of it. Jobs
    find the environment of this command: set there what they need (AWS_..., SYNAPSE_POSTGRES_URL, variables of your dataset files).
    """
    console = Console(highlight=False)
    given = list(arguments or ())
    join = given.pop(0) if given and not given[0].startswith("-") else None
    if head == (join is not None):
        raise BadInput("give either --head, for the first machine of a cluster, or the HOST:PORT of the head to join")
    settings = Settings()
    if join is None:
        own = address or nodes.address_of_this_machine()
        command = nodes.head_command(own, given)
    else:
        host, join = nodes.head_of(join)
        own = address or nodes.address_of_this_machine(host)
        command = nodes.worker_command(join, own, given)
    made = nodes.prepare_token(is_head=head)
    export_history(settings)
    os.environ.update(nodes.environment() | {"PATH": nodes.path_with_this_environment()})
    lines = []
    if head:
        lines.append(
            f"Job interface: http://{own}:{nodes.DASHBOARD_PORT}, for SYNAPSE_RAY_ADDRESS where `synapse-assets ui` runs"
        )
        lines.append(f"On every other node: synapse-assets node {own}:{nodes.HEAD_PORT}")
    if made is not None:
        lines.append(
            f"Token made: {made}. To each other machine: ssh HOST mkdir -p -m 700 .ray && scp -p {made} HOST:.ray/auth_token"
        )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if not own.startswith("127."):
        console.print(nodes.LISTENS, style="yellow", soft_wrap=True)
    serving.become(command)
