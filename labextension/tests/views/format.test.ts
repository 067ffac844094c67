import { expect, test } from 'vitest';

import { dataText } from '../../src/views/format';

test.each([
  [null, 'null'],
  ['text', '"text"'],
  [{ loss: 0.25, tags: ['a', 'b'] }, '{"loss": 0.25, "tags": ["a", "b"]}'],
  [{}, '{}'],
  [{ raw: new Uint8Array(3) }, '{"raw": "<3 bytes>"}']
])('%o is %s', (data, text) => {
  expect(dataText(data)).toBe(text);
});

test('long data is cut, with its length', () => {
  const text = dataText('x'.repeat(3000));
  expect(text).toMatch(/^"x{1999}… \(3002 characters\)$/);
});
