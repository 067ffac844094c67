import type { ISignal } from '@lumino/signaling';
import { useMemo } from 'preact/hooks';

import { useChanges } from '../views/hooks';

/** Render again whenever a signal is emitted. */
export function useSignal<T>(signal: ISignal<T, void>): void {
  useChanges(
    useMemo(
      () => ({
        watch: (changed: () => void) => {
          signal.connect(changed);
          return () => {
            signal.disconnect(changed);
          };
        }
      }),
      [signal]
    )
  );
}
