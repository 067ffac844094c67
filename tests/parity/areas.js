// The areas, in the order of the table. Each has stages (servers) and behaviours (what is said, tried and seen).
const NAMES = [
  'handshake', 'requests', 'polling', 'websocket', 'upgrade', 'limits', 'cors', 'bundle', 'packets', 'namespaces', 'dynamic', 'middlewares',
  'events', 'acks', 'listeners', 'catchall', 'gates', 'rooms', 'modifiers', 'cheatsheet', 'utilities', 'disconnects', 'closing',
  'recovery',
];

const areas = Object.fromEntries(NAMES.map(name => [name, require('./areas/' + name)]));
module.exports = { areas };
