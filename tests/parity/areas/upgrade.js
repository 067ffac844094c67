exports.title = 'Upgrade';
exports.stages = {
  upgrade(io, t) {
    let last;
    io.on('connection', socket => {
      last = socket;
      socket.conn.on('upgrade', transport => t.note(['upgrade', transport.name]));
      socket.on('echo', (...args) => socket.emit('echo', ...args));
      socket.on('disconnect', reason => t.note(['disconnect', reason]));
    });
    t.command('emit', (...args) => { last.emit(...args); });
    t.command('transport', () => last.conn.transport.name);
    t.command('count', () => io.engine.clientsCount);
  },
};

const entered = async c => {
  const session = await c.polling('40');
  await session.get();
  return session;
};
const probed = async (c, session) => {
  const socket = await c.raw({ sid: session.sid });
  socket.send('2probe');
  await socket.next();
  return socket;
};
const upgraded = async c => {
  const session = await entered(c);
  const socket = await probed(c, session);
  socket.send('5');
  await c.notes('upgrade');
  return [session, socket];
};

exports.behaviours = [
  { id: 'upgrade-client', says: 'socket.io-client begins with polling and upgrades by itself; nothing is lost on the way.', run: async c => {
    const socket = await c.connect('/', { transports: ['polling', 'websocket'] });
    for (let i = 0; i < 20; i++) socket.emit('echo', i);
    await c.notes('upgrade');
    for (let i = 20; i < 40; i++) socket.emit('echo', i);
    const heard = await c.heard(socket).then(async () => { socket.emit('end'); return socket.heard; });
    return [await c.call('transport'), (await c.notes('upgrade')).at(0), heard.every(([, n], at) => n === at)];
  }, gives: ['websocket', ['upgrade', 'websocket'], true] },
  { id: 'upgrade-probe', says: 'A WebSocket with the id of a session probes it: `2probe` is answered `3probe`.', run: async c => {
    const socket = await c.raw({ sid: (await entered(c)).sid });
    socket.send('2probe');
    return socket.next();
  }, gives: '3probe' },
  { id: 'upgrade-noop', says: 'After the probe the GET that waits is answered with a NOOP.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    await probed(c, session);
    return packets;
  }, gives: ['6'] },
  { id: 'upgrade-done', says: '`5` completes it: events go over the WebSocket.', run: async c => {
    const [, socket] = await upgraded(c);
    socket.send('42["echo",1]');
    return [await socket.next(), await c.call('transport')];
  }, gives: ['42["echo",1]', 'websocket'] },
  { id: 'upgrade-buffered', says: 'What was emitted between the probe and `5` comes over the WebSocket.', run: async c => {
    const session = await entered(c);
    const { packets } = await session.waiting();
    const socket = await probed(c, session);
    await packets;
    await c.call('emit', 'x');
    socket.send('5');
    return socket.next();
  }, gives: '42["x"]' },
  { id: 'upgrade-polls-on', says: 'Until `5` the session polls on.', run: async c => {
    const session = await entered(c);
    await probed(c, session);
    await session.post('42["echo",1]');
    let packets = await session.get();
    while (packets[0] === '6') packets = await session.get();
    return packets;
  }, gives: ['42["echo",1]'] },
  { id: 'upgrade-no-more-polls', says: 'An upgraded session cannot be polled.', run: async c => {
    const [{ sid }] = await upgraded(c);
    return c.refusal('GET', { sid });
  }, gives: [400, '{"code":3,"message":"Bad request"}'] },
  { id: 'upgrade-abandoned', says: 'A WebSocket that closes after its probe leaves the session polling.', run: async c => {
    const session = await entered(c);
    (await probed(c, session)).close();
    await c.turns();
    await session.post('42["echo",1]');
    let packets = await session.get();
    while (packets[0] === '6') packets = await session.get();
    return packets;
  }, gives: ['42["echo",1]'] },
  { id: 'upgrade-timeout', says: 'A WebSocket that does not complete the upgrade within `upgradeTimeout` is closed; the session polls on.', options: { upgradeTimeout: 100 }, run: async c => {
    const session = await entered(c);
    const socket = await c.raw({ sid: session.sid });
    const all = await socket.all();
    await session.post('42["echo",1]');
    return [all, await session.get()];
  }, gives: [['closed'], ['42["echo",1]']] },
  { id: 'upgrade-garbage', says: 'A WebSocket that begins with anything else than a probe is closed; the session polls on.', run: async c => {
    const session = await entered(c);
    const socket = await c.raw({ sid: session.sid });
    socket.send('42["echo",1]');
    const all = await socket.all();
    await session.post('42["echo",2]');
    return [all, await session.get()];
  }, gives: [['closed'], ['42["echo",2]']] },
  { id: 'upgrade-no-probe', says: '`5` without a probe completes the upgrade.', run: async c => {
    const session = await entered(c);
    const socket = await c.raw({ sid: session.sid });
    socket.send('5');
    socket.send('42["echo",1]');
    return socket.next();
  }, gives: '42["echo",1]' },
  { id: 'upgrade-second', says: 'A second WebSocket beside one that is upgrading is closed after its handshake.', run: async c => {
    const session = await entered(c);
    await probed(c, session);
    return c.raw({ sid: session.sid }).then(socket => socket.next(), error => error.message);
  }, gives: 'closed' },
  { id: 'upgrade-used', says: 'A WebSocket with the id of a session that has one is closed after its handshake.', run: async c => {
    const [{ sid }, socket] = await upgraded(c);
    const second = await c.raw({ sid }).then(other => other.next(), error => error.message);
    socket.send('42["echo",1]');
    return [second, await socket.next()];
  }, gives: ['closed', '42["echo",1]'] },
  { id: 'upgrade-other-version', says: 'A WebSocket of another EIO cannot take over a session.', run: async c => {
    const { sid } = await entered(c);
    return c.raw({ sid, EIO: 3 }).then(socket => socket.next(), error => error.message);
  }, gives: 'Unexpected server response: 400' },
  { id: 'upgrade-not-allowed', says: 'With `allowUpgrades: false` a WebSocket cannot take over.', options: { allowUpgrades: false }, run: async c => {
    const { sid } = await entered(c);
    const socket = await c.raw({ sid }).catch(error => error.message);
    if (typeof socket === 'string') return socket;
    socket.send('2probe');
    return socket.next();
  }, gives: '3probe' },
  { id: 'upgrade-one-session', says: 'It is one session throughout.', run: async c => {
    await upgraded(c);
    return c.call('count');
  }, gives: 1 },
  { id: 'upgrade-ends', says: 'A WebSocket that took over and ends ends the session: `transport close`.', run: async c => {
    const [, socket] = await upgraded(c);
    socket.close();
    return (await c.notes('disconnect')).at(-1);
  }, gives: ['disconnect', 'transport close'] },
];
