import { expect, test, vi } from 'vitest';

import { ActionBar } from '../../src/views/actions';
import type { IOutcome } from '../../src/views/model';
import { show } from './fakeroom';
import { button, labels, press } from './press';

const done = (text: string): (() => Promise<IOutcome>) => vi.fn(() => Promise.resolve({ ok: true, text }));

test('a button tells its line of Python before and after it is pressed', async () => {
  const view = show(
    <ActionBar label="x" actions={[{ label: 'Pause', python: 'group.pause()', run: done('Paused.') }]} />
  );
  expect(button(view, 'Pause').title).toBe('group.pause()');
  await press(view, 'Pause');
  expect(view.querySelector('[role=status]')?.textContent).toBe('Paused. group.pause()');
});

test('what cannot be undone is asked first', async () => {
  const run = done('Deleted.');
  const view = show(
    <ActionBar label="x" actions={[{ label: 'Discard', python: 'discard()', question: 'Delete it for good?', run }]} />
  );
  await press(view, 'Discard');
  expect(view.querySelector('[role=alert]')?.textContent).toBe('Delete it for good?');
  expect(document.activeElement?.textContent).toBe('Cancel');
  await press(view, 'Cancel');
  expect(run).not.toHaveBeenCalled();
  await press(view, 'Discard');
  await press(view, 'Discard');
  expect(run).toHaveBeenCalledOnce();
  expect(labels(view)).toEqual(['Discard']);
});

test('what cannot be done says why, and is not done', async () => {
  const run = done('');
  const view = show(
    <ActionBar label="x" actions={[{ label: 'Skip', python: 'skip()', refusal: 'No place is kept.', run }]} />
  );
  expect(button(view, 'Skip').title).toBe('No place is kept.');
  expect(button(view, 'Skip').getAttribute('aria-disabled')).toBe('true');
  await press(view, 'Skip');
  expect(run).not.toHaveBeenCalled();
});

test('an error is told without the line of Python', async () => {
  const run = (): Promise<IOutcome> => Promise.reject(new Error('You may not manage this room.'));
  const view = show(<ActionBar label="x" actions={[{ label: 'Pause', python: 'pause()', run }]} />);
  await press(view, 'Pause');
  const status = view.querySelector<HTMLElement>('[role=status]');
  expect(status?.textContent?.trim()).toBe('You may not manage this room.');
  expect(status?.dataset['ok']).toBe('false');
});

test('while one is at work, none can be pressed', async () => {
  let finish: (outcome: IOutcome) => void = () => undefined;
  const run = vi.fn(() => new Promise<IOutcome>(resolve => (finish = resolve)));
  const view = show(<ActionBar label="x" actions={[{ label: 'Redrive', python: 'redrive()', run }]} />);
  await press(view, 'Redrive');
  await press(view, 'Redrive');
  expect(run).toHaveBeenCalledOnce();
  finish({ ok: true, text: '' });
});
