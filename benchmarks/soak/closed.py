"""What stays in the explorer when people have gone: 50 maps opened and closed, 50 pictures that unfold, and the memory before and after."""

import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.soak import labs
from benchmarks.soak.report import Report
from synapse_assets_tests.explorer.bokeh_client import Client
from synapse_assets_tests.explorer.test_uploads import BOMBS
from synapse_assets_tests.installation import Installed, free_port, wait_until

MAPS, PICTURES = 50, 50
# Longer than a closed map is kept.
_UNTIL_GONE_S = 25


def main() -> None:
    """Opens, closes, sends, and measures the process of `synapse-assets explore`."""
    labs.quiet()
    report = Report("closed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inputs").mkdir()
        inputs = labs.tiny_inputs(folder / "inputs")
        installed = Installed(inputs, folder / "installed", {})
        installed.run("materialize")
        port = free_port()
        server = psutil.Popen(
            [str(Path(sys.executable).with_name("synapse-assets")), "explore", "--port", str(port)],
            env=installed.environment,
            cwd=installed.root,
        )
        try:
            _measure(report, server, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            report.promise("ends with SIGTERM, exit status", server.wait(20))
    report.close()


def _measure(report: Report, server: psutil.Popen, url: str) -> None:
    def megabytes() -> float:
        return float(server.memory_info().rss / 2**20)

    def answers() -> bool:
        try:
            return httpx.get(url, timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    wait_until("the explorer answers", answers, 120)

    def open_and_close(count: int) -> None:
        for number in range(count):
            client = Client(f"{url}/tiny/map?synapse_id=s{number % 72:03d}")
            client.ready()
            client.socket.close()

    # What is read and compiled once, and the room that so many maps take for a while, are there before the first measurement.
    open_and_close(MAPS)
    time.sleep(_UNTIL_GONE_S)
    before = megabytes()
    open_and_close(MAPS)
    opened = megabytes()
    time.sleep(_UNTIL_GONE_S)
    after = megabytes()
    report.figure(f"MB before, with and after {MAPS} maps", f"{before:.0f}, {opened:.0f}, {after:.0f}")
    report.promise("within 10 % after the maps", after <= 1.1 * before, True)
    bombs = list(BOMBS.values())
    refused, slowest = 0, 0.0
    for number in range(PICTURES):
        data = bombs[number % len(bombs)]()
        began = time.perf_counter()
        answer = httpx.post(f"{url}/tiny/search", files={"picture": ("x.png", data)}, timeout=60)
        slowest = max(slowest, time.perf_counter() - began)
        refused += answer.status_code == 400
    with_pictures = megabytes()
    report.promise(f"of {PICTURES} pictures that unfold refused", refused, PICTURES)
    report.figure("slowest answer to one, s", f"{slowest:.2f}")
    report.figure("MB after the pictures", f"{with_pictures:.0f}")
    report.promise("within 10 % after the pictures", with_pictures <= 1.1 * before, True)
    loaded = any("libtorch" in part.path for part in server.memory_maps())
    report.promise("torch was loaded for pictures that were refused", loaded, False)


if __name__ == "__main__":
    main()
