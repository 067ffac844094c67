// The real socket.io-client, driven by a test: commands come in as lines of JSON, what happens goes out as such.
// Bytes travel as {"$bytes": base64} on these lines only.
const { io } = require('socket.io-client');
const readline = require('node:readline');

const { RTMSG_URL, RTMSG_TOKEN, RTMSG_OPTIONS } = process.env;
const url = new URL(RTMSG_URL);

function say(message) {
  process.stdout.write(JSON.stringify(message, (_, value) => seal(value)) + '\n');
}

function seal(value) {
  // JSON.stringify has called Buffer.toJSON already.
  return value?.type === 'Buffer' ? { $bytes: Buffer.from(value.data).toString('base64') } : value;
}

function open(value) {
  return value && typeof value === 'object' && '$bytes' in value ? Buffer.from(value.$bytes, 'base64') : value;
}

const options = JSON.parse(RTMSG_OPTIONS || '{}');
const socket = io(url.origin, {
  path: url.pathname + 'socket.io/',
  auth: RTMSG_TOKEN ? { token: RTMSG_TOKEN } : {},
  transports: ['websocket'],
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
  ...options,
});

socket.on('connect', () => say({ connected: socket.id, transport: socket.io.engine.transport.name }));
socket.on('connect_error', error => say({ refused: { message: error.message, data: error.data } }));
socket.on('disconnect', reason => say({ disconnected: reason }));
socket.io.on('open', () => socket.io.engine.on('upgrade', transport => say({ upgraded: transport.name })));
socket.onAny((event, ...args) => say({ event, args }));

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const { command, body } = JSON.parse(line, (_, value) => open(value));
  const patient = options.ackTimeout ? socket : socket.timeout(60_000); // else an answer may take its time
  say({ reply: await patient.emitWithAck(command, body).catch(error => ({ ok: false, lost: error.message })) });
}).on('close', () => socket.disconnect());
