import { beforeEach, expect, test } from 'vitest';

import type { IDashboardModel, IDashboardRoom } from '../../src/views/dashboardmodel';
import { DashboardView } from '../../src/views/dashboardview';
import { sizeText } from '../../src/views/size';
import { show, texts } from './fakeroom';
import { Watched, press } from './press';

class FakeDashboard extends Watched implements IDashboardModel {
  name = 'http://localhost:8888/';
  rooms: IDashboardRoom[] | null = null;
  unlisted = 0;
  asked: number | null = null;
  problem: string | null = null;
}

function room(name: string, fields: Partial<IDashboardRoom> = {}): IDashboardRoom {
  return {
    name,
    rate: 0,
    count: 0,
    bytes: 0,
    members: 0,
    lag: 0,
    groups: 0,
    dead: 0,
    history: [],
    problem: null,
    ...fields
  };
}

let dashboard: FakeDashboard;

beforeEach(() => {
  dashboard = new FakeDashboard();
});

test('a room is told in numbers', () => {
  dashboard.rooms = [room('lab', { rate: 2.5, count: 40, bytes: 1500, members: 3, lag: 7, groups: 1, dead: 2 })];
  const view = show(<DashboardView dashboard={dashboard} />);
  expect(texts(view, 'tbody th, tbody td').slice(0, 6)).toEqual(['lab', '2.5', '7', '2', '3', '40 · 1.5 kB']);
});

test('a room without groups has no lag, and one that was looked at once no rate', () => {
  dashboard.rooms = [room('lab', { rate: null })];
  expect(texts(show(<DashboardView dashboard={dashboard} />), 'tbody td').slice(0, 3)).toEqual(['–', '–', '–']);
});

test('rooms are sorted by what is chosen', async () => {
  dashboard.rooms = [room('b', { rate: 1, members: 9 }), room('a', { rate: 1 }), room('c', { rate: 5 })];
  const view = show(<DashboardView dashboard={dashboard} />);
  const names = (): string[] => texts(view, 'tbody th');
  expect(names()).toEqual(['c', 'a', 'b']);
  await press(view, 'Members');
  expect(names()).toEqual(['b', 'a', 'c']);
  expect(view.querySelector('[aria-sort=descending]')?.textContent).toBe('Members');
  await press(view, 'Room');
  expect(names()).toEqual(['a', 'b', 'c']);
  expect(view.querySelector('[aria-sort=ascending]')?.textContent).toBe('Room');
});

test('what is not known yet, not there, or wrong is said', () => {
  const view = show(<DashboardView dashboard={dashboard} />);
  expect(view.textContent).toContain('Asking the hub…');
  dashboard.change({ rooms: [], asked: 0 });
  expect(view.textContent).toContain('No rooms yet.');
  dashboard.change({ rooms: [room('lab', { problem: 'You may not read it.' })], unlisted: 3, problem: 'Offline.' });
  expect(view.textContent).toContain('You may not read it.');
  expect(view.textContent).toContain('and 3 more rooms');
  expect(view.querySelector('[role=alert]')?.textContent).toBe('Offline.');
});

test('what people write is text', () => {
  const evil = '<img src=x onerror=alert(1)>';
  dashboard.rooms = [room(evil, { problem: evil })];
  const view = show(<DashboardView dashboard={dashboard} />);
  expect(view.querySelector('img')).toBeNull();
  expect(view.querySelector('tbody bdi')?.textContent).toBe(evil);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1500, '1.5 kB'],
  [12_345_678, '12 MB'],
  [5e15, '5000 TB']
])('%d bytes are %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
