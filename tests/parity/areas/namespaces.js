exports.title = 'Namespaces';
exports.stages = {
  namespaces(io, t) {
    const sockets = {};
    io.on('new_namespace', nsp => t.note(['new', nsp.name]));
    for (const name of ['/', '/a', '/b', '/umläut']) {
      io.of(name).on('connection', socket => {
        sockets[name] = socket;
        socket.join('room');
        socket.on('where', ack => ack(socket.nsp.name));
        socket.on('disconnect', reason => t.note([name, reason]));
      });
    }
    t.command('emit', (name, ...args) => { io.of(name).emit(...args); });
    t.command('emit room', (name, ...args) => { io.of(name).to('room').emit(...args); });
    t.command('kick', name => { sockets[name].disconnect(); });
    t.command('same', name => io.of(name) === io.of(name));
    t.command('slash', () => io.of('a') === io.of('/a'));
    t.command('root', () => io.sockets === io.of('/'));
    t.command('size', name => io.of(name).sockets.size);
    t.command('ids', () => new Set(Object.values(sockets).map(socket => socket.id)).size === Object.keys(sockets).length);
    t.command('one session', () => sockets['/a'].conn === sockets['/b'].conn);
    t.command('make', name => { io.of(name); });
  },
};

const where = nsp => async c => (await c.connect(nsp)).emitWithAck('where');

exports.behaviours = [
  { id: 'nsp-root', says: 'A client that names none is in `/`.', run: where(''), gives: '/' },
  { id: 'nsp-named', says: 'A client may ask for a namespace.', run: where('/a'), gives: '/a' },
  { id: 'nsp-unicode', says: 'Its name may have letters of any script.', run: async c => {
    const socket = await c.entered('/umläut');
    return socket.accepted.split(',')[0];
  }, gives: '40/umläut' },
  { id: 'nsp-unknown', says: 'An unknown namespace is refused: `Invalid namespace`.', run: c => c.refused('/unknown'), gives: { error: 'Invalid namespace' } },
  { id: 'nsp-case', says: 'Names are told apart by case.', run: c => c.refused('/A'), gives: { error: 'Invalid namespace' } },
  { id: 'nsp-slash', says: 'A slash at the end makes another name.', run: c => c.refused('/a/'), gives: { error: 'Invalid namespace' } },
  { id: 'nsp-query', says: 'A query is part of the name on the wire.', run: async c => (await c.entered('/a?x=1')).accepted, gives: '44/a?x=1,{"message":"Invalid namespace"}' },
  { id: 'nsp-no-comma', says: 'CONNECT needs no comma behind the name.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send('40/a');
    return (await socket.next()).slice(0, 5);
  }, gives: '40/a,' },
  { id: 'nsp-refused-lives', says: 'The connection outlives the refusal.', run: async c => {
    const socket = await c.entered('/unknown');
    socket.send('40/a,');
    return (await socket.next()).slice(0, 5);
  }, gives: '40/a,' },
  { id: 'nsp-without-root', says: 'A client in a namespace is not in `/` unless it asks.', run: async c => {
    await c.connect('/a');
    return [await c.call('size', '/'), await c.call('size', '/a')];
  }, gives: [0, 1] },
  { id: 'nsp-multiplex', says: 'A client may be in many over one connection.', run: async c => {
    const a = await c.connect('/a', { forceNew: false });
    const b = a.io.socket('/b');
    b.connect();
    await c.connected(b);
    return c.call('one session');
  }, gives: true },
  { id: 'nsp-ids', says: 'It has another id in each.', run: async c => {
    const a = await c.connect('/a', { forceNew: false });
    const b = a.io.socket('/b');
    b.connect();
    await c.connected(b);
    return c.call('ids');
  }, gives: true },
  { id: 'nsp-emit', says: 'What a namespace emits reaches its clients only.', run: async c => {
    const sockets = { root: await c.connect('/'), a: await c.connect('/a'), b: await c.connect('/b') };
    await c.call('emit', '/a', 'x');
    return c.reached(sockets);
  }, gives: 'a' },
  { id: 'nsp-rooms', says: 'Rooms of two namespaces with the same name are two rooms.', run: async c => {
    const sockets = { root: await c.connect('/'), a: await c.connect('/a'), b: await c.connect('/b') };
    await c.call('emit room', '/b', 'x');
    return c.reached(sockets);
  }, gives: 'b' },
  { id: 'nsp-leave', says: 'A client that leaves one stays in the others.', run: async c => {
    const a = await c.connect('/a', { forceNew: false });
    const b = a.io.socket('/b');
    b.connect();
    await c.connected(b);
    a.disconnect();
    return [(await c.notes('/a')).at(-1), await b.emitWithAck('where')];
  }, gives: [['/a', 'client namespace disconnect'], '/b'] },
  { id: 'nsp-kick', says: 'So does one that the server disconnects from one.', run: async c => {
    const a = await c.connect('/a', { forceNew: false });
    const b = a.io.socket('/b');
    b.connect();
    await c.connected(b);
    const gone = c.next(a, 'disconnect');
    await c.call('kick', '/a');
    return [await gone, await b.emitWithAck('where'), (await c.notes('/a')).at(-1)];
  }, gives: ['io server disconnect', '/b', ['/a', 'server namespace disconnect']] },
  { id: 'nsp-again', says: 'It may come back.', run: async c => {
    const socket = await c.connect('/a', { forceNew: false });
    socket.disconnect();
    await c.notes('/a');
    socket.connect();
    await c.connected(socket);
    return socket.emitWithAck('where');
  }, gives: '/a' },
  { id: 'nsp-again-id', says: 'With another id.', run: async c => {
    const socket = await c.entered('/a');
    socket.send('41/a,');
    await c.notes('/a');
    socket.send('40/a,');
    return (await socket.next()) === socket.accepted;
  }, gives: false },
  { id: 'nsp-left-all', says: 'A connection without any namespace lives on.', run: async c => {
    const socket = await c.entered('/a');
    socket.send('41/a,');
    await c.notes('/a');
    socket.send('40/b,');
    return (await socket.next()).slice(0, 5);
  }, gives: '40/b,' },
  { id: 'nsp-event-after', says: 'An event for a namespace that the client has left closes the connection.', run: async c => {
    const socket = await c.entered('/a');
    socket.send('41/a,');
    await c.notes('/a');
    socket.send('42/a,["where"]');
    return socket.next();
  }, gives: 'closed' },
  { id: 'nsp-of-same', says: '`of` with one name is one namespace.', run: c => c.call('same', '/a'), gives: true },
  { id: 'nsp-of-slash', says: 'A name without its slash is the same.', run: c => c.call('slash'), gives: true },
  { id: 'nsp-sockets', says: '`io.sockets` is `io.of("/")`.', run: c => c.call('root'), gives: true },
  { id: 'nsp-new', says: '`new_namespace` tells of each namespace that comes into being.', run: async c => {
    await c.call('make', '/c');
    return c.notes('new').then(notes => notes.at(-1));
  }, gives: ['new', '/c'] },
];
