import { act } from 'preact/test-utils';
import { expect, test } from 'vitest';

import dashboard from '../../src/widget/dashboard';
import form from '../../src/widget/form';
import type { IKernelModel } from '../../src/widget/link';
import missed from '../../src/widget/missed';
import queue from '../../src/widget/queue';
import { press } from '../views/press';
import { FakeModel } from './fakemodel';

interface IAnyWidget {
  initialize(options: { model: IKernelModel<never> }): () => void;
  render(options: { model: IKernelModel<never>; el: HTMLElement }): () => void;
}

function open(make: () => unknown, traits: Record<string, unknown>): [HTMLElement, FakeModel, () => void] {
  const fake = new FakeModel({ room_name: 'lab', hub: '', problem: '', ...traits });
  const model = fake as unknown as IKernelModel<never>;
  const widget = make() as IAnyWidget;
  const forget = widget.initialize({ model });
  const el = document.createElement('div');
  document.body.replaceChildren(el);
  let close: () => void = () => undefined;
  void act(() => {
    close = widget.render({ model, el });
  });
  return [
    el,
    fake,
    () => {
      close();
      forget();
    }
  ];
}

const group = {
  name: 'resize',
  event: '*',
  paused: false,
  lag: 1,
  inFlight: 0,
  delayed: 0,
  dead: 1,
  done: 0,
  workers: [],
  workerCount: 0,
  lastError: null,
  history: []
};

const widgets: [string, () => unknown, Record<string, unknown>][] = [
  ['form', form, { event: 'message', state: 'connected' }],
  [
    'missed',
    missed,
    { missed: { count: 3, from: null, to: null, byEvent: [], others: 3 }, replay: null, skipped: 0, no_skip: '' }
  ],
  ['queue', queue, { groups: [group], letters: null }],
  ['dashboard', dashboard, { hub_url: 'http://x/', rooms: [], unlisted: 0, asked: 0 }]
];

test.each(widgets)('the %s says that its kernel stopped, and leaves nothing behind', (_, make, traits) => {
  const [el, model, close] = open(make, traits);
  expect(el.textContent).not.toContain('The kernel stopped');
  void act(() => {
    model.tell('comm_live_update');
  });
  expect(el.textContent).toContain('The kernel stopped');
  close();
  expect(el.childElementCount).toBe(0);
  expect(model.listeners).toEqual([]);
});

test('each button of the queue is a request of the kernel', async () => {
  const letter = {
    number: 5,
    label: '#1',
    event: 'e',
    data: null,
    reason: 'tries',
    message: '',
    error: 'E',
    traceback: '',
    sender: '',
    worker: '',
    deliveries: 1,
    last: null
  };
  const [el, model] = open(queue, {
    groups: [group],
    letters: { group: 'resize', items: [letter], count: 1, discarded: 0 }
  });
  const request = async (...labels: string[]): Promise<unknown> => {
    for (const label of labels) {
      await press(el, label);
    }
    const { id, ...sent } = model.sent[model.sent.length - 1] as { id: string; kind: string };
    model.answer(true, '');
    await act(() => Promise.resolve());
    expect(typeof id).toBe('string');
    return sent;
  };
  expect(await request('Refresh')).toEqual({ kind: 'refresh' });
  expect(await request('Pause resize')).toEqual({ kind: 'pause', group: 'resize' });
  expect(await request('Close dead letters')).toEqual({ kind: 'open', group: null });
  expect(await request('Redrive #1')).toEqual({ kind: 'redrive', group: 'resize', numbers: [5] });
  expect(await request('Discard all', 'Discard all')).toEqual({ kind: 'discard', group: 'resize', numbers: null });
});

test('each button of the missed events is a request of the kernel', async () => {
  const [el, model] = open(missed, {
    missed: { count: 3, from: null, to: null, byEvent: [], others: 3 },
    replay: null,
    skipped: 0,
    no_skip: ''
  });
  await press(el, 'Replay');
  expect(model.sent[0]).toMatchObject({ kind: 'play', speed: 1 });
  model.answer(true, '');
  await act(() => Promise.resolve());
  void act(() => {
    model.change({ missed: null, skipped: 3 });
  });
  await press(el, 'Undo');
  expect(model.sent[1]).toMatchObject({ kind: 'undo' });
});

test('nothing missed is said', () => {
  const [el] = open(missed, { missed: null, replay: null, skipped: 0, no_skip: '' });
  expect(el.textContent).toBe('Nothing was missed in lab.');
});
