import { act } from 'preact/test-utils';
import { beforeEach, expect, test, vi } from 'vitest';

import { Page } from '../../src/views/hooks';
import { Inspector } from '../../src/views/inspector';
import type { IEventRow, IPayload } from '../../src/views/model';
import { FakeRoom, eventRow, show, texts } from './fakeroom';

const copy = vi.fn(() => Promise.resolve());
let room: FakeRoom;

beforeEach(() => {
  room = new FakeRoom();
  copy.mockClear();
});

function payload(json: string, value: unknown = JSON.parse(json)): IPayload {
  return { json, value };
}

function inspect(fields: Partial<IEventRow>): HTMLElement {
  const row = eventRow(7, { name: 'metric', number: 42, ...fields });
  return show(
    <Page.Provider value={{ copy }}>
      <Inspector room={room} row={row} onClose={() => undefined} />
    </Page.Provider>
  );
}

async function press(view: HTMLElement, label: string): Promise<void> {
  const button = [...view.querySelectorAll('button')].find(found => found.textContent === label);
  await act(async () => {
    button?.click();
    await Promise.resolve();
  });
}

test('numbers keep their digits and keys their order', () => {
  const view = inspect({ payload: payload('{"10":9007199254740993,"2":1.0,"s":"<b>"}') });
  expect(texts(view, '[role=treeitem]')).toEqual(['▾{…} 3', '10: 9007199254740993', '2: 1.0', 's: "<b>"']);
  expect(view.querySelector('b')).toBeNull();
});

test('bytes unfold to a hex view', () => {
  const json = '{"raw":{"_placeholder":true,"num":0}}';
  const view = inspect({ payload: payload(json, { raw: new TextEncoder().encode('hi\n').buffer }) });
  expect(texts(view, '[role=treeitem]')[1]).toBe('▸raw: ‹3 bytes›');
  void act(() => {
    view.querySelectorAll<HTMLElement>('[role=treeitem]')[1]?.click();
  });
  expect(texts(view, 'pre')).toEqual(['000000  68 69 0a                 hi·']);
});

test('the keys fold, unfold and move in the tree, which is one tab stop', () => {
  const view = inspect({ payload: payload('{"a":{"b":{"c":1}}}') });
  const tree = view.querySelector('[role=tree]') as HTMLElement;
  const key = (name: string): void => {
    void act(() => {
      tree.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
    });
  };
  const active = (): string | undefined => view.querySelector('[data-active=true]')?.textContent ?? undefined;
  key('ArrowDown');
  expect(active()).toBe('▾a: {…} 1');
  key('ArrowLeft');
  expect(texts(view, '[role=treeitem]')).toEqual(['▾{…} 1', '▸a: {…} 1']);
  key('ArrowLeft');
  expect(active()).toBe('▾{…} 1');
  expect(view.querySelectorAll('[role=tree] [tabindex]')).toHaveLength(0);
});

test('it is copied as JSON and as Python, with all digits', async () => {
  const view = inspect({ payload: payload('{"ok":true,"n":9007199254740993,"none":null}') });
  await press(view, 'Copy');
  expect(copy).toHaveBeenLastCalledWith('{"ok":true,"n":9007199254740993,"none":null}');
  await press(view, 'Copy as Python');
  const line = 'rt.connect().join("lab").emit("metric", {"ok": True, "n": 9007199254740993, "none": None})';
  expect(copy).toHaveBeenLastCalledWith(line);
});

test('it is emitted again as it was sent', async () => {
  const view = inspect({ payload: payload('{"x":1.0}') });
  await press(view, 'Emit again');
  expect(room.emitted).toEqual([['metric', '{"x":1.0}']]);
});

test('a page without cells has no button for one, and data that cannot be copied say so', async () => {
  copy.mockRejectedValueOnce(new Error('The page may not write to the clipboard.'));
  const view = inspect({ payload: payload('1') });
  expect(texts(view, 'button')).not.toContain('Insert into cell');
  await press(view, 'Copy');
  await vi.waitFor(() => {
    expect(texts(view, '[role=alert]')).toEqual(['The page may not write to the clipboard.']);
  });
});

test('HTML of a figure is shown in a frame without scripts and without an origin', () => {
  const html = '<script>alert(1)</script><b>hi</b>';
  const view = inspect({
    payload: payload(JSON.stringify({ $type: 'display', class: 'Figure', bundle: { 'text/html': html } }))
  });
  const frame = view.querySelector('iframe');
  expect(frame?.getAttribute('sandbox')).toBe('');
  expect(frame?.getAttribute('srcdoc')).toContain("default-src 'none'");
  expect(view.querySelector('script')).toBeNull();
});

test('the beginning of an array is shown in both orders', () => {
  const bytes = new Float64Array([1, 2, 3, 4, 5, 6]).buffer;
  const array = { $type: 'ndarray', dtype: '<f8', shape: [2, 3], data: [0, 48] };
  const rows = (order: string): string[] => {
    const value = { $type: 'packed', value: { ...array, order }, buffers: bytes };
    const json = JSON.stringify({ ...value, buffers: { _placeholder: true, num: 0 } });
    return texts(inspect({ payload: payload(json, value) }), 'tr');
  };
  expect(rows('C')).toEqual(['123', '456']);
  expect(rows('F')).toEqual(['135', '246']);
});

test.each([
  { $type: 'ndarray', dtype: '<f8', shape: [1e9, 1e9], data: [0, 8] },
  { $type: 'ndarray', dtype: '<f8', shape: 'x', data: null },
  { $type: 'table', arrow: [0, 1_000] },
  { $type: 'image', data: [0, 8] },
  { $type: 'display', bundle: null }
])('a payload that is damaged is shown as data: %j', value => {
  const packed = { $type: 'packed', value, buffers: new ArrayBuffer(8) };
  const json = JSON.stringify({ ...packed, buffers: { _placeholder: true, num: 0 } });
  expect(inspect({ payload: payload(json, packed) }).textContent).toContain('This cannot be shown here');
});

test('text that was cut is shown as text', () => {
  expect(texts(inspect({ data: '{"a": 1… (24000 characters)' }), 'pre')).toEqual(['{"a": 1… (24000 characters)']);
});
