import { escapeHidden } from '../hub/invisible';
import { title } from '../hub/names';
import type { IEvent } from '../hub/wire';
import type { IEventRow, IPayload } from '../views/model';
import { lineText } from '../views/payload';

/** An event of the hub, as views show it. Its text is made when it is asked for: most rows are never in view. */
export class EventRow implements IEventRow {
  constructor(
    readonly key: number,
    private readonly event: IEvent,
    readonly sender: string,
    readonly user: string,
    readonly missed: boolean
  ) {}

  readonly kind = 'event';

  get name(): string {
    return escapeHidden(this.event.name);
  }

  get title(): string {
    return title(this.event.from);
  }

  get ts(): number {
    return this.event.ts;
  }

  get seq(): number | null {
    return this.event.seq;
  }

  get number(): number | null {
    return this.event.n;
  }

  get replay(): boolean {
    return this.event.replay === true;
  }

  get data(): string | null {
    if (this._data === undefined) {
      const { payload } = this;
      this._data = payload && escapeHidden(lineText(payload));
    }
    return this._data;
  }

  get payload(): IPayload | null {
    const { data, json } = this.event;
    if (this._payload === undefined) {
      this._payload = data === null ? null : { json: json ?? JSON.stringify(data), value: data };
    }
    return this._payload;
  }

  private _payload: IPayload | null | undefined;
  private _data: string | null | undefined;
}
