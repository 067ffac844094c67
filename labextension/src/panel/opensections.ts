import { type ISignal, Signal } from '@lumino/signaling';

/** The sections of a room. */
export const SECTIONS = ['missed', 'work', 'state'] as const;

export type SectionName = (typeof SECTIONS)[number];

/** The sections that people have opened. They are the same in all rooms, and are restored after a reload. */
export class OpenSections {
  /** Emitted when one is opened or closed. */
  get savedChanged(): ISignal<this, void> {
    return this._savedChanged;
  }

  get saved(): readonly SectionName[] {
    return SECTIONS.filter(name => this._open.has(name));
  }

  /** Open the sections of an earlier page. Anything else than what `saved` returns is ignored. */
  restore(saved: unknown): void {
    if (Array.isArray(saved)) {
      this._open = new Set(SECTIONS.filter(name => saved.includes(name)));
      this._savedChanged.emit();
    }
  }

  has(name: SectionName): boolean {
    return this._open.has(name);
  }

  toggle(name: SectionName): void {
    if (!this._open.delete(name)) {
      this._open.add(name);
    }
    this._savedChanged.emit();
  }

  private _open = new Set<SectionName>();
  private readonly _savedChanged = new Signal<this, void>(this);
}
