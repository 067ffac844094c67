exports.title = 'Disconnecting';
exports.stages = {
  disconnects(io, t) {
    let last;
    io.on('connection', socket => {
      last = socket;
      socket.on('disconnecting', reason => t.note(['disconnecting', reason]));
      socket.on('disconnect', reason => {
        t.note(['disconnect', reason]);
        t.note(['connected', socket.connected, io.sockets.sockets.has(socket.id)]);
        socket.join('room');
      });
      socket.on('note', n => t.note(['note', n]));
      socket.on('kick', () => { socket.emit('bye'); socket.disconnect(); });
      socket.on('kick twice', () => { socket.disconnect(); socket.disconnect(); });
      socket.on('kick all', () => { socket.emit('bye'); socket.disconnect(true); });
      socket.on('kick and ack', ack => { socket.disconnect(); ack(1); });
      socket.on('cut', () => { socket.emit('bye'); socket.conn.close(); });
      if (socket.handshake.auth.kick) socket.disconnect();
    });
    io.of('/other').on('connection', socket => socket.on('disconnect', reason => t.note(['other', reason])));
    t.command('kick', (...args) => { last.disconnect(...args); });
    t.command('cut', () => { last.conn.close(); });
    t.command('state', () => [last.connected, io.sockets.sockets.size, last.rooms.size]);
    t.command('emit', (...args) => { last.emit(...args); });
  },
};

const notes = async c => (await c.notes('connected'));
const reason = async c => (await notes(c)).find(([what]) => what === 'disconnect')[1];
// What a client hears of its end: its events and its reason.
const ended = async (c, event) => {
  const socket = await c.connect();
  const gone = c.next(socket, 'disconnect');
  socket.emit(event);
  const why = await gone;
  return [socket.heard, why, await reason(c)];
};

exports.behaviours = [
  { id: 'end-client', says: 'A client that disconnects is gone with `client namespace disconnect`.', run: async c => {
    (await c.connect()).disconnect();
    return reason(c);
  }, gives: 'client namespace disconnect' },
  { id: 'end-manager', says: 'One whose connection ends is gone with `transport close`.', run: async c => {
    (await c.connect()).io.engine.close();
    return reason(c);
  }, gives: 'transport close' },
  { id: 'end-order', says: '`disconnecting` is told before `disconnect`, with the same reason.', run: async c => {
    (await c.connect()).disconnect();
    return (await notes(c)).slice(0, 2);
  }, gives: [['disconnecting', 'client namespace disconnect'], ['disconnect', 'client namespace disconnect']] },
  { id: 'end-state', says: 'In `disconnect` the socket is not connected, and not among the sockets.', run: async c => {
    (await c.connect()).disconnect();
    return (await notes(c)).find(([what]) => what === 'connected');
  }, gives: ['connected', false, false] },
  { id: 'end-rooms', says: 'Then it is in no room, and cannot join any.', run: async c => {
    (await c.connect()).disconnect();
    await notes(c);
    return c.call('state');
  }, gives: [false, 0, 0] },
  { id: 'end-emit', says: 'Emitting to a socket that is gone does nothing.', run: async c => {
    (await c.connect()).disconnect();
    await notes(c);
    await c.call('emit', 'x');
    return 'nothing';
  }, gives: 'nothing' },
  { id: 'end-events', says: 'Events that came before the client left are handled.', run: async c => {
    const socket = await c.entered();
    for (const n of [1, 2, 3]) socket.send(`42["note",${n}]`);
    await socket.settled();
    socket.send('41');
    return (await notes(c)).filter(([what]) => what === 'note').length;
  }, gives: 3 },
  { id: 'end-events-body', says: 'Events that came in one POST with the DISCONNECT are lost.', run: async c => {
    const session = await c.polling('40');
    await session.get();
    await session.post('42["note",1]\x1e42["note",2]\x1e41');
    return (await notes(c)).filter(([what]) => what === 'note').length;
  }, gives: 0 },
  { id: 'end-events-close', says: 'So they are if its connection ended.', run: async c => {
    const socket = await c.entered();
    for (const n of [1, 2, 3]) socket.send(`42["note",${n}]`);
    socket.close();
    return (await notes(c)).filter(([what]) => what === 'note').length;
  }, gives: 3 },
  { id: 'end-kick', says: '`disconnect()` tells the client `io server disconnect`, behind what was emitted before.', run: c => ended(c, 'kick'), gives: [['bye'], 'io server disconnect', 'server namespace disconnect'] },
  { id: 'end-kick-all', says: '`disconnect(true)` tells it the same, and closes the connection.', run: c => ended(c, 'kick all'), gives: [['bye'], 'io server disconnect', 'server namespace disconnect'] },
  { id: 'end-kick-polling', says: 'So it does over long-polling.', run: async c => {
    const socket = await c.connect('/', { transports: ['polling'] });
    const gone = c.next(socket, 'disconnect');
    socket.emit('kick all');
    return [await gone, socket.heard];
  }, gives: ['io server disconnect', ['bye']] },
  { id: 'end-cut', says: '`conn.close()` ends the connection: the client hears `transport close`.', run: c => ended(c, 'cut'), gives: [['bye'], 'transport close', 'forced close'] },
  { id: 'end-kick-stays', says: '`disconnect()` leaves the connection open.', run: async c => {
    const socket = await c.entered();
    socket.send('42["kick"]');
    await socket.all('41');
    socket.send('40/other,');
    return (await socket.next()).slice(0, 9);
  }, gives: '40/other,' },
  { id: 'end-kick-others', says: '`disconnect(true)` ends all namespaces of the client.', run: async c => {
    const socket = await c.entered();
    socket.send('40/other,');
    await socket.next();
    await c.call('kick', true);
    return [(await socket.all()).sort(), (await c.notes('other')).find(([what]) => what === 'other')];
  }, gives: [['41', '41/other,', 'closed'], ['other', 'server namespace disconnect']] },
  { id: 'end-kick-twice', says: 'Disconnecting twice is disconnecting once.', run: async c => {
    const socket = await c.entered();
    socket.send('42["kick twice"]');
    await socket.settled();
    return (await notes(c)).filter(([what]) => what === 'disconnect').length;
  }, gives: 1 },
  { id: 'end-kick-reconnect', says: 'A client that was disconnected stays away, though it would reconnect.', run: async c => {
    const socket = await c.connect('/', { reconnection: true, reconnectionDelay: 1 });
    const gone = c.next(socket, 'disconnect');
    await c.call('kick', true);
    await gone;
    return socket.active;
  }, gives: false },
  { id: 'end-cut-reconnect', says: 'One whose connection was closed comes back.', run: async c => {
    const socket = await c.connect('/', { reconnection: true, reconnectionDelay: 1 });
    const back = c.connected(socket);
    await c.call('cut');
    await back;
    return socket.connected;
  }, gives: true },
  { id: 'end-kick-in-connection', says: 'A handler of `connection` may disconnect the client.', run: async c => {
    const socket = c.client('/', { auth: { kick: true } });
    const gone = c.next(socket, 'disconnect');
    socket.connect();
    await gone;
    return reason(c);
  }, gives: 'server namespace disconnect' },
  { id: 'end-ack', says: 'An acknowledgement behind a disconnect is still sent.', run: async c => {
    const socket = await c.entered();
    socket.send('420["kick and ack"]');
    socket.send('40/other,');
    const all = [];
    while (!all.at(-1)?.startsWith('40/other')) all.push(await socket.next());
    return all.slice(0, -1);
  }, gives: ['41', '430[1]'] },
  { id: 'end-after-kick', says: 'An event that a client sent before it knew of the disconnect closes the connection.', run: async c => {
    const socket = await c.entered();
    await c.call('kick');
    await socket.next();
    socket.send('42["note",1]');
    socket.send('40/other,');
    return (await socket.next()).slice(0, 9);
  }, gives: 'closed' },
  { id: 'end-come-back', says: 'After `disconnect()` the client may connect again over the same connection.', run: async c => {
    const socket = await c.connect();
    const gone = c.next(socket, 'disconnect');
    await c.call('kick');
    await gone;
    socket.connect();
    await c.connected(socket);
    return socket.connected;
  }, gives: true },
];
