import { beforeEach, expect, test, vi } from 'vitest';

import { Client } from '../../src/hub/client';
import type { IConnectionOptions } from '../../src/hub/connection';
import { ENGLISH } from '../../src/hub/translation';
import { FakeHub, settle } from './fakehub';
import { joined, meta } from './wire';

const fake = vi.hoisted((): { make: unknown } => ({ make: undefined }));
vi.mock('../../src/hub/connection', () => ({
  Connection: function (options: unknown) {
    return (fake.make as (options: unknown) => object)(options);
  }
}));

const dispose = vi.fn();
let hub: FakeHub & { attend: () => object; dispose: () => void };
let options: IConnectionOptions;
let client: Client;

beforeEach(() => {
  dispose.mockClear();
  hub = Object.assign(new FakeHub(), { attend: () => ({ dispose }), dispose });
  hub.answers['join'] = () => joined(0);
  hub.answers['rooms'] = () => ({ rooms: [{ room: 'lab' }], more: false, through: 'lab' });
  fake.make = (given: IConnectionOptions) => {
    options = given;
    return hub;
  };
  const server = { socketUrl: new URL('http://lab/'), token: '', status: vi.fn() };
  client = new Client({ server, trans: ENGLISH, restAfter: null });
});

function commands(): string[] {
  return hub.sent.map(([command]) => command);
}

test('joining twice gives the same room, and a room that was left is a new one', () => {
  const room = client.join('lab');
  expect(client.join('lab')).toBe(room);
  room.leave();
  expect(client.join('lab')).not.toBe(room);
});

test('a room is joined at once where there is a connection, and the list is asked for again', async () => {
  client.join('lab');
  await settle();
  expect(commands()).toEqual(['join', 'rooms']);
  expect(client.rooms.map(({ room }) => room)).toEqual(['lab']);
});

test('without a connection it is joined at the next connect', async () => {
  hub.connected = false;
  client.join('lab');
  expect(commands()).toEqual([]);
  hub.connected = true;
  options.onConnect();
  await settle();
  expect(commands()).toEqual(['join', 'rooms']);
});

test('a room that is not followed holds no connection', () => {
  client.join('lab', { follow: false }).leave();
  expect(dispose).not.toHaveBeenCalled();
  client.join('lab').leave();
  expect(dispose).toHaveBeenCalledTimes(1);
});

test('the list of rooms is read page by page', async () => {
  hub.answers['rooms'] = body =>
    'after' in body
      ? { rooms: [{ room: 'b' }], more: false, through: 'b' }
      : { rooms: [{ room: 'a' }], more: true, through: 'a' };
  await client.refresh();
  expect(client.rooms.map(({ room }) => room)).toEqual(['a', 'b']);
});

test('events reach their room, and the hub tells when the rooms have changed', () => {
  const room = client.join('lab');
  const outdated = vi.fn();
  client.outdated.connect(outdated);
  options.onEvent('tick', [1, meta(1, { prev: null })]);
  options.onEvent('tick', [1, meta(1, { room: 'another' })]);
  options.onEvent('$rooms', [{}]);
  expect(room.entries).toHaveLength(1);
  expect(outdated).toHaveBeenCalledTimes(1);
});

test("the hub's own events reach their room", () => {
  const room = client.join('lab');
  options.onEvent('$presence', [{ room: 'lab', changes: [], count: 7 }]);
  expect(room.count).toBe(7);
});
