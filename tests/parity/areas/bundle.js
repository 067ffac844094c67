exports.title = 'Browser bundle';
exports.stages = { bundle() {} };
const file = (name, look, headers) => async c => look(await c.http('GET', `/socket.io/${name}`, { headers }));
const kind = ({ status, headers }) => [status, headers['content-type']];
const SCRIPT = [200, 'application/javascript; charset=utf-8'];

exports.behaviours = [
  ...['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js'].map(name => ({
    id: `bundle-${name}`, says: `\`${name}\` is served.`, run: file(name, kind), gives: SCRIPT,
  })),
  { id: 'bundle-map', says: 'So are the source maps.', run: file('socket.io.min.js.map', kind), gives: [200, 'application/json; charset=utf-8'] },
  { id: 'bundle-global', says: 'The script defines `io`.', run: file('socket.io.js', ({ body }) => body.includes('global.io = factory()')), gives: true },
  { id: 'bundle-cache', says: 'It is asked for again each time: `max-age=0`.', run: file('socket.io.js', ({ headers }) => headers['cache-control']), gives: 'public, max-age=0' },
  { id: 'bundle-etag', says: 'Its ETag is the version of the client.', run: file('socket.io.js', ({ headers }) => /^"\d+\.\d+\.\d+"$/.test(headers.etag)), gives: true },
  { id: 'bundle-304', says: 'Who has that version gets a 304.', run: async c => {
    const { headers: { etag } } = await c.http('GET', '/socket.io/socket.io.js');
    return (await c.http('GET', '/socket.io/socket.io.js', { headers: { 'If-None-Match': etag } })).status;
  }, gives: 304 },
  { id: 'bundle-weak', says: 'So does who has it as a weak ETag.', run: async c => {
    const { headers: { etag } } = await c.http('GET', '/socket.io/socket.io.js');
    return (await c.http('GET', '/socket.io/socket.io.js', { headers: { 'If-None-Match': `W/${etag}` } })).status;
  }, gives: 304 },
  { id: 'bundle-gzip', says: 'It is compressed for those who take gzip.', run: file('socket.io.js', ({ headers }) => headers['content-encoding'], { 'Accept-Encoding': 'gzip' }), gives: 'gzip' },
  { id: 'bundle-other', says: 'Other names are none: they are requests without a transport.', run: file('socket.io.old.js', ({ status, body }) => [status, body]), gives: [400, '{"code":0,"message":"Transport unknown"}'] },
  { id: 'bundle-off', says: '`serveClient: false` switches it off.', options: { serveClient: false }, run: file('socket.io.js', ({ status }) => status), gives: 400 },
];
