import { deliver } from '../hub/courier';
import type { IOutcome } from '../views/model';
import type { KernelLink } from './link';
import { ownSocket } from './page';

/** Milliseconds after which a kernel that does not answer counts as busy. */
const READY_WITHIN = 400;

/** The traits by which a form emits. */
export interface IEmitTraits {
  room_name: string;
  /** The id of the kernel's hub; empty: it is not known. */
  hub: string;
}

/** What is said while an event waits for the kernel. */
export const BUSY = 'The kernel is busy: sent when the cell ends.';

/**
 * Emits the events of a form: by the kernel, or by this page while the kernel is busy.
 *
 * The page emits only if its own server is the kernel's hub; the sender is then the user of the page. The kernel is asked
 * first whether it reads messages, since an event that was sent to it could not be taken back.
 */
export class Emitter {
  constructor(
    private readonly link: KernelLink<IEmitTraits>,
    private readonly socket: string | null = ownSocket(document, window.location),
    private readonly send: typeof deliver = deliver
  ) {}

  async emit(event: string, json: string): Promise<IOutcome> {
    const hub = this.link.get('hub');
    if (this.socket !== null && hub && !this.link.isLost && !(await this.link.isReady(READY_WITHIN))) {
      const outcome = await this.direct(this.socket, hub, event, json);
      if (outcome !== null) {
        return outcome;
      }
    }
    return this.link.request('emit', { event, data: json });
  }

  /** Emit from this page; null: its server is not the kernel's hub. */
  private async direct(url: string, hub: string, event: string, json: string): Promise<IOutcome | null> {
    const delivered = await this.send({ url, hub, room: this.link.get('room_name'), event, data: json });
    if (delivered.kind === 'stored') {
      const { seq, user } = delivered;
      return { ok: true, text: `Stored as number ${seq}. The kernel is busy: this page sent it, as ${user}.` };
    }
    return delivered.kind === 'failed' ? { ok: false, text: delivered.text } : null;
  }
}
