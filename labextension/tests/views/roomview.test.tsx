import { render } from 'preact';
import { beforeEach, expect, test } from 'vitest';

import { RoomView } from '../../src/views/roomview';
import { FakeRoom, eventRow, show, texts } from './fakeroom';

let room: FakeRoom;

beforeEach(() => {
  room = new FakeRoom();
});

test('it shows the members, and who is away', () => {
  room.members = [
    { key: 'a', label: 'ana (you)', title: 'browser', state: 'here' },
    { key: 'b', label: 'train', title: 'kernel', state: 'away' }
  ];
  room.unlisted = 3;
  expect(texts(show(<RoomView room={room} />), 'li')).toEqual(['ana (you)', 'train (away)', 'and 3 more']);
});

test('it shows events and remarks in their order', () => {
  room.rows = [eventRow(1), { kind: 'remark', key: 2, text: '2 events are gone.' }, eventRow(3)];
  const view = show(<RoomView room={room} />);
  const shown = '.jp-RtmsgRoomView-eventName, .jp-RtmsgRoomView-hint';
  expect(texts(view, shown)).toEqual(['event 1', '2 events are gone.', 'event 3']);
});

test('it says that nothing has happened, until something does', () => {
  const view = show(<RoomView room={room} />);
  expect(view.textContent).toContain('Nothing has happened here yet.');
  room.change({ rows: [eventRow(1)] });
  expect(view.textContent).not.toContain('Nothing has happened here yet.');
});

test('what people write is text', () => {
  const evil = '<img src=x onerror=alert(1)>';
  room.name = evil;
  room.members = [{ key: 'a', label: evil, title: evil, state: 'here' }];
  room.rows = [eventRow(1, { name: evil, sender: evil, user: evil, data: evil })];
  const view = show(<RoomView room={room} />);
  expect(view.querySelector('img')).toBeNull();
  expect(texts(view, 'code')).toEqual([evil]);
});

test('a row that has not changed is not rendered again', () => {
  const first = eventRow(1);
  room.rows = [first];
  const view = show(<RoomView room={room} />);
  const node = view.querySelector('.jp-RtmsgRoomView-eventName');
  node?.replaceChildren('changed behind its back');
  room.change({ rows: [first, eventRow(2)] });
  expect(texts(view, '.jp-RtmsgRoomView-eventName')).toEqual(['changed behind its back', 'event 2']);
});

test('a row whose sender has another name is rendered again', () => {
  const first = eventRow(1);
  room.rows = [first];
  const view = show(<RoomView room={room} />);
  room.change({ rows: [{ ...first, sender: 'ann/hw1' }] });
  expect(texts(view, '.jp-RtmsgRoomView-senderName')).toEqual(['ann/hw1']);
});

test('a replayed event and a volatile one are told apart', () => {
  room.rows = [eventRow(1, { replay: true }), eventRow(2, { seq: null })];
  const view = show(<RoomView room={room} />);
  expect(view.querySelectorAll('[aria-label="replayed"]')).toHaveLength(1);
  const titles = [...view.querySelectorAll('time')].map(time => time.title);
  expect(titles[0]).toContain('number 1 in the log');
  expect(titles[1]).toContain('volatile');
});

test('the head tells what was missed, and the state where the page does not', () => {
  room.missed = 12;
  room.status = { state: 'offline', text: 'Offline' };
  const view = show(<RoomView room={room} />);
  expect(view.textContent).toContain('12 missed while away');
  expect(texts(view, '.jp-RtmsgRoomView-state')).toEqual(['Offline']);
  room.change({ missed: 0, status: null });
  expect(view.textContent).not.toContain('missed');
  expect(texts(view, '.jp-RtmsgRoomView-state')).toEqual([]);
});

test('a room that cannot be shown says why, and nothing else', () => {
  room.error = 'You may not read it.';
  const view = show(<RoomView room={room} actions={<button type="button">Leave</button>} />);
  expect(texts(view, '[role=alert]')).toEqual(['You may not read it.']);
  expect(texts(view, 'button')).toEqual(['Leave']);
});

test('a view that is gone watches no more', () => {
  const view = show(<RoomView room={room} />);
  expect(room.watchers.size).toBe(1);
  render(null, view);
  expect(room.watchers.size).toBe(0);
});
