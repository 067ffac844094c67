import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ENGLISH } from '../../src/hub/translation';
import { HubError } from '../../src/hub/wire';
import { PanelReaders } from '../../src/panel/readersmodel';
import type { IRoom, IRtmsg } from '../../src/tokens';
import { UNDO_FOR } from '../../src/views/missedblock';

const NIGHT = { as: 'night', kind: 'name', cursor: 5, head: 9, live: false };
const LAG = { missed: 4, oldest: 1000, by_event: { metric: 3 }, rest: { events: 1 } };

class FakeHub {
  readonly changed = new Signal<this, void>(this);
  readonly asked: [string, object][] = [];
  answers: Record<string, unknown> = {
    subscriptions: { subscriptions: [NIGHT] },
    lag: LAG,
    seek: { was: 5, epoch: 'e', opening: 2 }
  };

  request(command: string, body: object): Promise<unknown> {
    this.asked.push([command, body]);
    const answer = this.answers[command];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }

  get commands(): string[] {
    return this.asked.map(([command]) => command);
  }
}

let hub: FakeHub;
let room: { name: string; changed: Signal<object, void> };
let lines: string[];
let readers: PanelReaders;

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  room = { name: 'lab', changed: new Signal<object, void>({}) };
  lines = [];
  readers = new PanelReaders(room as unknown as IRoom, hub as unknown as IRtmsg, ENGLISH, line => {
    lines.push(line);
    return Promise.resolve({ ok: true, text: '' });
  });
});

afterEach(() => {
  readers.dispose();
});

async function wait(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

test('each reader that has missed events is told, and looking moves no cursor', async () => {
  expect(readers.behind).toBeNull();
  await wait();
  const [night] = readers.behind ?? [];
  expect(night?.name).toBe('night');
  expect(night?.missed).toEqual({ count: 4, from: 1000, to: null, byEvent: [['metric', 3]], others: 1 });
  await wait(60_000);
  expect(hub.commands).toEqual(['subscriptions', 'lag']);
});

test('one that has missed nothing is counted and not asked about', async () => {
  hub.answers['subscriptions'] = {
    subscriptions: [
      { ...NIGHT, cursor: 9 },
      { ...NIGHT, as: 'old', ended: 7 }
    ]
  };
  await wait();
  expect([readers.behind, readers.count]).toEqual([[], 1]);
  expect(hub.commands).toEqual(['subscriptions']);
});

test('a skip moves the cursor to the end, and is undone by the position before', async () => {
  await wait();
  const [night] = readers.behind ?? [];
  await night?.skip();
  expect(hub.asked[2]).toEqual(['seek', { room: 'lab', as: 'night', to: 'end' }]);
  expect([night?.missed, night?.skipped]).toEqual([null, 4]);
  expect(readers.behind).toEqual([night]);
  await night?.undo();
  expect(hub.asked[3]).toEqual(['seek', { room: 'lab', as: 'night', to: { seq: 5, epoch: 'e', opening: 2 } }]);
  expect([night?.missed?.count, night?.skipped]).toEqual([4, 0]);
});

test('a skip that is not undone in time is forgotten', async () => {
  await wait();
  const [night] = readers.behind ?? [];
  hub.answers['subscriptions'] = { subscriptions: [{ ...NIGHT, cursor: 9 }] };
  await night?.skip();
  await wait(UNDO_FOR);
  expect(readers.behind).toEqual([]);
});

test('a refused skip changes nothing', async () => {
  await wait();
  const [night] = readers.behind ?? [];
  hub.answers['seek'] = new HubError('not_joined', 'it has ended');
  await expect(night?.skip()).rejects.toThrow('it has ended');
  expect(night?.missed?.count).toBe(4);
});

test('a replay gives the lines that replay in a notebook', async () => {
  await wait();
  await readers.behind?.[0]?.play(2);
  expect(lines).toEqual(['room = rt.connect().join("lab", as_="night")\nroom.replay(events=room.missed(), speed=2)']);
});

test('a reader that is connected and behind is looked at again, more and more seldom', async () => {
  hub.answers['subscriptions'] = { subscriptions: [{ ...NIGHT, live: true }] };
  await wait(64_000);
  const asked = hub.commands.filter(command => command === 'lag').length;
  expect(asked).toBeGreaterThan(4);
  expect(asked).toBeLessThan(10);
});

test('nothing is asked while nobody sees it, and what has changed meanwhile is asked for afterwards', async () => {
  await wait();
  readers.isSeen = false;
  room.changed.emit();
  await wait(60_000);
  expect(hub.commands).toEqual(['subscriptions', 'lag']);
  readers.isSeen = true;
  await wait(1_000);
  expect(hub.commands).toEqual(['subscriptions', 'lag', 'subscriptions', 'lag']);
});

test('why the hub could not be asked is told', async () => {
  hub.answers['subscriptions'] = new HubError('offline', 'There is no connection to the hub.');
  await wait();
  expect(readers.problem).toBe('There is no connection to the hub.');
});
