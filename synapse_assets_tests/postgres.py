"""A real Postgres for tests, on a port of this machine, with a data folder of its own."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from synapse_assets_tests.installation import free_port


def _program(name: str) -> str | None:
    """`initdb` or `postgres`, on the path or where Debian keeps them."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(kept[0]) if kept else None)


class Postgres:
    """One server, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        initdb, server = _program("initdb"), _program("postgres")
        if initdb is None or server is None:
            pytest.skip("there is no Postgres server on this machine")
        self._server, self._data, self.port = server, folder / "data", free_port()
        # Postgres refuses to run as root.
        self._user = getpass.getuser()
        if os.geteuid() == 0:
            self._user = next((name for name in ("postgres", "nobody") if _known(name)), "")
            if not self._user:
                pytest.skip("Postgres does not run as root, and there is no other user")
        self._data.mkdir(parents=True)
        for one in (folder, *folder.parents):
            if os.geteuid() == 0 and one != Path("/"):
                # The other user has to reach the data folder, not to read what is beside it.
                os.chmod(one, one.stat().st_mode | 0o011)  # noqa: S103
        if os.geteuid() == 0:
            shutil.chown(self._data, self._user)
        self._run(initdb, "-D", str(self._data), "-U", "synapse", "--auth=trust", "--no-sync")
        self.url = f"postgresql://synapse@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, **self._as_user())

    def _as_user(self) -> dict[str, object]:
        return {"user": self._user, "cwd": str(self._data)} if os.geteuid() == 0 else {}

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        import psycopg2

        from synapse_assets_tests.installation import wait_until

        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-F", "-c", "max_connections=200"]
        self._process = subprocess.Popen(
            [self._server, "-D", str(self._data), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_user(),  # type: ignore[call-overload]
        )

        def answers() -> bool:
            try:
                psycopg2.connect(self.url).close()
            except psycopg2.OperationalError:
                return False
            return True

        wait_until("Postgres answers", answers, 60)

    def stop(self) -> None:
        """Stops it at once, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """The address of a server that runs until the end of the block. Skips the test where there is none."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    server = Postgres(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
