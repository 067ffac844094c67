"""An event that a worker group gave to this client, and how its handler ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, Protocol

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.client.handlers import traceback_of
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event

from .decoding import event_of

LONGEST_TEXT = 2_000
"""Characters of an error's message, and of a reason."""
LONGEST_TRACEBACK = 8_000
"""Characters of a traceback, of which the end is kept."""
LONGEST_DELAY = 7 * 86_400
"""Seconds that an event may be put off."""


class WorkOutcome(NamedTuple):
    """How the handling of an event ended: the command that tells the hub, and its fields."""

    command: str
    fields: Mapping[str, Any]


DONE = WorkOutcome("done", {})


class State(Enum):
    """The state of a `WorkDelivery`."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"


class DeliveryHolder(Protocol):
    """The worker of a delivery, as far as the delivery needs it. Thread-safe."""

    def renew(self, delivery: WorkDelivery) -> None:
        """Tell the hub that the handler still works."""


class WorkDelivery:
    """One delivery: an event, the number of the attempt, and its state.

    *waiting* in the worker's queue; *running*, its handler was called; *ended*, with an ``outcome`` that the hub has
    not confirmed; *gone*, confirmed or given to another worker. The executor moves it to running and ended, the I/O
    loop to gone, from any other state. What the handler says by `retry` or `reject` is its ``_decision``, which becomes
    the outcome when the handler ends, whether it returns or raises.

    Parameters
    ----------
    event : str
        The name of the event.
    data : object
    meta : mapping
        As in docs/wire.md, "Worker groups".
    holder : DeliveryHolder

    Attributes
    ----------
    seq, attempt : int
        Name the delivery.
    deliveries : int
    last_error : str or None
    state : State
    outcome : WorkOutcome or None
    under_way : bool
        Whether the outcome was sent over the present connection, and is not answered yet.
    """

    __slots__ = (
        "_data", "_decision", "_earlier", "_event", "_holder", "_meta", "attempt", "deliveries", "last_error",
        "outcome", "seq", "state", "under_way",
    )  # fmt: skip

    def __init__(self, event: str, data: Any, meta: Mapping[str, Any], holder: DeliveryHolder) -> None:
        self._event, self._data, self._meta = event, data, meta
        self._holder = holder
        self._decision: WorkOutcome | None = None
        self.outcome: WorkOutcome | None = None
        self.state = State.WAITING
        self.under_way = False
        self.seq: int = meta["seq"]
        self._earlier: tuple[int, ...] = ()
        self._take(meta)

    def _take(self, meta: Mapping[str, Any]) -> None:
        self.attempt: int = meta.get("attempt", 1)
        self.deliveries: int = meta.get("deliveries", 1)
        self.last_error: str | None = meta.get("error")

    @property
    def name(self) -> list[int]:
        """The delivery on the wire."""
        return [self.seq, self.attempt]

    @property
    def names(self) -> list[list[int]]:
        """The delivery, and the earlier ones that it stands for: the hub counts a place for each unanswered one."""
        return [[self.seq, attempt] for attempt in (*self._earlier, self.attempt)]

    def adopt(self, meta: Mapping[str, Any]) -> None:
        """Stand for a later attempt: the event came again while this client still has it."""
        self._earlier = (*self._earlier[-9:], self.attempt)
        self._take(meta)

    # --- called by the executor

    @property
    def in_parts(self) -> tuple[Any, Mapping[str, Any]] | None:
        """The data and the meta of an event whose parts are not loaded; None of any other."""
        return (self._data, self._meta) if "parts" in self._meta else None

    def load(self, data: Any) -> None:
        """Take the data of an event in parts, which is whole then."""
        self._data = data
        self._meta = {key: value for key, value in self._meta.items() if key != "parts"}

    def begin(self, room: str) -> Event:
        """Return the event for the handler, which is about to be called."""
        if self.state is State.WAITING:
            self.state = State.RUNNING
        return event_of(room, self._event, self._data, self._meta, replay=False, delivery=self)

    def returned(self) -> None:
        """Note that the handler has returned."""
        self._end(DONE)

    def failed(self, error: BaseException) -> None:
        """Note that the handler has raised."""
        self._end(WorkOutcome("retry", {"error": error_fields(error)}))

    def give_back(self) -> None:
        """Note that the handler was cut off: no try is charged."""
        self._end(WorkOutcome("retry", {}))

    def unreadable(self, reason: str = "its data could not be decoded by the worker") -> None:
        """Note that the data cannot be had here, however often it comes."""
        self._end(WorkOutcome("reject", {"reason": plain(reason, LONGEST_TEXT)}))

    def _end(self, outcome: WorkOutcome) -> None:
        if self.outcome is None:
            self.outcome = self._decision or outcome
        if self.state is not State.GONE:
            self.state = State.ENDED

    # --- called by the I/O loop

    def send(self, under_way: bool) -> None:
        """Note that the outcome is on its way, or is not any more."""
        self.under_way = under_way

    def simplify(self) -> bool:
        """Leave the text out of the outcome, which the hub has refused; return False if that is done already."""
        fields = self.outcome.fields if self.outcome else {}
        error = fields.get("error")
        if not error or set(error) == {"type"}:
            return False
        self.outcome = WorkOutcome("retry", {"error": {"type": error["type"]}})
        return True

    def drop(self) -> None:
        """Note that the hub has confirmed the outcome, or has given the event to another worker."""
        self.state = State.GONE

    # --- called by the handler, through its event

    def retry(self, after: float | None) -> None:
        """See `Event.retry`."""
        if after is not None and (
            isinstance(after, bool) or not isinstance(after, (int, float)) or not 0 <= after <= LONGEST_DELAY
        ):
            limit = f"{LONGEST_DELAY:,} (7 days)"
            raise WrongCall(f"after= is a number of seconds from 0 to {limit}, not {short(after)}. Write after=30")
        self._decide("retry", {} if after is None else {"after": after})

    def reject(self, reason: str) -> None:
        """See `Event.reject`."""
        if not isinstance(reason, str) or not reason:
            raise WrongCall(f'reject() takes a reason, a str, not {short(reason)}. Write event.reject("no such user")')
        self._decide("reject", {"reason": plain(reason, LONGEST_TEXT)})

    def working(self) -> bool:
        """See `Event.working`."""
        self._check("working")
        if self.state is State.GONE:
            return False
        self._holder.renew(self)
        return True

    def _decide(self, command: str, fields: Mapping[str, Any]) -> None:
        self._check(command)
        if self._decision is not None:
            raise WrongCall(f"event.{self._decision.command}() was called for this event already: the first one counts")
        self._decision = WorkOutcome(command, fields)

    def _check(self, call: str) -> None:
        if self.outcome is not None:
            how = {"done": "done", "retry": "given back", "reject": "a dead letter"}[self.outcome.command]
            raise WrongCall(
                f"the handler of this event has ended, and the event is {how}: event.{call}() is for the handler, "
                "before it returns. To have it handled again, emit it again"
            )


def entries_of(args: list[Any]) -> Iterable[tuple[str, Any, dict[str, Any]]]:
    """Return name, data and meta of the events in a ``$work``, which has one, or several in a batch."""
    _, data, meta = args[:3]
    if "count" not in meta:
        return ((str(meta.get("event", "")), data, meta),)
    sender = None
    for _, _, each in data:
        sender = each.setdefault("from", sender)  # left out if it is that of the entry before
    entries: list[tuple[str, Any, dict[str, Any]]] = data
    return entries


def error_fields(error: BaseException) -> dict[str, str]:
    """Return an exception as the wire has it: its type, and its message and traceback, cut."""
    trace = plain(traceback_of(error))
    if len(trace) > LONGEST_TRACEBACK:
        trace = "…" + trace[1 - LONGEST_TRACEBACK :]  # the end names the error
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an error whose text cannot be made is still an error
        message = ""
    return {"type": plain(type(error).__name__, 200), "message": plain(message, LONGEST_TEXT), "traceback": trace}


def plain(text: str, limit: int | None = None) -> str:
    """Return a text that can be sent, of at most ``limit`` characters: lone surrogates are replaced."""
    text = text.encode("utf-8", "replace").decode()
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
