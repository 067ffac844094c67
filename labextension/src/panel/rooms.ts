import { type ISignal, Signal } from '@lumino/signaling';

import type { ITranslation } from '../hub/translation';
import type { IRtmsg } from '../tokens';
import type { IDraft } from '../views/model';
import { PanelRoom } from './roommodel';

/** How many rooms may be joined at once: the hub's limit is 100, and other extensions may need some. */
export const MAX_JOINED = 50;

/** What is restored when the page is loaded again. */
export interface ISavedRooms {
  readonly current: string | null;
  readonly rooms: readonly { readonly name: string; readonly draft: IDraft | null }[];
}

/**
 * The rooms that the panel has joined, in the order of joining, and the one that is shown.
 *
 * What arrives in the room that is shown counts as seen while people see the panel (`isSeen`) or the room's own tab
 * (`_seenTabs`), and in the others it is unseen until they are shown. Nothing of this is told to the hub: looking
 * acknowledges nothing.
 */
export class JoinedRooms {
  constructor(
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation
  ) {}

  get all(): readonly PanelRoom[] {
    return [...this._rooms.values()];
  }

  /** The room with a name; undefined: it is not joined. */
  get(name: string): PanelRoom | undefined {
    return this._rooms.get(name);
  }

  /** The room that is shown; null: none is. */
  get current(): PanelRoom | null {
    return this._current;
  }

  /** The number of unseen events in all rooms. */
  get unseen(): number {
    return this.all.reduce((sum, room) => sum + room.unseen, 0);
  }

  /** Emitted when another room is shown, one is joined or left, or the number of unseen events has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when what is to be saved has changed. */
  get savedChanged(): ISignal<this, void> {
    return this._savedChanged;
  }

  get saved(): ISavedRooms {
    return {
      current: this._current?.name ?? null,
      rooms: this.all.map(({ name, draft }) => ({ name, draft: draft ?? null }))
    };
  }

  /** Join the rooms of an earlier page. Anything else than what `saved` returns is ignored. */
  restore(saved: unknown): void {
    const { rooms, current } = (saved ?? {}) as Partial<ISavedRooms>;
    for (const { name, draft } of Array.isArray(rooms) ? (rooms as ISavedRooms['rooms']).slice(0, MAX_JOINED) : []) {
      if (typeof name === 'string' && !this._rooms.has(name)) {
        this.join(name, isDraft(draft) ? draft : null);
      }
    }
    this._current ??= this._rooms.get(String(current)) ?? null;
    this._changed.emit();
  }

  /** Join a room, unless it is joined, and show it; null: show none. */
  show(name: string | null): void {
    this._current = name === null ? null : this.take(name);
    this.look();
    this._changed.emit();
    this._savedChanged.emit();
  }

  /** Join a room, unless it is joined, without showing it. */
  add(name: string): PanelRoom {
    const room = this.take(name);
    this._changed.emit();
    this._savedChanged.emit();
    return room;
  }

  /** Leave a room. */
  leave(name: string): void {
    this._rooms.get(name)?.room.leave();
    this._rooms.delete(name);
    if (this._current?.name === name) {
      this._current = null;
    }
    this._changed.emit();
    this._savedChanged.emit();
  }

  /** Show the next room with unseen events; return whether there was one. */
  showUnseen(): boolean {
    const next = this.all.find(room => room.unseen > 0);
    if (next) {
      this.show(next.name);
    }
    return next !== undefined;
  }

  isLookedAt(name: string): boolean {
    return (this._isSeen && this._current?.name === name) || this._seenTabs.has(name);
  }

  /** Whether people see the panel. */
  get isSeen(): boolean {
    return this._isSeen;
  }

  set isSeen(isSeen: boolean) {
    if (isSeen !== this._isSeen) {
      this._isSeen = isSeen;
      this.look();
      this._changed.emit();
    }
  }

  /** Tell whether people see the tab of a room. */
  seeTab(name: string, isSeen: boolean): void {
    const room = this._rooms.get(name);
    if (isSeen && room) {
      this._seenTabs.add(name);
      this.arrived(room);
    } else {
      this._seenTabs.delete(name);
    }
  }

  dispose(): void {
    this.all.forEach(({ room }) => {
      room.leave();
    });
    Signal.clearData(this);
  }

  private take(name: string): PanelRoom {
    return this._rooms.get(name) ?? this.join(name, null);
  }

  private join(name: string, draft: IDraft | null): PanelRoom {
    const joined = new PanelRoom(this.hub.join(name, { follow: false }), this.hub, this.trans, () => {
      this._savedChanged.emit();
    });
    if (draft) {
      joined.draft = draft;
    }
    this._rooms.set(name, joined);
    joined.room.changed.connect(() => {
      this.arrived(joined);
    });
    return joined;
  }

  private arrived(room: PanelRoom): void {
    if (this.isLookedAt(room.name)) {
      room.see();
    }
    const { unseen } = this;
    if (unseen !== this._told) {
      this._told = unseen;
      this._changed.emit();
    }
  }

  /** Count what the shown room has as seen, if people see it. */
  private look(): void {
    if (this._current && this._isSeen) {
      this.arrived(this._current);
    }
  }

  private readonly _rooms = new Map<string, PanelRoom>();
  private _current: PanelRoom | null = null;
  private readonly _seenTabs = new Set<string>();
  private _isSeen = false;
  private _told = 0;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _savedChanged = new Signal<this, void>(this);
}

function isDraft(value: unknown): value is IDraft {
  const { event, data } = (value ?? {}) as Partial<IDraft>;
  return typeof event === 'string' && typeof data === 'string';
}
