exports.title = 'Packets';
exports.stages = {
  packets(io, t) {
    io.on('connection', socket => {
      socket.on('echo', (...args) => socket.emit('echo', ...args));
      socket.on(7, () => t.note('seven'));
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
    });
    io.of('/other');
  },
};

const AFTER = '42["echo",1]';
const told = (...messages) => async c => c.answers(await c.entered(), ...messages, AFTER);
const violation = (id, says, ...messages) => ({ id, says, run: told(...messages), gives: ['closed'] });
const accepted = (id, says, ...messages) => ({ id, says, run: told(...messages), gives: [AFTER] });
const one = '451-["echo",{"_placeholder":true,"num":0}]';

exports.behaviours = [
  violation('packet-type', 'An unknown type of packet closes the connection.', '49'),
  violation('packet-json', 'So does what is no JSON.', '42["echo"'),
  violation('packet-nan', 'So does NaN, which is no JSON.', '42["echo",NaN]'),
  violation('packet-object', 'So does an event that is no array.', '42{"a":1}'),
  violation('packet-empty', 'So does an event without a name.', '42[]'),
  violation('packet-null', 'So does an event whose name is null.', '42[null]'),
  violation('packet-object-name', 'So does one whose name is an object.', '42[{}]'),
  ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'].map(name =>
    violation(`packet-reserved-${name}`, `So does the reserved name \`${name}\`.`, `42["${name}"]`)),
  { id: 'packet-number', says: 'A number may be the name of an event.', run: async c => {
    await c.answers(await c.entered(), '42[7]');
    return c.notes();
  }, gives: ['seven', 'end'] },
  violation('packet-id', 'An id that is no number closes the connection.', '42abc["echo"]'),
  accepted('packet-bare', 'An event without any payload is ignored.', '42'),
  violation('packet-ack', 'An acknowledgement that is no array closes the connection.', '430{}'),
  violation('packet-twice', 'So does a second CONNECT for a namespace.', '40'),
  violation('packet-elsewhere', 'So does an event for a namespace that the client is not in.', '42/other,["echo",1]'),
  violation('packet-connect-array', 'So does a CONNECT with an array.', '40/other,[]'),
  violation('packet-connect-text', 'So does a CONNECT with a text.', '40/other,"x"'),
  violation('packet-disconnect-payload', 'So does a DISCONNECT with a payload.', '41{}'),
  violation('packet-connect-error', 'So does a CONNECT_ERROR of a client.', '44{"message":"x"}'),
  violation('packet-no-attachment', 'So does text where an attachment is due.', one, AFTER),
  violation('packet-stray', 'So does an attachment that nobody waits for.', Buffer.from([1])),
  violation('packet-zero', 'So does a binary event with no attachments.', '450-["echo"]'),
  violation('packet-range', 'So does a placeholder out of range.', one.replace('"num":0', '"num":1'), Buffer.from([1])),
  violation('packet-negative', 'So does a negative placeholder.', one.replace('"num":0', '"num":-1'), Buffer.from([1])),
  violation('packet-placeholder-text', 'So does a placeholder whose number is a text.', one.replace('"num":0', '"num":"0"'), Buffer.from([1])),
  accepted('packet-placeholder-twice', 'A placeholder may stand twice.', '451-["noecho",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', Buffer.from([1])),
  accepted('packet-placeholder-unused', 'An attachment need not be used.', '451-["noecho"]', Buffer.from([1])),
  accepted('packet-placeholder-plain', 'In an event without attachments a placeholder is an object like others.', '42["noecho",{"_placeholder":true,"num":0}]'),
  { id: 'packet-early', says: 'An event before CONNECT closes the connection.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send(AFTER);
    return socket.next();
  }, gives: 'closed' },
  { id: 'packet-empty-message', says: 'An empty message closes the connection.', run: async c => {
    const socket = await c.raw();
    await socket.next();
    socket.send('4');
    return socket.next();
  }, gives: 'closed' },
  { id: 'packet-reason', says: 'The reason of a violation is `forced close`.', run: async c => {
    (await c.entered()).send('49');
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'forced close'] },
  { id: 'packet-state-reason', says: 'So it is for a packet in the wrong state.', run: async c => {
    (await c.entered()).send('40');
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'forced close'] },
  { id: 'packet-one-only', says: 'A violation hurts no other client.', run: async c => {
    const other = await c.entered();
    await c.answers(await c.entered(), '49');
    return c.answers(other, AFTER);
  }, gives: [AFTER] },
  { id: 'packet-surrogate', says: 'Half an emoji, as `"🎉".slice(0, 1)` is, arrives as it is.', run: async c => {
    const heard = await c.answers(await c.entered(), '42["echo","\\ud83c"]');
    return heard.map(text => (text === 'closed' ? text : JSON.parse(text.slice(2))[1].codePointAt(0)));
  }, gives: [0xd83c] },
  { id: 'packet-deep', says: 'JSON may be 1,000 levels deep.', run: async c => {
    const heard = await c.answers(await c.entered(), `42["echo",${'['.repeat(1000)}${']'.repeat(1000)}]`);
    return heard.map(text => text.length);
  }, gives: [2011] },
];
