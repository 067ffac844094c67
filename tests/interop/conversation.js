// The real socket.io-client, which has the conversation of tests/interop/test_parsers.py with a server and says as one
// line of JSON what it heard. Bytes stand on it as {"$bytes": base64}, dates as {"$date": milliseconds}.
const { io } = require('socket.io-client');

const { RTMSG_URL, RTMSG_OPTIONS, RTMSG_VALUES } = process.env;
const options = JSON.parse(RTMSG_OPTIONS);
if (options.parser) options.parser = require(options.parser); // a package, or a file

function seal(value) {
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(seal);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, seal(v)]));
  return value;
}

function open(value) {
  if (value?.$bytes !== undefined) return Buffer.from(value.$bytes, 'base64');
  return value?.$date !== undefined ? new Date(value.$date) : value;
}

function connected(socket) {
  return new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
}

function next(socket, event) {
  return new Promise(resolve => socket.once(event, (...args) => resolve(args)));
}

async function recovered(socket) {
  const missed = next(socket, 'missed');
  const back = new Promise(resolve => socket.once('connect', resolve));
  socket.io.engine.close();
  await back;
  return { recovered: socket.recovered, missed: await missed };
}

async function main(socket) {
  const values = JSON.parse(RTMSG_VALUES, (_, value) => open(value));
  socket.on('question', (question, ack) => ack({ answer: question, raw: Buffer.from([255]) }));
  await connected(socket);
  const heard = { echo: await socket.timeout(20000).emitWithAck('echo', values) };
  heard.asked = await socket.timeout(20000).emitWithAck('ask', Buffer.from('why'));
  await socket.timeout(20000).emitWithAck('join', 'lab');
  const told = next(socket, 'told');
  socket.emit('tell', 'told', { n: 1, bytes: Buffer.from([1]) });
  heard.told = await told;
  if (options.recovers) return { ...heard, ...await recovered(socket) };
  heard.refused = await connected(io(RTMSG_URL + 'admin', options)).catch(e => ({ message: e.message, data: e.data }));
  const admin = io(RTMSG_URL + 'admin', { ...options, auth: { token: 'secret' }, forceNew: true });
  const welcome = next(admin, 'welcome');
  await connected(admin);
  heard.welcome = await welcome;
  heard.who = await admin.timeout(20000).emitWithAck('who');
  admin.disconnect();
  heard.nowhere = await connected(io(RTMSG_URL + 'nowhere', options)).catch(e => e.message);
  socket.disconnect();
  return heard;
}

const socket = io(RTMSG_URL, options);
main(socket).catch(error => ({ failed: String(error), data: error.data ?? null, comesBack: socket.active }))
  .then(heard => process.stdout.write(JSON.stringify(seal(heard)) + '\n', () => process.exit()));
