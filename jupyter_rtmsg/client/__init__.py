"""A Socket.IO client, useful alone: it knows neither rooms nor hubs.

From the bottom up:

* `dial` connects (`tls`, `owner`, `proxy`), to an `endpoint` at an `address` of a `route`; `http` makes requests;
* `websocket` and `polling` are the `transport` of a `session` (Engine.IO), which `opening` opens and `upgrade` moves;
* `manager` keeps a session for the sockets of all namespaces;
* `socket` is the client: its `link` follows the sessions (`connect_handshake`, `recovery`), `sending` and `receiving`
  carry events (`acks`, `retries`), and `listeners` hold the `handlers`, which an `executor` calls;
* `sync` is the same for code that does not await, over a `bridge` to threads (`loop_thread`, `blocking`).
"""
