"""`Unreadable`: stands for a payload that could not be decoded, and says why."""

from __future__ import annotations

from typing import Any, NoReturn

from jupyter_rtmsg.errors import PayloadError


class Unreadable:
    """A payload that could not be decoded. Using it raises the error, so that a handler fails with the reason.

    Attributes
    ----------
    error : PayloadError
        Why.
    wire : dict
        The payload as it came (docs/wire.md, "Payloads").
    """

    __slots__ = ("error", "wire")

    def __init__(self, error: PayloadError, wire: dict[str, Any]) -> None:
        self.error = error
        self.wire = wire

    def __repr__(self) -> str:
        return f"<unreadable {self.wire.get('$type')!s:.40}: {type(self.error).__name__}: {self.error}>"

    def _raise(self, *_: object) -> NoReturn:
        raise self.error.with_traceback(None)

    __getitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = _raise

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # tools probe for such names
            raise AttributeError(name)
        self._raise()
