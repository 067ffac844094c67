import { Signal } from '@lumino/signaling';
import { beforeEach, expect, test, vi } from 'vitest';

import { ENGLISH } from '../../src/hub/translation';
import { HubError, type IEvent } from '../../src/hub/wire';
import { PanelRoom } from '../../src/panel/roommodel';
import type { Entry, IRoom, IRtmsg } from '../../src/tokens';
import { member, meta } from '../hub/wire';

/** A room of the hub, whose content the test sets. */
class FakeRoom {
  readonly name = 'lab';
  error = null;
  entries: Entry[] = [];
  members = [member({ member: 'm1', name: 'ana' })];
  count = 5;
  sender: readonly [string, string] = ['hw1', '(ana)'];
  readonly changed = new Signal<this, void>(this);
  namesVersion = 0;
  hasEarlier = false;
  loadEarlier = vi.fn(() => Promise.resolve());
  publishJson = vi.fn(() => Promise.resolve(17));
  nameOf = (): string => 'ana (you)';
  partsOf = (): readonly [string, string] => this.sender;
}

function entry(n: number, data: unknown = null): Entry {
  return { kind: 'event', key: n, event: { ...meta(n), name: 'tick', data } satisfies IEvent };
}

let room: FakeRoom;
let hub: { state: string };
let model: PanelRoom;

beforeEach(() => {
  room = new FakeRoom();
  hub = { state: 'connected' };
  model = new PanelRoom(room as unknown as IRoom, hub as IRtmsg, ENGLISH);
});

test('entries become rows', () => {
  room.entries = [entry(1, { loss: 0.5 }), { kind: 'remark', key: 2, text: 'gone' }, entry(3)];
  expect(model.rows).toMatchObject([
    {
      kind: 'event',
      key: 1,
      name: 'tick',
      sender: 'hw1',
      user: '(ana)',
      data: '{"loss": 0.5}',
      seq: 10,
      replay: false
    },
    { kind: 'remark', key: 2, text: 'gone' },
    { kind: 'event', key: 3, data: null }
  ]);
});

test('a row is the same object until its sender has another name', () => {
  room.entries = [entry(1)];
  const [before] = model.rows;
  expect(model.rows[0]).toBe(before);
  room.sender = ['ann/hw1', '(ana)'];
  room.namesVersion += 1;
  expect(model.rows[0]).toMatchObject({ sender: 'ann/hw1' });
});

test('members have their display names, and further ones are counted', () => {
  expect(model.members).toEqual([{ key: 'm1', label: 'ana (you)', title: 'kernel · ana', state: 'here' }]);
  expect(model.unlisted).toBe(4);
});

test('it can emit while the hub is connected', () => {
  expect(model.canEmit).toBe(true);
  hub.state = 'offline';
  expect(model.canEmit).toBe(false);
});

test('an emit tells where the event is stored', async () => {
  expect(await model.emit('hello', '[1, 2]')).toEqual({ ok: true, text: 'Stored as number 17' });
  expect(room.publishJson).toHaveBeenLastCalledWith('hello', '[1, 2]');
  await model.emit('hello', '');
  expect(room.publishJson).toHaveBeenLastCalledWith('hello', '');
});

test('an emit that is refused tells why', async () => {
  room.publishJson.mockRejectedValue(new HubError('bad_request', '$mine belongs to the hub'));
  expect(await model.emit('$mine', '')).toEqual({ ok: false, text: '$mine belongs to the hub' });
});

test('it is watched until it is not', () => {
  const changed = vi.fn();
  const unwatch = model.watch(changed);
  room.changed.emit();
  unwatch();
  room.changed.emit();
  expect(changed).toHaveBeenCalledTimes(1);
});
