"""An export in a process of its own, which is killed in the middle of a file."""

import logging
import multiprocessing
import os
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from synapse_assets.site import packs
from synapse_assets.site.export import export_site
from synapse_assets.site.folder import SiteFolder
from synapse_assets_tests.site.planted import planted_dataset


def exported_until(root: Path, out: Path, last: str = "") -> int | None:
    """Exports a planted release, in packs of 16 pictures, until it has half written that file, if any; gives how the process ended."""
    # One process imports everything, and the others are its forks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_export, args=(root, out, last))
    process.start()
    process.join(200)
    return process.exitcode


def _export(root: Path, out: Path, last: str) -> None:
    packs.PER_PACK, packs.SECTIONS_PER_PACK = 16, 8
    write = SiteFolder.file

    def file(folder: SiteFolder, name: str) -> AbstractContextManager[BinaryIO]:
        if name == last:
            half = folder.path / f"{name}.part"
            half.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(b"half of")
            os.kill(os.getpid(), signal.SIGKILL)
        return write(folder, name)

    SiteFolder.file = file  # type: ignore[method-assign, assignment]
    export_site(planted_dataset(root), root, out, logging.getLogger(__name__))
