import { expect, test } from 'vitest';
import { type Packet, PacketType } from 'socket.io-parser';

import { RawJson } from '../../src/hub/json';
import { exactParser } from '../../src/hub/parser';
import { meta } from './wire';

function decoded(...chunks: (string | Uint8Array)[]): Packet {
  const found: Packet[] = [];
  const decoder = new exactParser.Decoder();
  decoder.on('decoded', packet => found.push(packet));
  chunks.forEach(chunk => {
    decoder.add(chunk);
  });
  return found[0] as Packet;
}

test('an event has the text of its data in its meta', () => {
  const packet = decoded(`2["metric",{"n":9007199254740993,"x":1.0},${JSON.stringify(meta(1))}]`);
  expect((packet.data as unknown[])[2]).toMatchObject({ json: '{"n":9007199254740993,"x":1.0}', n: 1 });
});

test('so has one with bytes', () => {
  const bytes = new Uint8Array([1, 2]);
  const packet = decoded(`51-["raw",{"b":{"_placeholder":true,"num":0},"x":1.0},${JSON.stringify(meta(1))}]`, bytes);
  const [, data, told] = packet.data as [string, { b: unknown }, { json: string }];
  expect(data.b).toBe(bytes);
  expect(told.json).toBe('{"b":{"_placeholder":true,"num":0},"x":1.0}');
});

test('so have the events on a page of history', () => {
  const packet = decoded('37[{"ok":true,"events":[{"event":"a","data":1.0},{"event":"b","data":{"2":1,"1":2}}]}]');
  const [{ events }] = packet.data as [{ events: { json: string }[] }];
  expect(events.map(event => event.json)).toEqual(['1.0', '{"2":1,"1":2}']);
});

test.each(['2["hello"]', '2["$log",{"epoch":"e"}]', '37[{"ok":true}]', '37[null]', '37[]', '0{"sid":"x"}'])(
  'other packets stay as they are: %s',
  text => {
    expect(decoded(text)).toBeDefined();
  }
);

test('a publish goes out with the digits that it has', () => {
  const body = { room: 'lab', event: '$&', data: new RawJson('{"n":9007199254740993,"s":"$&"}') };
  const [text] = new exactParser.Encoder().encode({ type: PacketType.EVENT, nsp: '/', id: 7, data: ['publish', body] });
  expect(text).toBe('27["publish",{"room":"lab","event":"$&","data":{"n":9007199254740993,"s":"$&"}}]');
});

test.each(['letters', 'values'])('so have the items of a page of %s', name => {
  const packet = decoded(`37[{"ok":true,"${name}":[{"data":9007199254740993}]}]`);
  expect(packet.data).toMatchObject([{ [name]: [{ json: '9007199254740993' }] }]);
});
