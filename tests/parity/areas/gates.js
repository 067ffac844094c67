exports.title = 'Middlewares of sockets';
exports.stages = {
  gates(io, t) {
    let go;
    const waiting = new Promise(resolve => { go = resolve; });
    t.command('go', () => go());
    io.on('connection', socket => {
      socket.onAny(event => t.note(['any', event]));
      socket.use(([event, ...args], next) => {
        t.note(['first', event, ...args.filter(arg => typeof arg !== 'function')]);
        next(event === 'refused' ? new Error('no') : event === 'data' ? Object.assign(new Error('no'), { data: 7 }) : undefined);
      });
      socket.use(async (event, next) => {
        if (event[0] === 'slow') await (event[1] === 'wait' ? waiting : null);
        if (event[0] === 'change') event[1] = 'changed';
        if (event[0] === 'rename') event[0] = 'x';
        t.note(['second', event[0]]);
        next();
      });
      for (const name of ['x', 'slow', 'change', 'refused', 'fast']) socket.on(name, value => t.note([name, typeof value === 'function' ? null : value]));
      socket.on('ask', ack => ack(1));
      socket.on('error', error => t.note(['error', error.message, error.data]));
      socket.on('disconnect', () => t.note('disconnect'));
    });
  },
};

const noted = (events, ...words) => async c => {
  const socket = await c.connect();
  for (const [name, ...args] of events) socket.emit(name, ...args);
  socket.emit('end');
  return (await c.notes()).filter(note => words.includes(note[0]) && note[1] !== 'end');
};

exports.behaviours = [
  { id: 'use-order', says: 'They are asked in order, before the handlers.', run: noted([['x', 1]], 'first', 'second', 'x'), gives: [['first', 'x', 1], ['second', 'x'], ['x', 1]] },
  { id: 'use-any', says: '`onAny` sees an event before they do.', run: noted([['x', 1]], 'any', 'first'), gives: [['any', 'x'], ['first', 'x', 1]] },
  { id: 'use-refuse', says: 'One that refuses drops the event: neither those behind it nor handlers see it.', run: noted([['refused']], 'second', 'refused'), gives: [] },
  { id: 'use-error', says: 'The handlers of `error` get its error.', run: noted([['refused']], 'error'), gives: [['error', 'no', null]] },
  { id: 'use-error-data', says: 'With its data.', run: noted([['data']], 'error'), gives: [['error', 'no', 7]] },
  { id: 'use-change', says: 'They may change the arguments.', run: noted([['change', 1]], 'change'), gives: [['change', 'changed']] },
  { id: 'use-rename', says: 'And the name.', run: noted([['rename', 1]], 'x'), gives: [['x', 1]] },
  { id: 'use-async', says: 'They may be async.', run: async c => {
    (await c.connect()).emit('slow', 1);
    return (await c.notes('slow')).at(-1);
  }, gives: ['slow', 1] },
  { id: 'use-overtakes', says: 'Events do not wait for one that an async middleware looks at: a later one may overtake it.', run: async c => {
    const socket = await c.entered();
    socket.send('42["slow","wait"]');
    socket.send('42["fast",2]');
    await socket.settled();
    await c.call('go');
    await c.answers(socket);
    return (await c.notes()).filter(([what]) => what === 'slow' || what === 'fast');
  }, gives: [['fast', 2], ['slow', 'wait']] },
  { id: 'use-ack', says: 'An event that passes is acknowledged.', run: async c => (await c.connect()).emitWithAck('ask'), gives: 1 },
  { id: 'use-refused-ack', says: 'One that is refused is never acknowledged.', run: async c => {
    const socket = await c.entered();
    socket.send('420["refused"]');
    socket.send('421["ask"]');
    return socket.next();
  }, gives: '431[1]' },
  { id: 'use-lives', says: 'The client stays connected.', run: async c => {
    const socket = await c.connect();
    socket.emit('refused');
    return socket.emitWithAck('ask');
  }, gives: 1 },
];
