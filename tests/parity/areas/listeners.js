exports.title = 'Listeners';
exports.stages = {
  listeners(io, t) {
    io.on('connection', socket => {
      const one = () => t.note('one');
      socket.on('two', one);
      socket.on('two', () => t.note('other'));
      socket.once('once', n => t.note(['once', n]));
      socket.on('off', one);
      socket.on('off', () => t.note('kept'));
      socket.off('off', one);
      socket.on('gone', one);
      socket.removeAllListeners('gone');
      socket.on('same', one);
      socket.on('same', one);
      socket.once('off once', one);
      socket.off('off once', one);
      socket.on('late', () => socket.on('late', () => t.note('late')));
      socket.on('self', function self() { t.note('self'); socket.off('self', self); });
      socket.on('raises', () => { throw new Error(`run ${t.number}`); });
      socket.on('raises', () => t.note('behind'));
      socket.on('few', a => t.note(['few', a]));
      socket.on('many', (a, b, c) => t.note(['many', a, b, c]));
      t.command('listeners', event => socket.listeners(event).length);
      t.command('all off', () => { socket.removeAllListeners('two'); });
    });
    io.on('connection', () => t.note('second'));
    io.on('connect', () => t.note('alias'));
    io.once('connection', () => t.note('only once'));
  },
};

const noted = (...events) => async c => {
  const socket = await c.connect();
  for (const [name, ...args] of events) socket.emit(name, ...args);
  socket.emit('end');
  return (await c.notes()).filter(note => !['second', 'alias', 'only once', 'end'].includes(note));
};

exports.behaviours = [
  { id: 'on-two', says: 'Listeners of one event are called in the order of `on`.', run: noted(['two']), gives: ['one', 'other'] },
  { id: 'on-once', says: '`once` listens to one event.', run: noted(['once', 1], ['once', 2]), gives: [['once', 1]] },
  { id: 'on-off', says: '`off` removes one listener.', run: noted(['off']), gives: ['kept'] },
  { id: 'on-off-all', says: '`removeAllListeners(event)` removes all of an event.', run: noted(['gone']), gives: [] },
  { id: 'on-off-later', says: 'At any time.', run: async c => {
    const socket = await c.connect();
    await c.call('all off');
    return noted(['two'])({ connect: () => socket, notes: () => c.notes() });
  }, gives: [] },
  { id: 'on-off-once', says: '`off` removes a listener of `once`, too.', run: noted(['off once']), gives: [] },
  { id: 'on-same', says: 'A function that listens twice is called twice.', run: noted(['same']), gives: ['one', 'one'] },
  { id: 'on-late', says: 'A listener that is added by another is called for the next event.', run: noted(['late'], ['late']), gives: ['late'] },
  { id: 'on-self', says: 'A listener may remove itself.', run: noted(['self'], ['self']), gives: ['self'] },
  { id: 'on-raises', says: 'If a listener throws, those behind it are not called.', run: noted(['raises']), gives: ['uncaught'] },
  { id: 'on-listeners', says: '`listeners` has those of an event.', run: async c => {
    await c.connect();
    return [await c.call('listeners', 'two'), await c.call('listeners', 'nothing')];
  }, gives: [2, 0] },
  { id: 'on-few', says: 'Arguments that a listener does not take are left out.', run: noted(['few', 1, 2]), gives: [['few', 1]] },
  { id: 'on-many', says: 'Those that did not come are undefined.', run: noted(['many', 1]), gives: [['many', 1, null, null]] },
  { id: 'on-connection-two', says: 'All listeners of `connection` are called.', run: async c => {
    await c.connect();
    return (await c.notes('second')).includes('second');
  }, gives: true },
  { id: 'on-connect', says: '`connect` is another name of `connection`.', run: async c => {
    await c.connect();
    await c.heard(await c.connect());
    return (await c.notes('second')).includes('alias');
  }, gives: true },
  { id: 'on-connection-once', says: '`io.once("connection")` sees the first client only.', run: async c => {
    await c.connect();
    const socket = await c.connect();
    socket.emit('end');
    return (await c.notes()).filter(note => note === 'only once').length;
  }, gives: 1 },
];
