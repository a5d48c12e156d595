"""A folder that a sample is drawn into: it appears complete or not at all, and is drawn once.

What does not belong here: what is drawn (the samples' own modules).
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from synapse_assets.errors import BadInput

Truth = TypeVar("Truth")


def drawn_folder(
    folder: Path, what: str, complete: Callable[[Path], Truth | None], draw: Callable[[Path], Truth]
) -> Truth:
    """What `draw` gives once it has filled `folder`; what `complete` finds there if that is done already.

    what: the sample's name for messages. complete: what is known of a folder that holds the whole sample, else None; each sample
    writes a `truth.json` last. Raises BadInput where `folder` is a file, or holds files that are not the sample's.
    """
    truth = complete(folder)
    if truth is not None:
        return truth
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file, but the {what} is a folder; move it away")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "truth.json").is_file():
        raise BadInput(f"{folder} holds files that are no {what}; empty it, or choose another data root")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        truth = draw(unfinished)
        unfinished.chmod(0o755)
        _put_in_place(unfinished, folder, complete)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return truth


def _put_in_place(unfinished: Path, folder: Path, complete: Callable[[Path], Truth | None]) -> None:
    if folder.is_dir():
        if complete(folder) is not None:  # another process was faster
            return
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        os.replace(folder, old)
        shutil.rmtree(old)
    try:
        os.replace(unfinished, folder)
    except OSError:
        if complete(folder) is None:
            raise
