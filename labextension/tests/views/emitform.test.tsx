import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { EmitForm } from '../../src/views/emitform';
import { FakeRoom, show, texts, type } from './fakeroom';

let room: FakeRoom;
let form: HTMLElement;

beforeEach(() => {
  vi.useFakeTimers();
  room = new FakeRoom();
});

afterEach(() => {
  vi.useRealTimers();
});

function open(): void {
  form = show(<EmitForm room={room} />);
}

function fill(event: string, data: string): void {
  type(form.querySelector('input'), event);
  type(form.querySelector('textarea'), data);
}

function button(): HTMLButtonElement {
  return form.querySelector('button') as HTMLButtonElement;
}

function press(): void {
  void act(() => {
    button().click();
  });
}

/** Press a key in the data field; return whether the form has handled it. */
function key(fields: KeyboardEventInit): boolean {
  const event = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...fields });
  void act(() => {
    form.querySelector('textarea')?.dispatchEvent(event);
  });
  return event.defaultPrevented;
}

async function answer(ok: boolean, text: string): Promise<void> {
  await act(async () => {
    room.answer({ ok, text });
    await Promise.resolve();
  });
}

test('it emits the event without the spaces around it', () => {
  open();
  fill(' hello ', ' {"big": 12345678901234567890} ');
  press();
  expect(room.emitted).toEqual([['hello', '{"big": 12345678901234567890}']]);
});

test('no text means no data', () => {
  open();
  fill('hello', '  ');
  press();
  expect(room.emitted).toEqual([['hello', '']]);
});

test('data that is not JSON is told in its place, and not sent', () => {
  open();
  fill('hello', '{');
  expect(texts(form, '[role=alert]')[0]).toContain('Not JSON');
  expect(form.querySelector('textarea')?.getAttribute('aria-invalid')).toBe('true');
  expect(button().disabled).toBe(true);
  key({ ctrlKey: true });
  expect(room.emitted).toEqual([]);
});

test('without an event, or where the room cannot emit, the button is disabled', () => {
  room.canEmit = false;
  open();
  expect(button().disabled).toBe(true);
  fill('hello', '1');
  expect(button().disabled).toBe(true);
});

test.each([
  ['hello', '"hello"', 'Sent as the string "hello"'],
  ['12 monkeys', '"12 monkeys"', 'Sent as the string "12 monkeys"'],
  ['true', 'true', ''],
  ['9007199254740993', '9007199254740993', '']
])('the text %s is sent as %s', (text, json, hint) => {
  open();
  fill('hello', text);
  expect(texts(form, '.jp-RtmsgRoomView-formHint').join()).toBe(hint);
  press();
  expect(room.emitted).toEqual([['hello', json]]);
});

test.each([
  ['{"a": 1', 'line 1, column 8: expected , or }'],
  ['{"a": 1,}', 'line 1, column 9: no comma before }'],
  ["{'a': 1}", 'line 1, column 2: expected a name in "double quotes"'],
  ["['a']", 'line 1, column 2: JSON has "double quotes" only'],
  ['{"a":\n True}', 'line 2, column 2: write true for True'],
  ['[1, NaN]', 'line 1, column 5: write null for NaN'],
  ['[abc]', 'line 1, column 2: strings need "double quotes"'],
  ['{"a" 1}', 'line 1, column 6: expected :'],
  ['[1] 2', 'line 1, column 5: nothing may follow the value'],
  ['["a', 'line 1, column 2: this string has no end']
])('what is wrong with %s is told, and where', (text, fault) => {
  open();
  fill('hello', text);
  expect(texts(form, '[role=alert]')[0]).toContain(fault);
  expect(button().disabled).toBe(true);
});

test('data that are too large are refused before they are sent, with both numbers', () => {
  room.maxBytes = 1_000;
  open();
  fill('hello', JSON.stringify('é'.repeat(500)));
  expect(texts(form, '[role=alert]')[0]).toContain('The data has 1,002 bytes; an event may have 1,000.');
  fill('hello', JSON.stringify('e'.repeat(500)));
  expect(button().disabled).toBe(false);
});

test('it shows the line of Python that does the same, or why it cannot be done', () => {
  open();
  expect(texts(form, '.jp-RtmsgRoomView-python')).toEqual(['Name the event first.']);
  fill('hello', '{"ok": true, "n": [1.0, null]}');
  const line = 'rt.connect().join("lab").emit("hello", {"ok": True, "n": [1.0, None]})';
  expect(texts(form, '.jp-RtmsgRoomView-python')).toEqual([line]);
  room.canEmit = false;
  open();
  expect(texts(form, '.jp-RtmsgRoomView-python')[0]).toContain('There is no connection');
});

test('the room keeps what is in the fields', () => {
  const kept: unknown[] = [];
  room.keepDraft = draft => kept.push(draft);
  room.draft = { event: 'done', data: '1' };
  open();
  expect(form.querySelector('textarea')?.value).toBe('1');
  type(form.querySelector('textarea'), '12');
  expect(kept).toEqual([{ event: 'done', data: '12' }]);
});

test('the event of the settings is filled in', () => {
  room.form = { event: 'message', lines: 1, slow: null };
  open();
  press();
  expect(room.emitted).toEqual([['message', '']]);
});

test.each([
  [2, {}, false],
  [2, { ctrlKey: true }, true],
  [2, { metaKey: true }, true],
  [1, {}, true],
  [1, { shiftKey: true }, false],
  [1, { isComposing: true }, false]
])('in a data field of %d lines, Enter with %o emits: %s', (lines, fields, emits) => {
  room.form = { event: 'message', lines, slow: null };
  open();
  expect(key(fields)).toBe(emits);
  expect(room.emitted).toHaveLength(emits ? 1 : 0);
});

test('keys stay in the form', () => {
  open();
  const seen = vi.fn();
  document.body.addEventListener('keydown', seen);
  key({ key: 'a' });
  expect(seen).not.toHaveBeenCalled();
});

test('what came of it is told, and a failure as an alert', async () => {
  open();
  fill('hello', '');
  press();
  await answer(true, 'Stored as number 17');
  expect(texts(form, '[role=status]')).toEqual(['Stored as number 17']);
  press();
  await answer(false, 'The room is full.');
  expect(texts(form, '.jp-RtmsgRoomView-outcome[role=alert]')).toEqual(['The room is full.']);
});

test('the outcome of an earlier emit is not told as that of the latest', async () => {
  open();
  fill('hello', '');
  press();
  const first = room.answer;
  press();
  first({ ok: true, text: 'Stored as number 1' });
  await answer(true, 'Stored as number 2');
  expect(texts(form, '[role=status]')).toEqual(['Stored as number 2']);
});

test('an emit that takes long is told so, until its outcome is there', async () => {
  room.form = { event: 'message', lines: 1, slow: 'The kernel is busy.' };
  open();
  press();
  expect(texts(form, '[role=status]')).toEqual(['']);
  void act(() => {
    vi.advanceTimersByTime(500);
  });
  expect(texts(form, '[role=status]')).toEqual(['The kernel is busy.']);
  await answer(true, 'Stored as number 1');
  expect(texts(form, '[role=status]')).toEqual(['Stored as number 1']);
});
