import { ENGLISH } from '../hub/translation';
import type { IEventRow, IMemberItem, IOutcome, IRoomModel, IStatus, Row } from '../views/model';
import { stateText } from '../views/statusbadge';

/** How many events are held; the oldest go first. */
const LIMIT = 200;

/** The traits that the head and the member list show. */
const SHOWN = 'change:state change:problem change:missed change:members';

/** The kernel's `RoomView`, as anywidget hands it over. */
export interface IKernelModel {
  get<K extends keyof ITraits>(name: K): ITraits[K];
  send(message: Outgoing): void;
  /** Listen to events, whose names are separated by spaces. */
  on(names: string, listener: (value: never) => void): void;
  off(names: string, listener: (value: never) => void): void;
}

/** The traits of `RoomView`. */
interface ITraits {
  room_name: string;
  state: string;
  /** Why the state is what it is; empty where the state says it. */
  problem: string;
  missed: number;
  members: readonly IMember[];
  /** The display names of senders, by `who`, that have changed since their events were sent. */
  labels: Readonly<Record<string, string>> | undefined;
  /** All events that the kernel holds. */
  recent: IEventSlice;
}

interface IMember {
  readonly member: string;
  readonly label: string;
  readonly title: string;
  readonly state: string;
}

/** Consecutive events. `first` is the running number of the first; those of a `whole` slice replace what is shown. */
interface IEventSlice {
  readonly first: number;
  readonly events: readonly ILine[];
  readonly whole?: boolean;
}

/** An event as the kernel sends it: all text is made there. */
interface ILine {
  readonly name: string;
  readonly data: string | null;
  /** The key of the sender in `labels`. */
  readonly who: string;
  readonly sender: string;
  readonly user: string | null;
  readonly title: string;
  readonly ts: number;
  readonly seq: number | null;
  readonly replay: boolean;
}

type Incoming = ({ kind: 'events' } & IEventSlice) | ({ kind: 'outcome'; id: string } & IOutcome);

type Outgoing =
  /** Emit an event; `data` is JSON as text, empty for none: the kernel reads it with all digits. */
  | { kind: 'emit'; id: string; event: string; data: string }
  /** Send all events that the kernel holds. */
  | { kind: 'recent' };

/** A row, and the key of its sender. */
type KernelRow = IEventRow & { readonly who: string };

/**
 * A room as its kernel tells it, shared by all views of the kernel's `RoomView` on this page.
 *
 * The kernel holds the truth. It sends slices of events with running numbers; messages may be dropped on the way, so a
 * jump in the numbers makes this ask for all events. When the kernel is gone this is `lost`, until its state comes again.
 */
export class KernelRoom implements IRoomModel {
  constructor(private readonly model: IKernelModel) {
    this.takeRecent();
    model.on('msg:custom', this.received);
    model.on('change:recent', this.takeRecent); // the whole state comes again after the page was cut off
    model.on('change:labels', this.relabel);
    model.on(SHOWN, this.told);
    model.on('comm_live_update', this.lose);
  }

  close(): void {
    this.model.off('msg:custom', this.received);
    this.model.off('change:recent', this.takeRecent);
    this.model.off('change:labels', this.relabel);
    this.model.off(SHOWN, this.told);
    this.model.off('comm_live_update', this.lose);
  }

  readonly error = null;

  readonly unlisted = 0;

  /** The kernel keeps an event while it is offline, and sends it later. */
  readonly canEmit = true;

  // A kernel reads what comes from the browser between two cells, not while one runs.
  readonly form = {
    event: 'message',
    lines: 1,
    slow: 'The kernel is busy: this is emitted when its cell has ended.'
  };

  get name(): string {
    return this.model.get('room_name');
  }

  get status(): IStatus {
    if (this._isLost) {
      return { state: 'closed', text: 'Lost its kernel: run the cell again' };
    }
    const state = this.model.get('state');
    return { state, text: this.model.get('problem') || stateText(state, ENGLISH) };
  }

  get missed(): number {
    return this.model.get('missed');
  }

  get members(): readonly IMemberItem[] {
    return this.model.get('members').map(({ member, ...shown }) => ({ key: member, ...shown }));
  }

  get rows(): readonly Row[] {
    return this._rows;
  }

  emit(event: string, json: string): Promise<IOutcome> {
    const id = `${Date.now()}-${Math.random()}`;
    this.model.send({ kind: 'emit', id, event, data: json });
    return new Promise(resolve => {
      this._emitting.set(id, resolve);
    });
  }

  watch(changed: () => void): () => void {
    this._watchers.add(changed);
    return () => this._watchers.delete(changed);
  }

  private readonly received = (message: Incoming): void => {
    if (message.kind === 'events') {
      this.take(message);
    } else {
      this._emitting.get(message.id)?.({ ok: message.ok, text: message.text });
      this._emitting.delete(message.id);
    }
  };

  private readonly takeRecent = (): void => {
    this.take({ ...this.model.get('recent'), whole: true });
  };

  /** Take in a slice, without the events that are held already. */
  private take({ first, events, whole = false }: IEventSlice): void {
    const hole = !whole && first > this._next;
    // A full slice is all that the kernel holds.
    if (hole && events.length < LIMIT) {
      this.model.send({ kind: 'recent' });
    }
    const anew = whole || hole;
    const rows = events.map((line, index) => row(line, first + index)).slice(anew ? 0 : this._next - first);
    this._rows = [...(anew ? [] : this._rows), ...rows].slice(-LIMIT);
    this._next = first + events.length;
    this.changed();
  }

  /** Change display names: another notebook of the same name has turned up. */
  private readonly relabel = (): void => {
    const labels = this.model.get('labels') ?? {};
    this._rows = this._rows.map(row => {
      const sender = labels[row.who] ?? row.sender;
      return sender === row.sender ? row : { ...row, sender };
    });
    this.changed();
  };

  private readonly told = (): void => {
    this._isLost = false;
    this.changed();
  };

  /** The kernel was restarted, or has died. */
  private readonly lose = (): void => {
    this._isLost = true;
    this.changed();
  };

  private changed(): void {
    this._watchers.forEach(watcher => {
      watcher();
    });
  }

  private readonly _watchers = new Set<() => void>();
  private readonly _emitting = new Map<string, (outcome: IOutcome) => void>();
  private _rows: readonly KernelRow[] = [];
  /** The running number of the next event. */
  private _next = 1;
  private _isLost = false;
}

function row({ user, ...line }: ILine, key: number): KernelRow {
  return { kind: 'event', key, ...line, user: user ? `(${user})` : '' };
}
