import { expect, test } from 'vitest';

import { ownSocket } from '../../src/widget/page';

const here = new URL('https://hub.example/user/ana/lab') as unknown as Location;

function page(config: string | null): Document {
  return { getElementById: () => (config === null ? null : { textContent: config }) } as unknown as Document;
}

test.each([
  ['{"baseUrl": "/user/ana/", "token": "secret"}', 'wss://hub.example/user/ana/socket.io/?EIO=4&transport=websocket'],
  ['{"baseUrl": "https://hub.example/"}', 'wss://hub.example/socket.io/?EIO=4&transport=websocket'],
  ['{"baseUrl": "https://other.example/"}', null],
  ['{"baseUrl": 7}', null],
  ['{', null],
  [null, null]
])('the server of a page with the configuration %s is %s', (config, url) => {
  expect(ownSocket(page(config), here)).toBe(url);
});
