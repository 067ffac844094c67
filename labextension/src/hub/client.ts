import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IJoinOptions, IRoom, IRtmsg, State } from '../tokens';
import { Connection, type IConnectionOptions } from './connection';
import { Room } from './room';
import type { ITranslation } from './translation';
import type { ILog, IMeta, IRoomPage, IRoomSummary } from './wire';

/** What a client is made of. */
export type IClientOptions = Pick<IConnectionOptions, 'server' | 'trans' | 'restAfter'>;

/** The hub, as a page sees it: the joined rooms, which share one connection, and the list of all rooms. */
export class Client implements IRtmsg, IDisposable {
  constructor(options: IClientOptions) {
    this._trans = options.trans;
    this._connection = new Connection({
      ...options,
      onChange: () => {
        this._changed.emit();
      },
      onConnect: () => void this.resume(),
      onEvent: (name, args) => {
        this.dispatch(name, args);
      }
    });
  }

  get state(): State {
    return this._connection.state;
  }

  get advice(): string {
    return this._connection.advice;
  }

  get warning(): string | null {
    return this._connection.warning;
  }

  get retryAt(): number | null {
    return this._connection.retryAt;
  }

  retryNow(): void {
    this._connection.retryNow();
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
    return this._connection.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._connection.dispose();
      Signal.clearData(this);
    }
  }

  attend(): IDisposable {
    return this._connection.attend();
  }

  request<T>(command: string, body: object): Promise<T> {
    return this._connection.request<T>(command, body);
  }

  join(name: string, { follow = true }: IJoinOptions = {}): IRoom {
    const room = this._joined.get(name) ?? this.add(name);
    if (follow) {
      room.follow(() => this.attend());
    }
    return room;
  }

  async refresh(): Promise<void> {
    if (this._connection.connected) {
      this._rooms = await this.listRooms();
      this._changed.emit();
    }
  }

  /** Return all rooms that the user may read. The hub lists them page by page. */
  private async listRooms(): Promise<IRoomSummary[]> {
    let page: IRoomPage = await this._connection.request('rooms', { watch: true });
    const rooms = [...page.rooms];
    while (page.more) {
      page = await this._connection.request('rooms', { after: page.through });
      rooms.push(...page.rooms);
    }
    return rooms;
  }

  private add(name: string): Room {
    const room = new Room(name, this._connection, () => this._joined.delete(name), this._trans);
    this._joined.set(name, room);
    if (this._connection.connected) {
      void this.enter(room);
    }
    return room;
  }

  /** Join the room at the hub. It may be a new one, or have one member more: the list is asked for again. */
  private async enter(room: Room): Promise<void> {
    await room.subscription.join();
    await this.refresh().catch(() => undefined);
  }

  /** Join all rooms again after a connect. */
  private async resume(): Promise<void> {
    await Promise.all([...this._joined.values()].map(room => room.subscription.resume()));
    // A view of the rooms asks again by itself; one missing reply is no fault of the connection.
    await this.refresh().catch(() => undefined);
  }

  private dispatch(name: string, args: unknown[]): void {
    if (name === '$log') {
      this._joined.forEach(room => {
        room.opened(args[0] as ILog);
      });
    } else if (name === '$rooms') {
      this._outdated.emit();
    } else if ((name === '$corrupt' || !name.startsWith('$')) && args.length > 1) {
      const meta = args[1] as IMeta;
      this._joined.get(meta.room)?.receive(name, args[0], meta);
    } else if (name.startsWith('$')) {
      this._joined.get((args[0] as { room?: string }).room ?? '')?.notice(name, args[0]);
    }
  }

  private readonly _trans: ITranslation;
  private readonly _connection: Connection;
  private readonly _joined = new Map<string, Room>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _outdated = new Signal<this, void>(this);
  private _rooms: readonly IRoomSummary[] = [];
}
