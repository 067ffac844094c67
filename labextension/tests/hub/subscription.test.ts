import { beforeEach, expect, test, vi } from 'vitest';

import { type IReader, Subscription } from '../../src/hub/subscription';
import { ENGLISH } from '../../src/hub/translation';
import { HubError, type IEvent } from '../../src/hub/wire';
import { FakeHub, settle } from './fakehub';
import { joined, meta } from './wire';

/** Notes what a subscription tells it. */
class Reader implements IReader {
  readonly capacity = 500;
  readonly shown: (number | string | null)[] = [];
  readonly reasons: string[] = [];
  joined = vi.fn();

  event({ n }: IEvent): void {
    this.shown.push(n);
  }

  remark(text: string): void {
    this.shown.push(text);
  }

  failed(reason: string): void {
    this.reasons.push(reason);
  }
}

let hub: FakeHub;
let reader: Reader;
let subscription: Subscription;

/** Return the bodies of the joins that were sent. */
function joins(): object[] {
  return hub.sent.filter(([command]) => command === 'join').map(([, body]) => body);
}

beforeEach(() => {
  hub = new FakeHub();
  hub.answers['join'] = () => joined(3);
  reader = new Reader();
  subscription = new Subscription('lab', hub, reader, ENGLISH);
});

test('the first join asks for the latest events', async () => {
  await subscription.resume();
  expect(hub.sent).toEqual([['join', { room: 'lab', last: 50 }]]);
  expect(reader.joined).toHaveBeenCalledTimes(1);
});

test('each event comes once, in order', async () => {
  await subscription.join();
  for (const n of [4, 4, 3, 5]) {
    subscription.receive('tick', null, meta(n));
  }
  expect(reader.shown).toEqual([4, 5]);
});

test('a value that the room retains is no event, and moves nothing', async () => {
  await subscription.join();
  for (const n of [2, 9]) {
    subscription.receive('config', n, meta(n, { key: `k${n}`, retained: true }));
  }
  subscription.receive('tick', null, meta(4, { replay: true }));
  expect(reader.shown).toEqual([4]);
  expect(joins().length).toBe(1);
});

test('a gap is repaired by joining where the cursor stands', async () => {
  await subscription.join();
  subscription.receive('tick', null, meta(5));
  expect(reader.shown).toEqual([]);
  expect(joins().at(-1)).toEqual({ room: 'lab', after: 30, epoch: 'e1', opening: 'o1', n: 3 });
  await settle();
  for (const n of [4, 5]) {
    subscription.receive('tick', null, meta(n, { replay: true }));
  }
  expect(reader.shown).toEqual([4, 5]);
});

test('a gap that cannot be repaired is remarked', async () => {
  await subscription.join();
  subscription.receive('tick', null, meta(6));
  await settle();
  subscription.receive('tick', null, meta(6, { replay: true }));
  expect(reader.shown).toEqual(['2 events in between are no longer held.', 6]);
});

test('after a reconnect it tells how much is to come, and goes on where it was', async () => {
  hub.answers['lag'] = () => ({ missed: 1 });
  await subscription.resume();
  await subscription.resume();
  expect(hub.sent.map(([command]) => command)).toEqual(['join', 'lag', 'join']);
  expect(reader.shown).toEqual(['1 event while there was no connection:']);
  expect(joins().at(-1)).toMatchObject({ after: 30 });
});

test('of more events than the reader holds only the latest are asked for', async () => {
  hub.answers['lag'] = () => ({ missed: 501 });
  await subscription.resume();
  await subscription.resume();
  expect(reader.shown).toEqual(['501 events while there was no connection; these are the latest.']);
  expect(joins().at(-1)).toEqual({ room: 'lab', last: 50 });
});

test('a hub that does not tell the lag costs the remark only', async () => {
  hub.answers['lag'] = () => {
    throw new HubError('timeout', 'no answer');
  };
  await subscription.resume();
  await subscription.resume();
  expect(reader.shown).toEqual([]);
  expect(joins()).toHaveLength(2);
});

test.each([
  ['rollback', 'The log of this room has lost its end; these are its latest events.'],
  ['limit', 'Too much has happened since; these are the latest events.']
] as const)('a position that cannot be gone on from (%s) begins anew', async (reason, remark) => {
  await subscription.join();
  hub.answers['join'] = body => ('after' in body ? joined(9, { recovered: false, reason }) : joined(9));
  await subscription.join();
  await settle();
  expect(reader.shown).toEqual([remark]);
  expect(joins().at(-1)).toEqual({ room: 'lab', last: 50 });
});

test('in a log that was replaced it begins anew', async () => {
  await subscription.join();
  await subscription.reset('deleted');
  expect(reader.shown).toEqual(['The log of this room was replaced (deleted); these are the events of the new one.']);
  expect(joins().at(-1)).toEqual({ room: 'lab', last: 50 });
});

test('in a log that was moved it keeps its position', async () => {
  await subscription.join();
  await subscription.reset('moved');
  expect(reader.shown).toEqual([]);
  expect(joins().at(-1)).toMatchObject({ after: 30 });
});

test('a hub with another log than that of the position begins anew', async () => {
  await subscription.join();
  hub.answers['join'] = body => {
    if ('after' in body) {
      throw new HubError('epoch', 'replaced');
    }
    return joined(1, { epoch: 'e2' });
  };
  await subscription.join();
  await settle();
  expect(joins().at(-1)).toEqual({ room: 'lab', last: 50 });
  expect(reader.reasons).toEqual([]);
});

test('a deleted room is given up, with the reason', async () => {
  await subscription.join();
  subscription.deleted('bob');
  expect(reader.shown).toEqual(['bob deleted this room with all that it held.']);
  expect(reader.reasons).toEqual(['bob deleted this room. Open it again to begin anew.']);
});

test.each([
  ['forbidden', 1],
  ['busy', 2]
])('a join that is refused as %s is tried %d times', async (code, times) => {
  vi.useFakeTimers();
  hub.answers['join'] = () => {
    throw new HubError(code, 'not now');
  };
  await subscription.join();
  expect(reader.reasons).toEqual(['not now']);
  await vi.advanceTimersByTimeAsync(800);
  subscription.dispose();
  vi.useRealTimers();
  expect(joins()).toHaveLength(times);
});

test('without a connection a join that fails is not told: the next connect joins', async () => {
  hub.answers['join'] = () => {
    hub.connected = false;
    throw new HubError('offline', 'gone');
  };
  await subscription.join();
  expect(reader.reasons).toEqual([]);
});
