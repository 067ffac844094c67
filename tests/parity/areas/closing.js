exports.title = 'Closing and listening again';
exports.stages = {
  closing(io, t) {
    io.on('connection', socket => {
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
      socket.on('echo', (...args) => socket.emit('echo', ...args));
    });
    t.command('close', () => new Promise(done => io.close(done)));
    t.command('close twice', async () => {
      await new Promise(done => io.close(() => done()));
      await new Promise(done => io.close(() => done()));
      return 'closed';
    });
    t.command('listen', port => new Promise(done => {
      const http = require('node:http').createServer();
      io.listen(http);
      http.listen(port, '127.0.0.1', () => done(http.address().port));
    }));
    t.command('emit', (...args) => { io.emit(...args); });
    t.command('sockets', () => io.sockets.sockets.size);
  },
};

const again = async c => {
  await c.call('close');
  c.port = await c.call('listen', c.port);
};

exports.behaviours = [
  { id: 'close-reason', says: '`io.close()` disconnects everybody: `server shutting down`.', run: async c => {
    await c.connect();
    await c.call('close');
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'server shutting down'] },
  { id: 'close-client', says: 'Clients hear `transport close`, and so come back.', run: async c => {
    const socket = await c.connect();
    const reason = c.next(socket, 'disconnect');
    await c.call('close');
    return reason;
  }, gives: 'transport close' },
  { id: 'close-polling', says: 'A GET that waits is answered with the close packet.', run: async c => {
    const session = await c.polling('40');
    await session.get();
    const { packets } = await session.waiting();
    await c.call('close');
    return packets;
  }, gives: ['1'] },
  { id: 'close-sockets', says: 'Then there are no sockets.', run: async c => {
    await c.connect();
    await c.call('close');
    return c.call('sockets');
  }, gives: 0 },
  { id: 'close-port', says: 'The port is free.', run: async c => {
    await c.call('close');
    return c.http('GET', {}).then(() => 'answered', error => error.code);
  }, gives: 'ECONNREFUSED' },
  { id: 'close-twice', says: 'Closing twice is closing once.', run: c => c.call('close twice'), gives: 'closed' },
  { id: 'close-emit', says: 'Emitting on a closed server does nothing.', run: async c => {
    await c.call('close');
    await c.call('emit', 'x');
    return 'nothing';
  }, gives: 'nothing' },
  { id: 'close-listen', says: 'A closed server may listen again, on the same port.', run: async c => {
    const { port } = c;
    await again(c);
    return c.port === port;
  }, gives: true },
  { id: 'close-serve', says: 'It serves as before, with its handlers.', run: async c => {
    await again(c);
    const socket = await c.connect();
    socket.emit('echo', 1);
    return c.next(socket, 'echo');
  }, gives: 1 },
  { id: 'close-return', says: 'A client that was there when it closed comes back.', run: async c => {
    const socket = await c.connect('/', { reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    const gone = c.next(socket, 'disconnect');
    await c.call('close');
    await gone;
    const back = c.next(socket, 'connect');
    c.port = await c.call('listen', c.port);
    await back;
    return socket.connected;
  }, gives: true },
];
