import { Signal } from '@lumino/signaling';
import { beforeEach, expect, test, vi } from 'vitest';

import { ENGLISH } from '../../src/hub/translation';
import { JoinedRooms } from '../../src/panel/rooms';
import type { Entry, IRtmsg } from '../../src/tokens';
import { meta } from '../hub/wire';

/** A room of the hub, in which the test has events arrive. */
class FakeRoom {
  constructor(readonly name: string) {}

  readonly entries: Entry[] = [];
  readonly changed = new Signal<this, void>(this);
  readonly leave = vi.fn();

  arrive(replay = false): void {
    const key = this.entries.length;
    this.entries.push({ kind: 'event', key, event: { ...meta(key), name: 'tick', data: null, replay } });
    this.changed.emit();
  }
}

let joined: Map<string, FakeRoom>;
let rooms: JoinedRooms;

function room(name: string): FakeRoom {
  return joined.get(name) as FakeRoom;
}

beforeEach(() => {
  joined = new Map();
  const join = (name: string): FakeRoom => {
    joined.set(name, new FakeRoom(name));
    return room(name);
  };
  rooms = new JoinedRooms({ join } as unknown as IRtmsg, ENGLISH);
});

test('showing another room leaves none', () => {
  rooms.show('lab');
  rooms.show('train');
  expect(rooms.all.map(({ name }) => name)).toEqual(['lab', 'train']);
  expect(rooms.current?.name).toBe('train');
  rooms.leave('train');
  expect(room('train').leave).toHaveBeenCalled();
  expect(rooms.current).toBeNull();
});

test('what arrives is unseen until its room is shown and people see the panel', () => {
  rooms.show('lab');
  rooms.show('train');
  rooms.isSeen = true;
  room('lab').arrive();
  room('lab').arrive();
  room('train').arrive();
  expect(rooms.unseen).toBe(2);
  rooms.isSeen = false;
  room('train').arrive();
  expect(rooms.unseen).toBe(3);
  expect(rooms.showUnseen()).toBe(true);
  rooms.isSeen = true;
  expect(rooms.all.map(({ unseen }) => unseen)).toEqual([0, 1]);
  rooms.showUnseen();
  expect(rooms.showUnseen()).toBe(false);
});

test('replayed events are not new', () => {
  rooms.show('lab');
  room('lab').arrive(true);
  expect(rooms.unseen).toBe(0);
});

test('listeners are told only when the number has changed', () => {
  rooms.show('lab');
  const told = vi.fn();
  rooms.changed.connect(told);
  room('lab').arrive(true);
  expect(told).not.toHaveBeenCalled();
  room('lab').arrive();
  expect(told).toHaveBeenCalledTimes(1);
});

test('rooms, drafts and the room that is shown are restored', () => {
  rooms.show('lab');
  rooms.show('train');
  rooms.current?.keepDraft({ event: 'done', data: '{"ok":' });
  const saved: unknown = JSON.parse(JSON.stringify(rooms.saved));
  const again = new JoinedRooms({ join: (name: string) => new FakeRoom(name) } as unknown as IRtmsg, ENGLISH);
  again.restore(saved);
  expect(again.all.map(({ name }) => name)).toEqual(['lab', 'train']);
  expect(again.current?.draft).toEqual({ event: 'done', data: '{"ok":' });
});

test('a draft tells that there is something to save', () => {
  const changed = vi.fn();
  rooms.show('lab');
  rooms.savedChanged.connect(changed);
  rooms.current?.keepDraft({ event: 'a', data: '' });
  expect(changed).toHaveBeenCalledTimes(1);
});

test.each([undefined, null, 5, {}, { rooms: 5 }, { rooms: [{}, { name: 5 }], current: {} }])(
  'what was not saved by it is ignored: %j',
  saved => {
    rooms.restore(saved);
    expect(rooms.all).toEqual([]);
  }
);

test('what arrives in a room whose tab is seen is seen, also while the panel is hidden', () => {
  rooms.add('lab');
  expect(rooms.current).toBeNull();
  room('lab').arrive();
  expect(rooms.unseen).toBe(1);
  rooms.seeTab('lab', true);
  room('lab').arrive();
  expect([rooms.unseen, rooms.isLookedAt('lab')]).toEqual([0, true]);
  rooms.seeTab('lab', false);
  room('lab').arrive();
  expect([rooms.unseen, rooms.isLookedAt('lab')]).toEqual([1, false]);
});
