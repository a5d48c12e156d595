"""`synapse-assets reproduce` from download to comparison, against a planted public brain on this machine: broken off, killed, and ended.

python -m benchmarks.soak.reproduced
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.soak.report import Report
from synapse_assets_tests.installation import wait_until
from synapse_assets_tests.published import NAME, TABLE, PublicServer, dataset_file, public_server, publish


def main() -> None:
    """Publishes, fetches with a broken connection, kills, goes on, and compares."""
    report = Report("reproduced")
    with tempfile.TemporaryDirectory() as name:
        public, root = Path(name) / "public", Path(name) / "lab"
        public.mkdir()
        root.mkdir()
        publish(public)
        with public_server(public) as server:
            _reproduce(report, server, root)
    report.close()


def _reproduce(report: Report, server: PublicServer, root: Path) -> None:
    file = dataset_file(server, root / "tiny.yaml")
    data = root / "data" / NAME
    command = [str(Path(sys.executable).with_name("synapse-assets")), "reproduce", str(file), "--yes"]
    environment = {**os.environ, "SYNAPSE_DATA_ROOT": str(root / "data"), "SYNAPSE_DATASETS": str(file)}
    server.breaks = [(server.folder / TABLE).stat().st_size // 3]
    with subprocess.Popen(command, env=environment, cwd=root) as first:
        wait_until("the sites are chosen", (data / "raw" / "subset.json").exists, 300)
        first.send_signal(signal.SIGKILL)
    report.promise("parts of the table that were asked for", len(server.asked), 2)
    server.asked.clear()
    report.promise("exit status", subprocess.run(command, env=environment, cwd=root, check=False).returncode)
    report.promise("requests for the table after the kill", len(server.asked))
    numbers = json.loads((data / "reproduction.json").read_text(encoding="utf-8"))["numbers"]
    report.promise("numbers that differ", [number["name"] for number in numbers if number["holds"] is False], [])
    for number in numbers:
        if not number["expected"]:
            report.figure(number["name"], number["yours"])


if __name__ == "__main__":
    main()
