/* What the hub tells of worker groups, of values and of subscriptions; docs/wire.md is the contract. */

import type { IMeta, ISender } from './wire';

/** A worker in the reply of `groups`. */
export interface IGroupWorker extends ISender {
  in_flight: number;
  max_in_flight: number;
  away?: boolean;
}

/** A group in the reply of `groups`. */
export interface IGroup {
  group: string;
  event: string | null;
  paused: boolean;
  lag: number;
  in_flight: number;
  delayed: number;
  dead: number;
  done: number;
  last_error?: string | null;
  workers: IGroupWorker[];
  count: number;
}

/** The reply of `groups`: a page of them. */
export interface IGroupPage {
  groups: IGroup[];
  more: boolean;
}

/** A dead letter in the reply of `dead_letters`. */
export interface IDeadLetter extends IMeta {
  number: number;
  event: string;
  data: unknown;
  reason: string;
  message: string;
  error?: { type?: string; message?: string; traceback?: string } | null;
  worker: string;
  deliveries: number;
  last: number | null;
}

/** The reply of `dead_letters`: a page of them. */
export interface ILetterPage {
  letters: IDeadLetter[];
  more: boolean;
  count: number;
  discarded: number;
}

/** The reply of `state`: a page of values. */
export interface IValuePage {
  values: (IMeta & { key: string; data: unknown })[];
  more: boolean;
  through: string;
}

/** A subscription in the reply of `subscriptions`. */
export interface ISubscription {
  as: string;
  kind: 'notebook' | 'name';
  cursor: number;
  head: number;
  live: boolean;
  ended?: number;
}

/** The reply of `subscriptions`: those of the user, the last used first. */
export interface ISubscriptionPage {
  subscriptions: ISubscription[];
}

/** The reply of `lag`. */
export interface ILag {
  missed: number;
  oldest: number | null;
  by_event: Record<string, number>;
  rest: { events: number };
}

/** The reply of `seek`. */
export interface ISeek {
  was: number;
  epoch: string;
  opening: number;
}

/** Return data with the text that was sent. */
export function payloadOf({ data, json }: { data: unknown; json?: string | undefined }): {
  json: string;
  value: unknown;
} {
  return { json: json ?? JSON.stringify(data), value: data };
}
