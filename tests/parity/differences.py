"""Where our server does something else than Node's, and why."""

from __future__ import annotations

from .comparison import Difference

DIFFERENCES = {
    "refuse-eio-websocket": Difference(
        "Unexpected server response: 400",
        "it is refused before the handshake: its client reads why, and no connection is opened for nothing",
    ),
    "path-no-slash": Difference(200, "it is: clients that leave the slash out reach the server"),
    "req-websocket": Difference("Unexpected server response: 403", "it gets 403, as over polling"),
    "req-jsonp": Difference('0{"s', "there is no JSONP: no browser of this century needs it"),
    "poll-post-connect": Difference(
        '42["echo",1]', "it waits for its turn and is handled, unless a middleware has to be awaited"
    ),
    "poll-bad-packet": Difference(
        [400, ["disconnect", "parse error"], 400], "its POST is answered 400: the client learns that nothing was taken"
    ),
    "poll-octets": Difference(
        [400, ["disconnect", "parse error"]], "what breaks the protocol ends with `parse error`, whatever carried it"
    ),
    "poll-two-gets": Difference(
        [400, 200, ["disconnect", "parse error"]],
        "what breaks the protocol ends with `parse error`, whatever carried it",
    ),
    "poll-abort": Difference(
        ["disconnect", "transport close"], "the reason is `transport close`: the client closed its connection"
    ),
    "poll-close-last": Difference(
        [1, ["disconnect", "transport close"]], "it is handled: what a client sent is not lost"
    ),
    "ws-no-version": Difference(
        "Unexpected server response: 400", "it is refused before the handshake: its client reads why"
    ),
    "ws-close-packet": Difference(["closed"], "it closes the session at once"),
    "ws-server-closes": Difference(
        [["closed"], "forced server close"],
        "the reason is `forced server close`: one reason for whatever the server closes",
    ),
    "ws-close-code": Difference(1000, "it has 1000, or the code that names what was wrong"),
    "ws-client-pings": Difference(
        [["closed"], "parse error"], "what breaks the protocol ends with `parse error`, whatever carried it"
    ),
    "ws-upgrade-packet": Difference(["closed"], "it is a violation: there is nothing to upgrade"),
    "upgrade-not-allowed": Difference("Unexpected server response: 400", "it is refused"),
    "limit-websocket-reason": Difference(
        "parse error", "the reason is `parse error`, and the close frame tells both sizes"
    ),
    "limit-attachments": Difference(
        [["disconnect", "parse error"]],
        "a packet and its attachments together must fit: what is half received is memory, too",
    ),
    "cors-none": Difference(
        [403, None], "they are refused with 403: cookies of the user would go along with the request"
    ),
    "cors-none-websocket": Difference(
        "Unexpected server response: 403",
        "refused with 403 unless `origins` allows them: a browser sends cookies along, and CORS protects no WebSocket",
    ),
    "cors-other": Difference([403, None], "it is refused with 403, before anything is done for it"),
    "cors-list-other": Difference([403, None], "it is refused with 403, before anything is done for it"),
    "packet-bare": Difference(["closed"], "it closes the connection: it has no name"),
    "packet-placeholder-twice": Difference(
        ["closed"], "it closes the connection: a small packet would stand for many large ones"
    ),
    "packet-placeholder-unused": Difference(
        ["closed"], "it closes the connection: what nobody refers to is a mistake or an attack"
    ),
    "packet-reason": Difference(
        ["disconnect", "parse error"],
        "the reason is `parse error`: an application can tell it from what it closed itself",
    ),
    "packet-state-reason": Difference(["disconnect", "parse error"], "the reason is `parse error`, too"),
    "packet-surrogate": Difference(
        [65533], "it arrives as U+FFFD: half an emoji is no text, and UTF-8 has no form for it"
    ),
    "packet-deep": Difference(
        [], "deeper than 64 levels it is refused, and the connection goes on: no depth of JSON can overflow a stack"
    ),
    "dyn-loose": Difference(
        {"error": "Invalid namespace"}, "a pattern must match the whole name: nobody comes in through a gap in it"
    ),
    "dyn-function-once": Difference(2, "it is asked for every client, as it may decide by `auth`"),
    "dyn-function-others": Difference("Invalid namespace", "it is asked for every client, as it may decide by `auth`"),
    "mw-bug": Difference([["logged"], "44/bug,{"], "the error is logged, and the client is refused without its text"),
    "event-number-name": Difference("refused", "`emit` raises: names are text"),
    "event-date": Difference("refused", "`emit` raises: Python has many dates and no rule for their text"),
    "event-nan": Difference("refused", "`emit` raises: NaN is no JSON, and null is another value"),
    "event-set": Difference("refused", "`emit` raises: a set is no JSON, and an empty object is another value"),
    "event-raise": Difference(["logged", "end"], "it is logged, and hurts no one else"),
    "event-reject": Difference(["logged"], "it is logged, and hurts no one else"),
    "event-chain": Difference(False, "`on` returns the handler, so that it is a decorator"),
    "event-returns": Difference(None, "it returns nothing: there is nothing to learn from it"),
    "ack-long-id": Difference(["4312345678901234567890[1]"], "it comes back digit for digit"),
    "ack-never": Difference(
        "430[]",
        "what a handler returns is the acknowledgement, and None is one without arguments: nobody waits in vain",
    ),
    "ack-overtakes": Difference(
        ['430["slow"]', "431[1]"],
        "handlers of one client run one after the other, in the order of its events; `concurrent=True` opts out",
    ),
    "ack-raise": Difference(
        '430[{"error":{"code":"internal","message":"the handler failed"}}]',
        "the acknowledgement is an error without details; the error is logged",
    ),
    "ask-several": Difference([1, 2], "it is a list of them"),
    "ask-leaver": Difference({"disconnected": None}, "`Disconnected` is raised at once"),
    "ask-all-leaver": Difference(
        {"disconnected": ["a"]},
        "`Disconnected` is raised when all others have answered; it holds their answers, and who is missing",
    ),
    "ask-all-several": Difference([[1, 2]], "the list holds a list of them"),
    "ask-all-no-timeout": Difference(["yes"], "it waits until all have answered or left"),
    "on-raises": Difference(["logged", "behind"], "they are called: the fault of one is its own"),
    "on-few": Difference(
        [], "it is an error that says what the event brought: a mistake, in Python. `*args` takes any number"
    ),
    "on-many": Difference(
        [], "it is an error that says what the event brought: a mistake, in Python. Defaults make them optional"
    ),
    "use-overtakes": Difference([["slow", "wait"], ["fast", 2]], "they wait: events of one client keep their order"),
    "use-refused-ack": Difference(
        '430[{"error":{"code":"refused","message":"no"}}]', "its acknowledgement is the error: nobody waits in vain"
    ),
    "room-leave-own": Difference(["own"], "it cannot: its id always reaches it"),
    "room-leave-all": Difference(["own"], "it leaves all but its own: its id always reaches it"),
    "room-true": Difference(
        "refused", "`TypeError`: rooms are text or numbers, and True is a mistake more often than a name"
    ),
    "room-another": Difference(
        "refused", "`ValueError`: that room is its owner's, and whoever emits to an id means that client alone"
    ),
    "end-events-body": Difference(2, "they are handled: what a client sent is not lost"),
    "end-cut": Difference(
        [["bye"], "transport close", "forced server close"],
        "the same, but the reason on the server is `forced server close`",
    ),
    "end-ack": Difference(["41"], "it is not: the client has forgotten its callbacks with the disconnect"),
    "end-after-kick": Difference("40/other,", "it is ignored: the client could not know"),
    "csr-offset": Difference(
        2, "it has not: an event of its own, `$offset`, follows. Clients take the last text of any event"
    ),
    "csr-offset-foreign": Difference(
        1, "they do not: a function of Python that does not expect an argument more would fail"
    ),
    "csr-offset-volatile": Difference(True, "it is recovered: the offset is told behind such an event"),
    "csr-order": Difference(
        ["40", "42"], "CONNECT is answered first, when middlewares have agreed; the client delivers both in order"
    ),
    "csr-no-offset": Difference(True, "it is recovered: its `pid` is enough"),
    "csr-still-there": Difference(
        True, "the newer connection takes over: the older one is often dead and not yet known to be"
    ),
    "csr-used-twice": Difference([True, "one"], "a `pid` has one connection at a time, the newest"),
    "csr-middlewares": Difference(2, "they are asked again: a token may have been revoked"),
    "csr-refused": Difference('44{"message":"no"}', "it is refused"),
}
