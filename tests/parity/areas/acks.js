exports.title = 'Acknowledgements';
exports.stages = {
  acks(io, t) {
    io.on('connection', socket => {
      const { name } = socket.handshake.auth;
      if (name) socket.join(name);
      socket.on('value', ack => ack(1));
      socket.on('sum', (a, b, ack) => ack(a + b));
      socket.on('nothing', ack => ack());
      socket.on('several', ack => ack(1, 'two', [3]));
      socket.on('bytes', (data, ack) => ack(Buffer.from(data).reverse(), { inner: data }));
      socket.on('never', ack => {});
      socket.on('slow', async ack => { await slow; ack('slow'); });
      socket.on('raise', ack => { throw new Error(`run ${t.number}`); });
      socket.on('first', ack => ack('first'));
      socket.on('first', ack => ack('second'));
      socket.on('quiet', (...args) => { t.note(args.length); });
    });
    let release;
    const slow = new Promise(resolve => { release = resolve; });
    const first = () => io.sockets.sockets.values().next().value;
    const kind = error => (error.message === 'operation has timed out' ? 'timeout' : 'disconnected');
    const outcome = promise => promise.catch(error => ({ [kind(error)]: error.responses ?? null }));
    t.command('ask', (ms, ...args) => outcome((ms ? first().timeout(ms) : first()).emitWithAck(...args)));
    t.command('ask all', (ms, ...args) => outcome(io.timeout(ms).emitWithAck(...args)));
    t.command('ask all for ever', (...args) => outcome(io.compress(true).emitWithAck(...args)));
    t.command('ask room', (ms, room, ...args) => outcome(io.to(room).timeout(ms).emitWithAck(...args)));
    t.command('ask others', (ms, ...args) => outcome(first().broadcast.timeout(ms).emitWithAck(...args)));
    t.command('release', () => release());
    t.command('rooms', () => io.sockets.adapter.rooms.size);
  },
};

const LONG = 20_000;
const ask = (event, ...args) => async c => {
  const socket = await c.connect();
  return new Promise(resolve => socket.emit(event, ...args, (...answer) => resolve(answer)));
};
// What a client answers to the server's questions.
const answering = (answer, command, ...args) => async c => {
  const socket = await c.connect();
  socket.on('question', (...question) => answer(question.pop(), question, socket));
  return c.call(command, ...args);
};
const crowd = (answers, command, ...args) => async c => {
  const sockets = {};
  for (const [name, answer] of Object.entries(answers)) {
    sockets[name] = await c.connect('/', { auth: { name } });
    sockets[name].on('question', ack => answer?.(ack, sockets[name]));
  }
  const result = await c.call(command, ...args);
  return Array.isArray(result) ? result.sort() : result;
};

exports.behaviours = [
  { id: 'ack-value', says: 'What a handler acknowledges with is what the client gets.', run: ask('value'), gives: [1] },
  { id: 'ack-arguments', says: 'The acknowledgement comes after the arguments.', run: ask('sum', 1, 2), gives: [3] },
  { id: 'ack-nothing', says: 'An acknowledgement needs no arguments.', run: ask('nothing'), gives: [] },
  { id: 'ack-several', says: 'It may have several.', run: ask('several'), gives: [1, 'two', [3]] },
  { id: 'ack-binary', says: 'It may have bytes, anywhere.', run: ask('bytes', Buffer.from([1, 2])), gives: [Buffer.from([2, 1]), { inner: Buffer.from([1, 2]) }] },
  { id: 'ack-digits', says: 'The id of an event is the id of its acknowledgement.', run: async c => c.answers(await c.entered(), '420["value"]', '427["value"]'), gives: ['430[1]', '437[1]'] },
  { id: 'ack-long-id', says: 'An id of more than 15 digits comes back as the nearest number that JavaScript has.', run: async c =>
    c.answers(await c.entered(), '4212345678901234567890["value"]'), gives: ['4312345678901234567000[1]'] },
  { id: 'ack-unasked', says: 'Nothing is answered to an event without an id.', run: async c => {
    const socket = await c.entered();
    socket.send('42["quiet",1]');
    socket.send('420["value"]');
    return socket.next();
  }, gives: '430[1]' },
  { id: 'ack-no-handler', says: 'Nothing is answered to an event that nobody listens to.', run: async c => {
    const socket = await c.entered();
    socket.send('420["unknown"]');
    socket.send('421["value"]');
    return socket.next();
  }, gives: '431[1]' },
  { id: 'ack-never', says: 'A handler that does not call back does not acknowledge.', run: async c => {
    const socket = await c.entered();
    socket.send('420["never"]');
    socket.send('421["value"]');
    return socket.next();
  }, gives: '431[1]' },
  { id: 'ack-overtakes', says: 'A slow async handler holds up nothing: later events of the same client are acknowledged before.', run: async c => {
    const socket = await c.entered();
    socket.send('420["slow"]');
    socket.send('421["value"]');
    await socket.settled();
    await c.call('release');
    return [await socket.next(), await socket.next()];
  }, gives: ['431[1]', '430["slow"]'] },
  { id: 'ack-first-of-two', says: 'Of two handlers that acknowledge, the first counts.', run: ask('first'), gives: ['first'] },
  { id: 'ack-raise', says: 'A handler that throws before it calls back does not acknowledge.', run: async c => {
    const socket = await c.entered();
    socket.send('420["raise"]');
    socket.send('421["value"]');
    return socket.next();
  }, gives: '431[1]' },
  { id: 'ack-polling', says: 'Acknowledgements work over long-polling.', run: async c => {
    const socket = await c.connect('/', { transports: ['polling'] });
    return socket.emitWithAck('value');
  }, gives: 1 },
  { id: 'ask-value', says: '`emitWithAck` gives the client\'s answer.', run: answering(ack => ack('yes'), 'ask', 0, 'question'), gives: 'yes' },
  { id: 'ask-timeout-value', says: 'So it does with a timeout.', run: answering(ack => ack('yes'), 'ask', LONG, 'question'), gives: 'yes' },
  { id: 'ask-arguments', says: 'The client gets the arguments, then the callback.', run: answering((ack, question) => ack(question), 'ask', LONG, 'question', 1, 'b'), gives: [1, 'b'] },
  { id: 'ask-binary', says: 'Questions and answers may be bytes.', run: answering((ack, [data]) => ack(data), 'ask', LONG, 'question', Buffer.from([7])), gives: Buffer.from([7]) },
  { id: 'ask-nothing', says: 'An answer without arguments is undefined.', run: answering(ack => ack(), 'ask', LONG, 'question'), gives: null },
  { id: 'ask-several', says: 'Of an answer with several arguments `emitWithAck` gives the first.', run: answering(ack => ack(1, 2), 'ask', LONG, 'question'), gives: 1 },
  { id: 'ask-timeout', says: 'Who does not answer in time is given up with an error.', run: answering(() => {}, 'ask', 50, 'question'), gives: { timeout: null } },
  { id: 'ask-late', says: 'An answer that comes too late is ignored.', run: async c => {
    const socket = await c.entered();
    const asked = c.call('ask', 50, 'question');
    const question = await socket.next();
    const outcome = await asked;
    return [outcome, await c.answers(socket, question.replace(/^42(\d+).*/, '43$1["late"]'), '427["value"]')];
  }, gives: [{ timeout: null }, ['437[1]']] },
  { id: 'ask-unknown-id', says: 'An acknowledgement of an unknown id is ignored.', run: async c => c.answers(await c.entered(), '43999["x"]', '427["value"]'), gives: ['437[1]'] },
  { id: 'ask-twice', says: 'Of two acknowledgements with one id the first counts.', run: async c => {
    const socket = await c.entered();
    const asked = c.call('ask', LONG, 'question');
    const id = /^42(\d+)/.exec(await socket.next())[1];
    socket.send(`43${id}["first"]`);
    socket.send(`43${id}["second"]`);
    return asked;
  }, gives: 'first' },
  { id: 'ask-leaver', says: 'A client that leaves before it answers is waited for until the timeout.', run: answering((ack, question, socket) => socket.disconnect(), 'ask', 100, 'question'), gives: { timeout: null } },
  { id: 'ask-all', says: '`io.timeout(...).emitWithAck` gives the answers of all clients.', run: crowd({ a: ack => ack('a'), b: ack => ack('b') }, 'ask all', LONG, 'question'), gives: ['a', 'b'] },
  { id: 'ask-room', says: '`io.to(room)...emitWithAck` asks those in the room.', run: crowd({ a: ack => ack('a'), b: ack => ack('b') }, 'ask room', LONG, 'b', 'question'), gives: ['b'] },
  { id: 'ask-others', says: '`socket.broadcast...emitWithAck` asks all but one.', run: crowd({ a: ack => ack('a'), b: ack => ack('b'), c: ack => ack('c') }, 'ask others', LONG, 'question'), gives: ['b', 'c'] },
  { id: 'ask-nobody', says: 'Asking an empty room gives an empty list at once.', run: c => c.call('ask room', LONG, 'nowhere', 'question'), gives: [] },
  { id: 'ask-all-partial', says: 'If somebody does not answer in time, the error holds the answers that came.', run: crowd({ a: ack => ack('a'), b: null }, 'ask all', 200, 'question'), gives: { timeout: ['a'] } },
  { id: 'ask-all-leaver', says: 'Somebody who leaves before answering is waited for until the timeout; the error holds the answers that came.', run: crowd({ a: ack => ack('a'), b: (ack, socket) => socket.disconnect() }, 'ask all', 200, 'question'), gives: { timeout: ['a'] } },
  { id: 'ask-all-several', says: 'Of an answer with several arguments the list holds the first.', run: crowd({ a: ack => ack(1, 2) }, 'ask all', LONG, 'question'), gives: [1] },
  { id: 'ask-all-binary', says: 'Answers of a broadcast may be bytes.', run: crowd({ a: ack => ack(Buffer.from([1])) }, 'ask all', LONG, 'question'), gives: [Buffer.from([1])] },
  { id: 'ask-all-no-timeout', says: 'Asking many without a timeout gives up after a millisecond.', run: async c => {
    const socket = await c.connect();
    const asked = c.call('ask all for ever', 'question');
    asked.catch(() => {});
    const ack = await new Promise(resolve => socket.once('question', resolve));
    for (let i = 0; i < 30; i++) await c.call('rooms'); // time enough for many turns of the server's loop
    ack('yes');
    return asked;
  }, gives: { timeout: [] } },
];
