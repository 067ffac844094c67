import type { IJoined, IMember, IMeta, ISender } from '../../src/hub/wire';

/* Values as the hub sends them. */

export function sender(fields: Partial<ISender> = {}): ISender {
  return { user: 'ana', kind: 'kernel', name: 'train', member: 'm1', notebook: null, ...fields };
}

export function member(fields: Partial<IMember> = {}): IMember {
  return { ...sender(fields), state: 'here', ...fields };
}

/** Return the metadata of the event with number `n`, at the position 10 n. */
export function meta(n: number, fields: Partial<IMeta> = {}): IMeta {
  return { room: 'lab', seq: 10 * n, prev: 10 * (n - 1), n, ts: 0, from: sender(), ...fields };
}

/** Return the reply of a join at the event with number `n`. */
export function joined(n: number, fields: Partial<IJoined> = {}): IJoined {
  return {
    epoch: 'e1',
    opening: 'o1',
    head: 10 * n,
    first: 10,
    cursor: 10 * n,
    cursor_n: n,
    missed: 0,
    recovered: true,
    user: 'ana',
    members: [],
    count: 0,
    ...fields
  };
}
