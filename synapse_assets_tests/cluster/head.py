"""A real Ray cluster of one node on loopback, started as a person does: `synapse-assets node --head`, with a token of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from synapse_assets.cluster.job_interface import JobInterface
from synapse_assets.errors import SynapseAssetsError
from synapse_assets_tests.installation import COMMAND, free_port, wait_until

# Ray's own ports, which several clusters of one machine may not share.
_PORTS = ("--port", "--dashboard-port", "--dashboard-agent-listen-port", "--ray-client-server-port")


class Head:
    """The running cluster. environment: what reaches it, for processes; also set in this one while the cluster runs."""

    def __init__(self, folder: Path, environment: Mapping[str, str], cpus: int) -> None:
        # Ray's sockets lie there: a longer path is refused.
        self._temporary = tempfile.mkdtemp(prefix="ray-")
        ports = {option: free_port() for option in _PORTS}
        self.address = f"http://127.0.0.1:{ports['--dashboard-port']}"
        self.token_file = folder / "token"
        self.environment = {"SYNAPSE_RAY_ADDRESS": self.address, "RAY_AUTH_TOKEN_PATH": str(self.token_file)}
        sizes = {"--num-cpus": cpus, "--object-store-memory": 80_000_000}
        options = [str(part) for option in {**ports, **sizes}.items() for part in option]
        self.log = folder / "head.log"
        self._process = subprocess.Popen(
            [COMMAND, "node", "--head", "--address", "127.0.0.1", "--", *options],
            env={**os.environ, **environment, **self.environment, "RAY_TMPDIR": self._temporary},
            cwd=folder, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    @property
    def interface(self) -> JobInterface:
        """Its interface, with the token of this process's environment."""
        return JobInterface(self.address)

    def is_up(self) -> bool:
        """Whether it takes jobs."""
        assert self._process.poll() is None, self.log.read_text()
        try:
            return bool(self.interface.nodes())
        except SynapseAssetsError:
            return False

    def stop(self) -> None:
        """Ends it, with all its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        for process in _processes_of(self._temporary):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self._temporary, ignore_errors=True)


def _processes_of(folder: str) -> list[int]:
    """Processes whose command names a folder: those of Ray leave the group that started them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if folder.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@contextmanager
def running_head(folder: Path, environment: Mapping[str, str], cpus: int = 2) -> Iterator[Head]:
    """A cluster that takes jobs. environment: of its node, and so of all that runs there."""
    head = Head(folder, environment, cpus)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in head.environment.items():
            patch.setenv(name, value)
        try:
            wait_until("the cluster takes jobs", head.is_up, 120, head.log.read_text)
            yield head
        finally:
            head.stop()
