exports.title = 'Dynamic namespaces';
exports.stages = {
  dynamic(io, t) {
    io.of('/static').on('connection', socket => socket.emit('static'));
    const parent = io.of(/^\/room-\d+$/);
    parent.use((socket, next) => { t.note(['middleware', socket.nsp.name]); next(); });
    parent.on('connection', socket => {
      socket.join('room');
      socket.emit('welcome', socket.nsp.name);
    });
    io.of(/\/loose-\d+/).on('connection', socket => socket.emit('welcome'));
    io.of((name, auth, next) => {
      t.note(['asked', name]);
      next(null, name === '/team' && auth.token === 'x');
    }).on('connection', socket => socket.emit('welcome'));
    io.of(/^\/st.*/).on('connection', socket => socket.emit('dynamic'));
    io.on('new_namespace', nsp => t.note(['new', nsp.name]));
    t.command('emit', (...args) => { parent.emit(...args); });
    t.command('emit room', (...args) => { parent.to('room').emit(...args); });
    t.command('emit child', (...args) => { io.of('/room-1').emit(...args); });
    t.command('names', () => [...io._nsps.keys()].filter(name => name.startsWith('/room-')));
  },
};

const heard = (nsp, options) => async c => c.heard(await c.connect(nsp, options));
const refused = { error: 'Invalid namespace' };

exports.behaviours = [
  { id: 'dyn-pattern', says: 'A pattern stands for all names that match.', run: async c => {
    const socket = await c.connect('/room-1');
    return c.heard(socket);
  }, gives: [['welcome', '/room-1']] },
  { id: 'dyn-no-match', says: 'Names that do not match are refused.', run: c => c.refused('/room-x'), gives: refused },
  { id: 'dyn-loose', says: 'A pattern without `^` and `$` takes names that hold a match anywhere.', run: async c => heard('/x/loose-1y')(c).catch(error => ({ error: error.message })), gives: ['welcome'] },
  { id: 'dyn-middleware', says: 'A child has the middlewares of its parent.', run: async c => {
    await c.connect('/room-1');
    return c.notes('middleware').then(notes => notes.at(-1));
  }, gives: ['middleware', '/room-1'] },
  { id: 'dyn-two', says: 'Each name is a namespace of its own.', run: async c => {
    const sockets = { one: await c.connect('/room-1'), two: await c.connect('/room-2') };
    await c.heard(...Object.values(sockets));
    return c.call('names');
  }, gives: ['/room-1', '/room-2'] },
  { id: 'dyn-emit-child', says: 'What a child emits reaches its own clients only.', run: async c => {
    const [one, two] = [await c.connect('/room-1'), await c.connect('/room-2')];
    await c.call('emit child', 'x');
    return c.heard(one, two);
  }, gives: [[['welcome', '/room-1'], 'x'], [['welcome', '/room-2']]] },
  { id: 'dyn-emit', says: 'What a parent emits reaches the clients of all children.', run: async c => {
    const [one, two] = [await c.connect('/room-1'), await c.connect('/room-2')];
    await c.call('emit', 'x');
    return (await c.heard(one, two)).map(events => events.includes('x'));
  }, gives: [true, true] },
  { id: 'dyn-emit-room', says: 'So it does with rooms.', run: async c => {
    const [one, two] = [await c.connect('/room-1'), await c.connect('/room-2')];
    await c.call('emit room', 'x');
    return (await c.heard(one, two)).map(events => events.includes('x'));
  }, gives: [true, true] },
  { id: 'dyn-function', says: 'A function decides by the name and `auth`.', run: heard('/team', { auth: { token: 'x' } }), gives: ['welcome'] },
  { id: 'dyn-function-no', says: 'If it says no, the client is refused.', run: c => c.refused('/team', { auth: { token: 'y' } }), gives: refused },
  { id: 'dyn-function-once', says: 'It is asked for the first client of a name only.', run: async c => {
    await c.connect('/team', { auth: { token: 'x' } });
    await c.connect('/team', { auth: { token: 'x' } });
    return (await c.notes('asked')).filter(([what]) => what === 'asked').length;
  }, gives: 1 },
  { id: 'dyn-function-others', says: 'So others may come in whom it would refuse.', run: async c => {
    await c.connect('/team', { auth: { token: 'x' } });
    return c.connect('/team', { auth: { token: 'y' } }).then(() => 'let in', error => error.message);
  }, gives: 'let in' },
  { id: 'dyn-static', says: 'A namespace that is there comes before patterns.', run: heard('/static'), gives: ['static'] },
  { id: 'dyn-new', says: '`new_namespace` tells of each child.', run: async c => {
    await c.connect('/room-1');
    return c.notes('new').then(notes => notes.find(([what]) => what === 'new'));
  }, gives: ['new', '/room-1'] },
  { id: 'dyn-stays', says: 'A child stays when its last client has left.', run: async c => {
    const socket = await c.entered('/room-1');
    socket.send('41/room-1,');
    await socket.settled();
    return c.call('names');
  }, gives: ['/room-1'] },
  { id: 'dyn-cleanup', says: '`cleanupEmptyChildNamespaces` drops it.', options: { cleanupEmptyChildNamespaces: true }, run: async c => {
    const socket = await c.entered('/room-1');
    socket.send('41/room-1,');
    await socket.settled();
    await c.turns();
    return c.call('names');
  }, gives: [] },
];
