import { beforeEach, expect, test, vi } from 'vitest';

import type { Delivered } from '../../src/hub/courier';
import { Emitter, type IEmitTraits } from '../../src/widget/emitter';
import { type IKernelModel, KernelLink } from '../../src/widget/link';
import { FakeModel } from './fakemodel';

const URL = 'ws://localhost/socket.io/';

let model: FakeModel;
let link: KernelLink<IEmitTraits>;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel({ room_name: 'lab', hub: 'h1' });
  link = new KernelLink(model as unknown as IKernelModel<IEmitTraits>, []);
});

function emitter(delivered: Delivered, socket: string | null = URL): [Emitter, ReturnType<typeof vi.fn>] {
  const send = vi.fn(() => Promise.resolve(delivered));
  return [new Emitter(link, socket, send), send];
}

async function kinds(): Promise<string[]> {
  await vi.advanceTimersByTimeAsync(500);
  return model.sent.map(message => message.kind);
}

test('a kernel that reads messages emits', async () => {
  const [forms, send] = emitter({ kind: 'elsewhere' });
  const outcome = forms.emit('hello', '1');
  model.tell('msg:custom', { kind: 'ready', id: model.sent[0]?.id });
  expect(await kinds()).toEqual(['ready', 'emit']);
  model.answer(true, 'Stored as number 7');
  expect(await outcome).toEqual({ ok: true, text: 'Stored as number 7' });
  expect(send).not.toHaveBeenCalled();
});

test('while the kernel is busy the page emits, and says who the sender is', async () => {
  const [forms, send] = emitter({ kind: 'stored', seq: 8, user: 'ana' });
  const outcome = forms.emit('hello', '1');
  expect(await kinds()).toEqual(['ready']);
  expect(await outcome).toEqual({
    ok: true,
    text: 'Stored as number 8. The kernel is busy: this page sent it, as ana.'
  });
  expect(send).toHaveBeenCalledWith({ url: URL, hub: 'h1', room: 'lab', event: 'hello', data: '1' });
});

test('an event that may have been stored is not sent again by the kernel', async () => {
  const [forms] = emitter({ kind: 'failed', text: 'The hub did not answer.' });
  const outcome = forms.emit('hello', '1');
  expect(await kinds()).toEqual(['ready']);
  expect(await outcome).toEqual({ ok: false, text: 'The hub did not answer.' });
});

test.each([
  ['on a page of another hub', URL, 'h1', ['ready', 'emit']],
  ['on a page of no server', null, 'h1', ['emit']],
  ['at a hub without an id', URL, '', ['emit']]
])('%s the event waits for the kernel', async (_, socket, hub, sent) => {
  model.traits['hub'] = hub;
  const [forms] = emitter({ kind: 'elsewhere' }, socket);
  void forms.emit('hello', '1');
  expect(await kinds()).toEqual(sent);
});

test('without a kernel nothing is sent', async () => {
  const [forms, send] = emitter({ kind: 'elsewhere' });
  model.tell('comm_live_update');
  expect(await forms.emit('hello', '1')).toMatchObject({ ok: false });
  expect(model.sent).toEqual([]);
  expect(send).not.toHaveBeenCalled();
});

test('what waits for a kernel is answered when the kernel stops', async () => {
  const outcome = link.request('refresh');
  model.tell('comm_live_update');
  expect(await outcome).toMatchObject({ ok: false });
});
