"""Hints for attribute names that do not exist but are often tried, such as names of other libraries.

The tables map the tried name to the hint. In a hint ``{wait}`` becomes ``await`` for the async classes and is empty for
the others; ``{name}`` becomes the tried name.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from reprlib import Repr
from typing import Any, NoReturn

from . import errors
from .errors import WrongName

_EMIT = (
    'events are emitted to a room. Write lab = {wait}hub.join("lab"), then {wait}lab.emit("metric", {{"loss": 0.1}})'
)
_ON = 'handlers belong to a room. Write lab = {wait}hub.join("lab"), then @lab.on("metric") above the function'
_JOIN = 'write lab = {wait}hub.join("lab")'
_OF_ROOM = 'that is a room\'s. Write lab = {wait}hub.join("lab"), then lab.'
_PLAIN = "the plain Socket.IO client, without rooms that remember, is hub.socket. Write hub.socket."
_EVERYONE = 'an event goes to everyone in the room. Write {wait}lab.emit("metric", {{"loss": 0.1}})'
_WAIT = "handlers run while cells compute, so a notebook need not wait. A script can loop: "

CLIENT: Mapping[str, str] = {
    **dict.fromkeys(("emit", "send", "publish", "broadcast"), _EMIT),
    **dict.fromkeys(("on", "once", "off", "event", "on_event", "on_message"), _ON),
    **dict.fromkeys(("join_room", "enter_room", "room", "subscribe", "enter"), _JOIN),
    **dict.fromkeys(("leave", "leave_room"), "rooms are left one by one. Write {wait}lab.leave()"),
    **dict.fromkeys(("disconnect", "stop", "shutdown", "quit"), "write {wait}hub.close()"),
    **{
        name: _OF_ROOM + name
        for name in (
            "missed",
            "history",
            "members",
            "events",
            "replay",
            "head",
            "lag",
            "skip",
            "seek",
            "peek",
            "worker",
            "groups",
            "group",
            "dead_letters",
            "policy",
            "export",
            "watch",
            "view",
            "emit_form",
            "missed_view",
            "queue_view",
        )
    },
    **dict.fromkeys(("dashboard",), "that is a function of the package. Write rt.dashboard()"),
    **dict.fromkeys(("notify", "watch_run"), "that is a function of the package. Write rt.{name}(...)"),
    "subscription": 'write hub.subscriptions(), or lab = {wait}hub.join("lab"), then lab.subscription',
    **{name: _PLAIN + name for name in ("emit_with_ack", "volatile", "timeout", "id", "on_any")},
    "call": _PLAIN + "emit_with_ack",
    "sid": _PLAIN + "id",
    "connected": 'write hub.state == "connected"',
    "wait": _WAIT + "for event in lab.events(): ...",
}

ROOM: Mapping[str, str] = {
    **dict.fromkeys(("publish", "broadcast", "to", "in_", "room"), _EVERYONE),
    "send": 'an event has a name. Write {wait}lab.emit("message", data)',
    "volatile": 'write {wait}lab.emit("metric", data, volatile=True)',
    "emit_with_ack": "{wait}lab.emit(...) returns when the event is stored. Commands: hub.socket.emit_with_ack()",
    **dict.fromkeys(("event", "subscribe", "listen", "on_event", "on_message", "handler"),
                    'write @lab.on("metric") above the function'),
    "once": 'write event = next(lab.events("metric")), or lab.off("metric", function) in the handler',
    **dict.fromkeys(("unsubscribe", "remove_listener", "remove_handler"), 'write lab.off("metric", function)'),
    **dict.fromkeys(("close", "disconnect", "exit"), "write {wait}lab.leave(), or {wait}hub.close()"),
    **dict.fromkeys(("users", "people", "presence", "who", "participants"), "write lab.members"),
    **dict.fromkeys(("messages", "log", "read", "last", "tail"), "write {wait}lab.history(last=10)"),
    **dict.fromkeys(("ack", "nack", "commit"), "an event is acknowledged when its handlers have returned"),
    **dict.fromkeys(("undo", "unskip", "rewind", "reset"),
                    'skip() and seek() return the position before: before = {wait}lab.skip(), then '
                    '{wait}lab.seek(before). All events again: {wait}lab.seek("first")'),
    **dict.fromkeys(("work", "workers", "queue", "consumer", "consume", "task", "job"),
                    'write @lab.worker("resize", event="image.*") above the function. {wait}lab.groups() lists groups'),
    **dict.fromkeys(("retry", "reject", "redrive", "discard"),
                    'in a worker: event.retry(after=30), event.reject("why"). '
                    'Dead letters: ({wait}lab.dead_letters("resize")).redrive(), .discard()'),
    **dict.fromkeys(("set", "get", "retain", "retained", "values", "set_state"),
                    'write {wait}lab.state.set("lr", 0.01), and lab.state["lr"]'),
    "connected": 'write lab.status == "connected"',
    **dict.fromkeys(("shared", "share"), 'write {wait}hub.shared(slider, "value", room="lab")'),
    **dict.fromkeys(("notify", "watch_run"), "that is a function of the package. Write rt.{name}(..., room=lab)"),
    **dict.fromkeys(("import_", "load", "restore"), "write jupyter rtmsg import lab.ndjson lab in a terminal"),
    **dict.fromkeys(("retention", "limits", "set_policy"), "write {wait}lab.policy(count=1000, age=3600)"),
    **dict.fromkeys(("subscriptions", "unsubscribe_all"), "write {wait}hub.subscriptions()"),
    "join": 'this room is joined. Another one: {wait}hub.join("other")',
    **dict.fromkeys(("view", "show", "widget", "emit_form", "missed_view", "queue_view"),
                    'widgets are made by rooms that need no await. Write lab = rt.connect().join("lab"), then '
                    "lab.view()"),
    "wait": _WAIT + 'for event in lab.events("metric"): ...',
}  # fmt: skip

SOCKET: Mapping[str, str] = {
    "call": "write {wait}socket.emit_with_ack(event, data)",
    "sid": "write socket.id",
    **dict.fromkeys(("event", "on_event", "on_message"), 'write @socket.on("message") above the function'),
    **dict.fromkeys(("join", "to", "rooms", "enter_room"),
                    "rooms are the server's. Those of a hub: rt.connect().join(\"lab\")"),
    "wait": "handlers run by themselves: nothing to write",
}  # fmt: skip

EVENT: Mapping[str, str] = {
    **dict.fromkeys(("payload", "body", "message", "content", "value", "args"), "write event.data"),
    **dict.fromkeys(("event", "type"), "write event.name"),
    **dict.fromkeys(("timestamp", "date", "datetime", "created", "at"), "write event.time"),
    **dict.fromkeys(("user", "kind", "member", "notebook"), "write event.sender.{name}"),
    **dict.fromkeys(("author", "sid", "from_", "origin"), "write event.sender.user"),
    **dict.fromkeys(("get", "items", "keys", "values"), "write event.data.{name}"),
    "to_pandas": "one event is no table: write lab.history(last=1).to_pandas()",
}

SUBSCRIPTION: Mapping[str, str] = {
    **dict.fromkeys(("cursor", "seq", "offset"), "write lab.subscription.position"),
    **dict.fromkeys(("undo", "rewind", "reset"),
                    "seek() and skip() return the position before: {wait}lab.subscription.seek(before)"),
    **dict.fromkeys(("ack", "commit"), "an event is acknowledged when its handlers have returned; "
                                       "{wait}lab.subscription.skip() acknowledges all"),
    **dict.fromkeys(("unsubscribe", "remove", "close"), "write {wait}lab.subscription.delete()"),
    **dict.fromkeys(("pending", "missed"), "write {wait}lab.missed(), or lab.lag"),
}  # fmt: skip

GROUP: Mapping[str, str] = {
    **dict.fromkeys(("members", "consumers"), "write group.workers"),
    **dict.fromkeys(("dead", "failed", "failures", "redrive", "retry", "discard"),
                    "write letters = {wait}group.dead_letters(), then {wait}letters.redrive() or letters.discard()"),
    **dict.fromkeys(("stop", "suspend"), "write {wait}group.pause(); lab.off(function=resize) stops one worker"),
    **dict.fromkeys(("start", "unpause"), "write {wait}group.resume()"),
    **dict.fromkeys(("status", "state", "done", "trimmed", "in_flight", "delayed", "last_error"),
                    "write group.info, which has it"),
}  # fmt: skip

LETTERS: Mapping[str, str] = {
    **dict.fromkeys(("retry", "replay", "requeue", "resend"), "write {wait}letters.redrive()"),
    **dict.fromkeys(("delete", "clear", "purge", "remove"), "write {wait}letters.discard()"),
    **dict.fromkeys(("show", "traceback", "error"), "one of them has it: letters[0].{name}"),
}

LETTER: Mapping[str, str] = {
    **dict.fromkeys(("redrive", "discard"), "write {wait}letters.{name}(letters[0])"),
    **dict.fromkeys(("retry", "replay", "requeue", "resend"), "write {wait}letters.redrive(letters[0])"),
}

STATE: Mapping[str, str] = {
    **dict.fromkeys(("update", "setdefault"), 'values are set one by one: {wait}lab.state.set("lr", 0.01)'),
    **dict.fromkeys(("pop", "popitem", "remove", "clear"), 'write {wait}lab.state.delete("lr")'),
    **dict.fromkeys(("on", "observe", "watch", "subscribe"), 'write @lab.state.on_change("lr") above the function'),
    **dict.fromkeys(("events", "history"), 'write lab.state.event("lr"), or {wait}lab.history(event="state")'),
    **dict.fromkeys(("connected", "connection"), "the state of the connection is lab.status"),
}

MODULE: Mapping[str, str] = {
    **dict.fromkeys(("join", "rooms"), 'a client joins: write lab = rt.connect().join("lab")'),
    **dict.fromkeys(("emit", "send", "publish", "on", "event", "missed", "history", "members"),
                    'that is a room\'s. Write lab = rt.connect().join("lab"), then lab.{name}'),
    **dict.fromkeys(("Hub", "hub", "io", "sio", "login", "open"), "write hub = rt.connect()"),
    **dict.fromkeys(("SimpleClient", "AsyncSimpleClient"), "write hub = rt.connect(), or rt.Socket(url)"),
    **dict.fromkeys(("Server", "AsyncServer", "Engine"), "write from jupyter_rtmsg.server import Server"),
    **dict.fromkeys(("RoomView", "view", "widget", "emit_form", "missed_view", "queue_view"),
                    'a room makes its widgets. Write lab = rt.connect().join("lab"), then lab.view()'),
}  # fmt: skip

RECEIPT: Mapping[str, str] = {
    **dict.fromkeys(("seq", "value", "get"), "write receipt.result(), which waits for the hub and returns the seq"),
    "exception": "write receipt.result(), which raises what the hub said",
}


class _Short(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = 6
        self.maxstring = self.maxother = 40

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Like `Repr.repr_dict`, but keep the order of the keys."""
        if level <= 0:
            return "{...}" if x else "{}"
        shown = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in islice(x, self.maxdict)]
        return "{" + ", ".join(shown + ["..."] * (len(x) > self.maxdict)) + "}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        """Return the size of long bytes instead of their content."""
        return repr(x) if len(x) <= self.maxother else f"<{len(x):,} bytes>"


_short = _Short()


def short(value: Any) -> str:
    """Return the repr of a value, shortened if it is long."""
    return _short.repr(value)


def no_such_name(owner: object, name: str, advice: Mapping[str, str], *, awaited: bool = False) -> NoReturn:
    """Raise the error for an attribute that does not exist.

    Raises
    ------
    WrongName
        Its message says what to write instead.
    AttributeError
        Without a hint, if the name begins with an underscore: tools probe for such names.
    """
    kind = type(owner).__name__
    plain = f"{kind!r} object has no attribute {name!r}"
    if name.startswith("_"):
        raise AttributeError(plain, name=name, obj=owner)
    if said := advice.get(name):
        raise WrongName(f"a {kind} has no {name!r}: {said.format(wait='await ' if awaited else '', name=name)}")
    from difflib import get_close_matches  # imported here, since only this error needs it

    close = get_close_matches(name, [each for each in dir(type(owner)) if not each.startswith("_")], 1)
    raise WrongName(f"{plain}: is {close[0]!r} meant?" if close else plain)


def no_such_module_name(module: str, name: str) -> NoReturn:
    """Raise the error for a name that the package does not have: `WrongName` with a hint, or AttributeError."""
    plain = f"module {module!r} has no attribute {name!r}"
    if said := MODULE.get(name) or ("write rt.errors.{name}" if hasattr(errors, name) else None):
        raise WrongName(f"{plain}: {said.format(name=name)}")
    raise AttributeError(plain)
