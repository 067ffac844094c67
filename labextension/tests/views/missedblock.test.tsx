import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { IMissedBlock, IMissedModel, IReplayProgress } from '../../src/views/missedmodel';
import { MissedBlock, UNDO_FOR } from '../../src/views/missedblock';
import type { IOutcome } from '../../src/views/model';
import { show, texts } from './fakeroom';
import { Watched, button, labels, press } from './press';

const FOUR: IMissedBlock = { count: 4, from: 0, to: 300_000, byEvent: [['metric', 3]], others: 1 };

class FakeMissed extends Watched implements IMissedModel {
  name = 'lab';
  missed: IMissedBlock | null = FOUR;
  replay: IReplayProgress | null = null;
  skipped = 0;
  problem: string | null = null;
  noSkip: string | null = null;
  readonly calls: unknown[][] = [];

  play = (speed: number): Promise<IOutcome> => this.call('play', speed);
  pause = (): Promise<IOutcome> => this.call('pause');
  resume = (): Promise<IOutcome> => this.call('resume');
  stop = (): Promise<IOutcome> => this.call('stop');
  skip = (): Promise<IOutcome> => this.call('skip');
  undo = (): Promise<IOutcome> => this.call('undo');

  private call(...call: unknown[]): Promise<IOutcome> {
    this.calls.push(call);
    return Promise.resolve({ ok: true, text: '' });
  }
}

let room: FakeMissed;

beforeEach(() => {
  room = new FakeMissed();
});

afterEach(() => {
  vi.useRealTimers();
});

test('without missed events there is nothing', () => {
  room.missed = null;
  expect(show(<MissedBlock room={room} />).childElementCount).toBe(0);
});

test('how many were missed, when, and which', () => {
  const view = show(<MissedBlock room={room} />);
  expect(view.querySelector('.jp-RtmsgMissed-title')?.textContent).toMatch(/^4 missed · .+–.+$/);
  expect(texts(view, '.jp-RtmsgMissed-names li')).toEqual(['metric 3', 'others 1']);
  expect(room.calls).toEqual([]);
});

test('they are replayed at the speed that is chosen', async () => {
  const view = show(<MissedBlock room={room} />);
  const speed = view.querySelector('select');
  void act(() => {
    if (speed) {
      speed.value = '10';
      speed.dispatchEvent(new Event('change', { bubbles: true }));
    }
  });
  await press(view, 'Replay');
  expect(room.calls).toEqual([['play', 10]]);
});

test('a replay shows how far it is, and can be paused, resumed and stopped', async () => {
  const view = show(<MissedBlock room={room} />);
  room.change({ replay: { state: 'running', done: 1, total: 4, problem: null } });
  expect(view.querySelector('.jp-RtmsgMissed-progress')?.textContent).toBe('Replaying: 1 of 4');
  expect(view.querySelector('progress')?.value).toBe(1);
  await press(view, 'Pause');
  room.change({ replay: { state: 'paused', done: 2, total: 4, problem: null } });
  await press(view, 'Resume');
  await press(view, 'Stop');
  expect(room.calls).toEqual([['pause'], ['resume'], ['stop']]);
  room.change({ replay: { state: 'failed', done: 2, total: null, problem: 'The log cannot be read.' } });
  expect(view.textContent).toContain('The log cannot be read.');
  expect(labels(view)).toContain('Replay');
});

test('kept, they stay missed, and nothing is sent', async () => {
  const view = show(<MissedBlock room={room} />);
  await press(view, 'Keep');
  expect(view.textContent).toContain('Kept: they stay missed until they are handled.');
  expect(labels(view)).toEqual(['Replay', 'Skip']);
  expect(room.calls).toEqual([]);
});

test('a skip can be undone for ten seconds', async () => {
  vi.useFakeTimers();
  const view = show(<MissedBlock room={room} />);
  await press(view, 'Skip');
  room.change({ missed: null, skipped: 4 });
  expect(view.textContent).toContain('4 events were skipped.');
  await press(view, 'Undo');
  expect(room.calls).toEqual([['skip'], ['undo']]);
  void act(() => {
    vi.advanceTimersByTime(UNDO_FOR);
  });
  expect(view.childElementCount).toBe(0);
});

test('what cannot be done says why', () => {
  room.noSkip = 'No place is kept for this reader.';
  const view = show(<MissedBlock room={room} />);
  expect(button(view, 'Skip').title).toBe('No place is kept for this reader.');
  room.change({ problem: 'The kernel stopped.' });
  expect(button(view, 'Replay').title).toBe('The kernel stopped.');
  expect(view.querySelector('[role=alert]')?.textContent).toBe('The kernel stopped.');
});

test('what people write is text', () => {
  const evil = '<img src=x onerror=alert(1)>';
  room.missed = { ...FOUR, byEvent: [[evil, 1]] };
  const view = show(<MissedBlock room={room} />);
  expect(view.querySelector('img')).toBeNull();
  expect(view.querySelector('bdi')?.textContent).toBe(evil);
});
