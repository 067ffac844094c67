"""Pictures of PIL, and the check of every picture by its header before a library reads it."""

from __future__ import annotations

import io
import struct
from typing import Any

from jupyter_rtmsg.errors import NotJSON, PayloadRefused, PayloadTooLarge

from .buffers import PayloadReader, PayloadWriter
from .libraries import load
from .scalars import text_of

MAX_PIXELS = 50_000_000
"""Pixels of a picture. A file of some kilobytes can say that it has more, and would take all memory."""

PNG, JPEG = "image/png", "image/jpeg"
_FORMATS = {PNG: "PNG", JPEG: "JPEG"}
_LOSSLESS = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # modes that are the same after PNG
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NO_SIZE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers of JPEG without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of JPEG with the size of the picture


def size_of(data: memoryview, mime: str) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG file, from its header.

    Raises
    ------
    PayloadRefused
        If it is no such file.
    PayloadTooLarge
        If it has more than `MAX_PIXELS`.
    """
    try:
        width, height = _png_size(data) if mime == PNG else _jpeg_size(data)
    except (struct.error, IndexError):
        raise PayloadRefused(f"the {mime} of {len(data):,} bytes ends within its header") from None
    if not width or not height:
        raise PayloadRefused(f"the {mime} says that it has {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise PayloadTooLarge(f"the picture has {width:,} x {height:,} pixels; it may have {MAX_PIXELS:,} in all")
    return width, height


def _png_size(data: memoryview) -> tuple[int, int]:
    if bytes(data[:8]) != _SIGNATURE or bytes(data[12:16]) != b"IHDR":
        raise PayloadRefused(f"the {len(data):,} bytes are no PNG")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    if bytes(data[:2]) != b"\xff\xd8":
        raise PayloadRefused(f"the {len(data):,} bytes are no JPEG")
    position = 2
    while True:
        if data[position] != 0xFF:
            raise PayloadRefused("the JPEG has no marker where one must be")
        marker = data[position + 1]
        position += 1 if marker == 0xFF else 2  # any number of 0xFF may be in front of a marker
        if marker == 0xFF or marker in _NO_SIZE:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2 or marker in (0xD9, 0xDA):
            raise PayloadRefused("the JPEG has no size in front of its pixels")
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        position += length


def encode_image(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a picture of PIL as PNG, which keeps each pixel."""
    if value.mode not in _LOSSLESS:
        raise NotJSON(f"an image of mode {value.mode!r} is not the same after PNG. Send its convert('RGB')")
    width, height = value.size
    if width * height > MAX_PIXELS:
        raise NotJSON(
            f"the image has {width:,} x {height:,} pixels; it may have {MAX_PIXELS:,} in all. Send its resize()"
        )
    file = io.BytesIO()
    value.save(file, "PNG", compress_level=1)
    size = {"width": width, "height": height, "mode": value.mode}
    return {"$type": "image", "class": "PIL.Image", "mime": PNG, **size, "data": writer.buffer(file.getvalue())}


def decode_image(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode a picture."""
    mime, data = text_of(fields, "mime", 64), reader.buffer(fields.get("data"))
    if mime not in _FORMATS:
        raise PayloadRefused(f"a picture is {' or '.join(_FORMATS)}, not {mime!r}")
    size = size_of(data, mime)
    image = load("PIL.Image").open(io.BytesIO(data), formats=(_FORMATS[mime],))
    if image.size != size:
        raise PayloadRefused(f"the picture has two sizes: {size} and {image.size}")
    image.load()
    return image


ENCODERS = {"PIL.Image": encode_image}
DECODERS = {"image": decode_image}
