import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type Delivered, deliver } from '../../src/hub/courier';

const DELIVERY = { url: 'ws://here/', hub: 'h1', room: 'lab', event: 'hello', data: '{"big": 12345678901234567890}' };

/** A WebSocket; the test is the hub. */
class FakeSocket {
  readonly sent: string[] = [];
  isClosed = false;
  onclose: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.isClosed = true;
  }

  say(...packets: string[]): void {
    packets.forEach(data => this.onmessage?.({ data }));
  }
}

let socket: FakeSocket;

beforeEach(() => {
  vi.useFakeTimers();
  socket = new FakeSocket();
});

afterEach(() => {
  expect(socket.isClosed).toBe(true);
});

function send(): Promise<Delivered> {
  return deliver(DELIVERY, () => socket as unknown as WebSocket);
}

const HELLO = ['0{"sid":"s"}', '40{"sid":"t"}', '430[{"ok":true,"hub":"h1","user":"ana"}]'];

test('the hub is asked who it is, and then the event is sent as it was typed', async () => {
  const delivered = send();
  socket.say('0{"sid":"s"}', '2', '40{"sid":"t"}', '42["$log",{}]');
  expect(socket.sent).toEqual(['40{"recovery":false}', '3', '420["hello",{}]']);
  socket.say('430[{"ok":true,"hub":"h1","user":"ana"}]');
  expect(socket.sent[3]).toBe('421["publish",{"room":"lab","event":"hello","data":{"big": 12345678901234567890}}]');
  socket.say('431[{"ok":true,"seq":7}]');
  expect(await delivered).toEqual({ kind: 'stored', seq: 7, user: 'ana' });
});

test('another hub gets nothing', async () => {
  const delivered = send();
  socket.say('0{}', '40{}', '430[{"ok":true,"hub":"h2"}]');
  expect(await delivered).toEqual({ kind: 'elsewhere' });
  expect(socket.sent.some(text => text.includes('publish'))).toBe(false);
});

test('a refusal is told with its reason', async () => {
  const delivered = send();
  socket.say(...HELLO, '431[{"ok":false,"error":{"code":"forbidden","message":"You may read lab, not emit."}}]');
  expect(await delivered).toEqual({ kind: 'failed', text: 'You may read lab, not emit.' });
});

test.each([['44{"message":"no"}'], ['1'], ['430[nonsense']])('a hub that says %s gets nothing', async packet => {
  const delivered = send();
  socket.say('0{}', packet);
  expect(await delivered).toEqual({ kind: 'elsewhere' });
});

test('a connection that is lost before the event was sent leaves it to the kernel', async () => {
  const delivered = send();
  socket.onclose?.();
  expect(await delivered).toEqual({ kind: 'elsewhere' });
});

test('after the event was sent nobody knows, and this is said', async () => {
  const delivered = send();
  socket.say(...HELLO);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await delivered).toMatchObject({
    kind: 'failed',
    text: expect.stringContaining('may have been stored') as string
  });
});
