exports.title = 'Events';
exports.stages = {
  events(io, t) {
    io.on('connection', socket => {
      socket.on('note', (...args) => t.note(['note', ...args]));
      socket.on('echo', (...args) => socket.emit('echo', ...args));
      socket.on('message', text => t.note(['message', text]));
      socket.on('', () => t.note('no name'));
      socket.on('error', text => t.note(['error', text]));
      socket.on('raise', () => { throw new Error(`run ${t.number}`); });
      socket.on('reject', async () => { throw new Error(`run ${t.number}`); });
    });
    const first = () => io.sockets.sockets.values().next().value;
    t.command('emit', (...args) => { io.emit(...args); });
    t.command('send', (...args) => { io.send(...args); });
    t.command('try', (...args) => {
      try {
        io.emit(...args);
        return 'emitted';
      } catch {
        return 'refused';
      }
    });
    t.command('date', () => { io.emit('x', new Date(0)); });
    t.command('not a number', () => { io.emit('x', NaN); });
    t.command('set', () => { io.emit('x', new Set([1])); });
    t.command('circle', () => {
      const circle = [];
      circle.push(circle);
      try {
        io.emit('x', circle);
        return 'emitted';
      } catch {
        return 'refused';
      }
    });
    t.command('burst', (count, size) => { for (let i = 0; i < count; i++) io.emit('n', i, 'x'.repeat(size)); });
    t.command('chain', () => first().on('x', () => {}) === first());
    t.command('returned', () => first().emit('x'));
  },
};

const sent = (...args) => async c => {
  const socket = await c.connect();
  socket.emit('note', ...args);
  socket.emit('end');
  return (await c.notes())[0].slice(1);
};
const told = (command, ...args) => async c => {
  const socket = await c.connect();
  await c.call(command, ...args);
  return c.heard(socket);
};
const burst = (count, size, options) => async c => {
  const socket = await c.connect('/', options);
  await c.call('burst', count, size);
  const heard = await c.heard(socket);
  return [heard.length, heard.every(([name, i, text], at) => name === 'n' && i === at && text.length === size)];
};
const values = [0, -1.5, 'text', true, false, null, [1, [2]], { a: { b: [] } }];
const scripts = ['äöü', 'नमस्ते', '中文', '🎉', '\u0000\u2028', '"\\/'];

exports.behaviours = [
  { id: 'event-arguments', says: 'Any number of arguments arrives, with the types of JSON.', run: sent(...values), gives: values },
  { id: 'event-arguments-back', says: 'So it is from the server to the client.', run: told('emit', 'x', ...values), gives: [['x', ...values]] },
  { id: 'event-no-arguments', says: 'An event needs no arguments.', run: sent(), gives: [] },
  { id: 'event-scripts', says: 'Text of every script arrives as it was, with NUL and line separators.', run: sent(...scripts), gives: scripts },
  { id: 'event-scripts-back', says: 'So it is from the server to the client.', run: told('emit', ...scripts), gives: [scripts] },
  { id: 'event-binary', says: 'Bytes may stand anywhere in the arguments.', run: sent(Buffer.from([1]), { a: [Buffer.from([2, 3])] }), gives: [Buffer.from([1]), { a: [Buffer.from([2, 3])] }] },
  { id: 'event-binary-empty', says: 'No bytes at all are bytes, too.', run: sent(Buffer.alloc(0)), gives: [Buffer.alloc(0)] },
  { id: 'event-binary-polling', says: 'They arrive over long-polling, too.', run: async c => {
    const socket = await c.connect('/', { transports: ['polling'] });
    socket.emit('echo', Buffer.from([1, 2]));
    return c.next(socket, 'echo');
  }, gives: Buffer.from([1, 2]) },
  { id: 'event-binary-view', says: 'Typed arrays arrive as bytes.', run: sent(new Uint16Array([1, 2])), gives: [Buffer.from([1, 0, 2, 0])] },
  { id: 'event-placeholder', says: 'An object that looks like a placeholder arrives as it is.', run: sent({ _placeholder: true, num: 0 }), gives: [{ _placeholder: true, num: 0 }] },
  { id: 'event-number-name', says: 'The server may emit an event whose name is a number.', run: c => c.call('try', 7), gives: 'emitted' },
  {
    id: 'event-order',
    says: 'Events are handled in the order in which they were emitted.',
    run: async c => {
      const socket = await c.connect();
      for (let i = 0; i < 200; i++) socket.emit('note', i);
      socket.emit('end');
      return (await c.notes()).slice(0, -1).every(([, i], at) => i === at);
    },
    gives: true,
  },
  { id: 'event-nobody', says: 'An event that nobody listens to is ignored.', run: async c => {
    const socket = await c.connect();
    socket.emit('unknown', 1);
    socket.emit('end');
    return c.notes();
  }, gives: ['end'] },
  { id: 'event-empty-name', says: 'The empty string is a name.', run: async c => {
    const socket = await c.connect();
    socket.emit('');
    socket.emit('end');
    return c.notes();
  }, gives: ['no name', 'end'] },
  { id: 'event-send', says: '`send` of a client emits the event `message`.', run: async c => {
    const socket = await c.connect();
    socket.send('hi');
    socket.emit('end');
    return c.notes();
  }, gives: [['message', 'hi'], 'end'] },
  { id: 'event-send-back', says: '`io.send` emits the event `message`.', run: told('send', 'hi'), gives: [['message', 'hi']] },
  { id: 'event-error-name', says: '`error` is an event like others when a client sends it.', run: async c => {
    const socket = await c.connect();
    socket.emit('error', 'hi');
    socket.emit('end');
    return c.notes();
  }, gives: [['error', 'hi'], 'end'] },
  ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'].map(name => ({
    id: `event-reserved-${name}`, says: `\`emit("${name}")\` raises: the name is reserved.`, run: c => c.call('try', name), gives: 'refused',
  })),
  { id: 'event-connection-name', says: '`connection` is not reserved.', run: c => c.call('try', 'connection'), gives: 'emitted' },
  { id: 'event-date', says: 'A date travels as ISO text.', run: c => told('date')(c).catch(() => 'refused'), gives: [['x', '1970-01-01T00:00:00.000Z']] },
  { id: 'event-nan', says: 'NaN arrives as null.', run: c => told('not a number')(c).catch(() => 'refused'), gives: [['x', null]] },
  { id: 'event-set', says: 'A set arrives as an empty object.', run: c => told('set')(c).catch(() => 'refused'), gives: [['x', {}]] },
  { id: 'event-circle', says: 'A list that holds itself cannot be emitted: `emit` raises.', run: c => c.call('circle'), gives: 'refused' },
  { id: 'event-burst', says: 'Ten thousand events that are emitted at once arrive, in order.', run: burst(10_000, 10), gives: [10_000, true] },
  { id: 'event-burst-polling', says: 'So they do over long-polling.', run: burst(10_000, 10, { transports: ['polling'] }), gives: [10_000, true] },
  { id: 'event-large', says: 'The server may emit more than `maxHttpBufferSize`.', run: burst(1, 3_000_000), gives: [1, true] },
  { id: 'event-large-polling', says: 'So it may over long-polling.', run: burst(1, 3_000_000, { transports: ['polling'] }), gives: [1, true] },
  { id: 'event-many-large', says: 'Thirty events of 100 kB that are emitted at once arrive.', run: burst(30, 100_000), gives: [30, true] },
  { id: 'event-raise', says: 'A handler that throws is an uncaught exception, which ends the process unless the application catches it.', run: async c => {
    const socket = await c.connect();
    socket.emit('raise');
    socket.emit('end');
    return c.notes();
  }, gives: ['uncaught', 'end'] },
  { id: 'event-reject', says: 'An async handler that throws is an unhandled rejection, which ends the process unless the application catches it.', run: async c => {
    const socket = await c.connect();
    socket.emit('reject');
    return c.notes('uncaught', 'logged');
  }, gives: ['uncaught'] },
  { id: 'event-chain', says: '`on` returns the emitter, for chaining.', run: async c => {
    await c.connect();
    return c.call('chain');
  }, gives: true },
  { id: 'event-returns', says: '`socket.emit` returns true.', run: async c => {
    await c.connect();
    return c.call('returned');
  }, gives: true },
];
