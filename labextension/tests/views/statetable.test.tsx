import { beforeEach, expect, test } from 'vitest';

import type { IStateItem, IStateModel } from '../../src/views/statemodel';
import { StateTable } from '../../src/views/statetable';
import { show, texts, type } from './fakeroom';
import { Watched } from './press';

class FakeState extends Watched implements IStateModel {
  name = 'lab';
  items: IStateItem[] | null = null;
  unlisted = 0;
  problem: string | null = null;
}

function item(key: string, fields: Partial<IStateItem> = {}): IStateItem {
  return { key, value: '0.01', who: 'ana', title: 'ana · browser', ts: 0, seq: 7, ...fields };
}

let state: FakeState;

beforeEach(() => {
  state = new FakeState();
});

test('a value is shown with its key, who set it and when', () => {
  state.items = [item('lr')];
  const view = show(<StateTable state={state} />);
  expect(texts(view, 'tbody th, tbody td').slice(0, 3)).toEqual(['lr', '0.01', 'ana']);
  expect(view.querySelector('time')?.title).toContain('seq 7');
  expect(view.querySelector('tbody th')?.getAttribute('title')).toBe('room.state["lr"]');
});

test('a long value is opened on demand', () => {
  state.items = [item('text', { value: 'x'.repeat(2000) })];
  const view = show(<StateTable state={state} />);
  expect(view.querySelector('summary')?.textContent).toHaveLength(161);
  expect(view.querySelector('details > code')?.textContent).toHaveLength(2000);
});

test('many values can be filtered by key', () => {
  state.items = [...Array.from({ length: 9 }, (_, n) => item(`key ${n}`)), item('Rate')];
  const view = show(<StateTable state={state} />);
  type(view.querySelector('input'), 'rat');
  expect(texts(view, 'tbody th')).toEqual(['Rate']);
  type(view.querySelector('input'), 'nothing');
  expect(view.textContent).toContain('No key contains this text.');
});

test('what people write is text', () => {
  const evil = '<img src=x onerror=alert(1)>\u202e';
  state.items = [item(evil, { value: evil, who: evil, title: evil })];
  const view = show(<StateTable state={state} />);
  expect(view.querySelector('img')).toBeNull();
  expect(view.querySelector('tbody bdi')?.textContent).toBe(evil);
  expect(view.querySelector('tbody th')?.getAttribute('title')).not.toContain('\u202e');
});

test('what is not known yet, not there, or wrong is said', () => {
  const view = show(<StateTable state={state} />);
  expect(view.textContent).toContain('Asking the hub…');
  state.change({ problem: 'You may not read this room.' });
  expect(view.querySelector('[role=alert]')?.textContent).toBe('You may not read this room.');
  state.change({ problem: null, items: [] });
  expect(view.textContent).toContain('room.state.set("lr", 0.01)');
  state.change({ items: [item('a')], unlisted: 12 });
  expect(view.textContent).toContain('and 12 more');
});
