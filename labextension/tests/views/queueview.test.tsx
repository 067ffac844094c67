import { beforeEach, expect, test } from 'vitest';

import type { IOutcome } from '../../src/views/model';
import {
  type IGroupItem,
  type ILetterItem,
  type ILetters,
  type IQueueModel,
  groupState
} from '../../src/views/queuemodel';
import { QueueView } from '../../src/views/queueview';
import { show, texts } from './fakeroom';
import { Watched, labels, press } from './press';

class FakeQueue extends Watched implements IQueueModel {
  name = 'lab';
  groups: IGroupItem[] | null = null;
  letters: ILetters | null = null;
  problem: string | null = null;
  readonly calls: unknown[][] = [];

  refresh = (): Promise<IOutcome> => this.call('refresh');
  pause = (group: string): Promise<IOutcome> => this.call('pause', group);
  resume = (group: string): Promise<IOutcome> => this.call('resume', group);
  open = (group: string | null): Promise<IOutcome> => this.call('open', group);
  redrive = (group: string, numbers: readonly number[] | null): Promise<IOutcome> =>
    this.call('redrive', group, numbers);
  discard = (group: string, numbers: readonly number[] | null): Promise<IOutcome> =>
    this.call('discard', group, numbers);

  private call(...call: unknown[]): Promise<IOutcome> {
    this.calls.push(call);
    return Promise.resolve({ ok: true, text: 'Done.' });
  }
}

function group(fields: Partial<IGroupItem> = {}): IGroupItem {
  const numbers = { lag: 7, inFlight: 2, delayed: 1, dead: 3, done: 1200, workerCount: 1 };
  const workers = [{ key: 'm', label: 'train', title: 'kernel', inFlight: 2, maxInFlight: 4, away: false }];
  return {
    name: 'resize',
    event: 'image.*',
    paused: false,
    lastError: null,
    history: [],
    workers,
    ...numbers,
    ...fields
  };
}

function letter(fields: Partial<ILetterItem> = {}): ILetterItem {
  const words = { error: 'ValueError: bad', traceback: 'Traceback ...', message: '', sender: 'ana', worker: 'train' };
  return {
    number: 5,
    label: '#12',
    event: 'image.new',
    data: '{"path": "a.png"}',
    reason: 'tries',
    deliveries: 5,
    last: 0,
    ...words,
    ...fields
  };
}

let queue: FakeQueue;

beforeEach(() => {
  queue = new FakeQueue();
  queue.groups = [group()];
});

test('a group is told in numbers', () => {
  const view = show(<QueueView queue={queue} />);
  expect(texts(view, 'dt')).toEqual(['waiting', 'in flight', 'delayed', 'dead', 'done', 'workers']);
  expect(texts(view, 'dd')).toEqual(['4', '2', '1', '3', (1200).toLocaleString(), '1']);
  expect(texts(view, '.jp-RtmsgQueue-workers li')).toEqual(['train 2 of 4']);
});

test.each([
  [{}, 'working'],
  [{ paused: true }, 'paused'],
  [{ lag: 0 }, 'idle'],
  [{ workerCount: 0 }, 'waiting']
] as const)('a group with %o is %s', (fields, state) => {
  expect(groupState(group(fields))).toBe(state);
});

test('a group is paused, and resumed', async () => {
  const view = show(<QueueView queue={queue} />);
  await press(view, 'Pause resize');
  queue.change({ groups: [group({ paused: true })] });
  await press(view, 'Resume resize');
  expect(queue.calls).toEqual([
    ['pause', 'resize'],
    ['resume', 'resize']
  ]);
});

test('a group without dead letters has no button for them', () => {
  queue.groups = [group({ dead: 0 })];
  expect(labels(show(<QueueView queue={queue} />))).toEqual(['Refresh', 'Pause']);
});

test('the lag is drawn once there are two looks', () => {
  const view = show(<QueueView queue={queue} />);
  expect(view.querySelector('svg')).toBeNull();
  queue.change({
    groups: [
      group({
        history: [
          { ts: 0, lag: 10 },
          { ts: 5000, lag: 5 },
          { ts: 10_000, lag: 0 }
        ]
      })
    ]
  });
  expect(view.querySelector('svg')?.getAttribute('aria-label')).toBe(
    'Lag of resize in the last 10 s: now 0, at most 10'
  );
  expect(view.querySelector('polyline')?.getAttribute('points')).toBe('2.0,2.0 120.0,16.0 238.0,30.0');
});

test('dead letters are opened, and tell error and traceback', async () => {
  const view = show(<QueueView queue={queue} />);
  await press(view, 'Dead letters (3)');
  expect(queue.calls).toEqual([['open', 'resize']]);
  queue.change({ letters: { group: 'resize', items: [letter()], count: 1, discarded: 2 } });
  expect(texts(view, 'summary')).toEqual(['#12 image.new ValueError: bad']);
  expect(texts(view, 'pre')).toEqual(['{"path": "a.png"}', 'Traceback ...']);
  expect(view.textContent).toContain('Its handler raised too often · 5 deliveries · last by train');
  expect(view.textContent).toContain('2 were discarded.');
  await press(view, 'Close dead letters');
  expect(queue.calls.at(-1)).toEqual(['open', null]);
});

test('dead letters are redriven and discarded, one or all', async () => {
  queue.letters = { group: 'resize', items: [letter()], count: 9, discarded: 0 };
  const view = show(<QueueView queue={queue} />);
  expect(view.textContent).toContain('9 in all; the oldest 1 are shown.');
  await press(view, 'Redrive #12');
  await press(view, 'Redrive all');
  await press(view, 'Discard #12');
  await press(view, 'Discard');
  await press(view, 'Discard all');
  await press(view, 'Discard all');
  expect(queue.calls).toEqual([
    ['redrive', 'resize', [5]],
    ['redrive', 'resize', null],
    ['discard', 'resize', [5]],
    ['discard', 'resize', null]
  ]);
});

test('what people write is text', () => {
  const evil = '<img src=x onerror=alert(1)>\u202e';
  const worker = { key: 'm', label: evil, title: evil, inFlight: 0, maxInFlight: 1, away: true };
  queue.name = evil;
  queue.groups = [group({ name: evil, event: evil, lastError: evil, workers: [worker] })];
  queue.letters = {
    group: evil,
    items: [
      letter({
        event: evil,
        data: evil,
        error: evil,
        traceback: evil,
        message: evil,
        sender: evil,
        worker: evil,
        reason: evil
      })
    ],
    count: 1,
    discarded: 0
  };
  const view = show(<QueueView queue={queue} />);
  expect(view.querySelector('img')).toBeNull();
  expect(view.textContent).toContain(evil);
});

test('what is not known yet, not there, or wrong is said', () => {
  queue.groups = null;
  const view = show(<QueueView queue={queue} />);
  expect(view.textContent).toContain('Asking the hub…');
  queue.change({ problem: 'Offline since 12:04.' });
  expect(view.querySelector('[role=alert]')?.textContent).toBe('Offline since 12:04.');
  expect(view.textContent).not.toContain('Asking');
  queue.change({ problem: null, groups: [] });
  expect(view.textContent).toContain('@room.worker("resize")');
});
