import type { IDisposable } from '@lumino/disposable';
import { Throttler } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { Entry, IRoom } from '../tokens';
import { RawJson } from './json';
import { Names } from './names';
import { type IConnection, type IReader, Subscription } from './subscription';
import type { ITranslation } from './translation';
import {
  HubError,
  type IEvent,
  type IHistory,
  type IJoined,
  type ILog,
  type IMember,
  type IMeta,
  type IPresence,
  type ISender,
  type ITrimmed
} from './wire';

/** How many entries are held; the oldest go first. */
const MAX_ENTRIES = 10_000;

/** How many earlier events are loaded at once. */
const PAGE = 200;

/** The shortest time between two signals, in milliseconds: a busy room must not keep the page from being used. */
const SIGNAL_INTERVAL = 50;

/**
 * A joined room: the latest events, the members, and what to call them.
 *
 * Its subscription fills it and keeps it gapless across reconnects; the client passes on what the hub sends for it.
 */
export class Room implements IRoom, IReader {
  constructor(
    readonly name: string,
    private readonly connection: IConnection,
    private readonly onLeave: () => void,
    private readonly _trans: ITranslation
  ) {
    this._names = new Names(_trans);
    this.subscription = new Subscription(name, connection, this, _trans);
  }

  /** What joins the room and keeps its events gapless. */
  readonly subscription: Subscription;

  readonly capacity = MAX_ENTRIES;

  get entries(): readonly Entry[] {
    return this._entries;
  }

  get hasEarlier(): boolean {
    const oldest = this.oldest;
    return oldest !== null && this._first > 0 && oldest > this._first && this._entries.length < MAX_ENTRIES;
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

  get namesVersion(): number {
    return this._names.version;
  }

  partsOf(who: ISender): readonly [string, string] {
    return this._names.parts(who);
  }

  async publish(event: string, data?: unknown): Promise<number> {
    const body = { room: this.name, event, ...(data === undefined ? {} : { data }) };
    const { seq } = await this.connection.request<{ seq: number }>('publish', body);
    return seq;
  }

  /** Store an event whose data is JSON, which goes out with the digits that it has. */
  publishJson(event: string, json: string): Promise<number> {
    return this.publish(event, json === '' ? undefined : new RawJson(json));
  }

  async loadEarlier(): Promise<void> {
    const before = this.oldest;
    if (before === null) {
      return;
    }
    const page = await this.connection.request<IHistory>('history', { room: this.name, before, last: PAGE });
    if (this.oldest !== before) {
      throw new HubError('stale', this._trans.__('The room has changed meanwhile: try again.'));
    }
    const events = page.events.slice(-(MAX_ENTRIES - this._entries.length));
    this._first = events.length === 0 ? before : page.first;
    const keys = this._firstKey - events.length;
    const entries = events.map(({ event: name, ...meta }, index): Entry => {
      const event: IEvent = { ...meta, name, room: this.name, replay: true };
      this._names.add(event.from);
      return { kind: 'event', key: keys + index, event };
    });
    this._firstKey = keys;
    this._entries = [...entries, ...this._entries];
    this.announce();
  }

  /** Keep the connection up until this room is left. */
  follow(attend: () => IDisposable): void {
    this._following ??= attend();
  }

  leave(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._following?.dispose();
    this.subscription.dispose();
    this.onLeave();
    if (this.connection.connected) {
      // The reply does not matter: a room that no longer exists is left as well.
      this.connection.request('leave', { room: this.name }).catch(() => undefined);
    }
    this._throttler.dispose();
    Signal.clearData(this);
  }

  dispose(): void {
    this.leave();
  }

  /** Take in an event of the room. */
  receive(name: string, data: unknown, meta: IMeta): void {
    this.subscription.receive(name, data, meta);
  }

  /** Take in one of the hub's own events. */
  notice(name: string, data: unknown): void {
    if (name === '$presence') {
      this.presence(data as IPresence);
    } else if (name === '$reset') {
      void this.subscription.reset((data as { reason: string }).reason);
    } else if (name === '$trimmed') {
      this.subscription.trimmed(data as ITrimmed);
    } else if (name === '$deleted') {
      this.subscription.deleted((data as { user: string }).user);
    }
  }

  /** The log goes on in another opening. */
  opened(log: ILog): void {
    this.subscription.opened(log);
  }

  joined(reply: IJoined): void {
    this._error = null;
    this._first = reply.first;
    this._names.you = reply.user;
    this._members.clear();
    reply.members.forEach(member => {
      this.see(member);
    });
    this._count = reply.count;
    this.announce();
  }

  event(event: IEvent): void {
    this._names.add(event.from);
    this.add({ kind: 'event', key: this._nextKey++, event });
  }

  remark(text: string): void {
    this.add({ kind: 'remark', key: this._nextKey++, text });
  }

  failed(reason: string): void {
    this._error = reason;
    this.announce();
  }

  /** Take in who came and who went. */
  private presence(presence: IPresence): void {
    for (const member of presence.changes) {
      this.see(member);
    }
    this._count = presence.count;
    this.announce();
  }

  private see(member: IMember): void {
    this._names.add(member);
    if (member.state === 'left') {
      this._members.delete(member.member);
    } else {
      this._members.set(member.member, member);
    }
  }

  private add(entry: Entry): void {
    this._entries.push(entry);
    if (this._entries.length > MAX_ENTRIES) {
      this._entries.shift();
    }
    this.announce();
  }

  /** The position of the oldest stored event that is held; null: there is none. */
  private get oldest(): number | null {
    for (const entry of this._entries) {
      if (entry.kind === 'event' && entry.event.seq !== null) {
        return entry.event.seq;
      }
    }
    return null;
  }

  private announce(): void {
    if (!this._isDisposed) {
      void this._throttler.invoke();
    }
  }

  private _entries: Entry[] = [];
  private readonly _members = new Map<string, IMember>();
  private readonly _names: Names;
  private _count = 0;
  private _error: string | null = null;
  private _nextKey = 0;
  /** The key of the first entry: those that are loaded later come before it. */
  private _firstKey = 0;
  /** The position of the oldest event that the hub has. */
  private _first = 0;
  private _isDisposed = false;
  private _following: IDisposable | null = null;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _throttler = new Throttler(
    () => {
      this._changed.emit();
    },
    { limit: SIGNAL_INTERVAL, edge: 'trailing' }
  );
}
