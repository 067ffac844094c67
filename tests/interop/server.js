// A real socket.io server that a test talks to. Its port goes out as a line; RTMSG_PORT fixes it, RTMSG_RECOVERY
// switches connection state recovery on, RTMSG_PARSER names the package of a parser, RTMSG_TRANSPORTS
// lists the transports, RTMSG_PING_TIMEOUT is how long it waits for a pong, in ms.
const { Server } = require('socket.io');

const { RTMSG_PORT = '0', RTMSG_RECOVERY, RTMSG_PARSER, RTMSG_TRANSPORTS, RTMSG_PING_TIMEOUT } = process.env;
const http = require('node:http').createServer();
const io = new Server(http, {
  pingInterval: 300,
  pingTimeout: Number(RTMSG_PING_TIMEOUT || 1500),
  ...(RTMSG_PARSER ? { parser: require(RTMSG_PARSER) } : {}),
  ...(RTMSG_TRANSPORTS ? { transports: RTMSG_TRANSPORTS.split(',') } : {}),
  ...(RTMSG_RECOVERY ? { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } } : {}),
});
const attempts = new Map();
const noted = [];

io.on('connection', socket => {
  socket.on('sum', (a, b, ack) => ack(a + b));
  socket.on('echo', (...args) => args.pop()(...args));
  socket.on('poison', () => { socket.emit('text', 'hello 🎉'.slice(0, 7)); socket.emit('text', 'next'); });
  socket.on('silence', () => {});
  socket.on('note', value => noted.push(value));
  socket.on('noted', ack => ack(noted));
  socket.on('message', (value, ack) => ack?.('message ' + value));
  socket.on('join', (room, ack) => { socket.join(room); ack(); });
  socket.on('ask', async (question, ack) => ack(await socket.timeout(5000).emitWithAck('question', question)));
  socket.on('third time', (id, ack) => {
    const number = (attempts.get(id) ?? 0) + 1;
    attempts.set(id, number);
    if (number >= 3) ack(number);
  });
  socket.on('tell', (...args) => io.to('lab').emit(...args));
  socket.on('kick', () => socket.disconnect());
  socket.on('cut', () => socket.conn.close());
  socket.on('disconnect', reason => {
    for (const n of [1, 2, 3]) io.to('lab').emit('missed', { n, bytes: Buffer.from([n]) }, reason);
  });
});

io.of('/admin').use((socket, next) => {
  if (socket.handshake.auth.token === 'secret') return next();
  next(Object.assign(new Error('not authorized'), { data: { code: 'E_TOKEN' } }));
}).on('connection', socket => {
  socket.emit('welcome', socket.handshake.auth);
  socket.on('who', ack => ack('admin', socket.handshake.query.from ?? null));
});

http.listen(Number(RTMSG_PORT), '127.0.0.1', () => process.stdout.write(`${http.address().port}\n`));
process.stdin.resume().on('end', () => process.exit());  // nobody is left to talk to
