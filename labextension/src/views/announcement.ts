import { useEffect, useRef, useState } from 'preact/hooks';

import { useTranslation } from './hooks';
import type { Row } from './model';

/** The shortest time between two announcements, in milliseconds: readers queue each of them. */
const INTERVAL = 5_000;

/** Return what screen readers are told of events that came: their number, at most every 5 s. */
export function useAnnouncement(name: string, rows: readonly Row[]): string {
  const trans = useTranslation();
  const [text, setText] = useState('');
  const told = useRef(rows[rows.length - 1]?.key ?? 0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const newest = useRef(told.current);
  newest.current = rows[rows.length - 1]?.key ?? told.current;
  useEffect(() => {
    if (newest.current > told.current && timer.current === null) {
      timer.current = setTimeout(() => {
        timer.current = null;
        const count = newest.current - told.current;
        told.current = newest.current;
        setText(trans._n('%1: %2 new', '%1: %2 new', count, name, count));
      }, INTERVAL);
    }
  }, [rows, name, trans]);
  useEffect(
    () => () => {
      clearTimeout(timer.current ?? undefined);
    },
    []
  );
  return text;
}
