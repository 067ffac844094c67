import type { IDashboardModel, IDashboardRoom } from '../views/dashboardmodel';
import { type IKernelModel, KernelLink, LOST } from './link';

/** The traits of the kernel's `Dashboard`. */
export interface IDashboardTraits {
  hub_url: string;
  problem: string;
  asked: number | null;
  unlisted: number;
  rooms: readonly IDashboardRoom[] | null;
}

/** All rooms as a kernel tells them. */
export class KernelDashboard implements IDashboardModel {
  constructor(model: IKernelModel<IDashboardTraits>) {
    this._link = new KernelLink(model, ['problem', 'asked', 'unlisted', 'rooms']);
  }

  get name(): string {
    return this._link.get('hub_url');
  }

  get rooms(): readonly IDashboardRoom[] | null {
    return this._link.get('rooms');
  }

  get unlisted(): number {
    return this._link.get('unlisted');
  }

  get asked(): number | null {
    return this._link.get('asked');
  }

  get problem(): string | null {
    return this._link.isLost ? LOST : this._link.get('problem') || null;
  }

  watch(changed: () => void): () => void {
    return this._link.watch(changed);
  }

  close(): void {
    this._link.close();
  }

  private readonly _link: KernelLink<IDashboardTraits>;
}
