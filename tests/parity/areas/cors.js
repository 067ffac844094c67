exports.title = 'Origins';
exports.stages = { cors() {} };
const from = (origin, headers) => async c => {
  const { status, headers: got } = await c.http('GET', {}, { headers: { Origin: origin } });
  return [status, ...headers.map(name => got[name] ?? null)];
};
const preflight = origin => async c => {
  const { status, headers } = await c.http('OPTIONS', {}, {
    headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-tag' },
  });
  return [status, headers['access-control-allow-origin'] ?? null, headers['access-control-allow-headers'] ?? null];
};
const ALLOW = 'access-control-allow-origin';
const one = { cors: { origin: 'https://one.example' } };
const credentials = { cors: { origin: ['https://one.example', 'https://two.example'], credentials: true } };

exports.behaviours = [
  { id: 'cors-none', says: 'Without `cors` an answer has no header of CORS: pages of other origins may ask, and cannot read.', run: from('https://one.example', [ALLOW]), gives: [200, null] },
  { id: 'cors-own', says: 'A page of the same origin may ask.', run: async c => from(`http://127.0.0.1:${c.port}`, [ALLOW])(c), gives: [200, null] },
  { id: 'cors-no-origin', says: 'So may a client that is no page.', run: async c => (await c.http('GET', {})).status, gives: 200 },
  { id: 'cors-none-websocket', says: 'Without `cors` pages of any origin may open a WebSocket.', run: async c => c.raw({}, { origin: 'https://one.example' }).then(() => 'opened', error => error.message), gives: 'opened' },
  { id: 'cors-one', says: 'An origin that is allowed is named.', options: one, run: from('https://one.example', [ALLOW]), gives: [200, 'https://one.example'] },
  { id: 'cors-other', says: 'To another origin the allowed one is named, and it is served.', options: one, run: from('https://other.example', [ALLOW]), gives: [200, 'https://one.example'] },
  { id: 'cors-list', says: 'Of a list, that of the request is named; with `credentials`, cookies may come along.', options: credentials, run: from('https://two.example', [ALLOW, 'access-control-allow-credentials']), gives: [200, 'https://two.example', 'true'] },
  { id: 'cors-list-other', says: 'An origin that is not in the list is served without a header.', options: credentials, run: from('https://other.example', [ALLOW]), gives: [200, null] },
  { id: 'cors-vary', says: 'The answer says that it varies by origin.', options: credentials, run: from('https://two.example', ['vary']), gives: [200, 'Origin'] },
  { id: 'cors-any', says: '`*` allows any.', options: { cors: { origin: '*' } }, run: from('https://other.example', [ALLOW]), gives: [200, '*'] },
  { id: 'cors-preflight', says: 'A preflight of an allowed origin is answered 204, with the headers that it asked for.', options: credentials, run: preflight('https://one.example'), gives: [204, 'https://one.example', 'x-tag'] },
  { id: 'cors-preflight-none', says: 'A preflight without `cors` is refused.', run: preflight('https://one.example'), gives: [400, null, null] },
  { id: 'cors-websocket', says: 'A page of an allowed origin may open a WebSocket.', options: one, run: async c => c.raw({}, { origin: 'https://one.example' }).then(() => 'opened', error => error.message), gives: 'opened' },
];
