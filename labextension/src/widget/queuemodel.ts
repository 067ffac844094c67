import type { IOutcome } from '../views/model';
import type { IGroupItem, ILetters, IQueueModel } from '../views/queuemodel';
import { type IKernelModel, KernelLink, LOST } from './link';

/** The traits of the kernel's `QueueView`. */
export interface IQueueTraits {
  room_name: string;
  problem: string;
  groups: readonly IGroupItem[] | null;
  letters: ILetters | null;
}

/** The worker groups of a room as its kernel tells them. */
export class KernelQueue implements IQueueModel {
  constructor(model: IKernelModel<IQueueTraits>) {
    this._link = new KernelLink(model, ['problem', 'groups', 'letters']);
  }

  get name(): string {
    return this._link.get('room_name');
  }

  get groups(): readonly IGroupItem[] | null {
    return this._link.get('groups');
  }

  get letters(): ILetters | null {
    return this._link.get('letters');
  }

  get problem(): string | null {
    return this._link.isLost ? LOST : this._link.get('problem') || null;
  }

  refresh(): Promise<IOutcome> {
    return this._link.request('refresh');
  }

  pause(group: string): Promise<IOutcome> {
    return this._link.request('pause', { group });
  }

  resume(group: string): Promise<IOutcome> {
    return this._link.request('resume', { group });
  }

  open(group: string | null): Promise<IOutcome> {
    return this._link.request('open', { group });
  }

  redrive(group: string, numbers: readonly number[] | null): Promise<IOutcome> {
    return this._link.request('redrive', { group, numbers });
  }

  discard(group: string, numbers: readonly number[] | null): Promise<IOutcome> {
    return this._link.request('discard', { group, numbers });
  }

  watch(changed: () => void): () => void {
    return this._link.watch(changed);
  }

  close(): void {
    this._link.close();
  }

  private readonly _link: KernelLink<IQueueTraits>;
}
