// The lines of docs/cheatsheet.md that say whom they reach: JavaScript runs on Node's server, Python on ours.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const AsyncFunction = (async () => {}).constructor;
const ROOMS = { a: ['room1'], b: ['room1', 'room2'], c: ['room3'], n: ['room1'] };

exports.title = 'Emit cheatsheet';
exports.stages = {
  cheatsheet(io, t) {
    const sockets = {};
    const connected = socket => {
      const { name } = socket.handshake.auth;
      sockets[name] = socket;
      socket.join(ROOMS[name]);
    };
    io.on('connection', connected);
    io.of('/my-namespace').on('connection', connected);
    t.command('line', async javascript => {
      const code = `${javascript.replace('{ ... }', '{}')}\nreturn typeof answers !== 'undefined' ? answers : typeof answer !== 'undefined' ? answer : null;`;
      return new AsyncFunction('io', 'socket', 'socketId', code)(io, sockets.a, sockets.b.id);
    });
  },
};

function lines() {
  const text = readFileSync(join(__dirname, '../../../docs/cheatsheet.md'), 'utf8');
  const found = [];
  for (const table of text.match(/(?:^\|.*\n)+/gm)) {
    const [head, , ...rows] = table.trim().split('\n').map(line => line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim()));
    if (head[2] === 'reaches') found.push(...rows.map(row => row.map(cell => cell.replace(/^`|`$/g, ''))));
  }
  return found.filter(([javascript]) => !javascript.includes('serverSide')); // they reach no client
}

const answers = javascript => /answers =/.test(javascript) ? 'many' : /answer =/.test(javascript) ? 'one' : 'none';

exports.behaviours = lines().map(([javascript, python, reaches]) => ({
  id: `line ${javascript}`,
  says: `\`${javascript}\` reaches ${reaches.replaceAll(' ', ', ') || 'nobody'}.`,
  async run(c) {
    const sockets = {};
    for (const name of Object.keys(ROOMS)) {
      sockets[name] = await c.connect(name === 'n' ? '/my-namespace' : '/', { auth: { name } });
      sockets[name].on('hello', (...args) => typeof args.at(-1) === 'function' && args.at(-1)(name));
    }
    const answer = await c.call('line', javascript, python);
    return [await c.reached(sockets), Array.isArray(answer) ? answer.sort() : answer];
  },
  gives: [reaches, { many: reaches.split(' '), one: reaches, none: null }[answers(javascript)]],
}));
