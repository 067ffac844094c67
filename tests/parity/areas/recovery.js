exports.title = 'Connection state recovery';
exports.stages = {
  recovery(io, t) {
    let last;
    io.use((socket, next) => {
      t.note(['middleware', socket.recovered]);
      next(socket.handshake.auth.refuse ? new Error('no') : undefined);
    });
    io.on('connection', socket => {
      last = socket;
      if (!socket.recovered) socket.join(socket.handshake.auth.rooms ?? []);
      socket.on('data', value => { socket.data.value = value; });
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
      t.note(['connection', socket.recovered]);
    });
    t.command('emit', (...args) => { io.emit(...args); });
    t.command('to', (room, ...args) => { io.to(room).emit(...args); });
    t.command('except', (room, ...args) => { io.except(room).emit(...args); });
    t.command('volatile', (...args) => { io.volatile.emit(...args); });
    t.command('one', (...args) => { last.emit(...args); });
    t.command('own', (id, ...args) => { io.to(id).emit(...args); });
    t.command('ask', (...args) => { io.timeout(20_000).emitWithAck(...args).catch(() => {}); });
    t.command('bytes', () => { io.emit('x', Buffer.from([1])); });
    t.command('kick', () => { last.disconnect(); });
    t.command('cut', () => { last.conn.close(); });
    t.command('state', () => [last.id, [...last.rooms].filter(room => room !== last.id).sort(), last.data]);
  },
};

const options = { connectionStateRecovery: {} };
const accepted = text => JSON.parse(text.slice(2));
const args = message => (/^4[25]/.test(message) ? JSON.parse(/\[.*/.exec(message)[0]) : null);

// All that comes up to now, without what only tells the offset; and the offset that an official client keeps: the last
// argument of any event without an acknowledgement, if it is a text.
async function listen(socket, state = {}) {
  socket.send('40/nowhere,');
  const heard = [];
  for (;;) {
    const message = await socket.next();
    if (message.startsWith?.('44/nowhere')) return heard;
    const event = typeof message === 'string' ? args(message) : null;
    if (event && /^4[25]\D/.test(message) && typeof event.at(-1) === 'string') state.offset = event.at(-1);
    if (event?.[0] !== '$offset') heard.push(event ?? message);
  }
}

// A raw client that came, heard one event or none, and may leave; with what it needs to come back.
async function away(c, auth = {}, { event = true } = {}) {
  const socket = await c.raw();
  await socket.next();
  socket.send(`40${JSON.stringify(auth)}`);
  const { sid, pid } = accepted(await socket.next());
  const state = { sid, pid, socket };
  if (event) {
    await c.call('emit', 'first');
    await listen(socket, state);
  }
  state.leave = async () => {
    socket.terminate();
    await c.notes('disconnect');
  };
  return state;
}

// It comes back: the names of what it heard up to an end, whether its ids are the same, and its new offset.
async function returned(c, state, auth = {}) {
  const socket = await c.raw();
  await socket.next();
  const { pid, offset } = state;
  socket.send(`40${JSON.stringify({ ...auth, pid, offset })}`);
  const heard = [];
  for (;;) {
    const message = await socket.next();
    if (message.startsWith?.('44')) return { answer: message };
    if (message.startsWith?.('40')) {
      const ids = accepted(message);
      heard.push(...await listen(socket, state));
      return { heard: heard.map(event => (Array.isArray(event) ? event[0] : event)), same: ids.sid === state.sid, samePid: ids.pid === pid, socket };
    }
    heard.push(args(message) ?? message); // Node replays before it accepts
    const last = heard.at(-1).at(-1);
    if (typeof last === 'string') state.offset = last;
  }
}

const comes = (change, look, { auth, event } = {}) => async c => {
  const state = await away(c, auth, { event });
  await state.leave();
  await change?.(c, state);
  return look(await returned(c, state), c);
};

exports.behaviours = [
  { id: 'csr-off', options: {}, says: 'It is off by default: no `pid`, no offsets.', run: async c => {
    const { pid, socket } = await away(c, {}, { event: false });
    await c.call('emit', 'x');
    return [pid, await socket.next()];
  }, gives: [null, '42["x"]'] },
  { id: 'csr-pid', says: 'With it, CONNECT is answered with a `pid` beside the `sid`.', run: async c => typeof (await away(c)).pid, gives: 'string' },
  { id: 'csr-pid-secret', says: 'It is another one for each client, and not the id.', run: async c => {
    const [a, b] = [await away(c), await away(c)];
    return new Set([a.pid, a.sid, b.pid, b.sid]).size;
  }, gives: 4 },
  { id: 'csr-offset', says: 'Each event has an argument more, its offset: a text.', run: async c => {
    const { socket } = await away(c);
    await c.call('emit', 'x', 1);
    return args(await socket.next()).length;
  }, gives: 3 },
  { id: 'csr-offset-told', says: 'Each event tells the client how far it is.', run: async c => {
    const state = await away(c);
    const { offset } = state;
    await c.call('one', 'x', 1);
    await listen(state.socket, state);
    return state.offset !== offset;
  }, gives: true },
  { id: 'csr-offset-foreign', says: 'So handlers of clients that know nothing of recovery get that argument, too.', run: async c => {
    const { socket } = await away(c);
    await c.call('one', 'x');
    return args(await socket.next()).length;
  }, gives: 2 },
  { id: 'csr-offset-ack', says: 'An event that asks for an acknowledgement has none.', run: async c => {
    const { socket } = await away(c);
    await c.call('ask', 'x');
    return args(await socket.next()).length;
  }, gives: 1 },
  { id: 'csr-offset-volatile', says: 'A volatile event that ends in a text spoils the offset: its client is not recovered.', run: async c => {
    const state = await away(c);
    await c.call('volatile', 'cursor', 'left');
    await listen(state.socket, state);
    await state.leave();
    return (await returned(c, state)).same;
  }, gives: false },
  { id: 'csr-id', says: 'Who comes back with `pid` and offset has its id again, and its `pid`.', run: comes(null, ({ same, samePid }) => [same, samePid]), gives: [true, true] },
  { id: 'csr-flag', says: '`recovered` is true then.', run: comes(null, async (_, c) => (await c.notes('connection')).filter(([what]) => what === 'connection')), gives: [['connection', false], ['connection', true]] },
  { id: 'csr-rooms', says: 'It is in its rooms again.', run: comes(null, async (_, c) => (await c.call('state'))[1], { auth: { rooms: ['r', 's'] } }), gives: ['r', 's'] },
  { id: 'csr-data', says: 'It has its data again.', run: async c => {
    const state = await away(c);
    state.socket.send('42["data",7]');
    await state.socket.settled();
    await state.leave();
    await returned(c, state);
    return (await c.call('state'))[2];
  }, gives: { value: 7 } },
  { id: 'csr-missed', says: 'It gets what it missed, in order.', run: comes(async c => { for (const name of ['a', 'b', 'c']) await c.call('emit', name); }, ({ heard }) => heard), gives: ['a', 'b', 'c'] },
  { id: 'csr-missed-once', says: 'And nothing that it had.', run: comes(null, ({ heard }) => heard), gives: [] },
  { id: 'csr-missed-rooms', says: 'Of rooms, what went to its own.', run: comes(async c => { await c.call('to', 'r', 'mine'); await c.call('to', 'q', 'other'); }, ({ heard }) => heard, { auth: { rooms: ['r'] } }), gives: ['mine'] },
  { id: 'csr-missed-except', says: 'What was not for its rooms is left out.', run: comes(async c => { await c.call('except', 'r', 'others'); await c.call('except', 'q', 'mine'); }, ({ heard }) => heard, { auth: { rooms: ['r'] } }), gives: ['mine'] },
  { id: 'csr-missed-own', says: 'What was emitted to its id is kept, too.', run: comes((c, { sid }) => c.call('own', sid, 'mine'), ({ heard }) => heard), gives: ['mine'] },
  { id: 'csr-missed-bytes', says: 'Bytes are kept, too.', run: comes(c => c.call('bytes'), ({ heard }) => heard), gives: ['x', Buffer.from([1])] },
  { id: 'csr-missed-volatile', says: 'Volatile events are not kept.', run: comes(c => c.call('volatile', 'x'), ({ heard }) => heard), gives: [] },
  { id: 'csr-missed-ack', says: 'Nor are those that ask for an acknowledgement.', run: comes(c => c.call('ask', 'x'), ({ heard }) => heard), gives: [] },
  { id: 'csr-order', says: 'What was missed is sent before CONNECT is answered.', run: async c => {
    const state = await away(c);
    await state.leave();
    await c.call('emit', 'x');
    const socket = await c.raw();
    await socket.next();
    socket.send(`40${JSON.stringify({ pid: state.pid, offset: state.offset })}`);
    return [(await socket.next()).slice(0, 2), (await socket.next()).slice(0, 2)];
  }, gives: ['42', '40'] },
  { id: 'csr-twice', says: 'A client may be away again and again.', run: async c => {
    const state = await away(c);
    await state.leave();
    const { socket } = await returned(c, state);
    await c.call('emit', 'x');
    await listen(socket, state);
    socket.terminate();
    await c.turns();
    await c.call('emit', 'y');
    const { heard, same } = await returned(c, state);
    return [heard, same];
  }, gives: [['y'], true] },
  { id: 'csr-unknown', says: 'An unknown `pid` is a new client, without an error.', run: async c => (await returned(c, { pid: 'unknown', offset: 'x' })).same, gives: false },
  { id: 'csr-bad-offset', says: 'So is an unknown offset.', run: comes(async (c, state) => { state.offset = 'unknown'; }, ({ same }) => same), gives: false },
  { id: 'csr-no-offset', says: 'So is a client that heard no event yet, and has no offset.', run: comes(null, ({ same }) => same, { event: false }), gives: false },
  { id: 'csr-client-left', says: 'Who left by itself is not recovered.', run: async c => {
    const state = await away(c);
    state.socket.send('41');
    await c.notes('disconnect');
    return (await returned(c, state)).same;
  }, gives: false },
  { id: 'csr-kicked', says: 'Nor is who was disconnected by the server.', run: async c => {
    const state = await away(c);
    await c.call('kick');
    return (await returned(c, state)).same;
  }, gives: false },
  { id: 'csr-cut', says: 'Whose connection the server closed is recovered.', run: async c => {
    const state = await away(c);
    await c.call('cut');
    await c.notes('disconnect');
    return (await returned(c, state)).same;
  }, gives: true },
  { id: 'csr-still-there', says: 'A `pid` whose client is still connected makes a new client.', run: async c => {
    const state = await away(c);
    return (await returned(c, state)).same;
  }, gives: false },
  { id: 'csr-used-twice', says: 'A `pid` may be used twice: two connections with one id.', run: async c => {
    const state = await away(c);
    await state.leave();
    const first = await returned(c, state);
    const second = await returned(c, state);
    first.socket.send('40/nowhere,');
    return [second.same, (await first.socket.next()) === 'closed' ? 'one' : 'both'];
  }, gives: [true, 'both'] },
  { id: 'csr-middlewares', says: 'Middlewares are skipped for a client that is recovered.', run: comes(null, async (_, c) => (await c.notes('connection')).filter(([what]) => what === 'middleware').length), gives: 1 },
  { id: 'csr-refused', says: 'So a client that they would refuse now is let in.', run: async c => {
    const state = await away(c);
    await state.leave();
    const { answer } = await returned(c, state, { refuse: true });
    return answer ?? 'let in';
  }, gives: 'let in' },
  { id: 'csr-client', says: 'socket.io-client does all that by itself.', run: async c => {
    const socket = await c.connect('/', { reconnection: true, reconnectionDelay: 1 });
    const { id } = socket;
    const first = c.next(socket, 'first');
    await c.call('emit', 'first', 1);
    await first;
    await c.turns();
    const gone = c.next(socket, 'disconnect');
    await c.call('cut');
    await gone;
    const back = c.next(socket, 'connect');
    await c.call('emit', 'missed');
    await back;
    await c.heard(socket);
    const names = socket.heard.map(event => (Array.isArray(event) ? event[0] : event)).filter(name => name !== '$offset');
    return [socket.recovered, socket.id === id, names];
  }, gives: [true, true, ['first', 'missed']] },
].map(behaviour => ({ options, ...behaviour }));
