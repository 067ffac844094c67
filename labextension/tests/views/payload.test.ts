import { expect, test } from 'vitest';

import { lineText } from '../../src/views/payload';

function line(json: string, value: unknown = JSON.parse(json)): string {
  return lineText({ json, value });
}

test.each([
  ['{"loss":0.5,"step":[1,2]}', '{"loss": 0.5, "step": [1, 2]}'],
  ['{"n":9007199254740993,"x":1.0,"e":1e400}', '{"n": 9007199254740993, "x": 1.0, "e": 1e400}'],
  ['{"10":1,"2":2}', '{"10": 1, "2": 2}'],
  ['"a, b: {c}\\n\\""', '"a, b: {c}\\n\\""'],
  ['[]', '[]'],
  ['null', 'null']
])('%s is shown as it was sent', (json, shown) => {
  expect(line(json)).toBe(shown);
});

test('bytes are shown by their size', () => {
  const json = '{"raw":{"_placeholder":true,"num":1},"more":[{"_placeholder":true,"num":0}]}';
  const value = { raw: new ArrayBuffer(3), more: [new Uint8Array(1200)] };
  expect(line(json, value)).toBe('{"raw": ‹3 bytes›, "more": [‹1,200 bytes›]}');
});

test('an object that only looks like a placeholder is shown as it is', () => {
  expect(line('{"_placeholder":1}')).toBe('{"_placeholder": 1}');
});

test('a long line is cut', () => {
  expect(line(JSON.stringify('x'.repeat(10_000)))).toHaveLength(301);
  expect(line(JSON.stringify(Array(10_000).fill(1)))).toHaveLength(301);
});

const table = { $type: 'table', class: 'pandas.DataFrame', rows: 10_000, width: 3, names: ['a'], arrow: [0, 64] };

test('a table among other values is shown by its size', () => {
  const value = { $type: 'packed', value: { step: 7, table }, buffers: new ArrayBuffer(64) };
  const json = JSON.stringify({ ...value, buffers: { _placeholder: true, num: 0 } });
  expect(line(json, value)).toBe('{"step": 7, "table": ⊞ DataFrame 10,000 × 3}');
});

test.each([
  [{ $type: 'ndarray', dtype: '<f8', shape: [3, 4] }, '▦ float64[3 × 4]'],
  [{ $type: 'image', mime: 'image/png', width: 640, height: 480 }, '▨ PNG 640 × 480'],
  [{ $type: 'display', class: 'matplotlib.figure.Figure' }, '▨ Figure'],
  [{ $type: 'decimal', value: '1.10' }, '1.10'],
  [{ $type: 'object', class: 'Metric', data: { loss: 0.1 } }, 'Metric({"loss":0.1})'],
  [{ $type: 'mine', a: 1 }, '{"$type": "mine", "a": 1}'],
  [{ $type: 'object' }, '?(?)'],
  [{ $type: 'ndarray', dtype: 5, shape: 'x' }, '▦ record[]'],
  [{ $type: 'table', class: { evil: 1 }, rows: -1 }, '⊞ ? ? × ?']
])('%j is shown as %s', (value, shown) => {
  expect(line(JSON.stringify(value))).toBe(shown);
});
