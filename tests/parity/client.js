// What a behaviour has to try a server with: socket.io-client, raw HTTP, raw WebSockets, and the server's own commands.
const http = require('node:http');
const { io } = require('socket.io-client');
const WebSocket = require('ws');

const PATIENCE = 20_000; // ms until something that should have come has not

class Client {
  constructor(control, run, port) {
    this.control = control;
    this.run = run;
    this.port = port;
    this.opened = [];
    this.agent = new http.Agent({ keepAlive: true });
  }

  // --- the server's side

  call(name, ...args) {
    return this.control.request({ operation: 'call', run: this.run, name, args });
  }

  // What the stage noted, once one of some last words is among it.
  notes(...last) {
    return this.control.request({ operation: 'notes', run: this.run, last: last.length ? last : ['end'] });
  }

  // Let the server's loop turn a few times: what was sent before has been read, and what it led to has begun.
  async turns() {
    for (let i = 0; i < 5; i++) await this.control.request({ operation: 'turn' });
  }

  // --- socket.io-client

  // A client that is not yet connected; it records its events in `heard`, up to "end".
  client(nsp = '/', options = {}) {
    const socket = io(`http://127.0.0.1:${this.port}${nsp}`, {
      transports: ['websocket'], reconnection: false, forceNew: true, autoConnect: false, ...options,
    });
    socket.heard = [];
    socket.ended = within(`end of ${nsp}`, done => socket.onAny((event, ...args) => {
      if (event === 'end') done(socket.heard);
      else socket.heard.push(args.length ? [event, ...args] : event);
    }));
    socket.ended.catch(() => {});
    this.opened.push(() => socket.disconnect());
    return socket;
  }

  async connect(nsp, options) {
    const socket = this.client(nsp, options);
    socket.connect();
    return this.connected(socket);
  }

  connected(socket) {
    return within('connect', (done, failed) => {
      socket.once('connect', () => done(socket));
      socket.once('connect_error', failed);
    });
  }

  // How a connection is refused: the message and data of connect_error.
  async refused(nsp, options) {
    const socket = this.client(nsp, options);
    const error = await within('connect_error', (done, failed) => {
      socket.once('connect_error', done);
      socket.once('connect', () => failed(new Error('it was let in')));
      socket.connect();
    });
    return error.data === undefined ? { error: error.message } : { error: error.message, data: error.data };
  }

  // The first argument of the next event of a name.
  next(emitter, event) {
    return within(event, done => emitter.once(event, done));
  }

  // All that a socket heard, once the server has said the end.
  async heard(...sockets) {
    await this.call('end');
    const all = await Promise.all(sockets.map(socket => socket.ended));
    return sockets.length === 1 ? all[0] : all;
  }

  // Which of some named sockets heard something.
  async reached(sockets) {
    await this.heard(...Object.values(sockets));
    return Object.keys(sockets).filter(name => sockets[name].heard.length).join(' ');
  }

  // --- raw HTTP

  url(query) {
    return typeof query === 'string' ? query : `/socket.io/?${new URLSearchParams({ EIO: 4, transport: 'polling', ...query })}`;
  }

  http(method, query, { body, headers = {} } = {}) {
    return within(`${method} ${this.url(query)}`, (done, failed) => {
      const request = http.request(
        { port: this.port, host: '127.0.0.1', method, path: this.url(query), headers, agent: this.agent },
        response => {
          const chunks = [];
          response.on('data', chunk => chunks.push(chunk));
          response.on('end', () => done({
            status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks),
            body: Buffer.concat(chunks).toString(),
          }));
          response.on('error', failed);
        },
      );
      request.on('error', failed);
      request.end(body);
    });
  }

  // Status and body of a request that is refused.
  async refusal(method, query, options) {
    const { status, body } = await this.http(method, query, options);
    return [status, body];
  }

  async session(query) {
    const { body } = await this.http('GET', query ?? {});
    return JSON.parse(body.slice(1));
  }

  // A raw session over polling: post(text), and get() for the packets that wait.
  async polling(...packets) {
    const { sid } = await this.session();
    const session = {
      sid,
      get: async () => (await this.http('GET', { sid })).body.split('\x1e'),
      post: async body => (await this.http('POST', { sid }, { body, headers: { 'Content-Type': 'text/plain;charset=UTF-8' } })),
    };
    for (const packet of packets) await session.post(packet);
    session.waiting = async () => { // a GET that has arrived; its answer is { packets }
      const packets = session.get();
      await this.turns();
      return { packets };
    };
    session.rest = async packets => { // all that comes up to the end of the session, without what only keeps it going
      const all = [];
      for (let batch = await packets; ; batch = await session.get()) {
        all.push(...batch);
        if (batch.includes('1') || batch[0].startsWith('{')) return all.filter(packet => !/^[16{]/.test(packet));
      }
    };
    return session;
  }

  // --- raw WebSockets

  // Speaks Engine.IO over a WebSocket: send, and next() for what comes, pings left out; "closed" at the end.
  async raw(query = {}, options = {}) {
    const url = `ws://127.0.0.1:${this.port}${this.url({ transport: 'websocket', ...query })}`;
    const { protocols = [], pings = false, ...rest } = options;
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...rest });
    const queue = new Queue();
    socket.on('message', (data, isBinary) => {
      if (isBinary || pings || data.toString() !== '2') queue.put(isBinary ? data : data.toString());
    });
    socket.on('close', () => queue.put('closed'));
    this.opened.push(() => socket.terminate());
    await within('open', (done, failed) => { socket.once('open', done); socket.once('error', failed); });
    socket.on('error', () => {});
    socket.next = () => queue.get();
    socket.all = async last => { // what comes up to a message, or the close
      const all = [];
      for (;;) {
        const message = await socket.next();
        all.push(message);
        if (message === last || message === 'closed') return all;
      }
    };
    socket.settled = () => within('pong', done => { // the server has read all that was sent before
      socket.once('pong', done);
      socket.ping();
    });
    return socket;
  }

  // A raw client that has passed the handshake and is in a namespace.
  async entered(nsp = '', options = {}) {
    const socket = await this.raw(options.query, options);
    socket.handshake = JSON.parse((await socket.next()).slice(1));
    socket.send(nsp ? `40${nsp},` : '40');
    socket.accepted = await socket.next();
    return socket;
  }

  // What comes back to a raw client in "/" that says something, up to the end, which the server echoes.
  async answers(socket, ...messages) {
    for (const message of messages) socket.send(message);
    socket.send('42["end"]');
    const all = await socket.all('42["end"]');
    return all.at(-1) === 'closed' ? all : all.slice(0, -1);
  }

  close() {
    for (const close of this.opened) close();
    this.agent.destroy();
  }
}

class Queue {
  constructor() {
    this.items = [];
    this.waiting = [];
  }

  put(item) {
    const waiting = this.waiting.shift();
    if (waiting) waiting(item);
    else this.items.push(item);
  }

  get() {
    if (this.items.length) return Promise.resolve(this.items.shift());
    return within('message', done => this.waiting.push(done));
  }
}

function within(what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what} within ${PATIENCE} ms`)), PATIENCE);
    const settle = finish => value => { clearTimeout(timer); finish(value); };
    start(settle(resolve), settle(reject));
  });
}

module.exports = { Client, within };
