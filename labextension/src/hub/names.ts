import { isolate, replaceHidden } from './invisible';
import type { ITranslation } from './translation';
import type { ISender } from './wire';

/** How many names are remembered, and how many notebooks of one name. */
const LIMIT = 1_000;

/** The longest name, end of a path and part of a title, in characters. */
const MAX_NAME = 64;
const MAX_PATH = 256;
const MAX_TITLE = 1_024;

/** The random id of a user who has no name. */
const DRAWN = /^[0-9a-f]{32}$/;

/**
 * Finds the display names of senders and members (docs/wire.md, "Who is speaking").
 *
 * A display name is the name, then the user in brackets where the user is called differently, or "(you)". The user of a
 * shared token is never "you". Where two notebooks have the same name, the folders that tell them apart are added.
 * The rule is that of `jupyter_rtmsg.rooms.names`.
 */
export class Names {
  constructor(private readonly trans: Pick<ITranslation, '__'>) {}

  /** The user of this page. */
  get you(): string | null {
    return this._you;
  }

  set you(user: string | null) {
    this._version += user === this._you ? 0 : 1;
    this._you = user;
  }

  /** A number that grows whenever a display name may have changed. */
  get version(): number {
    return this._version;
  }

  /** Remember a sender or member, whose notebook may have the name of another one. */
  add({ name, notebook, member }: ISender): void {
    if (!name || !notebook || !isNamedAfter(name, notebook)) {
      return;
    }
    this._version += this._members.get(member) === notebook ? 0 : 1;
    remember(this._members, member, notebook);
    const known = this._notebooks.get(name) ?? new Set();
    if (!known.has(notebook) && known.size < LIMIT) {
      known.add(notebook);
      this._ends.clear();
      this._version += 1;
    }
    remember(this._notebooks, name, known);
  }

  /** Return the display name of a sender or member. */
  of(who: ISender): string {
    const [name, user] = this.parts(who);
    return user ? `${isolate(name)} ${isolate(user)}` : isolate(name);
  }

  /** Return its two parts: the name, and the user in brackets, which is empty where the name tells it. */
  parts(who: ISender): readonly [string, string] {
    const name = this.end(who) ?? fit(who.name || who.user, MAX_NAME);
    const shared = who.user.startsWith('token:') || who.user === 'anonymous';
    if (who.user && who.user === this.you && !shared) {
      return [name, this.trans.__('(you)')];
    }
    const same = !who.name || who.name.toLowerCase() === who.user.toLowerCase();
    return [name, same || saysNothing(who) ? '' : `(${fit(who.user, MAX_NAME)})`];
  }

  /** Return the end of a notebook's path that tells it apart; null where its name does. */
  private end({ name, notebook: path, member }: ISender): string | null {
    // Presence tells a user the paths of the user's own notebooks, also where events do not have them.
    const notebook = path ?? this._members.get(member);
    const known = this._notebooks.get(name ?? '');
    if (!notebook || !known || known.size < 2 || !known.has(notebook)) {
      return null;
    }
    const end = this._ends.get(notebook) ?? fit(apart(notebook, [...known]), MAX_PATH);
    this._ends.set(notebook, end);
    return end;
  }

  private _you: string | null = null;
  private _version = 0;
  private readonly _notebooks = new Map<string, Set<string>>();
  private readonly _members = new Map<string, string>();
  private readonly _ends = new Map<string, string>();
}

/** Set a key of a map; a full map forgets its oldest key. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (!map.has(key) && map.size >= LIMIT) {
    map.delete([...map.keys()][0] ?? '');
  }
  map.set(key, value);
}

/** Return what a view adds to a display name: the parts of the identity that it leaves out. */
export function title({ name, kind, user, notebook }: ISender): string {
  // An event of version 0.1.0 may be from a "client".
  const parts = [name === user ? '' : name, kind === 'client' ? 'script' : kind, user, notebook];
  return parts
    .filter((part): part is string => Boolean(part))
    .map(part => fit(part, MAX_TITLE))
    .join(' · ');
}

/** Whether the user's name tells nothing: the server chose it. */
function saysNothing({ kind, name, user, notebook }: ISender): boolean {
  if (kind === 'kernel') {
    return user === 'token:kernel' && !!notebook && !!name && isNamedAfter(name, notebook);
  }
  return kind === 'browser' && DRAWN.test(user);
}

function isNamedAfter(name: string, notebook: string): boolean {
  return name === fit(stem(notebook), MAX_NAME);
}

function fit(text: string, longest: number): string {
  const letters = Array.from(text);
  const cut = letters.length > longest ? `${letters.slice(0, longest - 1).join('')}…` : text;
  return replaceHidden(cut, () => '\uFFFD');
}

function withoutSuffix(path: string): string {
  return path.replace(/(?<=[^/])\.[^./]+$/, '');
}

function stem(notebook: string): string {
  return withoutSuffix(notebook.split('/').pop() ?? '');
}

/** Return the shortest end of a path that no other one has, without the suffix where it is not needed. */
function apart(notebook: string, notebooks: readonly string[]): string {
  for (const shorten of [withoutSuffix, (path: string): string => path]) {
    const parts = shorten(notebook).split('/');
    const others = notebooks.filter(path => path !== notebook).map(path => shorten(path).split('/'));
    for (let depth = 1; depth <= parts.length; depth++) {
      const end = parts.slice(-depth).join('/');
      if (others.every(other => other.slice(-depth).join('/') !== end)) {
        return end;
      }
    }
    if (others.every(other => other.join('/') !== parts.join('/'))) {
      return parts.join('/');
    }
  }
  return notebook;
}
