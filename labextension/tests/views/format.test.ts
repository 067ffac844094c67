import { expect, test } from 'vitest';

import { timeText } from '../../src/views/format';

test('a time is the time of day', () => {
  expect(timeText(0)).toMatch(/^\d\d:00:00$/);
});
