exports.title = 'WebSocket and heartbeat';
exports.stages = {
  websocket(io, t) {
    let last;
    io.on('connection', socket => {
      last = socket;
      socket.on('echo', (...args) => socket.emit('echo', ...args));
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
    });
    t.command('emit', (...args) => { last.emit(...args); });
    t.command('volatile', (...args) => { last.volatile.emit(...args); });
    t.command('bye', () => { last.emit('bye'); last.disconnect(true); });
    t.command('end session', () => { last.conn.close(); });
  },
};

const code = socket => new Promise(resolve => socket.once('close', resolve));
const reason = async c => (await c.notes('disconnect')).at(-1)[1];

exports.behaviours = [
  { id: 'ws-direct', says: 'A session may begin with a WebSocket; its first message is the open packet.', run: async c => (await (await c.raw()).next())[0], gives: '0' },
  { id: 'ws-connect', says: 'CONNECT is answered with `40` and the id of the socket.', run: async c => {
    const { accepted } = await c.entered();
    return [accepted.slice(0, 2), Object.keys(JSON.parse(accepted.slice(2)))];
  }, gives: ['40', ['sid']] },
  { id: 'ws-text', says: 'Events come as text messages.', run: async c => c.answers(await c.entered(), '42["echo","ü🎉"]'), gives: ['42["echo","ü🎉"]'] },
  { id: 'ws-binary', says: 'Attachments come as binary messages behind their event.', run: async c => c.answers(await c.entered(), '451-["echo",{"_placeholder":true,"num":0}]', Buffer.from([1, 2])), gives: ['451-["echo",{"_placeholder":true,"num":0}]', Buffer.from([1, 2])] },
  { id: 'ws-fragments', says: 'A message may come in fragments.', run: async c => {
    const socket = await c.entered();
    socket.send('42["ec', { fin: false });
    socket.send('ho",1]', { fin: true });
    return socket.next();
  }, gives: '42["echo",1]' },
  { id: 'ws-ping-frame', says: 'A ping of WebSocket is answered with its pong.', run: async c => {
    const socket = await c.entered();
    const pong = new Promise(resolve => socket.once('pong', resolve));
    socket.ping('hello');
    return (await pong).toString();
  }, gives: 'hello' },
  { id: 'ws-no-version', says: 'A WebSocket without `EIO` is refused after its handshake, not before.', run: async c => c.raw({ EIO: '' }).then(socket => socket.next(), error => error.message), gives: 'closed' },
  { id: 'ws-subprotocol', says: 'Of the subprotocols that a client offers the first is chosen.', run: async c => c.raw({}, { protocols: ['first', 'second'] }).then(({ protocol }) => protocol, error => error.message), gives: 'first' },
  { id: 'ws-deflate-off', says: 'Compression of messages is off.', run: async c => (await c.raw({}, { perMessageDeflate: true })).extensions, gives: '' },
  { id: 'ws-deflate-on', says: '`perMessageDeflate` switches it on for clients that offer it.', options: { perMessageDeflate: true }, run: async c => {
    const socket = await c.raw({}, { perMessageDeflate: true });
    return socket.extensions.split(';')[0];
  }, gives: 'permessage-deflate' },
  { id: 'ws-deflate-refused', says: 'It is not used for a client that does not offer it.', options: { perMessageDeflate: true }, run: async c => (await c.raw()).extensions, gives: '' },
  { id: 'ws-client-closes', says: 'A client that closes its WebSocket is gone: `transport close`.', run: async c => {
    (await c.entered()).close();
    return reason(c);
  }, gives: 'transport close' },
  { id: 'ws-client-terminates', says: 'So it is if the connection ends without a close frame.', run: async c => {
    (await c.entered()).terminate();
    return reason(c);
  }, gives: 'transport close' },
  { id: 'ws-close-packet', says: 'A close packet over a WebSocket is ignored.', run: async c => c.answers(await c.entered(), '1', '42["echo",1]'), gives: ['42["echo",1]'] },
  { id: 'ws-server-disconnects', says: 'After `disconnect(true)` the client gets what was emitted, DISCONNECT and the close.', run: async c => {
    const socket = await c.entered();
    await c.call('bye');
    return socket.all();
  }, gives: ['42["bye"]', '41', 'closed'] },
  { id: 'ws-server-closes', says: '`conn.close()` closes the WebSocket; the reason is `forced close`.', run: async c => {
    const socket = await c.entered();
    await c.call('end session');
    return [await socket.all(), await reason(c)];
  }, gives: [['closed'], 'forced close'] },
  { id: 'ws-close-code', says: 'The close frame of the server has no code.', run: async c => {
    const socket = await c.entered();
    const closed = code(socket);
    await c.call('end session');
    return closed;
  }, gives: 1005 },
  { id: 'ws-pings', says: 'The server pings after `pingInterval`, and again after each pong.', options: { pingInterval: 50, pingTimeout: 20_000 }, run: async c => {
    const socket = await c.raw({}, { pings: true });
    await socket.next();
    const pings = [await socket.next()];
    socket.send('3');
    pings.push(await socket.next());
    return pings;
  }, gives: ['2', '2'] },
  { id: 'ws-ping-timeout', says: 'A client that does not answer a ping is gone: `ping timeout`.', options: { pingInterval: 50, pingTimeout: 50 }, run: async c => {
    const socket = await c.entered();
    return [await reason(c), await socket.all()];
  }, gives: ['ping timeout', ['closed']] },
  { id: 'ws-pong-unasked', says: 'A pong that nobody asked for is harmless.', run: async c => c.answers(await c.entered(), '3', '42["echo",1]'), gives: ['42["echo",1]'] },
  { id: 'ws-client-pings', says: 'A ping of Engine.IO from the client is a violation: `transport error`.', run: async c => {
    const socket = await c.entered();
    socket.send('2');
    return [await socket.all(), await reason(c)];
  }, gives: [['closed'], 'transport error'] },
  { id: 'ws-noop', says: 'A NOOP of a client is ignored.', run: async c => c.answers(await c.entered(), '6', '42["echo",1]'), gives: ['42["echo",1]'] },
  { id: 'ws-upgrade-packet', says: 'An upgrade packet on a session that began with a WebSocket is ignored.', run: async c => c.answers(await c.entered(), '5', '42["echo",1]'), gives: ['42["echo",1]'] },
  { id: 'ws-unknown-packet', says: 'An unknown packet type ends the connection: `parse error`.', run: async c => {
    const socket = await c.entered();
    socket.send('9');
    return [await socket.all(), await reason(c)];
  }, gives: [['closed'], 'parse error'] },
  { id: 'ws-volatile', says: 'A volatile event arrives while nothing waits.', run: async c => {
    const socket = await c.entered();
    await c.call('volatile', 'x');
    return socket.next();
  }, gives: '42["x"]' },
  { id: 'ws-volatile-order', says: 'Volatile events keep their place among the others.', run: async c => {
    const socket = await c.entered();
    await c.call('emit', 'a');
    await c.call('volatile', 'b');
    await c.call('emit', 'c');
    return [await socket.next(), await socket.next(), await socket.next()];
  }, gives: ['42["a"]', '42["b"]', '42["c"]'] },
];
