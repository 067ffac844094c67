// Node's Socket.IO server under test. Speaks JSON lines over TCP with the driver: `start` makes one server for one
// behaviour, `call` runs a command that its stage offers, `notes` waits for what the stage noted, `stop` closes it.
const { createServer } = require('node:http');
const net = require('node:net');
const readline = require('node:readline');
const { Server } = require('socket.io');
const { seal, open, line } = require('./values');
const { areas } = require('./areas');

const runs = new Map();

class Run {
  constructor(number, area, stage, options) {
    this.number = number;
    this.log = [];
    this.waiting = [];
    this.commands = {
      end: () => { for (const nsp of this.io._nsps.values()) nsp.emit('end'); },
    };
    this.http = createServer((request, response) => response.writeHead(404).end());
    this.io = new Server(this.http, { ...areas[area].settings?.[stage], ...options });
    this.echo('/');
    areas[area].stages[stage](this.io, this);
  }

  async listen() {
    await new Promise(done => this.http.listen(0, '127.0.0.1', done));
    return this.http.address().port;
  }

  note(...values) {
    this.log.push(values.length === 1 ? values[0] : values);
    this.waiting.forEach(look => look());
  }

  // Clients of a namespace get their "end" back.
  echo(nsp) {
    this.io.of(nsp).on('connection', socket => socket.on('end', () => {
      this.note('end');
      socket.emit('end');
    }));
  }

  // Resolves with all notes once one of them is (or begins with) one of the last words.
  notes(last) {
    return new Promise(resolve => {
      const look = () => {
        if (this.log.some(note => last.includes(note) || last.includes(note?.[0]))) resolve(this.log);
      };
      this.waiting.push(look);
      look();
    });
  }

  command(name, run) {
    this.commands[name] = run;
  }

  async stop() {
    this.http.closeAllConnections();
    await new Promise(done => this.io.close(done));
  }
}

const operations = {
  async start({ run, area, stage, options }) {
    runs.set(run, new Run(run, area, stage, options));
    return runs.get(run).listen();
  },
  turn: () => new Promise(setImmediate),
  call: ({ run, name, args }) => runs.get(run).commands[name](...args),
  notes: ({ run, last }) => runs.get(run).notes(last),
  async stop({ run }) {
    await runs.get(run).stop();
    runs.delete(run);
  },
};

// A handler that throws ends a Node process unless somebody listens; the error's text says to which run it belongs.
function uncaught(error) {
  const run = runs.get(Number(/run (\d+)/.exec(error.message)?.[1]));
  if (run) run.note('uncaught');
  else console.error(error);
}
process.on('uncaughtException', uncaught);
process.on('unhandledRejection', uncaught);

const control = net.createServer(driver => {
  driver.on('error', () => {});
  readline.createInterface({ input: driver }).on('line', async text => {
    const request = open(JSON.parse(text));
    let answer;
    try {
      answer = { value: await operations[request.operation](request) };
    } catch (error) {
      answer = { error: String(error.stack) };
    }
    driver.write(line({ id: request.id, ...seal(answer) }));
  });
});
control.listen(0, '127.0.0.1', () => process.stdout.write(`${control.address().port}\n`));
process.stdin.resume().on('end', () => process.exit());  // nobody is left to talk to
