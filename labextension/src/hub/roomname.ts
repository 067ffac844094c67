/** The longest name of a room, in characters. */
const MAX_LENGTH = 128;

const NAME = /^[\p{L}\p{N}_~-][\p{M}\p{L}\p{N}_~-]*(?:\.+[\p{L}\p{N}_~-][\p{M}\p{L}\p{N}_~-]*)*$/u;

/** Whether a room may have this name (docs/wire.md, "Names and limits"). The hub decides; this saves asking it. */
export function isRoomName(name: string): boolean {
  return NAME.test(name) && Array.from(name).length <= MAX_LENGTH && name === name.normalize('NFC');
}

/** Return a name like the one that was meant; null: there is none. */
export function similarRoomName(name: string): string | null {
  const similar = Array.from(name.normalize('NFC').replace(/[^\p{L}\p{N}\p{M}_~.-]+/gu, '-'))
    .slice(0, MAX_LENGTH)
    .join('')
    .replace(/^[-.\p{M}]+|[-.]+$/gu, '');
  return isRoomName(similar) ? similar : null;
}
