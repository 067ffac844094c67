import type { IOutcome, IRoomModel } from '../views/model';
import { BUSY, Emitter, type IEmitTraits } from './emitter';
import { type IKernelModel, KernelLink, LOST } from './link';

/** The traits of the kernel's `EmitForm`. */
export interface IFormTraits extends IEmitTraits {
  event: string;
  state: string;
  problem: string;
}

/** The form of a kernel's room: a room of which nothing but the form is shown. */
export class KernelForm implements IRoomModel {
  constructor(model: IKernelModel<IFormTraits>) {
    this._link = new KernelLink(model, ['state', 'problem']);
    this._emitter = new Emitter(this._link);
  }

  readonly error = null;
  readonly status = null;
  readonly missed = 0;
  readonly members = [];
  readonly unlisted = 0;
  readonly rows = [];

  get form(): { event: string; lines: number; slow: string } {
    return { event: this._link.get('event'), lines: 1, slow: BUSY };
  }

  get name(): string {
    return this._link.get('room_name');
  }

  /** What is wrong, in words; empty: nothing is. */
  get problem(): string {
    return this._link.isLost ? LOST : this._link.get('problem');
  }

  get canEmit(): boolean {
    return !this._link.isLost && this._link.get('state') !== 'closed';
  }

  emit(event: string, json: string): Promise<IOutcome> {
    return this._emitter.emit(event, json);
  }

  watch(changed: () => void): () => void {
    return this._link.watch(changed);
  }

  close(): void {
    this._link.close();
  }

  private readonly _link: KernelLink<IFormTraits>;
  private readonly _emitter: Emitter;
}
