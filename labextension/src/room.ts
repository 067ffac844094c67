import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Throttler } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { Backoff } from './backoff';
import { Names } from './names';
import { Place } from './place';
import type { Entry, IRoom } from './tokens';
import {
  HubError,
  type IEvent,
  type IJoined,
  type ILag,
  type ILog,
  type IMember,
  type IMeta,
  type IPresence,
  type ISender,
  type ITrimmed
} from './wire';

/** How many entries are held; the oldest go first. */
const MAX_ENTRIES = 500;

/** How many past events a first join asks for. */
const FIRST_PAGE = 50;

/** Milliseconds between two signals: a busy room must not keep the page from being used. */
const SIGNAL_INTERVAL = 50;

/** What a room needs of the connection. */
export interface IConnection {
  readonly connected: boolean;
  request<T>(command: string, body: object): Promise<T>;
}

/** A joined room: a bounded list of its latest events, and a cursor to go on from after a reconnect. */
export class Room implements IRoom {
  constructor(
    readonly name: string,
    private readonly connection: IConnection,
    private readonly onLeave: () => void,
    private readonly trans: TranslationBundle
  ) {
    this._names = new Names(trans);
  }

  get entries(): readonly Entry[] {
    return this._entries;
  }

  get members(): readonly IMember[] {
    return [...this._members.values()];
  }

  get count(): number {
    return this._count;
  }

  get error(): string | null {
    return this._error;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  nameOf(who: ISender): string {
    return this._names.of(who);
  }

  partsOf(who: ISender): readonly [string, string] {
    return this._names.parts(who);
  }

  async publish(event: string, data?: unknown): Promise<number> {
    const body = { room: this.name, event, ...(data === undefined ? {} : { data }) };
    const { seq } = await this.connection.request<{ seq: number }>('publish', body);
    return seq;
  }

  /** Keep the connection up until this room is left. */
  follow(attend: () => IDisposable): void {
    this._following ??= attend();
  }

  /** Join, or catch up after the connection was gone. To be called at each connect. */
  async resume(): Promise<void> {
    if (this._place.isKnown) {
      await this.tellMissed();
    }
    await this.join();
  }

  /** Join, or join again where the cursor stands. */
  async join(): Promise<void> {
    try {
      this.joined(await this.connection.request<IJoined>('join', { room: this.name, ...this.start() }));
    } catch (error) {
      this.refused(error);
    }
  }

  leave(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._following?.dispose();
    this._rejoin.dispose();
    this.onLeave();
    if (this.connection.connected) {
      // Whoever leaves wants no answer: a room that is gone is left as well.
      this.connection.request('leave', { room: this.name }).catch(() => undefined);
    }
    this._throttler.dispose();
    Signal.clearData(this);
  }

  dispose(): void {
    this.leave();
  }

  /** Take in an event of the room, unless it is known. */
  receive(name: string, data: unknown, meta: IMeta): void {
    if (this._place.has(meta)) {
      return;
    }
    if (this._place.lacksBefore(meta)) {
      void this.join();
      return;
    }
    this._place.take(name, meta);
    this._names.add(meta.from);
    this.add({ kind: 'event', key: this._nextKey++, event: { ...meta, name, data } satisfies IEvent });
  }

  /** Take in one of the hub's own events. */
  notice(name: string, data: unknown): void {
    if (name === '$presence') {
      this.presence(data as IPresence);
    } else if (name === '$reset') {
      void this.reset((data as { reason: string }).reason);
    } else if (name === '$trimmed') {
      this._place.trimmed(data as ITrimmed);
    } else if (name === '$deleted') {
      const { user } = data as { user: string };
      this.forget(this.trans.__('%1 deleted this room with all that it held.', user));
      this.refused(new HubError('deleted', this.trans.__('%1 deleted this room. Open it again to begin anew.', user)));
    }
  }

  /** The log goes on in another opening. */
  opened(log: ILog): void {
    this._place.opened(log);
  }

  /** Take in who came and went. */
  private presence(presence: IPresence): void {
    for (const member of presence.changes) {
      this.see(member);
    }
    this._count = presence.count;
    this.announce();
  }

  /** The log was replaced: positions in the old one mean nothing any more. */
  private async reset(reason: string): Promise<void> {
    if (reason !== 'moved') {
      // Else the hub knows where the cursor of the old log is in the new one.
      this.forget(
        this.trans.__('The log of this room was replaced (%1); these are the events of the new one.', reason)
      );
    }
    await this.join();
  }

  /** Say how much is to come; of more than would be held, only the latest events are asked for. */
  private async tellMissed(): Promise<void> {
    const request = { room: this.name, ...this._place.fields };
    // An answer that does not come, or speaks of another log, costs the remark only: joining finds out as well.
    const missed = await this.connection.request<ILag>('lag', request).then(
      lag => lag.missed,
      () => 0
    );
    if (missed > MAX_ENTRIES) {
      this.forget(this.trans.__('%1 events while there was no connection; these are the latest.', missed));
    } else if (missed > 0) {
      const [one, many] = ['%1 event while there was no connection:', '%1 events while there was no connection:'];
      this.remark(this.trans._n(one, many, missed, missed));
    }
  }

  private start(): object {
    return this._place.isKnown ? this._place.fields : { last: FIRST_PAGE };
  }

  private joined(reply: IJoined): void {
    const resumed = this._place.isKnown;
    this._rejoin.cancel();
    this._error = null;
    this._names.you = reply.user;
    this._members.clear();
    reply.members.forEach(member => {
      this.see(member);
    });
    this._count = reply.count;
    if (resumed && !reply.recovered && reply.reason !== 'trimmed') {
      const isRollback = reply.reason === 'rollback';
      const lost = this.trans.__('The log of this room has lost its end; these are its latest events.');
      this.forget(isRollback ? lost : this.trans.__('Too much has happened since; these are the latest events.'));
      void this.join();
      return;
    }
    this._place.joined(reply);
    this.announce();
  }

  private refused(error: unknown): void {
    if (error instanceof HubError && error.code === 'epoch') {
      void this.reset(error.message);
    } else if (this.connection.connected) {
      // Otherwise the next connection joins again.
      this._error = error instanceof Error ? error.message : String(error);
      if (!(error instanceof HubError && error.isFinal)) {
        this._rejoin.schedule();
      }
      this.announce();
    }
  }

  /** Say how many events are gone before what comes next; null where nobody knows. */
  private gone(count: number | null): void {
    if (count === null) {
      this.remark(this.trans.__('Some events in between are no longer held.'));
      return;
    }
    const [one, many] = ['%1 event in between is no longer held.', '%1 events in between are no longer held.'];
    this.remark(this.trans._n(one, many, count, count));
  }

  private see(member: IMember): void {
    this._names.add(member);
    if (member.state === 'left') {
      this._members.delete(member.member);
    } else {
      this._members.set(member.member, member);
    }
  }

  private forget(remark: string): void {
    this._place.forget();
    this.remark(remark);
  }

  private remark(text: string): void {
    this.add({ kind: 'remark', key: this._nextKey++, text });
  }

  private add(entry: Entry): void {
    this._entries.push(entry);
    if (this._entries.length > MAX_ENTRIES) {
      this._entries.splice(0, this._entries.length - MAX_ENTRIES);
    }
    this.announce();
  }

  private announce(): void {
    if (!this._isDisposed) {
      void this._throttler.invoke();
    }
  }

  private _entries: Entry[] = [];
  private _members = new Map<string, IMember>();
  private readonly _names: Names;
  private _count = 0;
  private _error: string | null = null;
  private readonly _place = new Place(this.gone.bind(this));
  private _nextKey = 0;
  private _isDisposed = false;
  private _following: IDisposable | null = null;
  private readonly _rejoin = new Backoff(() => {
    if (this.connection.connected) {
      void this.join();
    }
  });
  private _changed = new Signal<this, void>(this);
  private _throttler = new Throttler(
    () => {
      this._changed.emit();
    },
    { limit: SIGNAL_INTERVAL, edge: 'trailing' }
  );
}
