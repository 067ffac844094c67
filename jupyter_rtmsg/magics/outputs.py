"""The outputs of a cell as a notebook file has them (nbformat), made of the messages that a kernel publishes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

_KINDS = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})
_STATUS = "status"


class Message(NamedTuple):
    """A message that a kernel has published for a cell.

    Attributes
    ----------
    kind : str
        Its type, such as ``"stream"``.
    content : bytes
        JSON.
    """

    kind: str
    content: bytes

    @classmethod
    def of(cls, header: bytes, content: bytes) -> Message | None:
        """Return the message; None if it is neither an output nor the end."""
        kind = json.loads(header)["msg_type"]
        if kind in _KINDS:
            return cls(kind, content)
        return cls(kind, content) if kind == _STATUS and json.loads(content)["execution_state"] == "idle" else None

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.content)

    @property
    def is_end(self) -> bool:
        """Whether the cell has ended."""
        return self.kind == _STATUS

    @property
    def is_error(self) -> bool:
        """Whether it is a traceback."""
        return self.kind == "error"

    @property
    def failure(self) -> dict[str, str] | None:
        """The type and the text of the error; None if this is none."""
        if not self.is_error:
            return None
        content = json.loads(self.content)
        return {"type": content["ename"], "message": content["evalue"][:10_000]}


class Outputs:
    """A list of outputs, in which text that follows text of the same stream is one output.

    Attributes
    ----------
    list : list of dict
        As in a notebook file, each with ``output_type``. ``clear_output`` and ``update_display_data`` stay outputs of
        their own, and a display that can be updated has its ``display_id``.
    """

    def __init__(self) -> None:
        self.list: list[dict[str, Any]] = []

    def add(self, message: Message) -> None:
        """Add the output of a message."""
        content = json.loads(message.content)
        display = content.pop("transient", {}).get("display_id")
        output = {"output_type": message.kind, **content, **({"display_id": display} if display else {})}
        last = self.list[-1] if self.list else {}
        if message.kind == "stream" == last.get("output_type") and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            self.list.append(output)
