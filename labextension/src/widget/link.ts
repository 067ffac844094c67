import type { IOutcome } from '../views/model';

/** What is said where the kernel is gone. */
export const LOST = 'The kernel stopped. This is what was known before: run the cell again.';

/** A widget's model, as anywidget hands it over. `T` are its traits. */
export interface IKernelModel<T extends object> {
  get<K extends keyof T>(name: K): T[K];
  send(message: object): void;
  /** Listen to events, whose names are separated by spaces. */
  on(names: string, listener: (value: never) => void): void;
  off(names: string, listener: (value: never) => void): void;
}

/** A message of the kernel. */
interface IMessage {
  readonly kind: string;
  readonly id?: string;
  readonly ok?: boolean;
  readonly text?: string;
}

/**
 * The link of a page to the kernel's half of a widget.
 *
 * A request is a message with an id, which the kernel answers by an outcome. When the kernel is gone this is lost until
 * its state comes again, and all requests that wait are answered.
 */
export class KernelLink<T extends object> {
  constructor(
    readonly model: IKernelModel<T>,
    traits: readonly (keyof T & string)[],
    private readonly received: (message: never) => void = () => undefined
  ) {
    this._shown = traits.map(name => `change:${name}`).join(' ');
    model.on('msg:custom', this.take);
    model.on(this._shown, this.told);
    model.on('comm_live_update', this.lose);
  }

  get<K extends keyof T>(name: K): T[K] {
    return this.model.get(name);
  }

  /** Whether the kernel was restarted, or has died. */
  get isLost(): boolean {
    return this._isLost;
  }

  close(): void {
    this.model.off('msg:custom', this.take);
    this.model.off(this._shown, this.told);
    this.model.off('comm_live_update', this.lose);
  }

  /** Send a message that has no answer. */
  send(message: object): void {
    this.model.send(message);
  }

  /** Send a request, and wait for its outcome. */
  request(kind: string, fields: object = {}): Promise<IOutcome> {
    if (this._isLost) {
      return Promise.resolve({ ok: false, text: LOST });
    }
    const id = newId();
    return new Promise(resolve => {
      this._waiting.set(id, resolve);
      this.model.send({ kind, id, ...fields });
    });
  }

  /** Whether the kernel reads messages now: it answers within some milliseconds. */
  async isReady(within: number): Promise<boolean> {
    const timeout = new Promise<null>(resolve => {
      setTimeout(() => {
        resolve(null);
      }, within);
    });
    return (await Promise.race([this.request('ready'), timeout])) !== null;
  }

  watch(changed: () => void): () => void {
    this._watchers.add(changed);
    return () => this._watchers.delete(changed);
  }

  /** Tell the views that something has changed. */
  changed(): void {
    this._watchers.forEach(watcher => {
      watcher();
    });
  }

  private readonly take = (message: IMessage): void => {
    if (message.kind === 'outcome' || message.kind === 'ready') {
      const id = message.id ?? '';
      this._waiting.get(id)?.({ ok: message.ok !== false, text: message.text ?? '' });
      this._waiting.delete(id);
    } else {
      this.received(message as never);
    }
  };

  private readonly told = (): void => {
    this._isLost = false;
    this.changed();
  };

  private readonly lose = (): void => {
    this._isLost = true;
    this._waiting.forEach(resolve => {
      resolve({ ok: false, text: LOST });
    });
    this._waiting.clear();
    this.changed();
  };

  private readonly _shown: string;
  private readonly _watchers = new Set<() => void>();
  private readonly _waiting = new Map<string, (outcome: IOutcome) => void>();
  private _isLost = false;
}

function newId(): string {
  return `${Date.now()}-${Math.random()}`;
}
