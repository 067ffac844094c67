import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { HubError, type ISender } from '../../src/hub/wire';
import { ENGLISH } from '../../src/hub/translation';
import { PanelQueue } from '../../src/panel/queuemodel';
import { PanelState } from '../../src/panel/statemodel';
import type { IRoom, IRtmsg } from '../../src/tokens';

const ANA: ISender = { user: 'ana', kind: 'kernel', name: 'train', member: 'm1' };
const GROUP = {
  group: 'resize',
  event: null,
  paused: false,
  lag: 2,
  in_flight: 1,
  delayed: 0,
  dead: 1,
  done: 5,
  count: 1
};
const LETTER = {
  number: 4,
  event: 'image',
  data: { path: 'a.png' },
  n: 7,
  seq: 90,
  from: ANA,
  reason: 'tries',
  message: '',
  worker: 'train',
  deliveries: 5,
  last: 0
};

type Answers = Record<string, unknown>;

class FakeHub {
  readonly changed = new Signal<this, void>(this);
  readonly asked: [string, object][] = [];
  answers: Answers = {};

  request(command: string, body: object): Promise<unknown> {
    this.asked.push([command, body]);
    const answer = this.answers[command];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }
}

let hub: FakeHub;
let room: { name: string; changed: Signal<object, void>; nameOf: (who: ISender) => string };
let queue: PanelQueue;

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  room = { name: 'lab', changed: new Signal<object, void>({}), nameOf: who => who.name ?? who.user };
  const worker = { ...ANA, in_flight: 1, max_in_flight: 4 };
  hub.answers['groups'] = { groups: [{ ...GROUP, workers: [worker] }], more: false };
  hub.answers['dead_letters'] = {
    letters: [{ ...LETTER, error: { type: 'ValueError', message: 'bad', traceback: 'Traceback' } }],
    more: false,
    count: 1,
    discarded: 3
  };
  queue = new PanelQueue(room as unknown as IRoom, hub as unknown as IRtmsg, ENGLISH);
});

afterEach(() => {
  queue.dispose();
});

async function wait(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

test('groups are asked for, and told as views show them', async () => {
  expect(queue.groups).toBeNull();
  await wait();
  expect(queue.groups?.[0]).toMatchObject({ name: 'resize', event: '*', lag: 2, inFlight: 1, dead: 1, workerCount: 1 });
  expect(queue.groups?.[0]?.workers).toEqual([
    { key: 'm1', label: 'train', title: expect.any(String) as string, inFlight: 1, maxInFlight: 4, away: false }
  ]);
});

test('an event of the room is a reason to ask again; at rest nothing is', async () => {
  hub.answers['groups'] = { groups: [{ ...GROUP, lag: 0, workers: [] }], more: false };
  await wait();
  await wait(60_000);
  expect(hub.asked).toHaveLength(1);
  room.changed.emit();
  await wait(1000);
  expect(hub.asked).toHaveLength(2);
});

test('dead letters are read when they are opened', async () => {
  await wait();
  await queue.open('resize');
  expect(queue.letters).toMatchObject({ group: 'resize', count: 1, discarded: 3 });
  expect(queue.letters?.items[0]).toMatchObject({
    number: 4,
    label: '#7',
    event: 'image',
    error: 'ValueError: bad',
    traceback: 'Traceback',
    sender: 'train'
  });
  await queue.open(null);
  expect(queue.letters).toBeNull();
});

test('the buttons are commands', async () => {
  Object.assign(hub.answers, {
    pause_group: {},
    resume_group: {},
    redrive: { redriven: 1 },
    discard: { discarded: 2 }
  });
  expect(await queue.pause('resize')).toEqual({ ok: true, text: 'Paused.' });
  expect(await queue.resume('resize')).toEqual({ ok: true, text: 'Resumed.' });
  expect(await queue.redrive('resize', [4])).toEqual({ ok: true, text: '1 given to workers again.' });
  expect(await queue.discard('resize', null)).toEqual({ ok: true, text: '2 deleted.' });
  expect(hub.asked.filter(([command]) => command !== 'groups')).toEqual([
    ['pause_group', { room: 'lab', group: 'resize' }],
    ['resume_group', { room: 'lab', group: 'resize' }],
    ['redrive', { room: 'lab', group: 'resize', numbers: [4] }],
    ['discard', { room: 'lab', group: 'resize' }]
  ]);
});

test('what the hub refuses is told in its words', async () => {
  hub.answers['pause_group'] = new HubError('forbidden', 'You may not manage this room.');
  expect(await queue.pause('resize')).toEqual({ ok: false, text: 'You may not manage this room.' });
});

test('while there is no connection the groups stay, and it is said', async () => {
  await wait();
  hub.answers['groups'] = new HubError('offline', 'There is no connection to the hub.');
  await queue.refresh();
  expect(queue.problem).toBe('There is no connection to the hub.');
  expect(queue.groups).toHaveLength(1);
});

test('the state is read page by page, and again after each change of the room', async () => {
  const value = { key: 'lr', data: 0.01, from: ANA, ts: 5, seq: 9 };
  hub.answers['state'] = { values: [value], more: false, through: 'lr' };
  const state = new PanelState(room as unknown as IRoom, hub as unknown as IRtmsg);
  await wait();
  expect(state.items).toEqual([
    { key: 'lr', value: '0.01', who: 'train', title: expect.any(String) as string, ts: 5, seq: 9 }
  ]);
  hub.answers['state'] = { values: [], more: false, through: '' };
  room.changed.emit();
  await wait(1000);
  expect(state.items).toEqual([]);
  state.dispose();
});
