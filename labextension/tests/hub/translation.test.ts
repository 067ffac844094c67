import { expect, test } from 'vitest';

import { ENGLISH } from '../../src/hub/translation';

test('values are put into a text', () => {
  expect(ENGLISH.__('%1, number %2 in the log', 'today', 7)).toBe('today, number 7 in the log');
});

test.each([
  [0, '0 members'],
  [1, '1 member'],
  [2, '2 members']
])('%d chooses the text', (count, text) => {
  expect(ENGLISH._n('%1 member', '%1 members', count, count)).toBe(text);
});
