import { isolate, replaceHidden } from './invisible';
import type { ISender } from './wire';

/** So many names, and notebooks of one name, are remembered. */
const LIMIT = 1_000;

/** The longest name, and the longest end of a path. */
const MAX_NAME = 64;
const MAX_PATH = 256;
const MAX_TITLE = 1_024;

/** A user whose name Jupyter drew by lot. */
const DRAWN = /^[0-9a-f]{32}$/;

/**
 * Names senders and members as all views do (docs/wire.md, "Who is speaking").
 *
 * Somebody is called by name, with the user in brackets where that is another, or "you"; a token that several people
 * share is nobody's own. Where two notebooks have the same name, so much of their folders is added as tells them apart.
 * The rule is that of `jupyter_rtmsg.rooms.names`.
 */
export class Names {
  constructor(private readonly trans: { __(text: string, ...values: unknown[]): string }) {}

  /** The user who looks. */
  you: string | null = null;

  /** Take somebody into account. */
  add({ name, notebook, member }: ISender): void {
    if (!name || !notebook || !isNamedAfter(name, notebook)) {
      return;
    }
    remember(this._members, member, notebook);
    const known = this._notebooks.get(name) ?? new Set();
    if (!known.has(notebook) && known.size < LIMIT) {
      known.add(notebook);
      this._ends.clear();
    }
    remember(this._notebooks, name, known);
  }

  /** What to call somebody. */
  of(who: ISender): string {
    const [name, user] = this.parts(who);
    return user ? `${isolate(name)} ${isolate(user)}` : isolate(name);
  }

  /** The two parts of that: the name, and the user in brackets, empty where the name says it all. */
  parts(who: ISender): readonly [string, string] {
    const name = this.end(who) ?? fit(who.name || who.user, MAX_NAME);
    const shared = who.user.startsWith('token:') || who.user === 'anonymous';
    if (who.user && who.user === this.you && !shared) {
      return [name, this.trans.__('(you)')];
    }
    const same = !who.name || who.name.toLowerCase() === who.user.toLowerCase();
    return [name, same || saysNothing(who) ? '' : `(${fit(who.user, MAX_NAME)})`];
  }

  /** The end of a notebook's path that tells it apart; null where its name does. */
  private end({ name, notebook: path, member }: ISender): string | null {
    // Events may not say the notebook's path where presence tells it to its own user.
    const notebook = path ?? this._members.get(member);
    const known = this._notebooks.get(name ?? '');
    if (!notebook || !known || known.size < 2 || !known.has(notebook)) {
      return null;
    }
    const end = this._ends.get(notebook) ?? fit(apart(notebook, [...known]), MAX_PATH);
    this._ends.set(notebook, end);
    return end;
  }

  private readonly _notebooks = new Map<string, Set<string>>();
  private readonly _members = new Map<string, string>();
  private readonly _ends = new Map<string, string>();
}

/** Set a key of a map that forgets the key it was given first. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (!map.has(key) && map.size >= LIMIT) {
    map.delete([...map.keys()][0] ?? '');
  }
  map.set(key, value);
}

/** What a view says about somebody beside what it calls them. */
export function title({ name, kind, user, notebook }: ISender): string {
  // An event of version 0.1.0 may be from a "client".
  const parts = [name === user ? '' : name, kind === 'client' ? 'script' : kind, user, notebook];
  return parts
    .filter((part): part is string => Boolean(part))
    .map(part => fit(part, MAX_TITLE))
    .join(' · ');
}

/** Whether a user has no name of its own, and the server chose the one that is shown. */
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

/** The shortest end of a path that no other one has, without the suffix if that is not needed either. */
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
