/*
 * JSON as text. `JSON.parse` loses digits (9007199254740993, 1.0) and reorders keys that look like numbers, so what
 * people see, copy and emit again is made from the text that was sent.
 */

/** A string, a bracket, or any other value; commas, colons and spaces are between them. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]|[^\s,:{}[\]"]+/y;
const BETWEEN = /[\s,:]*/y;

/** The key of an object that stands for bytes in a message: `{"_placeholder": true, "num": 0}`. */
const PLACEHOLDER = '_placeholder';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'literal';

/** A member of an object or an item of an array. */
export interface IJsonChild {
  /** The key; the index of an item. */
  readonly key: string;
  readonly value: JsonText;
}

/** A JSON value in a text, which is valid JSON. */
export class JsonText {
  constructor(
    private readonly source: string,
    private readonly start = 0,
    private readonly end = source.length
  ) {}

  /** The value as it was sent. */
  get text(): string {
    return this.source.slice(this.start, this.end);
  }

  get kind(): JsonKind {
    switch (this.source[this.start]) {
      case '{':
        return 'object';
      case '[':
        return 'array';
      case '"':
        return 'string';
      case 't':
      case 'f':
      case 'n':
        return 'literal';
      default:
        return 'number';
    }
  }

  /** The members of an object or the items of an array, in the order in which they were sent. */
  children(): IJsonChild[] {
    const isObject = this.kind === 'object';
    if (!isObject && this.kind !== 'array') {
      return [];
    }
    const found: IJsonChild[] = [];
    let at = skip(this.source, this.start + 1);
    while (at < this.end - 1) {
      let key = String(found.length);
      if (isObject) {
        const keyEnd = endOf(this.source, at);
        key = JSON.parse(this.source.slice(at, keyEnd)) as string;
        at = skip(this.source, keyEnd);
      }
      const end = endOf(this.source, at);
      found.push({ key, value: new JsonText(this.source, at, end) });
      at = skip(this.source, end);
    }
    return found;
  }

  /** The member with a key, or the item with an index; undefined: there is none. */
  child(key: string): JsonText | undefined {
    return this.children().find(child => child.key === key)?.value;
  }

  /** The number of the attachment that this value stands for; null: it is no placeholder. */
  get attachment(): number | null {
    if (this.kind !== 'object' || this.end - this.start > 60 || !this.text.includes(PLACEHOLDER)) {
      return null;
    }
    const value = JSON.parse(this.text) as { _placeholder?: unknown; num?: unknown };
    return value._placeholder === true && typeof value.num === 'number' ? value.num : null;
  }
}

/** JSON that is sent as it is. */
export class RawJson {
  constructor(readonly text: string) {}
}

/**
 * Return JSON on one line, with spaces at which it can be broken, up to a number of characters.
 *
 * @param placeholder - returns what is shown for the attachment with a number
 */
export function oneLine(text: string, limit: number, placeholder: (num: number) => string): string {
  let line = '';
  let at = skip(text, 0);
  while (at < text.length && line.length <= limit) {
    const bytes = text[at] === '{' && text.startsWith(PLACEHOLDER, at + 2) ? placeholderAt(text, at) : null;
    if (bytes) {
      line += placeholder(bytes.num);
      at = bytes.end;
    } else {
      const end = tokenEnd(text, at);
      line += text.slice(at, Math.min(end, at + limit + 1));
      at = end;
    }
    const next = skip(text, at);
    line += separator(text, at, next);
    at = next;
  }
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}

function placeholderAt(text: string, at: number): { num: number; end: number } | null {
  const end = endOf(text, at);
  const num = new JsonText(text, at, end).attachment;
  return num === null ? null : { num, end };
}

function separator(text: string, from: number, to: number): string {
  const between = text.slice(from, to);
  if (between.includes(',')) {
    return ', ';
  }
  return between.includes(':') ? ': ' : '';
}

/** Return the place of the next token, or the end of the text. */
function skip(text: string, at: number): number {
  BETWEEN.lastIndex = at;
  BETWEEN.test(text);
  return BETWEEN.lastIndex;
}

/** Return the end of the token at a place. */
function tokenEnd(text: string, at: number): number {
  TOKEN.lastIndex = at;
  // Of text that is no JSON the rest counts as one token, so that every loop ends.
  return TOKEN.test(text) ? TOKEN.lastIndex : text.length;
}

/** Return the end of the value at a place. */
function endOf(text: string, at: number): number {
  let depth = 0;
  let place = at;
  do {
    const first = text[place];
    depth += first === '{' || first === '[' ? 1 : first === '}' || first === ']' ? -1 : 0;
    place = tokenEnd(text, place);
    if (depth > 0) {
      place = skip(text, place);
    }
  } while (depth > 0 && place < text.length);
  return place;
}
