"""Reads an exported entry as a browser does, for tests: rows, vectors, and pictures cut out of their packs."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image


@dataclass(frozen=True)
class ReadEntry:
    """An entry of a site. folder: its `browse`."""

    folder: Path

    @property
    def content(self) -> dict[str, Any]:
        """Its site.json."""
        content: dict[str, Any] = json.loads((self.folder / "site.json").read_bytes())
        return content

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of one of its Parquet files."""
        rows: list[dict[str, Any]] = pq.read_table(self.folder / f"{name}.parquet").to_pylist()
        return rows

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """Its vectors as they are compared, float32 (N, dimensions)."""
        stored = self.content["vectors"]
        codes = np.fromfile(self.folder / "vectors.i8", np.int8).reshape(-1, stored["dimensions"])
        return codes * np.array(stored["scale"], np.float32)

    @property
    def random_rows(self) -> npt.NDArray[np.uint32]:
        """Rows of the pictures that lie in packs of their own once more."""
        return np.fromfile(self.folder / "random.u32", "<u4")

    def picture(self, number: int) -> npt.NDArray[np.uint8]:
        """The middle section of a number."""
        return self._cut("tiles", number, self.content["tiles"]["per_pack"])

    def sections(self, number: int) -> npt.NDArray[np.uint8]:
        """All sections of a number, (sections, size_px, size_px)."""
        size = self.content["tiles"]["size_px"]
        return self._cut("sections", number, self.content["sections"]["per_pack"]).reshape(-1, size, size)

    def card(self, row: int) -> dict[str, Any]:
        """The card of a row."""
        each = self.content["cards_per_file"]
        cards: list[dict[str, Any]] = json.loads((self.folder / f"cards/{row // each:05d}.json").read_bytes())
        return cards[row % each]

    def _cut(self, kind: str, number: int, per_pack: int) -> npt.NDArray[np.uint8]:
        ends = np.fromfile(self.folder / f"{kind}.index", "<u4")
        start = int(ends[number - 1]) if number % per_pack else 0
        pack = (self.folder / kind / f"{number // per_pack:05d}.jpgs").read_bytes()
        return np.asarray(Image.open(io.BytesIO(pack[start : int(ends[number])])))
