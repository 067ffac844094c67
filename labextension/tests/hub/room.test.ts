import { beforeEach, expect, test, vi } from 'vitest';

import { Room } from '../../src/hub/room';
import { ENGLISH } from '../../src/hub/translation';
import { HubError } from '../../src/hub/wire';
import { FakeHub } from './fakehub';
import { joined, member, meta, sender } from './wire';

let hub: FakeHub;
let room: Room;
const onLeave = vi.fn();

beforeEach(() => {
  hub = new FakeHub();
  hub.answers['join'] = () => joined(0, { members: [member({ user: 'ana', name: 'ana' })], count: 1 });
  hub.answers['publish'] = () => ({ seq: 17 });
  onLeave.mockClear();
  room = new Room('lab', hub, onLeave, ENGLISH);
});

test('it holds the members, the count and the events', async () => {
  await room.subscription.join();
  room.receive('tick', 1, meta(1));
  expect(room.members.map(({ name }) => name)).toEqual(['ana']);
  expect(room.count).toBe(1);
  expect(room.entries).toMatchObject([{ kind: 'event', event: { name: 'tick', data: 1, n: 1 } }]);
});

test('the user who joined is "you"', async () => {
  await room.subscription.join();
  expect(room.nameOf(sender({ user: 'ana', name: 'train' }))).toBe('train (you)');
});

test('who comes and who goes changes the members', async () => {
  await room.subscription.join();
  const bob = member({ user: 'bob', name: 'bob', member: 'm2' });
  room.notice('$presence', { room: 'lab', changes: [bob], count: 2 });
  expect(room.members.map(({ name }) => name)).toEqual(['ana', 'bob']);
  room.notice('$presence', { room: 'lab', changes: [{ ...bob, state: 'left' }], count: 1 });
  expect(room.members.map(({ name }) => name)).toEqual(['ana']);
  expect(room.count).toBe(1);
});

test('it holds the latest 10,000 entries', async () => {
  await room.subscription.join();
  for (let n = 1; n <= 10_010; n++) {
    room.receive('tick', null, meta(n));
  }
  expect(room.entries).toHaveLength(10_000);
  expect(room.entries[0]).toMatchObject({ event: { n: 11 } });
});

test('a busy room signals at most every 50 ms', async () => {
  vi.useFakeTimers();
  const changed = vi.fn();
  room.changed.connect(changed);
  const joining = room.subscription.join();
  await vi.advanceTimersByTimeAsync(100);
  await joining;
  changed.mockClear();
  for (let n = 1; n <= 100; n++) {
    room.receive('tick', null, meta(n));
  }
  await vi.advanceTimersByTimeAsync(200);
  vi.useRealTimers();
  expect(changed).toHaveBeenCalledTimes(1);
});

test('publishing returns the position, and sends no data where there is none', async () => {
  expect(await room.publish('done')).toBe(17);
  expect(await room.publish('done', null)).toBe(17);
  expect(hub.sent.map(([, body]) => body)).toEqual([
    { room: 'lab', event: 'done' },
    { room: 'lab', event: 'done', data: null }
  ]);
});

test('why it cannot be joined is told until it can', async () => {
  hub.answers['join'] = () => {
    throw new HubError('forbidden', 'You may not read it.');
  };
  await room.subscription.join();
  expect(room.error).toBe('You may not read it.');
  hub.answers['join'] = () => joined(0);
  await room.subscription.join();
  expect(room.error).toBeNull();
});

test('leaving tells the hub once, and ends what keeps the connection up', () => {
  const dispose = vi.fn();
  room.follow(() => ({ dispose, isDisposed: false }));
  room.leave();
  room.dispose();
  expect(hub.sent).toEqual([['leave', { room: 'lab' }]]);
  expect(onLeave).toHaveBeenCalledTimes(1);
  expect(dispose).toHaveBeenCalledTimes(1);
});

test('earlier events come before those that are held, until there are no more', async () => {
  hub.answers['join'] = () => joined(3, { first: 20, cursor: 30, cursor_n: 3 });
  const page = [meta(2), meta(3)].map(told => ({ ...told, event: 'old', data: null }));
  hub.answers['history'] = () => ({ events: page, first: 20, more: true });
  await room.subscription.join();
  room.receive('tick', null, meta(4));
  expect(room.hasEarlier).toBe(true);
  await room.loadEarlier();
  expect(hub.sent.at(-1)).toEqual(['history', { room: 'lab', before: 40, last: 200 }]);
  expect(room.entries.map(entry => entry.key)).toEqual([-2, -1, 0]);
  expect(room.entries.map(entry => entry.kind === 'event' && entry.event.n)).toEqual([2, 3, 4]);
  expect(room.hasEarlier).toBe(false);
});
