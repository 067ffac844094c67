// Tries every behaviour with a server, some at a time, and prints what was seen: one line of JSON for each.
//   node driver.js PORT [ID...]      the port of the server's control connection
const net = require('node:net');
const readline = require('node:readline');
const { areas } = require('./areas');
const { Client, within } = require('./client');
const { seal, open, line } = require('./values');

const AT_ONCE = 6;

class Control {
  constructor(port) {
    this.waiting = new Map();
    this.socket = net.connect(port, '127.0.0.1');
    readline.createInterface({ input: this.socket }).on('line', text => {
      const { id, value, error } = open(JSON.parse(text));
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(value);
    });
    this.last = 0;
  }

  request(body) {
    const id = ++this.last;
    this.socket.write(line(seal({ id, ...body })));
    return within(`answer to ${JSON.stringify(body)}`, (resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}

async function attempt(control, number, area, behaviour) {
  const { stage = area, options = {}, run } = behaviour;
  let client;
  try {
    const port = await control.request({ operation: 'start', run: number, area, stage, options });
    client = new Client(control, number, port);
    return { saw: await within('outcome', (done, failed) => run(client).then(done, failed)) };
  } catch (error) {
    return { failed: String(error.stack) };
  } finally {
    if (client) {
      client.close();
      await control.request({ operation: 'stop', run: number });
    }
  }
}

async function main([port, ...chosen]) {
  const control = new Control(Number(port));
  const queue = Object.entries(areas).flatMap(([area, { title, behaviours }]) =>
    behaviours.map(behaviour => ({ area, title, behaviour })));
  let at = 0;
  async function work() {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { area, title, behaviour } = next;
      if (chosen.length && !chosen.includes(behaviour.id)) continue;
      const number = ++at;
      const outcome = await attempt(control, number, area, behaviour);
      const { id, says, gives } = behaviour;
      process.stdout.write(line(seal({ at: number, id, area: title, says, gives, ...outcome })));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  control.socket.destroy();
}

main(process.argv.slice(2)).then(() => process.exit(), error => { console.error(error); process.exit(1); });
