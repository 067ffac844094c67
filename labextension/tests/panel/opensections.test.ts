import { expect, test } from 'vitest';

import { OpenSections } from '../../src/panel/opensections';

test('sections are closed at first, and those that were opened are restored', () => {
  const open = new OpenSections();
  expect(open.saved).toEqual([]);
  open.toggle('state');
  open.toggle('work');
  open.toggle('work');
  const next = new OpenSections();
  next.restore(JSON.parse(JSON.stringify(open.saved)));
  expect(next.has('state')).toBe(true);
  expect(next.saved).toEqual(['state']);
});

test.each([null, undefined, 'state', { state: true }, [1, 'other']])('restoring %j opens nothing', saved => {
  const open = new OpenSections();
  open.restore(saved);
  expect(open.saved).toEqual([]);
});
