exports.title = 'Broadcasts and their modifiers';
exports.stages = {
  modifiers(io, t) {
    const sockets = {};
    io.on('connection', socket => {
      const { name, rooms } = socket.handshake.auth;
      sockets[name] = socket;
      socket.join(rooms);
      socket.on('tell', (...args) => socket.broadcast.emit(...args));
      socket.on('tell room', (room, ...args) => socket.to(room).emit(...args));
    });
    io.of('/other').on('connection', () => {});
    const chains = {
      'two rooms': () => io.to('r1').to('r2'),
      'two rooms from a': () => sockets.a.to('r1').to('r2'),
      'room twice': () => io.to('r1').to('r1'),
      'in': () => io.in('r1'),
      'except two': () => io.except(['r2', 'r3']),
      'except own': () => io.except(sockets.b.id),
      'except without to': () => sockets.a.except('r2'),
      'in and except the same': () => io.to('r1').except('r1'),
      'nobody': () => io.to([]),
      'local': () => io.local,
      'volatile': () => io.volatile,
      'volatile room': () => io.volatile.to('r1'),
      'uncompressed': () => io.compress(false),
      'broadcast volatile': () => sockets.a.volatile.broadcast,
      'broadcast to own room': () => sockets.a.to(sockets.a.id),
      'namespace': () => io.of('/').to('r3'),
    };
    t.command('chain', (name, ...args) => { chains[name]().emit(...args); });
    t.command('kept', () => {
      const chain = io.to('r1');
      chain.to('r2');
      chain.emit('x');
    });
    t.command('flag', () => {
      sockets.a.volatile.emit('x');
      sockets.a.emit('y');
    });
    t.command('leaves', () => {
      const chain = io.to('r1');
      sockets.b.leave('r1');
      chain.emit('x');
    });
    t.command('changed', () => {
      const data = [1];
      io.emit('x', data);
      data.push(2);
    });
    t.command('bytes', () => { io.to('r1').emit('x', Buffer.from([1, 2]), { b: Buffer.from([3]) }); });
  },
};

const ROOMS = { a: ['r1'], b: ['r1', 'r2'], c: ['r3'] };
async function crowd(c) {
  const sockets = {};
  for (const [name, rooms] of Object.entries(ROOMS)) sockets[name] = await c.connect('/', { auth: { name, rooms } });
  return sockets;
}
const reached = (command, ...args) => async c => {
  const sockets = await crowd(c);
  await c.call(command, ...args);
  return c.reached(sockets);
};
const chain = name => reached('chain', name, 'x');
const told = (name, command, ...args) => async c => {
  const sockets = await crowd(c);
  await c.call(command, ...args);
  return c.heard(sockets[name]);
};

exports.behaviours = [
  { id: 'to-two', says: '`to` twice is the union of the rooms.', run: chain('two rooms'), gives: 'a b' },
  { id: 'to-once-each', says: 'Who is in two of them gets the event once.', run: told('b', 'chain', 'two rooms', 'x'), gives: ['x'] },
  { id: 'to-from-socket', says: '`to` of a socket leaves out the socket itself.', run: chain('two rooms from a'), gives: 'b' },
  { id: 'to-same', says: 'The same room twice is one room.', run: told('a', 'chain', 'room twice', 'x'), gives: ['x'] },
  { id: 'to-in', says: '`in` is `to`.', run: chain('in'), gives: 'a b' },
  { id: 'to-none', says: '`to` with an empty list is everybody.', run: chain('nobody'), gives: 'a b c' },
  { id: 'to-own', says: 'A socket that emits to its own room reaches nobody: it leaves itself out.', run: chain('broadcast to own room'), gives: '' },
  { id: 'to-namespace', says: 'A namespace has the same modifiers.', run: chain('namespace'), gives: 'c' },
  { id: 'except-list', says: '`except` takes several rooms.', run: chain('except two'), gives: 'a' },
  { id: 'except-id', says: 'The id of a socket is a room here, too.', run: chain('except own'), gives: 'a c' },
  { id: 'except-socket', says: '`except` of a socket leaves out the socket, too.', run: chain('except without to'), gives: 'c' },
  { id: 'except-all', says: '`to` and `except` of one room is nobody.', run: chain('in and except the same'), gives: '' },
  { id: 'mod-local', says: '`local` is everybody on this server.', run: chain('local'), gives: 'a b c' },
  { id: 'mod-volatile', says: '`volatile` reaches all who can be written to.', run: chain('volatile'), gives: 'a b c' },
  { id: 'mod-volatile-room', says: 'With rooms, those in them.', run: chain('volatile room'), gives: 'a b' },
  { id: 'mod-broadcast-volatile', says: '`socket.volatile.broadcast` reaches the others.', run: chain('broadcast volatile'), gives: 'b c' },
  { id: 'mod-compress', says: '`compress(false)` reaches the same.', run: chain('uncompressed'), gives: 'a b c' },
  { id: 'mod-new', says: 'A modifier makes a new chain: the one that it was called on stays as it was.', run: reached('kept'), gives: 'a b' },
  { id: 'mod-flag', says: 'A flag holds for one emit.', run: told('a', 'flag'), gives: ['x', 'y'] },
  { id: 'mod-late', says: 'Who is in a room is looked up when the event is emitted.', run: reached('leaves'), gives: 'a' },
  { id: 'mod-changed', says: 'Data are taken as they are when they are emitted: a change behind that is not sent.', run: told('a', 'changed'), gives: [['x', [1]]] },
  { id: 'mod-bytes', says: 'Broadcasts may be bytes.', run: told('a', 'bytes'), gives: [['x', Buffer.from([1, 2]), { b: Buffer.from([3]) }]] },
  { id: 'mod-namespace-only', says: 'What `io` emits reaches no other namespace.', run: async c => {
    const sockets = { ...await crowd(c), other: await c.connect('/other') };
    await c.call('chain', 'local', 'x');
    return c.reached(sockets);
  }, gives: 'a b c' },
  { id: 'mod-tell', says: '`socket.broadcast` reaches all but the socket.', run: async c => {
    const sockets = await crowd(c);
    const told = c.next(sockets.b, 'x');
    sockets.a.emit('tell', 'x');
    await told;
    return c.reached(sockets);
  }, gives: 'b c' },
  { id: 'mod-polling', says: 'A broadcast reaches clients of both transports.', run: async c => {
    const sockets = { ...await crowd(c), p: await c.connect('/', { auth: { name: 'p', rooms: ['r1'] }, transports: ['polling'] }) };
    await c.call('chain', 'in', 'x');
    return c.reached(sockets);
  }, gives: 'a b p' },
];
