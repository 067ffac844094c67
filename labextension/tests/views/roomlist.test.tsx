import { act } from 'preact/test-utils';
import { expect, test, vi } from 'vitest';

import type { IRoomSummary } from '../../src/hub/wire';
import { HubHead } from '../../src/views/hubhead';
import { RoomList } from '../../src/views/roomlist';
import { show, texts, type } from './fakeroom';

function summary(room: string, members: number, count: number): IRoomSummary {
  return { room, members, count, head: 0, first: 0, bytes: 0 };
}

const rooms = [summary('lab', 1, 3), summary('train\u202E', 2, 1)];
const onJoin = vi.fn();

test('rooms are listed with their members and events, and hidden characters in their names written out', () => {
  const view = show(<RoomList rooms={rooms} current="lab" connected onJoin={onJoin} />);
  expect(texts(view, 'li')).toEqual(['lab1 member · 3 events', 'train\\u{202e}2 members · 1 event']);
  expect(view.querySelector('[aria-current=true]')?.textContent).toContain('lab');
});

test('a room is joined by its button, or by its name', () => {
  const view = show(<RoomList rooms={rooms} current={null} connected onJoin={onJoin} />);
  void act(() => {
    (view.querySelector('li button') as HTMLElement).click();
  });
  expect(onJoin).toHaveBeenLastCalledWith('lab');
  type(view.querySelector('input'), ' new ');
  void act(() => {
    (view.querySelector('form button') as HTMLElement).click();
  });
  expect(onJoin).toHaveBeenLastCalledWith('new');
  expect(view.querySelector('input')?.value).toBe('');
});

test('without a connection no room can be joined', () => {
  const view = show(<RoomList rooms={rooms} current={null} connected={false} onJoin={onJoin} />);
  expect([...view.querySelectorAll('button')].every(button => button.disabled)).toBe(true);
});

test('that there are no rooms is said only where they were asked for', () => {
  const hint = 'No rooms yet';
  expect(show(<RoomList rooms={[]} current={null} connected onJoin={onJoin} />).textContent).toContain(hint);
  expect(show(<RoomList rooms={[]} current={null} connected={false} onJoin={onJoin} />).textContent).not.toContain(
    hint
  );
});

test('the head tells the state, what to do, and the warning of the server', () => {
  const view = show(<HubHead state="missing" advice="Install it." warning="in memory only" />);
  expect(texts(view, '[role=status]')).toEqual(['Not available']);
  expect(view.textContent).toContain('Install it.');
  expect(texts(view, '[role=alert]')).toEqual(['in memory only']);
});
