exports.title = 'Long-polling';
exports.stages = {
  polling(io, t) {
    let last;
    io.on('connection', socket => {
      last = socket;
      socket.on('echo', (...args) => socket.emit('echo', ...args));
      socket.on('note', n => t.note(n));
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
    });
    t.command('emit', (...args) => { last.emit(...args); });
    t.command('volatile', (...args) => { last.volatile.emit(...args); });
    t.command('bye', () => { last.emit('bye'); last.disconnect(true); });
    t.command('close', () => { last.emit('bye'); last.conn.close(); });
  },
};

const entered = async (c, ...packets) => {
  const session = await c.polling('40', ...packets);
  session.first = await session.get();
  return session;
};
const TEXT = { 'Content-Type': 'text/plain;charset=UTF-8' };

exports.behaviours = [
  { id: 'poll-waits', says: 'A GET waits until there is something.', run: async c => {
    const session = await entered(c);
    let answered = false;
    const get = session.get().then(packets => { answered = true; return packets; });
    await c.turns();
    const early = answered;
    await c.call('emit', 'x');
    return [early, await get];
  }, gives: [false, ['42["x"]']] },
  { id: 'poll-all', says: 'All that waits comes in one answer, separated by U+001E.', run: async c => {
    const session = await entered(c);
    await c.call('emit', 'a');
    await c.call('emit', 'b');
    return session.get();
  }, gives: ['42["a"]', '42["b"]'] },
  { id: 'poll-post-answer', says: 'A POST is answered `ok`.', run: async c => {
    const session = await entered(c);
    const { status, body, headers } = await session.post('42["echo",1]');
    return [status, body, headers['content-type']];
  }, gives: [200, 'ok', 'text/html'] },
  { id: 'poll-post-many', says: 'A POST may hold many packets.', run: async c => {
    const session = await entered(c);
    await session.post(Array.from({ length: 50 }, (_, i) => `42["note",${i}]`).concat('42["end"]').join('\x1e'));
    return (await c.notes()).length;
  }, gives: 51 },
  { id: 'poll-post-connect', says: 'An event in the same body as its CONNECT comes too early, and closes the session.', run: async c => {
    const session = await c.polling();
    await session.post('40\x1e42["echo",1]');
    const packets = await session.get();
    return packets.length > 1 ? packets[1] : (await session.get())[0];
  }, gives: '1' },
  { id: 'poll-binary', says: 'Bytes travel as base64 behind `b`.', run: async c => {
    const session = await entered(c);
    await session.post('451-["echo",{"_placeholder":true,"num":0}]\x1ebAQID');
    return session.get();
  }, gives: ['451-["echo",{"_placeholder":true,"num":0}]', 'bAQID'] },
  { id: 'poll-text', says: 'Text is UTF-8.', run: async c => {
    const session = await entered(c);
    await session.post('42["echo","ü🎉"]');
    return session.get();
  }, gives: ['42["echo","ü🎉"]'] },
  { id: 'poll-bad-packet', says: 'A body that holds no packet closes the session.', run: async c => {
    const session = await entered(c);
    const { status } = await session.post('hello');
    return [status, (await c.notes('disconnect')).at(-1), (await c.http('GET', { sid: session.sid })).status];
  }, gives: [200, ['disconnect', 'parse error'], 400] },
  { id: 'poll-octets', says: 'A body of `application/octet-stream` is refused, and closes the session.', run: async c => {
    const session = await entered(c);
    const { status } = await c.http('POST', { sid: session.sid }, { body: 'x', headers: { 'Content-Type': 'application/octet-stream' } });
    return [status, (await c.notes('disconnect')).at(-1)];
  }, gives: [400, ['disconnect', 'transport error']] },
  { id: 'poll-chunked', says: 'A body without a length (chunked) is a body.', run: async c => {
    const session = await entered(c);
    await c.http('POST', { sid: session.sid }, { body: '42["end"]', headers: { ...TEXT, 'Transfer-Encoding': 'chunked' } });
    return c.notes();
  }, gives: ['end'] },
  { id: 'poll-two-gets', says: 'A second GET beside one that waits closes the session.', run: async c => {
    const session = await entered(c);
    const first = c.http('GET', { sid: session.sid });
    await c.turns();
    const second = await c.http('GET', { sid: session.sid });
    return [second.status, (await first).status, (await c.notes('disconnect')).at(-1)];
  }, gives: [400, 200, ['disconnect', 'transport error']] },
  { id: 'poll-abort', says: 'A GET that its client gives up closes the session.', run: async c => {
    const session = await entered(c);
    const waiting = c.http('GET', { sid: session.sid }).catch(() => {});
    await c.turns();
    c.agent.destroy();
    await waiting;
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'transport error'] },
  { id: 'poll-methods', says: 'PUT and DELETE of a session are answered 500.', run: async c => {
    const session = await entered(c);
    const put = await c.http('PUT', { sid: session.sid });
    const remove = await c.http('DELETE', { sid: session.sid });
    return [put.status, remove.status];
  }, gives: [500, 500] },
  { id: 'poll-close', says: 'A close packet ends the session, and answers the GET that waits with a NOOP.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    await session.post('1');
    return [await packets, (await c.notes('disconnect')).at(-1)];
  }, gives: [['6'], ['disconnect', 'transport close']] },
  { id: 'poll-close-last', says: 'An event that stands before a close packet in one body is lost.', run: async c => {
    const session = await entered(c);
    await session.post('42["note",1]\x1e1');
    return c.notes('disconnect');
  }, gives: [['disconnect', 'transport close']] },
  { id: 'poll-disconnect', says: 'Emitting and then `disconnect(true)` gives the client the event, then the DISCONNECT.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    await c.call('bye');
    return session.rest(packets);
  }, gives: ['42["bye"]', '41'] },
  { id: 'poll-disconnect-no-get', says: 'So it does when no GET waits.', run: async c => {
    const session = await entered(c);
    await c.call('bye');
    return session.rest(session.get());
  }, gives: ['42["bye"]', '41'] },
  { id: 'poll-conn-close', says: 'Emitting and then `conn.close()` gives the client the event.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    await c.call('close');
    return session.rest(packets);
  }, gives: ['42["bye"]'] },
  { id: 'poll-ping', says: 'The server pings over polling, and a client that answers is pinged again.', options: { pingInterval: 50, pingTimeout: 20_000 }, run: async c => {
    const session = await c.polling('40');
    const pinged = async () => { while (!(await session.get()).includes('2')); };
    await pinged();
    await session.post('3');
    await pinged();
    return 'twice';
  }, gives: 'twice' },
  { id: 'poll-ping-timeout', says: 'A client that does not answer a ping is gone, and its reason is `ping timeout`.', options: { pingInterval: 50, pingTimeout: 50 }, run: async c => {
    await c.polling('40');
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'ping timeout'] },
  { id: 'poll-volatile', says: 'A volatile event is lost when no GET waits.', run: async c => {
    const session = await entered(c);
    await c.call('volatile', 'lost');
    await c.call('emit', 'kept');
    return session.get();
  }, gives: ['42["kept"]'] },
  { id: 'poll-volatile-get', says: 'A volatile event arrives when a GET waits.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    await c.call('volatile', 'x');
    return packets;
  }, gives: ['42["x"]'] },
  { id: 'poll-gzip', says: 'A long answer is compressed for a client that takes gzip.', run: async c => {
    const session = await entered(c);
    await c.call('emit', 'x'.repeat(3000));
    const { headers, bytes } = await c.http('GET', { sid: session.sid }, { headers: { 'Accept-Encoding': 'gzip' } });
    return [headers['content-encoding'], require('node:zlib').gunzipSync(bytes).length];
  }, gives: ['gzip', 3006] },
  { id: 'poll-no-gzip', says: 'It is not for a client that takes none.', run: async c => {
    const session = await entered(c);
    await c.call('emit', 'x'.repeat(3000));
    return (await c.http('GET', { sid: session.sid })).headers['content-encoding'];
  }, gives: null },
  { id: 'poll-gzip-short', says: 'A short answer is not compressed.', run: async c => {
    const session = await entered(c);
    await c.call('emit', 'x');
    return (await c.http('GET', { sid: session.sid }, { headers: { 'Accept-Encoding': 'gzip' } })).headers['content-encoding'];
  }, gives: null },
];
