import { beforeEach, expect, test, vi } from 'vitest';

import type { IKernelModel } from '../../src/widget/link';
import { type IRoomTraits, KernelRoom } from '../../src/widget/roommodel';
import { FakeModel } from './fakemodel';

function line(name: string): object {
  return { name, data: null, who: 'm1', sender: 'hw1', user: 'ana', title: '', ts: 0, seq: 1, replay: false };
}

let model: FakeModel;

function events(first: number, ...names: string[]): void {
  model.tell('msg:custom', { kind: 'events', first, events: names.map(line) });
}

function open(...names: string[]): KernelRoom {
  model.traits['recent'] = { first: 1, events: names.map(line) };
  return new KernelRoom(model as unknown as IKernelModel<IRoomTraits>);
}

function names(room: KernelRoom): string[] {
  return room.rows.map(row => (row.kind === 'event' ? row.name : row.text));
}

beforeEach(() => {
  model = new FakeModel({ room_name: 'lab', hub: '', state: 'connected', problem: '', missed: 0, members: [] });
});

test('it holds what was and what comes', () => {
  const room = open('before');
  events(2, 'one', 'two');
  expect(names(room)).toEqual(['before', 'one', 'two']);
  expect(room.rows.map(row => row.key)).toEqual([1, 2, 3]);
  expect(model.sent).toEqual([]);
});

test('events that it holds are not held twice', () => {
  const room = open('one', 'two');
  events(2, 'two', 'three');
  expect(names(room)).toEqual(['one', 'two', 'three']);
});

test('after a lost message it asks for all events', () => {
  const room = open('one');
  events(3, 'three');
  expect(model.sent).toEqual([{ kind: 'recent' }]);
  model.tell('msg:custom', { kind: 'events', whole: true, first: 1, events: ['one', 'two', 'three'].map(line) });
  expect(names(room)).toEqual(['one', 'two', 'three']);
});

test('a full slice needs nothing of before', () => {
  const room = open('old');
  events(1000, ...Array.from({ length: 200 }, (_, n) => `n${n}`));
  expect(room.rows).toHaveLength(200);
  expect(model.sent).toEqual([]);
});

test('the latest 200 are held', () => {
  const room = open();
  events(1, ...Array.from({ length: 200 }, (_, n) => `a${n}`));
  events(201, 'b');
  expect(room.rows).toHaveLength(200);
  expect([names(room)[0], names(room).at(-1)]).toEqual(['a1', 'b']);
});

test('the whole state replaces what is held', () => {
  const room = open('one');
  model.change({ recent: { first: 7, events: [line('seven')] } });
  events(8, 'eight');
  expect(names(room)).toEqual(['seven', 'eight']);
});

test('a sender gets another name, and the rows of others stay the same objects', () => {
  const room = open('one', 'two');
  const before = room.rows;
  model.change({ labels: { m2: 'b/hw1' } });
  expect(room.rows[0]).toBe(before[0]);
  model.change({ labels: { m1: 'a/hw1' } });
  expect(room.rows[0]).toMatchObject({ sender: 'a/hw1', user: '(ana)' });
});

test('each change is told', () => {
  const room = open();
  const changed = vi.fn();
  const unwatch = room.watch(changed);
  model.change({ state: 'offline' });
  events(1, 'one');
  expect(changed).toHaveBeenCalledTimes(2);
  unwatch();
  events(2, 'two');
  expect(changed).toHaveBeenCalledTimes(2);
});

test('the state is told in words, or by the problem', () => {
  const room = open();
  expect(room.status).toEqual({ state: 'connected', text: 'Connected' });
  model.change({ state: 'closed', problem: 'the room was left' });
  expect(room.status).toEqual({ state: 'closed', text: 'the room was left' });
});

test('without its kernel it says so, until the state comes again', () => {
  const room = open();
  model.tell('comm_live_update');
  expect(room.status.text).toContain('The kernel stopped');
  expect(room.canEmit).toBe(false);
  model.change({ state: 'connected' });
  expect(room.status.text).toBe('Connected');
});

test('an emit is answered by the outcome with its id', async () => {
  const room = open();
  const outcome = room.emit('hello', '1');
  expect(model.sent[0]).toMatchObject({ kind: 'emit', event: 'hello', data: '1' });
  model.tell('msg:custom', { kind: 'outcome', id: 'another', ok: true, text: 'not mine' });
  model.tell('msg:custom', { kind: 'outcome', id: model.sent[0]?.id, ok: false, text: 'no such room' });
  expect(await outcome).toEqual({ ok: false, text: 'no such room' });
});

test('closed, it listens to nothing', () => {
  open().close();
  expect(model.listeners).toEqual([]);
});
