/* Stores one event over a connection of its own: Socket.IO by hand, since the JSON of the data is sent as it was typed. */

/** Milliseconds that all of it may take. */
const TIMEOUT = 10_000;

/** What is to be stored, and where. */
export interface IDelivery {
  /** The WebSocket of the hub's Socket.IO server. */
  readonly url: string;
  /** The id of the hub that it must be. */
  readonly hub: string;
  readonly room: string;
  readonly event: string;
  /** JSON; empty for no data. */
  readonly data: string;
}

/** What came of it. `elsewhere`: the hub could not be reached, or is another one; nothing was sent. */
export type Delivered =
  | { readonly kind: 'stored'; readonly seq: number; readonly user: string }
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'elsewhere' };

interface IHello {
  hub?: string;
  user?: string;
}

interface IReply {
  ok?: boolean;
  seq?: number;
  error?: { message?: string };
}

/**
 * Store an event as the user of this page, whom the browser's cookie names.
 *
 * The hub is asked who it is first: only then is the event sent, and only once.
 */
export function deliver(delivery: IDelivery, open: (url: string) => WebSocket = defaultOpen): Promise<Delivered> {
  return new Promise(resolve => {
    const socket = open(delivery.url);
    const courier = new Courier(delivery, text => {
      socket.send(text);
    });
    const end = (delivered: Delivered): void => {
      clearTimeout(timer);
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
      resolve(delivered);
    };
    const timer = setTimeout(() => {
      end(courier.lost);
    }, TIMEOUT);
    socket.onclose = () => {
      end(courier.lost);
    };
    socket.onmessage = ({ data }) => {
      const delivered = courier.receive(String(data));
      if (delivered !== null) {
        end(delivered);
      }
    };
  });
}

function defaultOpen(url: string): WebSocket {
  return new WebSocket(url);
}

/** The conversation with the hub, packet by packet: OPEN, CONNECT, `hello` (ack 0), `publish` (ack 1). */
class Courier {
  constructor(
    private readonly delivery: IDelivery,
    private readonly send: (text: string) => void
  ) {}

  /** What has come of it when the connection ends now. */
  get lost(): Delivered {
    return this._isSent
      ? {
          kind: 'failed',
          text: 'The hub did not answer. The event may have been stored: look before you emit it again.'
        }
      : { kind: 'elsewhere' };
  }

  /** Take in a packet; return what has come of it, null while it goes on. */
  receive(packet: string): Delivered | null {
    if (packet.startsWith('0')) {
      this.send('40{"recovery":false}');
    } else if (packet === '2') {
      this.send('3');
    } else if (packet.startsWith('40')) {
      this.send('420["hello",{}]');
    } else if (packet.startsWith('430')) {
      return this.greeted(parsed(packet.slice(3)));
    } else if (packet.startsWith('431')) {
      return this.answered(parsed(packet.slice(3)));
    } else if (packet.startsWith('44') || packet.startsWith('41') || packet === '1') {
      return this.lost;
    }
    return null;
  }

  private greeted({ hub, user = '' }: IHello): Delivered | null {
    if (hub !== this.delivery.hub || this._isSent) {
      return this.lost;
    }
    this._user = user;
    this._isSent = true;
    const { room, event, data } = this.delivery;
    const body = `"room":${JSON.stringify(room)},"event":${JSON.stringify(event)}`;
    this.send(`421["publish",{${body}${data ? `,"data":${data}` : ''}}]`);
    return null;
  }

  private answered({ ok, seq, error }: IReply): Delivered {
    if (ok === true && typeof seq === 'number') {
      return { kind: 'stored', seq, user: this._user };
    }
    return { kind: 'failed', text: error?.message ?? 'The hub refused the event.' };
  }

  private _user = '';
  private _isSent = false;
}

/** Return the first argument of an acknowledgement; an empty object for what is none. */
function parsed(json: string): IHello & IReply {
  try {
    const [reply] = JSON.parse(json) as (IHello & IReply)[];
    return reply ?? {};
  } catch {
    return {};
  }
}
