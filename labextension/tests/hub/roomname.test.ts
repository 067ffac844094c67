import { expect, test } from 'vitest';

import { isRoomName, similarRoomName } from '../../src/hub/roomname';

test.each(['lab', 'a.b', 'Zoë', 'क्षि', '_x~-1', '数据', 'a..b'])('%s is the name of a room', name => {
  expect(isRoomName(name)).toBe(true);
});

test.each(['', 'team 1', 'no/slash', '.a', 'a.', 'a\u202eb', 'e\u0301', 'x'.repeat(129), '$log'])(
  '%j is none',
  name => {
    expect(isRoomName(name)).toBe(false);
  }
);

test.each([
  ['team 1', 'team-1'],
  ['no/slash', 'no-slash'],
  [' .a. ', 'a'],
  ['e\u0301', 'é'],
  ['x'.repeat(200), 'x'.repeat(128)],
  ['/', null],
  ['', null]
])('instead of %j there is %j', (name, similar) => {
  expect(similarRoomName(name)).toBe(similar);
});
