import { expect, test } from 'vitest';

import { escapeHidden, isolate } from '../../src/hub/invisible';

test('hidden characters are written as JavaScript writes them', () => {
  expect(escapeHidden('a\u202Eb\u0000')).toBe('a\\u{202e}b\\u{0}');
});

test.each(['👩‍🔬', '❤️', 'क्‍ष', 'می‌خواهم', 'Zoë'])('%s stays as it is', text => {
  expect(escapeHidden(text)).toBe(text);
});

test('a joiner that joins nothing is written out', () => {
  expect(escapeHidden('a\u200Db')).toBe('a\\u{200d}b');
});

test('a text from right to left is isolated', () => {
  expect(isolate('שלום')).toBe('\u2068שלום\u2069');
  expect(isolate('hello')).toBe('hello');
});
