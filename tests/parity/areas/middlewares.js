exports.title = 'Middlewares of namespaces';
exports.stages = {
  middlewares(io, t) {
    const later = () => new Promise(setImmediate);
    io.use((socket, next) => { t.note('first'); socket.data.first = 1; next(); });
    io.use(async (socket, next) => {
      await later();
      t.note('second');
      const { how } = socket.handshake.auth;
      if (how === 'refuse') return next(new Error('no'));
      if (how === 'data') return next(Object.assign(new Error('no'), { data: { code: 7 } }));
      if (how === 'join') socket.join('room');
      if (how === 'emit') socket.emit('early');
      if (how === 'wait') await waiting;
      t.note(['connected', socket.connected]);
      next();
    });
    io.use((socket, next) => { t.note('third'); next(); });
    io.on('connection', socket => {
      t.note('connection');
      socket.on('rooms', ack => ack(socket.rooms.size));
      socket.on('data', ack => ack(socket.data));
    });
    io.of('/free').on('connection', () => {});
    io.of('/sync').use((socket, next) => next(new Error('sync')));
    io.of('/bug').use(() => { throw new Error(`run ${t.number}`); });
    io.of('/bug').on('connection', () => t.note('connection'));
    let go;
    const waiting = new Promise(resolve => { go = resolve; });
    t.command('go', () => go());
    t.command('size', () => io.sockets.sockets.size);
  },
};

const how = value => ({ auth: { how: value } });

exports.behaviours = [
  { id: 'mw-order', says: 'They are called in order, then the handlers of `connection`.', run: async c => {
    await c.connect('/', how());
    return (await c.notes('connection')).filter(note => typeof note === 'string');
  }, gives: ['first', 'second', 'third', 'connection'] },
  { id: 'mw-refuse', says: 'One that refuses tells the client its message.', run: c => c.refused('/', how('refuse')), gives: { error: 'no' } },
  { id: 'mw-data', says: 'And its data.', run: c => c.refused('/', how('data')), gives: { error: 'no', data: { code: 7 } } },
  { id: 'mw-short', says: 'Those behind it are not called, nor are handlers.', run: async c => {
    await c.refused('/', how('refuse'));
    await c.connect('/', how());
    return (await c.notes('connection')).filter(note => note === 'third').length;
  }, gives: 1 },
  { id: 'mw-sync', says: 'It need not be async.', run: c => c.refused('/sync'), gives: { error: 'sync' } },
  { id: 'mw-refused-lives', says: 'Who is refused keeps the connection, and may ask for another namespace.', run: async c => {
    const socket = await c.entered('/sync');
    socket.send('40/free,');
    return (await socket.next()).slice(0, 8);
  }, gives: '40/free,' },
  { id: 'mw-again', says: 'And for the same.', run: async c => {
    const socket = await c.entered('/sync');
    socket.send('40/sync,');
    return socket.next();
  }, gives: '44/sync,{"message":"sync"}' },
  { id: 'mw-own', says: 'A middleware of `/` is not asked for other namespaces.', run: async c => {
    await c.connect('/free');
    await c.connect('/', how());
    return (await c.notes('connection')).filter(note => note === 'first').length;
  }, gives: 1 },
  { id: 'mw-not-connected', says: 'Meanwhile the socket is not connected.', run: async c => {
    await c.connect('/', how());
    return (await c.notes('connection')).find(([what]) => what === 'connected');
  }, gives: ['connected', false] },
  { id: 'mw-not-counted', says: 'Nor is it among the sockets of the namespace.', run: async c => {
    const socket = c.client('/', how('wait'));
    const connected = c.connected(socket);
    socket.connect();
    await c.notes('second');
    const size = await c.call('size');
    await c.call('go');
    await connected;
    return [size, await c.call('size')];
  }, gives: [0, 1] },
  { id: 'mw-set', says: 'What a middleware keeps in `socket.data` is there later.', run: async c => (await c.connect('/', how())).emitWithAck('data'), gives: { first: 1 } },
  { id: 'mw-join', says: 'A socket may join rooms in a middleware.', run: async c => (await c.connect('/', how('join'))).emitWithAck('rooms'), gives: 2 },
  { id: 'mw-emit', says: 'What a middleware emits reaches the client.', run: async c => c.heard(await c.connect('/', how('emit'))), gives: ['early'] },
  { id: 'mw-event-early', says: 'An event that comes while a middleware waits closes the connection.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send('40{"how":"wait"}');
    await c.notes('second');
    socket.send('42["x"]');
    return socket.next();
  }, gives: 'closed' },
  { id: 'mw-leaves', says: 'A client that leaves while a middleware waits is never connected.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send('40{"how":"wait"}');
    await c.notes('second');
    socket.close();
    await new Promise(resolve => socket.once('close', resolve));
    await c.turns();
    await c.call('go');
    await c.connect('/', how());
    return (await c.notes('connection')).filter(note => note === 'connection').length;
  }, gives: 1 },
  { id: 'mw-bug', says: 'One that throws is an uncaught exception; the client hears nothing.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send('40/bug,');
    const notes = await c.notes('uncaught', 'logged');
    socket.send('40/free,');
    return [notes, (await socket.next()).slice(0, 8)];
  }, gives: [['uncaught'], '40/free,'] },
];
