exports.title = 'Catch-all listeners';
exports.stages = {
  catchall(io, t) {
    io.on('connection', socket => {
      const second = (event, ...args) => t.note(['second', event]);
      socket.onAny((event, ...args) => {
        const ack = typeof args.at(-1) === 'function';
        t.note(['any', event, ...(ack ? args.slice(0, -1) : args)]);
      });
      socket.onAny(second);
      socket.prependAny(event => t.note(['first', event]));
      socket.on('x', () => t.note('handler'));
      socket.on('ask', ack => ack(1));
      socket.on('out', () => {
        socket.onAnyOutgoing((event, ...args) => t.note(['out', event, ...args]));
        socket.prependAnyOutgoing(event => t.note(['before', event]));
      });
      socket.join('room');
      t.command('off one', () => { socket.offAny(second); });
      t.command('off all', () => { socket.offAny(); });
      t.command('count', () => socket.listenersAny().length);
      t.command('count outgoing', () => socket.listenersAnyOutgoing().length);
      t.command('off outgoing', () => { socket.offAnyOutgoing(); });
      t.command('emit', (...args) => { socket.emit(...args); });
      t.command('broadcast', (...args) => { io.emit(...args); });
      t.command('room', (...args) => { io.to('room').emit(...args); });
      t.command('others', (...args) => { socket.broadcast.emit(...args); });
    });
  },
};

const noted = (steps, ...words) => async c => {
  const socket = await c.connect();
  await steps(c, socket);
  socket.emit('end');
  return (await c.notes()).filter(note => words.includes(note[0]) || words.includes(note)).filter(note => note[1] !== 'end');
};
const outgoing = (...calls) => noted(async (c, socket) => {
  socket.emit('out');
  await socket.emitWithAck('ask');
  for (const call of calls) await c.call(...call);
}, 'out', 'before');

exports.behaviours = [
  { id: 'any-all', says: '`onAny` sees every event, with its arguments.', run: noted((c, s) => { s.emit('x', 1); s.emit('unknown', 2); }, 'any'), gives: [['any', 'x', 1], ['any', 'unknown', 2]] },
  { id: 'any-order', says: 'In the order of `onAny`; `prependAny` comes first; handlers come last.', run: noted((c, s) => { s.emit('x'); }, 'first', 'any', 'second', 'handler'), gives: [['first', 'x'], ['any', 'x'], ['second', 'x'], 'handler'] },
  { id: 'any-ack', says: 'An event that wants an acknowledgement, too.', run: noted((c, s) => s.emitWithAck('ask'), 'any'), gives: [['any', 'ask']] },
  { id: 'any-off-one', says: '`offAny(f)` removes one.', run: noted(async (c, s) => { await c.call('off one'); s.emit('x'); }, 'any', 'second'), gives: [['any', 'x']] },
  { id: 'any-off-all', says: '`offAny()` removes all.', run: noted(async (c, s) => { await c.call('off all'); s.emit('x'); }, 'first', 'any', 'second'), gives: [] },
  { id: 'any-listeners', says: '`listenersAny` has them.', run: async c => {
    await c.connect();
    return c.call('count');
  }, gives: 3 },
  { id: 'any-lifecycle', says: 'It does not see `disconnecting` and `disconnect`.', run: async c => {
    const socket = await c.connect();
    socket.emit('x');
    socket.disconnect();
    await c.turns();
    const other = await c.connect();
    other.emit('end');
    return (await c.notes()).filter(([what, event]) => what === 'any' && event !== 'end');
  }, gives: [['any', 'x']] },
  { id: 'out-emit', says: '`onAnyOutgoing` sees what is emitted to the client; `prependAnyOutgoing` comes first.', run: outgoing(['emit', 'x', 1]), gives: [['before', 'x'], ['out', 'x', 1]] },
  { id: 'out-broadcast', says: 'Broadcasts that reach it, too.', run: outgoing(['broadcast', 'x'], ['room', 'y']), gives: [['before', 'x'], ['out', 'x'], ['before', 'y'], ['out', 'y']] },
  { id: 'out-others', says: 'Not what goes to others only.', run: outgoing(['others', 'x']), gives: [] },
  { id: 'out-ack', says: 'Nor acknowledgements.', run: outgoing(), gives: [] },
  { id: 'out-off', says: '`offAnyOutgoing()` removes all.', run: outgoing(['off outgoing'], ['emit', 'x']), gives: [] },
  { id: 'out-listeners', says: '`listenersAnyOutgoing` has them.', run: async c => {
    const socket = await c.connect();
    socket.emit('out');
    await socket.emitWithAck('ask');
    return c.call('count outgoing');
  }, gives: 2 },
];
