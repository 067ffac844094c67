exports.title = 'Requests';
exports.settings = {
  requests: {
    cookie: true,
    allowRequest(request, callback) {
      const { headers } = request;
      if (headers['x-how'] === 'refuse') return callback('not today', false);
      if (headers['x-how'] === 'no') return callback(null, false);
      return setImmediate(callback, null, true);
    },
  },
};
exports.stages = {
  requests(io, t) {
    io.engine.use((request, response, next) => {
      t.note(['middleware', request.method]);
      response.setHeader('X-Middleware', 'on');
      if (request.headers['x-how'] === 'stop') return next(new Error('stop'));
      next();
    });
    io.engine.on('initial_headers', headers => { headers['X-Initial'] = 'on'; });
    io.engine.on('headers', headers => { headers['X-Each'] = 'on'; });
    io.engine.on('connection_error', error => t.note(['error', error.code, error.message]));
    io.engine.on('connection', () => t.note('session'));
    io.on('connection', socket => {
      socket.conn.on('close', reason => t.note(['closed', reason]));
      socket.emit('welcome');
    });
  },
};

const how = value => ({ headers: { 'X-How': value } });
const header = (name, again) => async c => {
  const first = await c.http('GET', {});
  if (!again) return first.headers[name];
  const { sid } = JSON.parse(first.body.slice(1));
  return (await c.http('POST', { sid }, { body: '40' })).headers[name];
};
// The headers of the answer that opens a WebSocket.
const opening = name => async c => {
  const WebSocket = require('ws');
  const socket = new WebSocket(`ws://127.0.0.1:${c.port}/socket.io/?EIO=4&transport=websocket`);
  c.opened.push(() => socket.terminate());
  return (await c.next(socket, 'upgrade')).headers[name];
};
const error = async (c, ...request) => {
  await c.http(...request);
  return (await c.notes('error')).find(([what]) => what === 'error');
};

exports.behaviours = [
  { id: 'req-allowed', says: '`allowRequest` lets a request in; it may be async.', run: async c => (await c.http('GET', {})).status, gives: 200 },
  { id: 'req-no', says: 'It refuses one: 403.', run: c => c.refusal('GET', {}, how('no')), gives: [403, '{"code":4,"message":"Forbidden"}'] },
  { id: 'req-refuse', says: 'With a message of its own.', run: c => c.refusal('GET', {}, how('refuse')), gives: [403, '{"code":4,"message":"not today"}'] },
  { id: 'req-websocket', says: 'A WebSocket that it refuses gets 400.', run: async c => c.raw({}, how('no')).then(() => 'opened', ({ message }) => message), gives: 'Unexpected server response: 400' },
  { id: 'req-once', says: 'It is asked when a session opens, not for each of its requests.', run: async c => {
    const { sid } = await c.session();
    return (await c.http('POST', { sid }, { body: '40', ...how('no') })).status;
  }, gives: 200 },
  { id: 'req-middleware', says: 'A middleware of the engine sees every request.', run: async c => {
    const { sid } = await c.session();
    await c.http('POST', { sid }, { body: '40' });
    return (await c.notes('middleware')).filter(([what]) => what === 'middleware').map(([, method]) => method);
  }, gives: ['GET', 'POST'] },
  { id: 'req-middleware-header', says: 'It may set a header of the answer.', run: header('x-middleware'), gives: 'on' },
  { id: 'req-middleware-websocket', says: 'Of a WebSocket, too.', run: opening('x-middleware'), gives: 'on' },
  { id: 'req-middleware-stop', says: 'It may refuse the request: 400.', run: c => c.refusal('GET', {}, how('stop')), gives: [400, '{"code":3,"message":"Bad request"}'] },
  { id: 'req-initial', says: '`initial_headers` may set headers of the answer that opens a session.', run: header('x-initial'), gives: 'on' },
  { id: 'req-initial-only', says: 'Of no other.', run: header('x-initial', true), gives: null },
  { id: 'req-each', says: '`headers` may set headers of every answer.', run: header('x-each', true), gives: 'on' },
  { id: 'req-each-websocket', says: 'Of a WebSocket\'s, too.', run: opening('x-each'), gives: 'on' },
  { id: 'req-cookie', says: '`cookie: true` sets a cookie with the id of the session.', run: async c => {
    const { headers, body } = await c.http('GET', {});
    return headers['set-cookie'][0].replace(JSON.parse(body.slice(1)).sid, 'SID').split('; ').sort();
  }, gives: ['HttpOnly', 'Path=/', 'SameSite=Lax', 'io=SID'] },
  { id: 'req-error-transport', says: '`connection_error` tells of a request that is refused: its code and message.', run: c => error(c, 'GET', { transport: 'x' }), gives: ['error', 0, 'Transport unknown'] },
  { id: 'req-error-sid', says: 'Of an unknown session.', run: c => error(c, 'GET', { sid: 'x' }), gives: ['error', 1, 'Session ID unknown'] },
  { id: 'req-error-forbidden', says: 'Of one that `allowRequest` refused.', run: c => error(c, 'GET', {}, how('no')), gives: ['error', 4, 'Forbidden'] },
  { id: 'req-session', says: '`connection` of the engine tells of each session, before any namespace.', run: async c => {
    await c.session();
    return (await c.notes('session')).includes('session');
  }, gives: true },
  { id: 'req-jsonp', says: 'With `j` in its query a poll is answered as JSONP.', run: async c => (await c.http('GET', { j: 0 })).body.slice(0, 4), gives: '___e' },
];
