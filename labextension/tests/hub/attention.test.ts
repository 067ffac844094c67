import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Attention } from '../../src/hub/attention';

const wake = vi.fn();
const rest = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
});

afterEach(() => {
  vi.useRealTimers();
});

test('the first holder wakes it, and a second one does not', () => {
  const attention = new Attention({ wake, rest, restAfter: 1000 });
  expect(attention.isAwake).toBe(false);
  attention.hold();
  attention.hold();
  expect(attention.isAwake).toBe(true);
  expect(wake).toHaveBeenCalledTimes(1);
});

test('it rests a while after the last holder has gone', () => {
  const attention = new Attention({ wake, rest, restAfter: 1000 });
  const holders = [attention.hold(), attention.hold()];
  holders[0]?.dispose();
  vi.advanceTimersByTime(5000);
  expect(rest).not.toHaveBeenCalled();
  holders[1]?.dispose();
  vi.advanceTimersByTime(999);
  expect(rest).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(rest).toHaveBeenCalledTimes(1);
  expect(attention.isAwake).toBe(false);
});

test('a holder that comes in time keeps it awake', () => {
  const attention = new Attention({ wake, rest, restAfter: 1000 });
  attention.hold().dispose();
  vi.advanceTimersByTime(500);
  attention.hold();
  vi.advanceTimersByTime(5000);
  expect(rest).not.toHaveBeenCalled();
  expect(wake).toHaveBeenCalledTimes(1);
});

test('a holder after a rest wakes it again', () => {
  const attention = new Attention({ wake, rest, restAfter: 1000 });
  attention.hold().dispose();
  vi.advanceTimersByTime(1000);
  attention.hold();
  expect(wake).toHaveBeenCalledTimes(2);
});

test('without a limit it never rests', () => {
  const attention = new Attention({ wake, rest, restAfter: null });
  attention.hold().dispose();
  vi.advanceTimersByTime(10_000_000);
  expect(rest).not.toHaveBeenCalled();
});

test('a holder that is disposed twice counts once', () => {
  const attention = new Attention({ wake, rest, restAfter: 1000 });
  const holder = attention.hold();
  attention.hold();
  holder.dispose();
  holder.dispose();
  vi.advanceTimersByTime(5000);
  expect(rest).not.toHaveBeenCalled();
});
