"""Pictures of PIL, and the check of their headers."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.payloads import on_wire, packed, round_trip

from jupyter_rtmsg.errors import NotJSON, PayloadRefused, PayloadTooLarge
from jupyter_rtmsg.payloads import decode
from jupyter_rtmsg.payloads.images import size_of


def jpeg(size: tuple[int, int], **options: Any) -> bytes:
    """Return a picture as JPEG."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "JPEG", **options)
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    """Return a PNG of some bytes that says it has any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refused(data: bytes, mime: str = "image/png") -> Exception:
    """Return why a picture is not decoded."""
    return decode(packed({"$type": "image", "mime": mime, "data": [0, len(data)]}, data)).error  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_each_pixel_comes_back(mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (7, 5, 4), "u1")
    image = (
        Image.fromarray(noise, "RGBA").convert("RGB").convert(mode)
        if mode != "I;16"
        else Image.new("I;16", (5, 7), 777)
    )
    if mode in ("LA", "RGBA"):
        image = Image.fromarray(noise, "RGBA").convert(mode)
    back = round_trip(image)
    assert (back.mode, back.size) == (image.mode, image.size)
    assert back.tobytes() == image.tobytes()


def test_a_picture_says_what_it_is() -> None:
    wire = on_wire({"shot": Image.new("RGB", (4, 3))})["value"]["shot"]
    assert {key: wire[key] for key in ("$type", "mime", "width", "height", "mode")} == {
        "$type": "image", "mime": "image/png", "width": 4, "height": 3, "mode": "RGB",
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["CMYK", "F", "I", "YCbCr", "HSV"])
def test_a_mode_that_png_does_not_keep_is_refused(mode: str) -> None:
    with pytest.raises(NotJSON, match=rf"mode '{mode}' is not the same after PNG. Send its convert\('RGB'\)"):
        on_wire(Image.new(mode, (2, 2)))


def test_a_picture_of_50_megapixels_is_refused_on_both_sides() -> None:
    with pytest.raises(NotJSON, match=r"10,000 x 5,001 pixels; it may have 50,000,000"):
        on_wire(Image.new("1", (10_000, 5_001)))
    error = refused(png(100_000, 100_000))
    assert isinstance(error, PayloadTooLarge)
    assert "100,000 x 100,000 pixels; it may have 50,000,000" in str(error)


def test_a_jpeg_is_read_by_its_frame() -> None:
    for data in (jpeg((30, 20)), jpeg((30, 20), progressive=True), jpeg((30, 20), exif=b"Exif\0\0" + bytes(5_000))):
        assert size_of(memoryview(data), "image/jpeg") == (30, 20)
        wire = packed({"$type": "image", "mime": "image/jpeg", "data": [0, len(data)]}, data)
        assert decode(wire).size == (30, 20)
    large = jpeg((30, 20)).replace(struct.pack(">HH", 20, 30), struct.pack(">HH", 60_000, 60_000))
    assert isinstance(refused(large, "image/jpeg"), PayloadTooLarge)


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"", "image/png"),
        (b"GIF89a" + bytes(100), "image/png"),
        (png(3, 3)[:20], "image/png"),
        (png(3, 3), "image/png"),  # without pixels
        (png(0, 3), "image/png"),
        (png(3, 3), "image/jpeg"),
        (b"", "image/jpeg"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\xff\xd8" + b"\xff" * 1_000, "image/jpeg"),
        (b"\xff\xd8\xff\xe0\x00\x00", "image/jpeg"),
        (b"\xff\xd8\xff\xda\x00\x08" + bytes(20), "image/jpeg"),
        (jpeg((9, 9))[:200], "image/jpeg"),
        (png(3, 3), "image/svg+xml"),
        (png(3, 3), "text/html"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, mime: str) -> None:
    assert isinstance(refused(data, mime), PayloadRefused)
