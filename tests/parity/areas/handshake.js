exports.title = 'Handshake';
exports.stages = {
  handshake(io, t) {
    let last;
    io.on('connection', socket => { last = socket; });
    t.command('headers', name => last.handshake.headers[name]);
    t.command('query', name => last.handshake.query[name]);
    t.command('address', () => last.handshake.address);
    t.command('secure', () => last.handshake.secure);
    t.command('url', () => last.handshake.url.split('?')[0]);
    t.command('auth', () => last.handshake.auth);
    t.command('issued', () => Math.abs(Date.now() - last.handshake.issued) < 60_000);
    t.command('request', () => last.request.headers['x-tag']);
    t.command('transport', () => last.conn.transport.name);
    t.command('ids', () => [last.id === last.conn.id, last.id.length >= 20]);
  },
};

const seen = (options, command, ...args) => async c => {
  await c.connect('/', options);
  return c.call(command, ...args);
};
const opened = (edit, options) => async c => {
  const { body } = await c.http('GET', options ?? {});
  return edit(JSON.parse(body.slice(1)), body);
};

exports.behaviours = [
  { id: 'open-keys', says: 'The first packet of a session is `0` with `sid`, `upgrades`, `pingInterval`, `pingTimeout` and `maxPayload`.', run: opened((data, body) => [body[0], Object.keys(data)]), gives: ['0', ['sid', 'upgrades', 'pingInterval', 'pingTimeout', 'maxPayload']] },
  { id: 'open-defaults', says: 'By default it says 25 s, 20 s, 1,000,000 bytes, and an upgrade to WebSocket.', run: opened(({ sid, ...rest }) => rest), gives: { upgrades: ['websocket'], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 } },
  { id: 'open-options', says: 'It says what the options say.', options: { pingInterval: 1000, pingTimeout: 2000, maxHttpBufferSize: 3000 }, run: opened(({ sid, upgrades, ...rest }) => rest), gives: { pingInterval: 1000, pingTimeout: 2000, maxPayload: 3000 } },
  { id: 'open-sid', says: 'A session id has 20 characters that are safe in a URL.', run: opened(({ sid }) => /^[\w-]{20}$/.test(sid)), gives: true },
  { id: 'open-no-upgrades', says: 'With `allowUpgrades: false` no upgrade is offered.', options: { allowUpgrades: false }, run: opened(data => data.upgrades), gives: [] },
  { id: 'open-polling-only', says: 'Nor with polling alone among the transports.', options: { transports: ['polling'] }, run: opened(data => data.upgrades), gives: [] },
  { id: 'open-websocket', says: 'Over a WebSocket no upgrade is offered.', run: async c => JSON.parse((await (await c.raw()).next()).slice(1)).upgrades, gives: [] },
  { id: 'open-content-type', says: 'The answer is `text/plain; charset=UTF-8`.', run: async c => (await c.http('GET', {})).headers['content-type'], gives: 'text/plain; charset=UTF-8' },
  { id: 'open-cache', says: 'The answer may not be cached.', run: async c => (await c.http('GET', {})).headers['cache-control'], gives: 'no-store' },
  { id: 'open-cookie', says: 'No cookie is set unless the option asks for one.', run: async c => (await c.http('GET', {})).headers['set-cookie'], gives: null },
  { id: 'open-unequal', says: 'Two sessions have two ids.', run: async c => (await c.session()).sid !== (await c.session()).sid, gives: true },
  { id: 'refuse-transport', says: 'An unknown transport is refused.', run: c => c.refusal('GET', { transport: 'carrier-pigeon' }), gives: [400, '{"code":0,"message":"Transport unknown"}'] },
  { id: 'refuse-no-transport', says: 'So is a request without one.', run: c => c.refusal('GET', '/socket.io/?EIO=4'), gives: [400, '{"code":0,"message":"Transport unknown"}'] },
  { id: 'refuse-disabled-transport', says: 'So is one that is switched off.', options: { transports: ['websocket'] }, run: c => c.refusal('GET', {}), gives: [400, '{"code":0,"message":"Transport unknown"}'] },
  { id: 'refuse-disabled-websocket', says: 'A WebSocket is refused where only polling is switched on.', options: { transports: ['polling'] }, run: c => c.raw().then(() => 'opened', error => error.message), gives: 'Unexpected server response: 400' },
  { id: 'refuse-sid', says: 'An unknown session id is refused.', run: c => c.refusal('GET', { sid: 'unknown' }), gives: [400, '{"code":1,"message":"Session ID unknown"}'] },
  { id: 'refuse-proto', says: 'So is `__proto__`.', run: c => c.refusal('GET', { sid: '__proto__' }), gives: [400, '{"code":1,"message":"Session ID unknown"}'] },
  { id: 'refuse-websocket-sid', says: 'So is an unknown session id of a WebSocket, before the 101.', run: c => c.raw({ sid: 'unknown' }).then(() => 'opened', error => error.message), gives: 'Unexpected server response: 400' },
  { id: 'refuse-post', says: 'A session cannot begin with a POST.', run: c => c.refusal('POST', {}, { body: '40' }), gives: [400, '{"code":2,"message":"Bad handshake method"}'] },
  { id: 'refuse-plain-websocket', says: 'The transport `websocket` needs an upgrade request.', run: c => c.refusal('GET', { transport: 'websocket' }), gives: [400, '{"code":3,"message":"Bad request"}'] },
  { id: 'refuse-mixed', says: 'A session over WebSocket cannot be polled.', run: async c => {
    const socket = await c.raw();
    const { sid } = JSON.parse((await socket.next()).slice(1));
    return c.refusal('GET', { sid });
  }, gives: [400, '{"code":3,"message":"Bad request"}'] },
  { id: 'refuse-eio-3', says: 'Engine.IO 3 is refused unless `allowEIO3` is on.', run: c => c.refusal('GET', { EIO: 3 }), gives: [400, '{"code":5,"message":"Unsupported protocol version"}'] },
  { id: 'refuse-eio-none', says: 'So is a request that names no version.', run: c => c.refusal('GET', '/socket.io/?transport=polling'), gives: [400, '{"code":5,"message":"Unsupported protocol version"}'] },
  { id: 'refuse-eio-websocket', says: 'A WebSocket of another version is closed after the handshake.', run: async c => {
    const socket = await c.raw({ EIO: 3 }).catch(error => error.message);
    return typeof socket === 'string' ? socket : socket.next();
  }, gives: 'closed' },
  { id: 'refuse-type', says: 'A refusal is `application/json`.', run: async c => (await c.http('GET', { sid: 'unknown' })).headers['content-type'], gives: 'application/json' },
  { id: 'path-no-slash', says: 'Without its last slash the path is not its own.', run: async c => (await c.http('GET', '/socket.io?EIO=4&transport=polling')).status, gives: 404 },
  { id: 'path-below', says: 'Any path below it is.', run: async c => (await c.http('GET', '/socket.io/x/y/?EIO=4&transport=polling')).status, gives: 200 },
  { id: 'path-other', says: 'Other paths are the application\'s.', run: async c => (await c.http('GET', '/elsewhere?EIO=4&transport=polling')).status, gives: 404 },
  { id: 'path-option', says: 'The option `path` moves it.', options: { path: '/here/' }, run: async c => (await c.http('GET', '/here/?EIO=4&transport=polling')).status, gives: 200 },
  { id: 'query-extra', says: 'Parameters that it does not know are for the application.', run: seen({ query: { tag: 'x' } }, 'query', 'tag'), gives: 'x' },
  { id: 'query-eio', says: '`handshake.query` has Engine.IO\'s own parameters, too.', run: seen({}, 'query', 'EIO'), gives: '4' },
  { id: 'handshake-headers', says: '`handshake.headers` has the headers of the request.', run: seen({ extraHeaders: { 'X-Tag': 'x' } }, 'headers', 'x-tag'), gives: 'x' },
  { id: 'handshake-request', says: 'So has `socket.request`.', run: seen({ extraHeaders: { 'X-Tag': 'x' } }, 'request'), gives: 'x' },
  { id: 'handshake-address', says: '`handshake.address` is the address of the client.', run: seen({}, 'address'), gives: '127.0.0.1' },
  { id: 'handshake-secure', says: '`handshake.secure` is false without TLS.', run: seen({}, 'secure'), gives: false },
  { id: 'handshake-url', says: '`handshake.url` is the path and query of the request.', run: seen({}, 'url'), gives: '/socket.io/' },
  { id: 'handshake-time', says: 'The handshake has the time.', run: seen({}, 'issued'), gives: true },
  { id: 'handshake-auth', says: '`handshake.auth` is the object that the client gave.', run: seen({ auth: { token: 'x', n: [1] } }, 'auth'), gives: { token: 'x', n: [1] } },
  { id: 'handshake-auth-none', says: 'It is an empty object if the client gave none.', run: async c => {
    await c.entered();
    return c.call('auth');
  }, gives: {} },
  { id: 'handshake-auth-large', says: 'It may be large: 100 kB.', run: async c => {
    await c.connect('/', { auth: { text: 'x'.repeat(100_000) } });
    return (await c.call('auth')).text.length;
  }, gives: 100_000 },
  { id: 'handshake-ids', says: 'The id of a socket is not the id of its session, which is a secret.', run: seen({}, 'ids'), gives: [false, true] },
  { id: 'conn-transport', says: '`socket.conn.transport.name` is the transport.', run: seen({}, 'transport'), gives: 'websocket' },
  { id: 'conn-transport-polling', says: 'It is `polling` for a client that polls.', run: seen({ transports: ['polling'] }, 'transport'), gives: 'polling' },
];
