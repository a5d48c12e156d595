"""Two machines on this one: each in a network of its own with a cable between, and a node of a Ray cluster on each.

Nothing of it is reached from outside, and nothing outside from it. This process is on the first machine, with the object storage; the
second has processes of its own only, and /tmp/ray is on neither what it is on the other.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import benchmarks
from synapse_assets.cluster.job_interface import JobInterface
from synapse_assets.cluster.node import DASHBOARD_PORT, HEAD_PORT, environment
from synapse_assets.errors import SynapseAssetsError
from synapse_assets_tests.installation import COMMAND, wait_until

HERE, THERE = "10.77.0.1", "10.77.0.2"
_APART = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
_OWN_FILES = "mount -t tmpfs none /tmp/ray"


def apart(*command: str) -> list[str] | None:
    """That command on a machine with no network and no other processes, whose end ends all that it started; None where this user may not
    make one."""
    prepared = f'mkdir -p /tmp/ray && {_OWN_FILES} && ip link set lo up && "$@"; exit $?'
    there = shutil.which("unshare") and shutil.which("nsenter") and shutil.which("ip")
    bridge = "ip link add site type bridge"
    may = there and subprocess.run([*_APART, "sh", "-c", bridge], capture_output=True, check=False).returncode == 0
    return [*_APART, "sh", "-c", prepared, "sh", *command] if may else None


class Machines:
    """The two, and the cluster on them. environment: of what reaches it. What its nodes have in theirs is in that of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {
            **environment(),
            "RAY_ADDRESS": f"{HERE}:{HEAD_PORT}",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
            # On a busy machine a node takes longer than the 30 s that Ray gives it.
            "RAY_raylet_start_wait_time_s": "120",
            "PYTHONPATH": str(Path(benchmarks.__file__).parents[1]),
        }
        for command in (
            "ip link add site type bridge",
            f"ip addr add {HERE}/24 dev site",
            "ip link set site up",
        ):
            subprocess.run(command.split(), check=True)
        self._second = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "infinity"])
        wait_until(
            "the second machine is there", lambda: self._network(self._second.pid) != self._network(os.getpid()), 30
        )
        line = f"ip link add cable type veth peer name line netns {self._second.pid}"
        subprocess.run(line.split(), check=True)
        subprocess.run(["ip", "link", "set", "cable", "master", "site", "up"], check=True)
        own = f"{_OWN_FILES} && ip link set lo up && ip addr add {THERE}/24 dev line && ip link set line up"
        subprocess.run([*self._there, "sh", "-c", own], check=True)

    def start_head(self) -> None:
        """Makes the first machine the head of a cluster."""
        self._start("head", [], "--head", "--address", HERE)
        wait_until("the cluster takes jobs", lambda: self.nodes == 1, 240, self.logs)

    def start_second(self) -> None:
        """Makes the second machine a node, with nothing on it from before."""
        self.kill_second()
        self._start("second", self._there, f"{HERE}:{HEAD_PORT}", "--address", THERE)
        wait_until("the cluster has two nodes", lambda: self.nodes == 2, 240, self.logs)

    def _start(self, name: str, where: list[str], *arguments: str) -> None:
        options = ["--num-cpus", "1", "--object-store-memory", "80000000"]
        with (self._folder / f"{name}.log").open("ab") as log:
            subprocess.Popen(
                [*where, COMMAND, "node", *arguments, "--", *options],
                env={**os.environ, **self.environment, "SYNAPSE_LOCAL_ROOT": str(self._folder / f"{name}-local")},
                cwd=self._folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def nodes(self) -> int:
        """Nodes that the cluster knows as alive; 0 before it answers."""
        try:
            return len(JobInterface(f"http://{HERE}:{DASHBOARD_PORT}").nodes())
        except SynapseAssetsError:
            return 0

    def cut(self) -> None:
        """Pulls the cable out."""
        subprocess.run(["ip", "link", "set", "cable", "down"], check=True)

    def mend(self) -> None:
        """Puts the cable back."""
        subprocess.run(["ip", "link", "set", "cable", "up"], check=True)

    def kill_second(self) -> None:
        """SIGKILL of all processes of the second machine, at once."""
        while there := self.processes_there():
            for process in there:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.02)

    def processes_there(self) -> list[int]:
        """All processes of the second machine that are alive."""
        network = self._network(self._second.pid)
        others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [one for one in others if one != self._second.pid and self._network(one) == network]

    def logs(self) -> str:
        """The end of what the nodes wrote."""
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self._folder.glob("*.log")))

    @property
    def _there(self) -> list[str]:
        return ["nsenter", "--target", str(self._second.pid), "--net", "--mount", "--"]

    @staticmethod
    def _network(process: int) -> str:
        """Which network a process is in; nothing for one that is dead."""
        try:
            return os.readlink(f"/proc/{process}/ns/net")
        except OSError:
            return ""


@contextmanager
def patched(variables: Mapping[str, str]) -> Iterator[None]:
    """This process with those variables in its environment."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def calling(module: str, *arguments: str) -> list[str]:
    """The command that calls `main` of a module of the soak test. Not run as a script, whose functions no other process finds."""
    return [
        sys.executable,
        "-c",
        f"import sys; from benchmarks.soak.{module} import main; main(*sys.argv[1:])",
        *arguments,
    ]
