"""Which cluster works on a data root: one at a time. Each says so in a file `.cluster/<its name>`, renewed while it works.

Two clusters know nothing of each other's runs and limits: they would make the same region twice at once, and each would
clean up after the other.
"""

import socket
from dataclasses import dataclass
from datetime import timedelta

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import Files, segment

FOLDER = ".cluster"
FORGOTTEN_AFTER = timedelta(minutes=15)
"""A cluster that has not renewed its claim for so long works no more."""


@dataclass(frozen=True)
class ClusterName:
    """A cluster: the name that it has for as long as its head runs, its address, and whether that is one of a single machine."""

    session: str
    address: str
    is_loopback: bool

    @property
    def place(self) -> str:
        """Where it is. At one place there is one cluster at a time: another session there is the same one, started anew."""
        return f"{self.address} of {socket.gethostname()}" if self.is_loopback else self.address


def claim(root: Files, cluster: ClusterName) -> None:
    """Says that the cluster works on the data root from now on, for `FORGOTTEN_AFTER`.

    Ages are compared by the clock of the storage. Raises BadInput where another cluster works there.
    """
    folder, own = root.child(FOLDER), f"{segment(cluster.session)}.json"
    before = folder.touched(own)
    folder.write_json(own, {"session": cluster.session, "place": cluster.place})
    now = folder.touched(own)
    if now is None:
        raise BadInput(
            f"{folder.address(own)} is gone as soon as it is written: give this machine the right to read there"
        )
    held_before = before is not None and now - before < FORGOTTEN_AFTER
    # Looked for after ours is there: of two that claim at the same moment at least one sees the other.
    for name in folder.names():
        if name == own or not name.endswith(".json"):
            continue
        other = folder.read_json(name) or {}
        touched = folder.touched(name)
        if touched is None:
            continue
        if now - touched >= FORGOTTEN_AFTER or other.get("place") == cluster.place:
            folder.remove(name)
        elif not held_before:
            folder.remove(own)
            raise BadInput(
                f"another cluster works on {root.root}: the one at {other.get('place')}, {_ago(now - touched)}. Give this one a data root "
                f"of its own, or end that one and wait {FORGOTTEN_AFTER.seconds // 60} minutes, or remove {folder.address(name)}"
            )


def _ago(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    return "less than a minute ago" if minutes == 0 else f"{minutes} minute{'' if minutes == 1 else 's'} ago"
