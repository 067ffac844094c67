import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** Render again whenever the signal is emitted. */
export function useSignal<T>(signal: ISignal<T, void> | undefined): void {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    signal?.connect(render);
    return () => {
      signal?.disconnect(render);
    };
  }, [signal]);
}
