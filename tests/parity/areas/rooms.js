exports.title = 'Rooms';
exports.stages = {
  rooms(io, t) {
    const sockets = {};
    for (const event of ['create-room', 'delete-room', 'join-room', 'leave-room']) {
      io.of('/').adapter.on(event, (room, id) => t.note([event, name(room), ...(id ? [name(id)] : [])]));
    }
    const name = id => Object.keys(sockets).find(key => sockets[key]?.id === id) ?? (id.length === 20 ? 'own' : id);
    io.on('connection', socket => {
      const key = socket.handshake.auth.name;
      sockets[key] = socket;
      socket.on('disconnecting', () => t.note(['disconnecting', rooms(key)]));
      socket.on('disconnect', () => t.note(['disconnect', rooms(key)]));
    });
    const rooms = key => [...sockets[key].rooms].map(room => (room === sockets[key].id ? 'own' : room)).sort();
    t.command('rooms', rooms);
    t.command('join', (key, ...args) => { sockets[key].join(...args); });
    t.command('join own', (key, other) => {
      try {
        sockets[key].join(sockets[other].id);
        return 'joined';
      } catch {
        return 'refused';
      }
    });
    t.command('leave', (key, room) => { sockets[key].leave(room); });
    t.command('leave own', key => { sockets[key].leave(sockets[key].id); });
    t.command('leave all', key => { sockets[key].leaveAll(); });
    t.command('to', (room, ...args) => { io.to(room).emit(...args); });
    t.command('to own', (key, ...args) => { io.to(sockets[key].id).emit(...args); });
    t.command('names', () => [...io.of('/').adapter.rooms.keys()].filter(room => room.length !== 20));
    t.command('members', room => [...(io.of('/').adapter.rooms.get(room) ?? [])].map(name).sort());
    t.command('disconnect', key => { sockets[key].disconnect(); });
  },
};

const named = name => ({ auth: { name } });
const after = (...calls) => async c => {
  await c.connect('/', named('a'));
  for (const call of calls) await c.call(...call);
  return c.call('rooms', 'a');
};
const reached = (room, ...calls) => async c => {
  const sockets = { a: await c.connect('/', named('a')), b: await c.connect('/', named('b')) };
  for (const call of calls) await c.call(...call);
  await c.call('to', room, 'x');
  return c.reached(sockets);
};

exports.behaviours = [
  { id: 'room-own', says: 'A socket is in a room that is named by its id.', run: after(), gives: ['own'] },
  { id: 'room-own-emit', says: 'What is emitted there reaches it.', run: async c => {
    const sockets = { a: await c.connect('/', named('a')), b: await c.connect('/', named('b')) };
    await c.call('to own', 'b', 'x');
    return c.reached(sockets);
  }, gives: 'b' },
  { id: 'room-join', says: '`join` puts it into a room at once.', run: after(['join', 'a', 'r']), gives: ['own', 'r'] },
  { id: 'room-join-many', says: 'Or into several.', run: after(['join', 'a', ['r', 's']]), gives: ['own', 'r', 's'] },
  { id: 'room-join-twice', says: 'Joining twice is joining once.', run: reached('r', ['join', 'a', 'r'], ['join', 'a', 'r']), gives: 'a' },
  { id: 'room-leave', says: '`leave` takes it out.', run: after(['join', 'a', ['r', 's']], ['leave', 'a', 'r']), gives: ['own', 's'] },
  { id: 'room-leave-twice', says: 'It leaves at once, however often it joined.', run: after(['join', 'a', 'r'], ['join', 'a', 'r'], ['leave', 'a', 'r']), gives: ['own'] },
  { id: 'room-leave-other', says: 'Leaving a room that it is not in is harmless.', run: after(['leave', 'a', 'r']), gives: ['own'] },
  { id: 'room-leave-own', says: 'It may leave its own room.', run: after(['leave own', 'a']), gives: [] },
  { id: 'room-leave-all', says: '`leaveAll` takes it out of all, its own included.', run: after(['join', 'a', 'r'], ['leave all', 'a']), gives: [] },
  { id: 'room-number', says: 'A number is a room.', run: reached(42, ['join', 'a', 42]), gives: 'a' },
  { id: 'room-number-text', says: 'It is another room than the text of its digits.', run: reached('42', ['join', 'a', 42]), gives: '' },
  { id: 'room-number-leave', says: 'A number can be left.', run: after(['join', 'a', 42], ['leave', 'a', 42]), gives: ['own'] },
  { id: 'room-float', says: '1 and 1.0 are one number, and one room.', run: reached(1.0, ['join', 'a', 1]), gives: 'a' },
  { id: 'room-true', says: '`true` is a room, as any value is.', run: async c => reached(true, ['join', 'a', true])(c).catch(() => 'refused'), gives: 'a' },
  { id: 'room-nobody', says: 'What is emitted to a room that nobody is in reaches nobody.', run: reached('r'), gives: '' },
  { id: 'room-another', says: 'It may join the room that is named by another\'s id.', run: async c => {
    await c.connect('/', named('a'));
    await c.connect('/', named('b'));
    return c.call('join own', 'a', 'b');
  }, gives: 'joined' },
  { id: 'room-names', says: 'The adapter knows all rooms.', run: async c => {
    await after(['join', 'a', ['r', 's']])(c);
    return (await c.call('names')).sort();
  }, gives: ['r', 's'] },
  { id: 'room-members', says: 'And who is in them.', run: async c => {
    await reached('r', ['join', 'a', 'r'], ['join', 'b', 'r'])(c);
    return c.call('members', 'r');
  }, gives: ['a', 'b'] },
  { id: 'room-emptied', says: 'A room that the last one leaves is gone.', run: async c => {
    await after(['join', 'a', 'r'], ['leave', 'a', 'r'])(c);
    return c.call('names');
  }, gives: [] },
  { id: 'room-create', says: '`create-room` and `join-room` tell of a room and of who joins it.', run: async c => {
    await reached('r', ['join', 'a', 'r'], ['join', 'b', 'r'])(c);
    return (await c.notes('join-room')).filter(([, room]) => room === 'r');
  }, gives: [['create-room', 'r'], ['join-room', 'r', 'a'], ['join-room', 'r', 'b']] },
  { id: 'room-delete', says: '`leave-room` and `delete-room` tell of who leaves, and of the end of a room.', run: async c => {
    await after(['join', 'a', 'r'], ['leave', 'a', 'r'])(c);
    return (await c.notes('delete-room')).filter(([what, room]) => room === 'r' && /leave|delete/.test(what));
  }, gives: [['leave-room', 'r', 'a'], ['delete-room', 'r']] },
  { id: 'room-own-events', says: 'They tell of its own room, too.', run: async c => {
    await c.connect('/', named('a'));
    return (await c.notes('join-room')).filter(([, room]) => room === 'own' || room === 'a').length;
  }, gives: 2 },
  { id: 'room-disconnecting', says: 'In `disconnecting` a socket is still in its rooms; in `disconnect` it is in none.', run: async c => {
    await after(['join', 'a', 'r'], ['disconnect', 'a'])(c);
    return (await c.notes('disconnect')).filter(([what]) => /disconnect/.test(what));
  }, gives: [['disconnecting', ['own', 'r']], ['disconnect', []]] },
  { id: 'room-after', says: 'After its disconnect, `join` does nothing.', run: async c => {
    await after(['disconnect', 'a'], ['join', 'a', 'r'])(c);
    return c.call('members', 'r');
  }, gives: [] },
];
