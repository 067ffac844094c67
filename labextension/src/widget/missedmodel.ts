import type { IMissedBlock, IMissedModel, IReplayProgress } from '../views/missedmodel';
import type { IOutcome } from '../views/model';
import { type IKernelModel, KernelLink, LOST } from './link';

/** The traits of the kernel's `MissedView`. */
export interface IMissedTraits {
  room_name: string;
  problem: string;
  no_skip: string;
  missed: IMissedBlock | null;
  replay: IReplayProgress | null;
  skipped: number;
}

/** The missed events of a room as its kernel tells them. */
export class KernelMissed implements IMissedModel {
  constructor(model: IKernelModel<IMissedTraits>) {
    this._link = new KernelLink(model, ['problem', 'missed', 'replay', 'skipped']);
  }

  get name(): string {
    return this._link.get('room_name');
  }

  get missed(): IMissedBlock | null {
    return this._link.get('missed');
  }

  get replay(): IReplayProgress | null {
    return this._link.get('replay');
  }

  get skipped(): number {
    return this._link.get('skipped');
  }

  get problem(): string | null {
    return this._link.isLost ? LOST : this._link.get('problem') || null;
  }

  get noSkip(): string | null {
    return this._link.get('no_skip') || null;
  }

  play(speed: number): Promise<IOutcome> {
    return this._link.request('play', { speed });
  }

  pause(): Promise<IOutcome> {
    return this._link.request('pause');
  }

  resume(): Promise<IOutcome> {
    return this._link.request('resume');
  }

  stop(): Promise<IOutcome> {
    return this._link.request('stop');
  }

  skip(): Promise<IOutcome> {
    return this._link.request('skip');
  }

  undo(): Promise<IOutcome> {
    return this._link.request('undo');
  }

  watch(changed: () => void): () => void {
    return this._link.watch(changed);
  }

  close(): void {
    this._link.close();
  }

  private readonly _link: KernelLink<IMissedTraits>;
}
