"""What a part of the soak test prints: figures, and promises that are kept or broken."""

import json
import os
import sys
from pathlib import Path

FILE = "SYNAPSE_SOAK_REPORT"


class Report:
    """The figures of one part. `close` prints them, hands them to `make soak`, and ends the process with 1 if a promise is broken."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.rows: list[tuple[str, str, str]] = []

    def figure(self, name: str, value: object) -> None:
        """Something measured or told, which no promise is about."""
        self._add(name, str(value), "")

    def promise(self, name: str, found: object, wanted: object = 0) -> None:
        """Something that has to be so."""
        kept = found == wanted
        self._add(name, str(found) if kept else f"{found}, not {wanted}", "kept" if kept else "BROKEN")

    def _add(self, name: str, value: str, verdict: str) -> None:
        self.rows.append((name, value, verdict))
        print(f"  {name:46s} {value}{'   ' + verdict if verdict == 'BROKEN' else ''}", flush=True)

    def close(self) -> None:
        """The end of the part."""
        if FILE in os.environ:
            with Path(os.environ[FILE]).open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps([self.part, *row]) + "\n" for row in self.rows)
        sys.exit(any(verdict == "BROKEN" for _, _, verdict in self.rows))
