"""Pictures that unfold to gigabytes, or take minutes, are refused by what their headers say; others are read as they are."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.explorer import uploads
from synapse_assets.explorer.uploads import Uploads, read_picture
from synapse_assets_tests.conftest import TILE_PX

SHAPE = (3, TILE_PX, TILE_PX)


def noise(seed: int = 0) -> "Image.Image":
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (TILE_PX, 3 * TILE_PX), dtype=np.uint8))


def saved(image: "Image.Image", kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *more: bytes, depth: int = 8) -> bytes:
    """A PNG that claims that size; its rows are as short as they can be."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min((width + 1) * height, 1 << 22)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(tags: dict[int, tuple[int, int]], pages: int = 1, data: bytes = bytes(3 * TILE_PX * TILE_PX)) -> bytes:
    """A TIFF with so many pages of the same grey values; tags: kind (3 short, 4 long) and value, by number."""
    plain = {
        256: (3, 3 * TILE_PX), 257: (3, TILE_PX), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1),
        278: (4, TILE_PX), 279: (4, len(data)), **tags,
    }  # fmt: skip
    entries = [(number, *value) for number, value in sorted(plain.items()) if value is not None]
    content = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    for page in range(pages):
        at = len(content)
        size = 2 + 12 * len(entries) + 4
        content += struct.pack("<H", len(entries))
        for number, kind, value in entries:
            content += struct.pack("<HHI", number, kind, 1) + struct.pack(
                "<HH" if kind == 3 else "<I", *((value, 0) if kind == 3 else (value,))
            )
        content += struct.pack("<I", at + size if page + 1 < pages else 0)
    return content


def many_scans() -> bytes:
    """A progressive JPEG of the right size whose scans are repeated: each is decoded over the whole picture."""
    data = saved(noise(), "JPEG", progressive=True, quality=5)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff", first + 2)
    while data[second + 1] in (0x00, *range(0xD0, 0xD8)):
        second = data.index(b"\xff", second + 2)
    return data[:first] + data[first:second] * 3_000 + data[second:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "WebP of 16383 px": lambda: saved(Image.new("L", (16_383, 4_000)), "WEBP", lossless=True, method=0),
    "WebP of the right size": lambda: saved(noise().convert("RGB"), "WEBP"),
    "WebP that only claims": lambda: b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f" + bytes(20),
    "progressive JPEG": lambda: saved(noise(), "JPEG", progressive=True),
    "progressive JPEG, many scans": many_scans,
    "progressive JPEG of 8000 px": lambda: saved(Image.new("L", (8_000, 8_000)), "JPEG", progressive=True, quality=1),
    "PNG of 30000 px": lambda: png(30_000, 30_000),
    "PNG of 60000 px by 1": lambda: png(60_000, 1),
    "PNG, one row more": lambda: png(3 * TILE_PX, TILE_PX + 1),
    "animated PNG": lambda: saved(noise(), "PNG", save_all=True, append_images=[noise(at) for at in range(9)]),
    "GIF": lambda: saved(noise(), "GIF"),
    "ICO": lambda: saved(noise(), "ICO"),
    "TIFF of 20000 pages": lambda: tiff({}, pages=6_000),
    "TIFF in huge tiles": lambda: tiff({322: (4, 32_768), 323: (4, 32_768), 324: (4, 8), 325: (4, 100), 259: (3, 8)}),
    "TIFF of JPEG": lambda: saved(noise(), "TIFF", compression="jpeg"),
    "TIFF of LZMA": lambda: saved(noise(), "TIFF", compression="lzma"),
    "TIFF of zstd": lambda: saved(noise(), "TIFF", compression="zstd"),
    "TIFF of 50000 px": lambda: tiff({256: (4, 50_000), 257: (4, 50_000)}),
    "PNG that hides its depth": lambda: png(3 * TILE_PX, TILE_PX)[:8] + bytes(4) + b"teSt" + bytes(4) + png(3 * TILE_PX, TILE_PX)[8:],
    "TIFF strip that is short": lambda: tiff({259: (3, 8)}, data=zlib.compress(b"x")),
    "BMP of 30000 px": lambda: b"BM" + struct.pack("<IHHIIiiHH6I", 100, 0, 0, 54, 40, 30_000, 30_000, 1, 8, 1, *5 * [0]),
    "junk": lambda: bytes(range(256)) * 40,
    "text that unfolds": lambda: png(3 * TILE_PX, TILE_PX, b"\0\0\0\x05zTXtxxxxx" + bytes(4)),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 72 24\n/showpage {} def\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_pictures_that_unfold_are_refused_at_once(name: str) -> None:
    data = BOMBS[name]()
    started = time.process_time()
    with pytest.raises(BadInput):
        read_picture(data, SHAPE)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "data",
    [
        saved(noise(), "PNG"),
        saved(noise(), "BMP"),
        saved(noise(), "TIFF"),
        saved(noise(), "TIFF", compression="tiff_lzw"),
        saved(noise(), "TIFF", compression="tiff_adobe_deflate"),
        saved(noise(), "TIFF", compression="packbits"),
        tiff({278: (4, 2**32 - 1)}, data=noise().tobytes()),
    ],
    ids=["PNG", "BMP", "TIFF", "LZW", "deflate", "PackBits", "one strip"],
)
def test_pictures_of_the_right_size_are_read_as_they_are(data: bytes) -> None:
    sections = np.split(np.asarray(noise()), 3, axis=1)
    np.testing.assert_array_equal(read_picture(data, SHAPE), np.stack(sections))


def test_pictures_are_known_by_their_content_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_KEPT", 2)
    kept, tiles = Uploads(), [np.full((3, 4, 4), grey, np.uint8) for grey in range(3)]
    first, second = kept.keep(tiles[0]), kept.keep(tiles[1])
    assert first != second
    assert kept.keep(tiles[0].copy()) == first, "the same picture again is the newest"
    third = kept.keep(tiles[2])
    for name, tile in ((first, tiles[0]), (third, tiles[2])):
        np.testing.assert_array_equal(kept.picture(name), tile)
    with pytest.raises(BadInput, match="not kept any more"):
        kept.picture(second)
    assert kept.keep(tiles[0].reshape(4, 3, 4)) != first, "the same bytes in another shape are another picture"


def test_so_many_bytes_of_pictures_are_kept_and_one_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_KEPT_BYTES", 100)
    kept = Uploads()
    small = [kept.keep(np.full((2, 5, 5), grey, np.uint8)) for grey in range(2)]
    for _ in range(5):
        assert kept.keep(np.full((2, 5, 5), 1, np.uint8)) == small[1]
    assert kept.picture(small[0]) is not None, "50 bytes and 50 are 100, however often one of them comes"
    large = kept.keep(np.zeros((3, 10, 10), np.uint8))
    assert kept.picture(large).nbytes == 300
    for name in small:
        with pytest.raises(BadInput, match="not kept any more"):
            kept.picture(name)
