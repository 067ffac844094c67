import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Looks } from '../../src/hub/looks';

let found = { due: false, changed: false };
let count = 0;
let looks: Looks;

beforeEach(() => {
  vi.useFakeTimers();
  found = { due: false, changed: false };
  count = 0;
  looks = new Looks(() => {
    count += 1;
    return Promise.resolve(found);
  });
});

afterEach(() => {
  looks.dispose();
  expect(vi.getTimerCount()).toBe(0);
});

async function seconds(number: number): Promise<number> {
  const before = count;
  await vi.advanceTimersByTimeAsync(number * 1000);
  return count - before;
}

test('it looks when it is touched, and then there is no timer', async () => {
  looks.touch();
  expect(await seconds(1)).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('a hundred touches a second are one look a second', async () => {
  for (let n = 0; n < 300; n += 1) {
    looks.touch();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(count).toBeLessThanOrEqual(4);
  looks.touch();
  expect(await seconds(2)).toBe(1);
});

test('while something is due it looks by itself, less often while nothing changes', async () => {
  found = { due: true, changed: false };
  looks.touch();
  expect(await seconds(64)).toBeLessThan(9);
  found = { due: true, changed: true };
  await seconds(16);
  expect(await seconds(10)).toBeGreaterThanOrEqual(9);
});

test('once it is disposed of, it looks no more', async () => {
  found = { due: true, changed: true };
  looks.touch();
  await seconds(2);
  looks.dispose();
  looks.touch();
  expect(await seconds(10)).toBe(0);
});

test('while nobody sees what is found it does not look, and does so when somebody does', async () => {
  found = { due: true, changed: true };
  looks.touch();
  await seconds(2);
  looks.isSeen = false;
  looks.touch();
  expect(await seconds(10)).toBe(0);
  looks.isSeen = true;
  expect(await seconds(2)).toBeGreaterThan(0);
});
