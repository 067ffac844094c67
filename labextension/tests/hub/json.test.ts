import { expect, test } from 'vitest';

import { JsonText, oneLine } from '../../src/hub/json';

test('children have the text that was sent, in its order', () => {
  const node = new JsonText(' {"10": 1.0 , "a":[1, {"b":"}"}],"2":null}');
  const root = new JsonText(node.text.trim());
  expect(root.children().map(({ key, value }) => [key, value.text, value.kind])).toEqual([
    ['10', '1.0', 'number'],
    ['a', '[1, {"b":"}"}]', 'array'],
    ['2', 'null', 'literal']
  ]);
  expect(root.child('a')?.child('1')?.child('b')?.text).toBe('"}"');
});

test('keys are read with their escapes', () => {
  expect(new JsonText('{"\\u0061\\"":1}').children()[0]?.key).toBe('a"');
});

test('a string of a megabyte is passed over', () => {
  const long = JSON.stringify('\\"'.repeat(500_000));
  expect(new JsonText(`[${long},2]`).children()[1]?.value.text).toBe('2');
});

test.each(['', '{', '[1', '"', '{"a"', 'nonsense }'])('text that is no JSON ends every loop: %j', text => {
  expect(() => oneLine(text, 100, String)).not.toThrow();
});
