import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { io, type Socket } from 'socket.io-client';

import type { State } from '../tokens';
import { Attention } from './attention';
import { Backoff } from './backoff';
import { exactParser } from './parser';
import type { IConnection } from './subscription';
import type { ITranslation } from './translation';
import { HubError, type ILog, type IStatus, type Reply } from './wire';

/** Milliseconds that a command may take. */
const TIMEOUT = 10_000;

/** The Jupyter server, as a connection needs it. */
export interface IServer {
  /** The URL of Socket.IO on this server. */
  readonly socketUrl: URL;
  /** The token that the server asks for; empty where a cookie does. */
  readonly token: string;
  /** Ask for the status of the hub. Rejects when the server cannot be reached. */
  status(): Promise<IStatusResponse>;
}

/** The answer to `GET rtmsg/api/status`; `Response` of the Fetch API is one. */
export interface IStatusResponse {
  readonly ok: boolean;
  readonly status: number;
  json(): Promise<unknown>;
}

/** What a connection is made of. */
export interface IConnectionOptions {
  server: IServer;
  trans: ITranslation;
  /** Milliseconds after which a connection without holders is closed; null: it is never closed. */
  restAfter: number | null;
  /** Called when `state`, `advice` or `warning` has changed. */
  onChange: () => void;
  /** Called at each connect. */
  onConnect: () => void;
  /** Called with each event that the hub sends, its own included. */
  onEvent: (name: string, args: unknown[]) => void;
}

/**
 * The connection to the hub.
 *
 * It is `idle` until the first `attend`. Then each attempt asks for the hub's status (`connecting`), which tells what is
 * wrong (`missing`, `refused`, `offline`), and opens the socket (`connected`) if nothing is. Every failure plans the next
 * attempt. Without holders it closes after `restAfter` and is `idle` again.
 */
export class Connection implements IConnection, IDisposable {
  constructor(private readonly options: IConnectionOptions) {
    this._socket = this.open();
    this._attention = new Attention({
      wake: () => {
        this.become('connecting', '');
        void this.connect();
      },
      rest: () => {
        this.rest();
      },
      restAfter: options.restAfter
    });
  }

  get state(): State {
    return this._state;
  }

  get connected(): boolean {
    return this._state === 'connected';
  }

  /** What is wrong and what to do, in words; empty when connected. */
  get advice(): string {
    return this._advice;
  }

  /** The server's warning about its log; null: there is none. */
  get warning(): string | null {
    return this._warning;
  }

  /** The time of the next attempt, in milliseconds since 1970; null: none is planned. */
  get retryAt(): number | null {
    return this._backoff.nextAt;
  }

  /** Try at once to connect, where the next attempt is planned for later. */
  retryNow(): void {
    if (this.retryAt !== null) {
      this.become('connecting', '');
      this._backoff.now();
    }
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
  }

  /** Hold the connection open until the result is disposed. */
  attend(): IDisposable {
    return this._attention.hold();
  }

  /**
   * Send a command to the hub.
   *
   * @throws HubError when the hub refuses it, or does not answer
   */
  async request<T>(command: string, body: object): Promise<T> {
    if (!this.connected) {
      // socket.io-client would keep it and send it after the reconnect, when its caller no longer waits.
      throw new HubError('offline', this.options.trans.__('There is no connection to the hub.'));
    }
    const reply = await this.answer<T>(command, body);
    if (!reply.ok) {
      throw new HubError(reply.error.code, reply.error.message);
    }
    return reply;
  }

  private async answer<T>(command: string, body: object): Promise<Reply<T>> {
    try {
      return (await this._socket.timeout(TIMEOUT).emitWithAck(command, body)) as Reply<T>;
    } catch {
      throw new HubError('timeout', this.options.trans.__('The hub did not answer "%1" in time.', command));
    }
  }

  private open(): Socket {
    const { server, trans } = this.options;
    const socket = io(server.socketUrl.origin, {
      path: server.socketUrl.pathname,
      transports: ['websocket'],
      parser: exactParser,
      autoConnect: false,
      // Our own attempts ask for the status first: a server without the extension must not see a stream of handshakes.
      reconnection: false,
      auth: send => {
        send({ client: this._id, recovery: false, ...(server.token ? { token: server.token } : {}) });
      }
    });
    socket.on('connect', () => {
      this._backoff.reset();
      this.become('connected', '');
      this.options.onConnect();
    });
    socket.on('connect_error', error => {
      this.failed(error);
    });
    socket.on('disconnect', () => {
      this.retry('offline', trans.__('The connection was lost. Connecting again…'));
    });
    socket.onAny((name: string, ...args: unknown[]) => {
      this.received(name, args);
    });
    return socket;
  }

  private rest(): void {
    this._backoff.cancel();
    this.become('idle', '');
    if (this._socket.connected) {
      // Without Socket.IO's DISCONNECT packet: the members see this page as away for a while, and not as gone.
      this._socket.io.engine.close();
    } else {
      this._socket.disconnect();
    }
  }

  private async connect(): Promise<void> {
    try {
      const response = await this.options.server.status();
      if (response.ok) {
        this._warning = ((await response.json()) as IStatus).log.warning;
        if (this._attention.isAwake) {
          this._socket.connect();
        }
      } else {
        this.unavailable(response.status);
      }
    } catch {
      this.retry('offline', this.options.trans.__('The server cannot be reached. Trying again…'));
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

  private failed(error: Error & { data?: { code?: string } }): void {
    const { trans } = this.options;
    if (error.data?.code) {
      // The hub answered: the transport is up, only Socket.IO's CONNECT was refused.
      this._socket.disconnect();
      this.retry('refused', trans.__('The hub refused the connection: %1', error.message));
    } else {
      this.retry('offline', trans.__('The hub cannot be reached. Trying again…'));
    }
  }

  private retry(state: State, advice: string): void {
    if (this._attention.isAwake) {
      this._backoff.schedule();
      this.become(state, advice);
    }
  }

  private become(state: State, advice: string): void {
    this._state = state;
    this._advice = advice;
    this.options.onChange();
  }

  private received(name: string, args: unknown[]): void {
    this.options.onEvent(name, args);
    if (name === '$log') {
      this._warning = (args[0] as ILog).warning;
      this.options.onChange();
    }
  }

  private readonly _id = UUID.uuid4();
  private readonly _socket: Socket;
  private readonly _attention: Attention;
  private readonly _backoff = new Backoff(() => void this.connect());
  private _state: State = 'idle';
  private _advice = '';
  private _warning: string | null = null;
  private _isDisposed = false;
}
