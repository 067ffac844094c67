import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import { io, type Socket } from 'socket.io-client';

import { Attention } from './attention';
import { Backoff } from './backoff';
import { type IConnection, Room } from './room';
import type { IJoinOptions, IRoom, IRtmsg, State } from './tokens';
import { HubError, type ILog, type IMeta, type IRoomPage, type IRoomSummary, type IStatus, type Reply } from './wire';

/** Milliseconds that a command may take. */
const TIMEOUT = 10_000;

/** What a client is made of. */
export interface IClientOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  /** Milliseconds after which a connection that nobody needs is closed; null: it stays. */
  restAfter: number | null;
}

/** The connection to the hub: opened when somebody needs it, found by its status, kept up, and the rooms joined over it. */
export class Client implements IRtmsg, IConnection, IDisposable {
  constructor(private readonly options: IClientOptions) {
    this._socket = this.open();
    this._attention = new Attention({
      wake: () => {
        this.wake();
      },
      rest: () => {
        this.rest();
      },
      patience: options.restAfter
    });
  }

  get state(): State {
    return this._state;
  }

  get connected(): boolean {
    return this._state === 'connected';
  }

  get advice(): string {
    return this._advice;
  }

  get warning(): string | null {
    return this._warning;
  }

  get rooms(): readonly IRoomSummary[] {
    return this._rooms;
  }

  get outdated(): ISignal<this, void> {
    return this._outdated;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._attention.dispose();
    this._backoff.dispose();
    this._socket.disconnect();
    Signal.clearData(this);
  }

  attend(): IDisposable {
    return this._attention.hold();
  }

  join(name: string, { follow = true }: IJoinOptions = {}): IRoom {
    const room = this._joined.get(name) ?? this.add(name);
    if (follow) {
      room.follow(() => this.attend());
    }
    return room;
  }

  async refresh(): Promise<void> {
    if (this.connected) {
      this._rooms = await this.listRooms();
      this._changed.emit();
    }
  }

  /** Return all rooms that may be read, page by page. */
  private async listRooms(): Promise<IRoomSummary[]> {
    let page: IRoomPage = await this.request('rooms', { watch: true });
    const rooms = [...page.rooms];
    while (page.more) {
      page = await this.request('rooms', { after: page.through });
      rooms.push(...page.rooms);
    }
    return rooms;
  }

  /**
   * Send a command to the hub.
   *
   * @throws HubError when the hub refuses it, or does not answer
   */
  async request<T>(command: string, body: object): Promise<T> {
    if (!this.connected) {
      // socket.io-client would keep it and send it after the reconnect, when nobody waits for it any more.
      throw new HubError('offline', this.options.trans.__('There is no connection to the hub.'));
    }
    const reply = await this.answer<T>(command, body);
    if (!reply.ok) {
      throw new HubError(reply.error.code, reply.error.message);
    }
    return reply;
  }

  private add(name: string): Room {
    const room = new Room(name, this, () => this._joined.delete(name), this.options.trans);
    this._joined.set(name, room);
    if (this.connected) {
      void this.enter(room);
    }
    return room;
  }

  /** Join the room on the wire. It may be a new one, or have a member more: the list is asked for again. */
  private async enter(room: Room): Promise<void> {
    await room.join();
    await this.refresh().catch(() => undefined);
  }

  private async answer<T>(command: string, body: object): Promise<Reply<T>> {
    try {
      return (await this._socket.timeout(TIMEOUT).emitWithAck(command, body)) as Reply<T>;
    } catch {
      throw new HubError('timeout', this.options.trans.__('The hub did not answer "%1" in time.', command));
    }
  }

  private open(): Socket {
    const { settings } = this.options;
    const url = new URL(URLExt.join(settings.baseUrl, 'socket.io/'), window.location.href);
    const socket = io(url.origin, {
      path: url.pathname,
      transports: ['websocket'],
      autoConnect: false,
      // Our own attempts ask for the status first: a server without the extension must not see a stream of handshakes.
      reconnection: false,
      auth: send => {
        send({
          client: this._id,
          recovery: false,
          ...(settings.token ? { token: settings.token } : {})
        });
      }
    });
    socket.on('connect', () => void this.connectedNow());
    socket.on('connect_error', error => {
      this.failed(error);
    });
    socket.on('disconnect', () => {
      this.retry('offline', this.options.trans.__('The connection was lost. Connecting again…'));
    });
    socket.onAny((name: string, ...args: unknown[]) => {
      this.dispatch(name, args);
    });
    return socket;
  }

  private wake(): void {
    this.become('connecting', '');
    void this.connect();
  }

  private rest(): void {
    this._backoff.cancel();
    this.become('idle', '');
    if (this._socket.connected) {
      // Without Socket.IO's goodbye: to the members this page is away for a while, and not gone at once.
      this._socket.io.engine.close();
    } else {
      this._socket.disconnect();
    }
  }

  private async connect(): Promise<void> {
    const { settings, trans } = this.options;
    const url = URLExt.join(settings.baseUrl, 'rtmsg', 'api', 'status');
    try {
      const response = await ServerConnection.makeRequest(url, {}, settings);
      if (response.ok) {
        this._warning = ((await response.json()) as IStatus).log.warning;
        if (this._attention.isAwake) {
          this._socket.connect();
        }
      } else {
        this.unavailable(response.status);
      }
    } catch {
      this.retry('offline', trans.__('The server cannot be reached. Trying again…'));
    }
  }

  private unavailable(status: number): void {
    const { trans } = this.options;
    if (status === 404) {
      const advice = 'The server extension is not loaded. `jupyter server extension list` should name jupyter_rtmsg.';
      this.retry('missing', trans.__(advice));
    } else if (status === 401 || status === 403) {
      this.retry('refused', trans.__('The server refused this user (%1). Sign in again.', status));
    } else {
      this.retry('offline', trans.__('The server answered with an error (%1). Trying again…', status));
    }
  }

  private async connectedNow(): Promise<void> {
    this._backoff.reset();
    this.become('connected', '');
    await Promise.all([...this._joined.values()].map(room => room.resume()));
    // Whoever shows the rooms asks again; one answer that stays away is no fault of the connection.
    await this.refresh().catch(() => undefined);
  }

  private failed(error: Error & { data?: { code?: string } }): void {
    const { trans } = this.options;
    if (error.data?.code) {
      // The hub answered: the transport is up, only the CONNECT was refused.
      this._socket.disconnect();
      this.retry('refused', trans.__('The hub refused the connection: %1', error.message));
    } else {
      this.retry('offline', trans.__('The hub cannot be reached. Trying again…'));
    }
  }

  private retry(state: State, advice: string): void {
    if (this._attention.isAwake) {
      this.become(state, advice);
      this._backoff.schedule();
    }
  }

  private become(state: State, advice: string): void {
    this._state = state;
    this._advice = advice;
    this._changed.emit();
  }

  private dispatch(name: string, args: unknown[]): void {
    if (name === '$log') {
      const log = args[0] as ILog;
      this._joined.forEach(room => {
        room.opened(log);
      });
      this._warning = log.warning;
      this._changed.emit();
    } else if (name === '$rooms') {
      this._outdated.emit();
    } else if ((name === '$corrupt' || !name.startsWith('$')) && args.length > 1) {
      const meta = args[1] as IMeta;
      this._joined.get(meta.room)?.receive(name, args[0], meta);
    } else if (name.startsWith('$')) {
      this._joined.get((args[0] as { room?: string }).room ?? '')?.notice(name, args[0]);
    }
  }

  private readonly _id = UUID.uuid4();
  private readonly _socket: Socket;
  private readonly _attention: Attention;
  private readonly _joined = new Map<string, Room>();
  private readonly _backoff = new Backoff(() => void this.connect());
  private readonly _changed = new Signal<this, void>(this);
  private readonly _outdated = new Signal<this, void>(this);
  private _rooms: readonly IRoomSummary[] = [];
  private _state: State = 'idle';
  private _advice = '';
  private _warning: string | null = null;
  private _isDisposed = false;
}
