import { Backoff } from './backoff';
import { Cursor } from './cursor';
import type { ITranslation } from './translation';
import { HubError, type IEvent, type IJoined, type ILag, type ILog, type IMeta, type ITrimmed } from './wire';

/** How many past events a first join asks for. */
const FIRST_PAGE = 50;

/** What a subscription needs of the connection. */
export interface IConnection {
  readonly connected: boolean;
  /** Send a command to the hub and return its reply; rejects with a `HubError`. */
  request<T>(command: string, body: object): Promise<T>;
}

/** What a subscription tells its reader. */
export interface IReader {
  /** How many events the reader holds: more than these are not asked for after a reconnect. */
  readonly capacity: number;
  /** The room was joined, or joined again. */
  joined(reply: IJoined): void;
  /** The next event. */
  event(event: IEvent): void;
  /** A text about events that cannot be shown, in their place. */
  remark(text: string): void;
  /** The room cannot be joined. */
  failed(reason: string): void;
}

/**
 * Keeps a reader subscribed to a room: each event once, in the order of the log, and a remark where events are gone.
 *
 * It joins at each connect where the cursor stands, and again when an event shows that the one before it is missing.
 * Without a cursor (at first, and after the log was replaced) it joins at the latest events.
 */
export class Subscription {
  constructor(
    private readonly room: string,
    private readonly connection: IConnection,
    private readonly reader: IReader,
    private readonly trans: ITranslation
  ) {}

  /** Join, or catch up after the connection was gone. To be called at each connect. */
  async resume(): Promise<void> {
    if (this._cursor.isKnown) {
      await this.tellMissed();
    }
    await this.join();
  }

  /** Join, or join again where the cursor stands. */
  async join(): Promise<void> {
    const start = this._cursor.isKnown ? this._cursor.fields : { last: FIRST_PAGE };
    try {
      this.joined(await this.connection.request<IJoined>('join', { room: this.room, ...start }));
    } catch (error) {
      this.refused(error);
    }
  }

  /** Take in an event of the room. One that the reader has is ignored; one behind a gap is asked for again. */
  receive(name: string, data: unknown, meta: IMeta): void {
    // A value that the room retains moves no position. It may be newer than the events that are still to come.
    if (meta.retained || this._cursor.has(meta)) {
      return;
    }
    if (this._cursor.lacksBefore(meta)) {
      void this.join();
      return;
    }
    this._cursor.take(name, meta);
    this.reader.event({ ...meta, name, data });
  }

  /** The log was replaced: positions in the old one mean nothing in the new one. */
  async reset(reason: string): Promise<void> {
    // Where the log was moved, the hub knows the position in the new one that the cursor of the old one stands for.
    if (reason !== 'moved') {
      this.forget(
        this.trans.__('The log of this room was replaced (%1); these are the events of the new one.', reason)
      );
    }
    await this.join();
  }

  /** Events were removed from the log. */
  trimmed(events: ITrimmed): void {
    this._cursor.trimmed(events);
  }

  /** A user deleted the room. */
  deleted(user: string): void {
    this.forget(this.trans.__('%1 deleted this room with all that it held.', user));
    this.refused(new HubError('deleted', this.trans.__('%1 deleted this room. Open it again to begin anew.', user)));
  }

  /** The log goes on in another opening. */
  opened(log: ILog): void {
    this._cursor.opened(log);
  }

  /** Join no more. */
  dispose(): void {
    this._rejoin.dispose();
  }

  /** Remark how many events are to come. Of more than the reader holds, only the latest are asked for. */
  private async tellMissed(): Promise<void> {
    const request = { room: this.room, ...this._cursor.fields };
    // A missing reply, or one about another log, costs this remark only: joining finds the same out.
    const missed = await this.connection.request<ILag>('lag', request).then(
      lag => lag.missed,
      () => 0
    );
    if (missed > this.reader.capacity) {
      this.forget(this.trans.__('%1 events while there was no connection; these are the latest.', missed));
    } else if (missed > 0) {
      const [one, many] = ['%1 event while there was no connection:', '%1 events while there was no connection:'];
      this.reader.remark(this.trans._n(one, many, missed, missed));
    }
  }

  private joined(reply: IJoined): void {
    const resumed = this._cursor.isKnown;
    this._rejoin.cancel();
    this.reader.joined(reply);
    if (resumed && !reply.recovered && reply.reason !== 'trimmed') {
      const isRollback = reply.reason === 'rollback';
      const lost = this.trans.__('The log of this room has lost its end; these are its latest events.');
      this.forget(isRollback ? lost : this.trans.__('Too much has happened since; these are the latest events.'));
      void this.join();
      return;
    }
    this._cursor.joined(reply);
  }

  private refused(error: unknown): void {
    if (error instanceof HubError && error.code === 'epoch') {
      void this.reset(error.message);
    } else if (this.connection.connected) {
      // Without a connection there is nothing to tell: the next connect joins again.
      if (!(error instanceof HubError && error.isFinal)) {
        this._rejoin.schedule();
      }
      this.reader.failed(error instanceof Error ? error.message : String(error));
    }
  }

  /** Remark how many events are gone before the next one; null: the number is unknown. */
  private gone(count: number | null): void {
    if (count === null) {
      this.reader.remark(this.trans.__('Some events in between are no longer held.'));
      return;
    }
    const [one, many] = ['%1 event in between is no longer held.', '%1 events in between are no longer held.'];
    this.reader.remark(this.trans._n(one, many, count, count));
  }

  private forget(remark: string): void {
    this._cursor.forget();
    this.reader.remark(remark);
  }

  private readonly _cursor = new Cursor(this.gone.bind(this));
  private readonly _rejoin = new Backoff(() => {
    if (this.connection.connected) {
      void this.join();
    }
  });
}
