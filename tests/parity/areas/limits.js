exports.title = 'Limits';
exports.stages = {
  limits(io, t) {
    io.on('connection', socket => {
      socket.on('length', data => t.note(data.length));
      socket.on('count', (...args) => t.note(args.length));
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
    });
    io.of('/other');
  },
};
const small = { maxHttpBufferSize: 1000 };
const reason = async c => (await c.notes('disconnect')).at(-1)[1];

exports.behaviours = [
  { id: 'limit-websocket', says: 'A message over `maxHttpBufferSize` ends a WebSocket with code 1009.', options: small, run: async c => {
    const socket = await c.entered();
    const code = new Promise(resolve => socket.once('close', resolve));
    socket.send(`42["length","${'x'.repeat(1000)}"]`);
    return code;
  }, gives: 1009 },
  { id: 'limit-websocket-reason', says: 'Its reason is `transport error`.', options: small, run: async c => {
    const socket = await c.entered();
    socket.send(`42["length","${'x'.repeat(1000)}"]`);
    return reason(c);
  }, gives: 'transport error' },
  { id: 'limit-websocket-exact', says: 'A message of exactly as many bytes passes.', options: small, run: async c => {
    const socket = await c.entered();
    socket.send(`42["length","${'x'.repeat(1000 - 15)}"]`);
    socket.send('42["end"]');
    return (await c.notes())[0];
  }, gives: 985 },
  { id: 'limit-polling', says: 'A POST over the limit is answered 413, and the session lives on.', options: small, run: async c => {
    const session = await c.polling('40');
    const { status } = await session.post(`42["length","${'x'.repeat(1000)}"]`);
    await session.post('42["end"]');
    return [status, await c.notes()];
  }, gives: [413, ['end']] },
  { id: 'limit-polling-chunked', says: 'So it is without a length.', options: small, run: async c => {
    const session = await c.polling('40');
    const { status } = await c.http('POST', { sid: session.sid }, {
      body: `42["length","${'x'.repeat(1000)}"]`, headers: { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' },
    });
    return status;
  }, gives: 413 },
  { id: 'limit-attachments', says: 'Each attachment is a message of its own: together they may be larger.', options: small, run: async c => {
    const socket = await c.entered();
    socket.send('452-["count",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    socket.send(Buffer.alloc(900));
    socket.send(Buffer.alloc(900));
    socket.send('42["end"]');
    return Promise.race([c.notes(), c.notes('disconnect')]);
  }, gives: [2, 'end'] },
  { id: 'limit-ten-attachments', says: 'An event may have ten attachments.', run: async c => {
    const socket = await c.connect();
    socket.emit('count', ...Array.from({ length: 10 }, () => Buffer.alloc(1)));
    socket.emit('end');
    return (await c.notes())[0];
  }, gives: 10 },
  { id: 'limit-eleven-attachments', says: 'An event with eleven closes the connection.', run: async c => {
    const socket = await c.connect();
    socket.emit('count', ...Array.from({ length: 11 }, () => Buffer.alloc(1)));
    return c.next(socket, 'disconnect');
  }, gives: 'transport close' },
  { id: 'limit-connect-timeout', says: 'A session that is in no namespace after `connectTimeout` is closed.', options: { connectTimeout: 100 }, run: async c => {
    const socket = await c.raw();
    await socket.next();
    return socket.next();
  }, gives: 'closed' },
  { id: 'limit-connect-timeout-joined', says: 'One that is in some namespace is not.', options: { connectTimeout: 100 }, run: async c => {
    const socket = await c.entered('/other');
    const other = await c.raw(); // is closed after as long
    await other.all();
    socket.send('40');
    return (await socket.next()).slice(0, 2);
  }, gives: '40' },
];
