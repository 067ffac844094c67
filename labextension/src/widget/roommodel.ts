import { ENGLISH } from '../hub/translation';
import type { IEventRow, IMemberItem, IOutcome, IRoomModel, IStatus, Row } from '../views/model';
import { stateText } from '../views/statusbadge';
import { BUSY, Emitter, type IEmitTraits } from './emitter';
import { type IKernelModel, KernelLink, LOST } from './link';

/** How many events are held; the oldest go first. */
const LIMIT = 200;

/** The traits of `RoomView`. */
export interface IRoomTraits extends IEmitTraits {
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

/** The one message that the kernel sends by itself: events. */
type Incoming = IEventSlice;

/** A row, and the key of its sender. */
type KernelRow = IEventRow & { readonly who: string };

/**
 * A room as its kernel tells it, shared by all views of the kernel's `RoomView` on this page.
 *
 * The kernel holds the truth. It sends slices of events with running numbers; messages may be dropped on the way, so a
 * jump in the numbers makes this ask for all events. When the kernel is gone this is `lost`, until its state comes again.
 */
export class KernelRoom implements IRoomModel {
  constructor(private readonly model: IKernelModel<IRoomTraits>) {
    this._link = new KernelLink(model, ['state', 'problem', 'missed', 'members'], this.received);
    this._emitter = new Emitter(this._link);
    this.takeRecent();
    model.on('change:recent', this.takeRecent); // the whole state comes again after the page was cut off
    model.on('change:labels', this.relabel);
  }

  close(): void {
    this._link.close();
    this.model.off('change:recent', this.takeRecent);
    this.model.off('change:labels', this.relabel);
  }

  readonly error = null;

  readonly unlisted = 0;

  /** The kernel keeps an event while it is offline, and sends it later. Without the kernel nobody does. */
  get canEmit(): boolean {
    return !this._link.isLost && this.model.get('state') !== 'closed';
  }

  // A kernel reads what comes from the browser between two cells, not while one runs.
  readonly form = { event: 'message', lines: 1, slow: BUSY };

  get name(): string {
    return this.model.get('room_name');
  }

  get status(): IStatus {
    if (this._link.isLost) {
      return { state: 'closed', text: LOST };
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
    return this._emitter.emit(event, json);
  }

  watch(changed: () => void): () => void {
    return this._link.watch(changed);
  }

  private readonly received = (message: Incoming): void => {
    this.take(message);
  };

  private readonly takeRecent = (): void => {
    this.take({ ...this.model.get('recent'), whole: true });
  };

  /** Take in a slice, without the events that are held already. */
  private take({ first, events, whole = false }: IEventSlice): void {
    const hole = !whole && first > this._next;
    // A full slice is all that the kernel holds.
    if (hole && events.length < LIMIT) {
      this._link.send({ kind: 'recent' });
    }
    const anew = whole || hole;
    const rows = events.map((line, index) => row(line, first + index)).slice(anew ? 0 : this._next - first);
    this._rows = [...(anew ? [] : this._rows), ...rows].slice(-LIMIT);
    this._next = first + events.length;
    this._link.changed();
  }

  /** Change display names: another notebook of the same name has turned up. */
  private readonly relabel = (): void => {
    const labels = this.model.get('labels') ?? {};
    this._rows = this._rows.map(row => {
      const sender = labels[row.who] ?? row.sender;
      return sender === row.sender ? row : { ...row, sender };
    });
    this._link.changed();
  };

  private readonly _link: KernelLink<IRoomTraits>;
  private readonly _emitter: Emitter;
  private _rows: readonly KernelRow[] = [];
  /** The running number of the next event. */
  private _next = 1;
}

function row({ user, ...line }: ILine, key: number): KernelRow {
  return { kind: 'event', key, ...line, user: user ? `(${user})` : '' };
}
