"""The commands that serve: the Dagster UI, the explorer, and one process of an installation at a time."""

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synapse_assets import serving
from synapse_assets.caches import keep_caches
from synapse_assets.cli.home import prepare_home
from synapse_assets.settings import Settings
from synapse_assets.web import EVERYWHERE, Place
from synapse_assets.web import serve as serve_web


def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """See in the browser what is made, from what and when, and make it again.

    It is the Dagster UI, on 127.0.0.1, with the history of this data root. While it runs, new files and schedules are followed too. It ends
    with Ctrl-C; nothing is lost.
    """
    settings = Settings()
    home = prepare_home(settings)
    Console().print(f"Dagster UI: http://127.0.0.1:{port}   data: {settings.data_root}   history: {home}")
    with suppress(KeyboardInterrupt):
        serving.serve_all(home, Place(settings.ui_url, "SYNAPSE_UI_URL"), port)


def explore(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8050,
    host: Annotated[str, typer.Option(help="Where it listens. The explorer has no login.")] = "127.0.0.1",
    labelling: Annotated[
        bool, typer.Option("--labelling", help="Let people with a token label: see `synapse-assets annotator`.")
    ] = False,
) -> None:
    """Look at the synapses in the browser: map, search, galleries, clusters, classifiers.

    It shows what was released last, of every dataset that is on. It reads only, unless people label; runs may be writing meanwhile.
    """
    settings = Settings()
    if Path(settings.local_root).is_dir():
        keep_caches(settings.local_root)
    from synapse_assets.datasets import load_dataset
    from synapse_assets.explorer import create_app

    datasets = [load_dataset(name, settings.local_root) for name in settings.datasets]
    reached = "127.0.0.1" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    Console(highlight=False).print(f"Explorer: http://{reached}:{port}   data: {settings.data_root}", markup=False)
    app = create_app(datasets, settings.data_root, settings.explorer_url, host, labelling)
    with suppress(KeyboardInterrupt):
        serve_web(app, host, port)


class Part(StrEnum):
    """A process of an installation that runs for long."""

    code = "code"
    webserver = "webserver"
    daemon = "daemon"


def serve(
    part: Annotated[Part, typer.Argument(help="Which of the three processes.", show_default=False)],
    host: Annotated[
        str, typer.Option(help="Where code or webserver listen. Dagster has no login of its own.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: 3000 for the webserver, 4000 for the code.")] = None,
    code: Annotated[str, typer.Option(help="Host and port of the code, for webserver and daemon.")] = "127.0.0.1:4000",
) -> None:
    """Run one of the three processes of an installation that several people use.

    code holds the definitions and starts the runs, webserver is the Dagster UI, daemon follows schedules and new files. On one machine `ui`
    does all three.
    """
    settings = Settings()
    home = prepare_home(settings)
    code_host, _, code_port = code.partition(":")
    workspace = serving.write_workspace(
        home / f"workspace-{part.value}.yaml", {"host": code_host, "port": int(code_port)}
    )
    if part is Part.code:
        serving.become(serving.code_server("--host", host, "--port", str(port or 4000)))
    elif part is Part.daemon:
        serving.become(serving.daemon(workspace))
    with suppress(KeyboardInterrupt):
        serving.serve_dagster_ui(workspace, Place(settings.ui_url, "SYNAPSE_UI_URL", host), port or 3000)
