import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Backoff } from '../../src/hub/backoff';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5); // each delay is its mean
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Return the delays of the next attempts. */
function delays(backoff: Backoff, attempt: { mock: { calls: unknown[] } }, count: number): number[] {
  return Array.from({ length: count }, () => {
    const [begun, calls] = [Date.now(), attempt.mock.calls.length];
    backoff.schedule();
    while (attempt.mock.calls.length === calls) {
      vi.advanceTimersToNextTimer();
    }
    return Date.now() - begun;
  });
}

test('delays double, up to half a minute', () => {
  const attempt = vi.fn();
  expect(delays(new Backoff(attempt), attempt, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test('after a reset they are short again', () => {
  const attempt = vi.fn();
  const backoff = new Backoff(attempt);
  delays(backoff, attempt, 3);
  backoff.reset();
  expect(delays(backoff, attempt, 1)).toEqual([500]);
});

test('one attempt is planned at a time', () => {
  const attempt = vi.fn();
  const backoff = new Backoff(attempt);
  backoff.schedule();
  backoff.schedule();
  vi.runAllTimers();
  expect(attempt).toHaveBeenCalledTimes(1);
});

test.each(['cancel', 'dispose'] as const)('%s drops the planned attempt', method => {
  const attempt = vi.fn();
  const backoff = new Backoff(attempt);
  backoff.schedule();
  backoff[method]();
  vi.runAllTimers();
  expect(attempt).not.toHaveBeenCalled();
});

test('a disposed one plans nothing', () => {
  const attempt = vi.fn();
  const backoff = new Backoff(attempt);
  backoff.dispose();
  backoff.schedule();
  vi.runAllTimers();
  expect(attempt).not.toHaveBeenCalled();
});
