// Cases of the official Engine.IO suite, as its clients play them: Node's fetch and the package `ws`, for which an HTTP
// error in answer to an upgrade is an exception that nobody catches. Says what was seen, as one line of JSON.
const { WebSocket } = require('ws');

const [, , origin] = process.argv;
const at = (transport, sid) => `/socket.io/?EIO=4&transport=${transport}` + (sid ? `&sid=${sid}` : '');
const poll = (sid, options) => fetch(origin + at('polling', sid), options);
const post = (sid, body) => poll(sid, { method: 'POST', body });
const dial = sid => new WebSocket(origin.replace('http', 'ws') + at('websocket', sid));
const once = (socket, event) => new Promise(resolve => socket.addEventListener(event, resolve, { once: true }));

// A poll of which the server knows: it was written before two other requests, which are answered.
async function waiting(sid) {
  const answer = poll(sid);
  for (let n = 0; n < 2; n++) await (await post(sid, '3')).text();
  return [answer];
}

async function open() {
  const body = await (await poll()).text();
  return JSON.parse(body.substring(1)).sid;
}

async function answer(response) {
  return [response.status, await response.text()];
}

async function second(upgraded) {
  const sid = await open();
  const first = dial(sid);
  await once(first, 'open');
  first.send('2probe');
  await once(first, 'message');
  if (upgraded) first.send('5');
  const other = dial(sid);
  await once(other, 'close');
  if (!upgraded) first.send('5');
  first.send('40');
  const { data } = await once(first, 'message');
  first.close();
  return data.substring(0, 2);
}

async function overlap() {
  const sid = await open();
  const [first] = await waiting(sid);
  const second = await poll(sid);
  return [await answer(await first), second.status, (await poll(sid)).status];
}

async function violation(packet, waits) {
  const sid = await open();
  await post(sid, '40');
  await (await poll(sid)).text();
  const [before] = waits ? await waiting(sid) : [];
  await post(sid, packet);
  const seen = await answer(await (before || poll(sid)));
  return seen[0] === 200 ? seen : seen[0];
}

async function main() {
  return {
    'a WebSocket for an upgraded session': await second(true),
    'a WebSocket for an upgrading session': await second(false),
    'two polls at once': await overlap(),
    'a poll that waits for a bad payload': await violation('abc', true),
    'a poll after a bad payload': await violation('abc', false),
    'a poll that waits for a bad packet': await violation('4hello', true),
    'a poll after a bad packet': await violation('4hello', false),
  };
}

main().then(seen => process.stdout.write(JSON.stringify(seen) + '\n'));
