exports.title = 'Utility methods';
exports.stages = {
  utilities(io, t) {
    const sockets = {};
    io.on('connection', socket => {
      const { name, rooms } = socket.handshake.auth;
      sockets[name] = socket;
      socket.data.name = name;
      socket.join(rooms);
    });
    io.of('/other').on('connection', () => {});
    const names = found => found.map(socket => socket.data.name).sort();
    const chains = {
      all: () => io, room: () => io.in('r1'), except: () => io.except('r1'), others: () => sockets.a.broadcast,
      nobody: () => io.in('nowhere'), namespace: () => io.of('/'), local: () => io.local, other: () => io.of('/other'),
    };
    t.command('fetch', async chain => names(await chains[chain]().fetchSockets()));
    t.command('join', (chain, rooms) => { chains[chain]().socketsJoin(rooms); });
    t.command('leave', (chain, rooms) => { chains[chain]().socketsLeave(rooms); });
    t.command('disconnect', (chain, ...args) => { chains[chain]().disconnectSockets(...args); });
    t.command('in', async room => names(await io.in(room).fetchSockets()));
    t.command('remote', async () => {
      const [socket] = await io.in(sockets.a.id).fetchSockets();
      return [socket.id === sockets.a.id, socket.rooms.has('r1'), socket.data, socket.handshake.auth.name];
    });
    t.command('remote join', async () => { (await io.in(sockets.a.id).fetchSockets())[0].join('new'); });
    t.command('remote emit', async () => { (await io.in(sockets.a.id).fetchSockets())[0].emit('x'); });
    t.command('remote disconnect', async () => { (await io.in(sockets.a.id).fetchSockets())[0].disconnect(); });
    t.command('count', () => io.engine.clientsCount);
    t.command('sockets', () => io.of('/').sockets.size);
    t.command('by id', () => io.sockets.sockets.get(sockets.a.id) === sockets.a);
    t.command('server side', () => { io.serverSideEmit('x', 1); });
    t.command('server side reserved', () => {
      try {
        io.serverSideEmit('connection');
        return 'emitted';
      } catch {
        return 'refused';
      }
    });
    io.on('x', n => t.note(['server side', n]));
  },
};
const warn = console.warn;
console.warn = (...args) => /serverSideEmit/.test(args[0]) || warn(...args);

const ROOMS = { a: ['r1'], b: ['r1', 'r2'], c: ['r3'] };
async function crowd(c) {
  const sockets = {};
  for (const [name, rooms] of Object.entries(ROOMS)) sockets[name] = await c.connect('/', { auth: { name, rooms } });
  return sockets;
}
const call = (...calls) => async c => {
  await crowd(c);
  let result;
  for (const each of calls) result = await c.call(...each);
  return result;
};
const disconnected = (chain, ...args) => async c => {
  const sockets = await crowd(c);
  const reasons = {};
  for (const [name, socket] of Object.entries(sockets)) socket.once('disconnect', reason => { reasons[name] = reason; });
  const gone = chain === 'room' ? ['a', 'b'] : ['a', 'b', 'c'];
  const left = gone.map(name => c.next(sockets[name], 'disconnect'));
  await c.call('disconnect', chain, ...args);
  await Promise.all(left);
  if (chain === 'room') await c.heard(sockets.c);
  return { ...reasons };
};

exports.behaviours = [
  { id: 'fetch-all', says: '`io.fetchSockets()` has all sockets of `/`.', run: call(['fetch', 'all']), gives: ['a', 'b', 'c'] },
  { id: 'fetch-room', says: '`io.in(room).fetchSockets()` has those in a room.', run: call(['fetch', 'room']), gives: ['a', 'b'] },
  { id: 'fetch-except', says: '`io.except(room).fetchSockets()` has the others.', run: call(['fetch', 'except']), gives: ['c'] },
  { id: 'fetch-others', says: '`socket.broadcast.fetchSockets()` has all but that one.', run: call(['fetch', 'others']), gives: ['b', 'c'] },
  { id: 'fetch-nobody', says: 'Of an empty room it has none.', run: call(['fetch', 'nobody']), gives: [] },
  { id: 'fetch-namespace', says: 'A namespace has the method, too.', run: call(['fetch', 'namespace']), gives: ['a', 'b', 'c'] },
  { id: 'fetch-other', says: 'Each has its own sockets.', run: call(['fetch', 'other']), gives: [] },
  { id: 'fetch-local', says: '`local` has those on this server.', run: call(['fetch', 'local']), gives: ['a', 'b', 'c'] },
  { id: 'fetch-attributes', says: 'They have `id`, `rooms`, `data` and `handshake`.', run: call(['remote']), gives: [true, true, { name: 'a' }, 'a'] },
  { id: 'fetch-join', says: 'They can join rooms.', run: call(['remote join'], ['in', 'new']), gives: ['a'] },
  { id: 'fetch-emit', says: 'They can be emitted to.', run: async c => {
    const sockets = await crowd(c);
    await c.call('remote emit');
    return c.reached(sockets);
  }, gives: 'a' },
  { id: 'fetch-disconnect', says: 'They can be disconnected.', run: async c => {
    const { a } = await crowd(c);
    const reason = c.next(a, 'disconnect');
    await c.call('remote disconnect');
    return reason;
  }, gives: 'io server disconnect' },
  { id: 'util-join', says: '`io.in(room).socketsJoin(room)` puts all of a room into another.', run: call(['join', 'room', 'new'], ['in', 'new']), gives: ['a', 'b'] },
  { id: 'util-join-many', says: 'Or into several.', run: call(['join', 'all', ['new', 'newer']], ['in', 'newer']), gives: ['a', 'b', 'c'] },
  { id: 'util-leave', says: '`socketsLeave` takes them out.', run: call(['leave', 'room', 'r1'], ['in', 'r1']), gives: [] },
  { id: 'util-leave-some', says: 'Only those whom the chain names.', run: call(['join', 'all', 'new'], ['leave', 'room', 'new'], ['in', 'new']), gives: ['c'] },
  { id: 'util-disconnect', says: '`disconnectSockets()` disconnects all from the namespace; they hear `io server disconnect`.', run: disconnected('all'), gives: { a: 'io server disconnect', b: 'io server disconnect', c: 'io server disconnect' } },
  { id: 'util-disconnect-room', says: '`io.in(room).disconnectSockets()` disconnects those in a room.', run: disconnected('room'), gives: { a: 'io server disconnect', b: 'io server disconnect' } },
  { id: 'util-disconnect-close', says: '`disconnectSockets(true)` closes their connections; they hear the same.', run: disconnected('all', true), gives: { a: 'io server disconnect', b: 'io server disconnect', c: 'io server disconnect' } },
  { id: 'util-count', says: '`io.engine.clientsCount` counts the sessions.', run: call(['count']), gives: 3 },
  { id: 'util-sockets', says: '`io.of("/").sockets` has the sockets by id.', run: call(['sockets']), gives: 3 },
  { id: 'util-by-id', says: 'A socket is found by its id.', run: call(['by id']), gives: true },
  { id: 'util-server-side', says: '`serverSideEmit` reaches other servers only: with one server, nobody.', run: async c => {
    await crowd(c);
    await c.call('server side');
    (await c.connect('/', { auth: { name: 'd', rooms: [] } })).emit('end');
    return c.notes();
  }, gives: ['end'] },
  { id: 'util-server-side-reserved', says: 'It refuses reserved names; `connection` is one.', run: call(['server side reserved']), gives: 'refused' },
];
