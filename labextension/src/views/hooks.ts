import { createContext } from 'preact';
import { useContext, useLayoutEffect, useState } from 'preact/hooks';

import { ENGLISH, type ITranslation } from '../hub/translation';
import type { IEventRow, IOutcome, IRoomModel } from './model';

/** The translation of the page; English where it has none. */
export const Translation = createContext<ITranslation>(ENGLISH);

export function useTranslation(): ITranslation {
  return useContext(Translation);
}

/** Anything that tells when it has changed. */
interface IWatchable {
  watch(changed: () => void): () => void;
}

/** Render again after each change of a model. */
export function useChanges(model: IWatchable): void {
  const [, setCount] = useState(0);
  // Before the browser paints, and not after: no change is missed between the first rendering and this.
  useLayoutEffect(
    () =>
      model.watch(() => {
        setCount(count => count + 1);
      }),
    [model]
  );
}

/** Return an id that no other element of the page has. Preact's own `useId` begins anew in each widget. */
export function useUniqueId(): string {
  return useState(() => `jp-rtmsg-${Math.random().toString(36).slice(2)}`)[0];
}

/** What the page can do for a view. */
export interface IPage {
  /** Put a text on the clipboard. */
  copy(text: string): Promise<void>;
  /** Put a line into the active cell; missing: this page has no cells to put it into. */
  insertIntoCell?: (line: string) => Promise<IOutcome>;
  /** Show the context menu of an event; missing: it has none. */
  showMenu?: (event: MouseEvent, room: IRoomModel, row: IEventRow) => void;
}

/** The page around the views. */
export const Page = createContext<IPage>({ copy: text => navigator.clipboard.writeText(text) });
