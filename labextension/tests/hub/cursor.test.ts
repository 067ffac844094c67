import { beforeEach, expect, test, vi } from 'vitest';

import { Cursor } from '../../src/hub/cursor';
import { joined, meta } from './wire';

const gone = vi.fn();
let cursor: Cursor;

beforeEach(() => {
  gone.mockClear();
  cursor = new Cursor(gone);
});

test('it has no position before the first join', () => {
  expect(cursor.isKnown).toBe(false);
  cursor.joined(joined(3));
  expect(cursor.isKnown).toBe(true);
  expect(cursor.fields).toEqual({ after: 30, epoch: 'e1', opening: 'o1', n: 3 });
});

test('it moves with the events', () => {
  cursor.joined(joined(3));
  cursor.take('tick', meta(4));
  expect(cursor.fields).toMatchObject({ after: 40, n: 4 });
  expect(gone).not.toHaveBeenCalled();
});

test('it has what is at or before its position', () => {
  cursor.joined(joined(3));
  expect(cursor.has(meta(3))).toBe(true);
  expect(cursor.has(meta(4))).toBe(false);
});

test('a volatile event is never there already, and moves nothing', () => {
  cursor.joined(joined(3));
  const volatile = meta(0, { seq: null, prev: null, n: null });
  expect(cursor.has(volatile)).toBe(false);
  cursor.take('tick', volatile);
  expect(cursor.fields).toMatchObject({ after: 30, n: 3 });
});

test('an event behind a gap lacks the one before it, once for each position', () => {
  cursor.joined(joined(3));
  expect(cursor.lacksBefore(meta(5))).toBe(true);
  expect(cursor.lacksBefore(meta(5))).toBe(false);
  cursor.take('tick', meta(5));
  expect(cursor.lacksBefore(meta(7))).toBe(true);
});

test('a replayed event lacks nothing: the hub has sent what there is', () => {
  cursor.joined(joined(3));
  expect(cursor.lacksBefore(meta(5, { replay: true }))).toBe(false);
});

test('a jump in the numbers tells how many events are gone', () => {
  cursor.joined(joined(3));
  cursor.take('tick', meta(7));
  expect(gone).toHaveBeenCalledExactlyOnceWith(3);
});

test('the number of a damaged event is not believed, and the next one tells what is gone', () => {
  cursor.joined(joined(3));
  cursor.take('$corrupt', meta(4, { n: 99 }));
  expect(gone).not.toHaveBeenCalled();
  cursor.take('tick', meta(6));
  expect(gone).toHaveBeenCalledExactlyOnceWith(1);
});

test('trimmed events are counted as far as they were still to come', () => {
  cursor.joined(joined(3));
  cursor.trimmed({ room: 'lab', first: 1, last: 8, through: 80 });
  expect(gone).toHaveBeenCalledExactlyOnceWith(5);
  expect(cursor.fields).toMatchObject({ after: 80, n: 8 });
});

test('trimmed events that it has are not counted', () => {
  cursor.joined(joined(9));
  cursor.trimmed({ room: 'lab', first: 1, last: 8, through: 80 });
  expect(gone).not.toHaveBeenCalled();
});

test('where no number is known, that something is gone is told without one', () => {
  cursor.joined(joined(3, { cursor_n: null }));
  cursor.joined(joined(5, { cursor_n: null, reason: 'trimmed' }));
  expect(gone).toHaveBeenCalledExactlyOnceWith(null);
});

test('another opening of the same log is taken over, and that of another log is not', () => {
  cursor.joined(joined(3));
  cursor.opened({ warning: null, epoch: 'e1', opening: 'o2' });
  expect(cursor.fields).toMatchObject({ opening: 'o2' });
  cursor.opened({ warning: null, epoch: 'e2', opening: 'o3' });
  expect(cursor.fields).toMatchObject({ opening: 'o2' });
});

test('in a log that has moved it goes on where the hub says', () => {
  cursor.joined(joined(30));
  cursor.joined(joined(2, { epoch: 'e2' }));
  expect(cursor.fields).toMatchObject({ after: 20, epoch: 'e2', n: 2 });
});

test('after it forgets it has no position', () => {
  cursor.joined(joined(3));
  cursor.forget();
  expect(cursor.isKnown).toBe(false);
  expect(cursor.has(meta(1))).toBe(false);
});
