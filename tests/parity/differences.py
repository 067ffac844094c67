"""Where our server does something else than Node's, and why."""

from __future__ import annotations

from .comparison import Difference

DIFFERENCES = {
    "refuse-eio-websocket": Difference(
        "Unexpected server response: 400",
        "it is refused before the handshake, so the client can read the reason",
    ),
    "path-no-slash": Difference(200, "it is: clients that omit the slash reach the server"),
    "req-websocket": Difference("Unexpected server response: 403", "it gets 403, as over polling"),
    "req-jsonp": Difference('0{"s', "there is no JSONP: no current browser needs it"),
    "poll-post-connect": Difference(
        '42["echo",1]', "it waits for its turn and is handled, unless a middleware has to be awaited"
    ),
    "poll-bad-packet": Difference(
        [400, ["disconnect", "parse error"], 400],
        "its POST is answered with 400, so the client learns that no packet was received",
    ),
    "poll-octets": Difference(
        [400, ["disconnect", "parse error"]],
        "every violation of the protocol ends with `parse error`, on any transport",
    ),
    "poll-two-gets": Difference(
        [400, 200, ["disconnect", "parse error"]],
        "every violation of the protocol ends with `parse error`, on any transport",
    ),
    "poll-abort": Difference(
        ["disconnect", "transport close"], "the reason is `transport close`: the client closed its connection"
    ),
    "poll-close-last": Difference(
        [1, ["disconnect", "transport close"]], "it is handled: events that a client sent are not lost"
    ),
    "ws-no-version": Difference(
        "Unexpected server response: 400", "it is refused before the handshake, so the client can read the reason"
    ),
    "ws-close-packet": Difference(["closed"], "it closes the session at once"),
    "ws-server-closes": Difference(
        [["closed"], "forced server close"],
        "the reason is `forced server close`, as for everything that the server closes",
    ),
    "ws-close-code": Difference(1000, "it has 1000, or the code of the error"),
    "ws-client-pings": Difference(
        [["closed"], "parse error"], "every violation of the protocol ends with `parse error`, on any transport"
    ),
    "ws-upgrade-packet": Difference(["closed"], "it is a violation: there is nothing to upgrade"),
    "upgrade-not-allowed": Difference("Unexpected server response: 400", "it is refused"),
    "limit-websocket-reason": Difference(
        "parse error", "the reason is `parse error`, and the close frame tells both sizes"
    ),
    "limit-attachments": Difference(
        [["disconnect", "parse error"]],
        "the limit applies to a packet with its attachments: a half-received packet takes memory, too",
    ),
    "cors-none": Difference(
        [403, None], "they are refused with 403: browsers send the user's cookies with the request"
    ),
    "cors-none-websocket": Difference(
        "Unexpected server response: 403",
        "refused with 403 unless `origins` allows them: a browser sends cookies along, and CORS protects no WebSocket",
    ),
    "cors-other": Difference([403, None], "it is refused with 403 before it is processed"),
    "cors-list-other": Difference([403, None], "it is refused with 403 before it is processed"),
    "packet-bare": Difference(["closed"], "it closes the connection: it has no name"),
    "packet-placeholder-twice": Difference(
        ["closed"], "it closes the connection: a small packet could become many large ones"
    ),
    "packet-placeholder-unused": Difference(
        ["closed"], "it closes the connection: an unused attachment is a mistake or an attack"
    ),
    "packet-reason": Difference(
        ["disconnect", "parse error"],
        "the reason is `parse error`, so an application can distinguish it from its own closes",
    ),
    "packet-state-reason": Difference(["disconnect", "parse error"], "the reason is `parse error`, too"),
    "packet-surrogate": Difference(
        [65533], "it arrives as U+FFFD: half an emoji is no text, and UTF-8 has no form for it"
    ),
    "packet-deep": Difference(
        [], "deeper than 64 levels it is refused, and the connection continues: no JSON can overflow a stack"
    ),
    "dyn-loose": Difference(
        {"error": "Invalid namespace"},
        "a pattern must match the whole name: otherwise an incomplete pattern would let others in",
    ),
    "dyn-function-once": Difference(2, "it is called for every client, as it may decide by `auth`"),
    "dyn-function-others": Difference("Invalid namespace", "it is called for every client, as it may decide by `auth`"),
    "mw-bug": Difference([["logged"], "44/bug,{"], "the error is logged, and the client is refused without its text"),
    "event-number-name": Difference("refused", "`emit` raises: names are text"),
    "event-date": Difference("refused", "`emit` raises: Python has many dates and no rule for their text"),
    "event-nan": Difference("refused", "`emit` raises: NaN is no JSON, and null is another value"),
    "event-set": Difference("refused", "`emit` raises: a set is no JSON, and an empty object is another value"),
    "event-raise": Difference(["logged", "end"], "it is logged, and affects no other client"),
    "event-reject": Difference(["logged"], "it is logged, and affects no other client"),
    "event-chain": Difference(False, "`on` returns the handler, so that it is a decorator"),
    "event-returns": Difference(None, "it returns None: the value would have no meaning"),
    "ack-long-id": Difference(["4312345678901234567890[1]"], "it comes back digit for digit"),
    "ack-never": Difference(
        "430[]",
        "the return value of a handler is the acknowledgement; None is one without arguments, so no client waits",
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
    "on-raises": Difference(
        ["logged", "behind"], "they are called: an error in one listener does not affect the others"
    ),
    "on-few": Difference(
        [],
        "it is an error that names the arguments of the event: a mistake in Python. `*args` accepts any number",
    ),
    "on-many": Difference(
        [],
        "it is an error that names the arguments of the event: a mistake in Python. Defaults make them optional",
    ),
    "use-overtakes": Difference([["slow", "wait"], ["fast", 2]], "they wait: events of one client keep their order"),
    "use-refused-ack": Difference(
        '430[{"error":{"code":"refused","message":"no"}}]',
        "its acknowledgement is the error, so no client waits in vain",
    ),
    "room-leave-own": Difference(["own"], "it cannot: its id always reaches it"),
    "room-leave-all": Difference(["own"], "it leaves all but its own: its id always reaches it"),
    "room-true": Difference(
        "refused", "`TypeError`: rooms are text or numbers, and True is a mistake more often than a name"
    ),
    "room-another": Difference(
        "refused", "`ValueError`: that room belongs to its owner, and an event to an id is meant for that client alone"
    ),
    "end-events-body": Difference(2, "they are handled: events that a client sent are not lost"),
    "end-cut": Difference(
        [["bye"], "transport close", "forced server close"],
        "the same, but the reason on the server is `forced server close`",
    ),
    "end-ack": Difference(["41"], "it is not: the client has forgotten its callbacks with the disconnect"),
    "end-after-kick": Difference("40/other,", "it is ignored: the client could not know"),
    "csr-offset": Difference(2, "no: an event of its own, `$offset`, follows. Clients use the last text of any event"),
    "csr-offset-foreign": Difference(1, "they do not: a Python function that does not expect the argument would fail"),
    "csr-offset-volatile": Difference(True, "it is recovered: the offset is sent after such an event"),
    "csr-order": Difference(
        ["40", "42"], "CONNECT is answered first, when middlewares have agreed; the client delivers both in order"
    ),
    "csr-no-offset": Difference(True, "it is recovered: its `pid` is enough"),
    "csr-still-there": Difference(
        True, "the newer connection takes over: the older one is often dead without being noticed yet"
    ),
    "csr-used-twice": Difference([True, "one"], "a `pid` has one connection at a time, the newest"),
    "csr-middlewares": Difference(2, "they are asked again: a token may have been revoked"),
    "csr-refused": Difference('44{"message":"no"}', "it is refused"),
}
