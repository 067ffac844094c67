import { act } from 'preact/test-utils';
import { expect, test, vi } from 'vitest';

import makeWidget from '../../src/widget/room';
import type { IKernelModel } from '../../src/widget/link';
import type { IRoomTraits } from '../../src/widget/roommodel';

const traits: Record<string, unknown> = {
  room_name: 'lab',
  state: 'connected',
  problem: '',
  missed: 0,
  members: [],
  recent: { first: 1, events: [] }
};

test('several views of a model show the same room, and leave nothing behind', () => {
  const [on, off] = [vi.fn(), vi.fn()];
  const model = { get: (name: string) => traits[name], send: vi.fn(), on, off } as unknown as IKernelModel<IRoomTraits>;
  const widget = makeWidget();
  const forget = widget.initialize({ model });
  const elements = ['div', 'div'].map(tag => document.createElement(tag));
  const closers: (() => void)[] = [];
  void act(() => {
    closers.push(...elements.map(el => widget.render({ model, el })));
  });
  expect(elements.map(el => el.querySelector('h3')?.textContent)).toEqual(['lab', 'lab']);
  closers.forEach(close => {
    close();
  });
  expect(elements.map(el => el.childElementCount)).toEqual([0, 0]);
  forget();
  const sorted = (calls: unknown[][]): unknown[] => calls.map(([names]) => names).sort();
  expect(sorted(off.mock.calls)).toEqual(sorted(on.mock.calls));
});
