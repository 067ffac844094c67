import { Decoder, Encoder, type Packet } from 'socket.io-parser';

import { JsonText, RawJson } from './json';
import type { IMeta } from './wire';

/** The lists of the hub's pages whose items have data: history, dead letters, state. */
const PAGES = ['events', 'letters', 'values'];

/** An item of a page. */
type PageEvent = Pick<IMeta, 'json'>;

/** Writes packets; the data of a publish may be `RawJson`, which goes out with the digits that it has. */
class ExactEncoder extends Encoder {
  override encode(packet: Packet): unknown[] {
    const [name, body] = Array.isArray(packet.data) ? (packet.data as [unknown, { data?: unknown } | undefined]) : [];
    if (name !== 'publish' || !(body?.data instanceof RawJson)) {
      return super.encode(packet);
    }
    const { text } = body.data;
    const mark = `${Math.random()}-${Math.random()}`;
    const [written, ...rest] = super.encode({ ...packet, data: [name, { ...body, data: mark }] }) as [string];
    return [written.replace(`"${mark}"`, () => text), ...rest];
  }
}

/** Reads packets, and notes in the meta of each event, and in each item of a page, the text of its data (`json`). */
class ExactDecoder extends Decoder {
  constructor() {
    super();
    // Before the manager's own listener: it is told of the packet with its texts.
    this.on('decoded', packet => {
      note(packet, this._text);
    });
  }

  override add(chunk: unknown): void {
    if (typeof chunk === 'string') {
      this._text = chunk;
    }
    super.add(chunk);
  }

  private _text = '';
}

function note(packet: Packet, text: string): void {
  const start = text.indexOf('[');
  const [first, , meta] = Array.isArray(packet.data) ? (packet.data as unknown[]) : [];
  if (start < 0 || !first) {
    return;
  }
  if (typeof first === 'string' && isMeta(meta)) {
    const data = new JsonText(text, start).children()[1];
    if (data) {
      meta.json = data.value.text;
    }
  } else if (typeof first === 'object') {
    notePage(first as Record<string, unknown>, text, start);
  }
}

function notePage(reply: Record<string, unknown>, text: string, start: number): void {
  const name = PAGES.find(each => Array.isArray(reply[each]));
  if (name === undefined) {
    return;
  }
  const items = new JsonText(text, start).children()[0]?.value.child(name)?.children() ?? [];
  (reply[name] as PageEvent[]).forEach((item, index) => {
    const data = items[index]?.value.child('data');
    if (data) {
      item.json = data.text;
    }
  });
}

function isMeta(value: unknown): value is IMeta {
  return typeof value === 'object' && value !== null && 'room' in value && 'seq' in value;
}

/** The parser of Socket.IO's own protocol, with the texts of events. */
export const exactParser = { Encoder: ExactEncoder, Decoder: ExactDecoder };
