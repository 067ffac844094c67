import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Connection, type IStatusResponse } from '../../src/hub/connection';
import { ENGLISH } from '../../src/hub/translation';

type Listener = (...args: never[]) => void;

/** A Socket of socket.io-client; the test is its server. */
class FakeSocket {
  connected = false;
  readonly listeners = new Map<string, Listener>();
  readonly io = { engine: { close: vi.fn() } };
  any: (name: string, ...args: unknown[]) => void = () => undefined;
  answer: () => Promise<unknown> = () => Promise.resolve({ ok: true });
  connect = vi.fn();
  disconnect = vi.fn();

  on(name: string, listener: Listener): void {
    this.listeners.set(name, listener);
  }

  onAny(listener: (name: string, ...args: unknown[]) => void): void {
    this.any = listener;
  }

  timeout(): { emitWithAck: () => Promise<unknown> } {
    return { emitWithAck: () => this.answer() };
  }

  tell(name: string, ...args: unknown[]): void {
    this.connected = name === 'connect';
    this.listeners.get(name)?.(...(args as never[]));
  }
}

const fake = vi.hoisted((): { socket: unknown } => ({ socket: undefined }));
vi.mock('socket.io-client', () => ({ io: () => fake.socket }));

let socket: FakeSocket;
let response: IStatusResponse | Error;
const status = vi.fn(() => (response instanceof Error ? Promise.reject(response) : Promise.resolve(response)));
const onChange = vi.fn();
const onConnect = vi.fn();
const onEvent = vi.fn();

function answering(code: number, warning: string | null = null): IStatusResponse {
  return { ok: code === 200, status: code, json: () => Promise.resolve({ log: { warning } }) };
}

function make(restAfter: number | null = null): Connection {
  const server = { socketUrl: new URL('http://lab/user/ana/socket.io/'), token: 't', status };
  return new Connection({ server, trans: ENGLISH, restAfter, onChange, onConnect, onEvent });
}

/** Return a connection that is connected. */
async function connected(restAfter: number | null = null): Promise<Connection> {
  const connection = make(restAfter);
  connection.attend();
  await vi.advanceTimersByTimeAsync(0);
  socket.tell('connect');
  return connection;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  vi.spyOn(Math, 'random').mockReturnValue(0.5); // each delay is its mean: half a second, then one
  fake.socket = socket = new FakeSocket();
  response = answering(200);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test('nothing is asked before somebody attends', async () => {
  const connection = make();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(connection.state).toBe('idle');
  expect(status).not.toHaveBeenCalled();
});

test('it asks for the status, and then opens the socket', async () => {
  response = answering(200, 'in memory only');
  const connection = make();
  connection.attend();
  expect(connection.state).toBe('connecting');
  await vi.advanceTimersByTimeAsync(0);
  expect(connection.warning).toBe('in memory only');
  expect(socket.connect).toHaveBeenCalledTimes(1);
  socket.tell('connect');
  expect(connection.state).toBe('connected');
  expect(onConnect).toHaveBeenCalledTimes(1);
});

test.each([
  [404, 'missing', 'jupyter server extension list'],
  [403, 'refused', 'Sign in again'],
  [500, 'offline', 'an error (500)']
])('a status of %d makes it %s, with advice, and is tried again', async (code, state, advice) => {
  response = answering(code);
  const connection = make();
  connection.attend();
  await vi.advanceTimersByTimeAsync(0);
  expect(connection.state).toBe(state);
  expect(connection.advice).toContain(advice);
  expect(socket.connect).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(500);
  expect(status).toHaveBeenCalledTimes(2);
});

test('a server that cannot be reached makes it offline', async () => {
  response = new TypeError('Failed to fetch');
  const connection = make();
  connection.attend();
  await vi.advanceTimersByTimeAsync(0);
  expect(connection.state).toBe('offline');
});

test('a hub that refuses the socket is told in its words', async () => {
  const connection = make();
  connection.attend();
  await vi.advanceTimersByTimeAsync(0);
  socket.tell('connect_error', Object.assign(new Error('token expired'), { data: { code: 'unauthorized' } }));
  expect(connection.state).toBe('refused');
  expect(connection.advice).toContain('token expired');
  expect(socket.disconnect).toHaveBeenCalled();
});

test('a connection that is lost is opened again', async () => {
  const connection = await connected();
  socket.tell('disconnect');
  expect(connection.state).toBe('offline');
  await vi.advanceTimersByTimeAsync(500);
  expect(socket.connect).toHaveBeenCalledTimes(2);
});

test('without holders it rests, and does not say goodbye', async () => {
  const connection = make(600_000);
  const holder = connection.attend();
  await vi.advanceTimersByTimeAsync(0);
  socket.tell('connect');
  holder.dispose();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(connection.state).toBe('idle');
  expect(socket.io.engine.close).toHaveBeenCalledTimes(1);
  expect(socket.disconnect).not.toHaveBeenCalled();
});

test('a command is refused at once without a connection', async () => {
  await expect(make().request('join', {})).rejects.toMatchObject({ code: 'offline' });
});

test('a command that the hub refuses throws its error', async () => {
  const connection = await connected();
  socket.answer = () => Promise.resolve({ ok: false, error: { code: 'bad_room', message: 'no slash' } });
  await expect(connection.request('join', {})).rejects.toMatchObject({ code: 'bad_room', message: 'no slash' });
});

test('a command without an answer says which one it was', async () => {
  const connection = await connected();
  socket.answer = () => Promise.reject(new Error('operation has timed out'));
  await expect(connection.request('join', {})).rejects.toMatchObject({
    code: 'timeout',
    message: 'The hub did not answer "join" in time.'
  });
});

test('the hub tells when the warning has changed', async () => {
  const connection = await connected();
  socket.any('$log', { warning: 'disk full', epoch: 'e', opening: 'o' });
  expect(connection.warning).toBe('disk full');
  expect(onEvent).toHaveBeenCalledWith('$log', [{ warning: 'disk full', epoch: 'e', opening: 'o' }]);
});
