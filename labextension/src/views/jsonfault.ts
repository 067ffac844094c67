/* What is wrong with a text as JSON, where, and what to write instead: engines tell each in their own words. */

import type { ITranslation } from '../hub/translation';

/** The first fault of a text. */
export interface IJsonFault {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

// eslint-disable-next-line no-control-regex -- JSON does not allow them in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_]\w*/y;
const SPACE = /[ \t\n\r]*/y;

/** What people who think in Python or JavaScript write. */
const WORDS: Readonly<Record<string, string>> = {
  True: 'true',
  False: 'false',
  None: 'null',
  undefined: 'null',
  nan: 'null',
  NaN: 'null'
};

class Fault extends Error {
  constructor(
    readonly at: number,
    message: string
  ) {
    super(message);
  }
}

/** Return the first fault of a text as JSON; null: it is JSON. */
export function jsonFault(text: string, trans: ITranslation): IJsonFault | null {
  try {
    new Checker(text, trans).check();
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) {
      throw error;
    }
    const lines = text.slice(0, error.at).split('\n');
    return { line: lines.length, column: (lines[lines.length - 1] ?? '').length + 1, text: error.message };
  }
}

/** Whether a text is meant as JSON. Any other is sent as a string. */
export function isMeantAsJson(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed === '' || /^[{["']/.test(trimmed)) {
    return true;
  }
  try {
    JSON.parse(trimmed);
    return true;
  } catch {
    return trimmed in WORDS;
  }
}

/** Reads a text as JSON and stops at the first fault. `at` is the place. */
class Checker {
  constructor(
    private readonly text: string,
    private readonly trans: ITranslation
  ) {}

  check(): void {
    this.value(0);
    if (this.at < this.text.length) {
      this.fail(this.trans.__('nothing may follow the value'));
    }
  }

  private value(depth: number): void {
    this.match(SPACE);
    const first = this.text[this.at];
    if (depth > 60) {
      this.fail(this.trans.__('more than 60 levels'));
    } else if (first === '{' || first === '[') {
      this.container(first === '{', depth);
    } else if (first === '"') {
      this.string();
    } else if (!this.match(NUMBER)) {
      this.word();
    }
    this.match(SPACE);
  }

  private container(isObject: boolean, depth: number): void {
    const close = isObject ? '}' : ']';
    this.at += 1;
    this.match(SPACE);
    if (this.text[this.at] === close) {
      this.at += 1;
      return;
    }
    for (;;) {
      if (isObject) {
        this.key();
      }
      this.value(depth + 1);
      const next = this.text[this.at];
      if (next !== ',' && next !== close) {
        this.fail(this.trans.__('expected , or %1', close));
      }
      this.at += 1;
      if (next === close) {
        return;
      }
      this.match(SPACE);
      if (this.text[this.at] === close) {
        this.fail(this.trans.__('no comma before %1', close));
      }
    }
  }

  private key(): void {
    this.match(SPACE);
    if (this.text[this.at] !== '"') {
      this.fail(this.trans.__('expected a name in "double quotes"'));
    }
    this.string();
    this.match(SPACE);
    if (this.text[this.at] !== ':') {
      this.fail(this.trans.__('expected :'));
    }
    this.at += 1;
  }

  private string(): void {
    if (!this.match(STRING)) {
      this.fail(this.trans.__('this string has no end, or a line break or \\ in it that JSON does not know'));
    }
  }

  private word(): void {
    const start = this.at;
    if (!this.match(WORD)) {
      const quote = this.text[start] === "'";
      const end = start >= this.text.length;
      this.fail(
        quote
          ? this.trans.__('JSON has "double quotes" only')
          : end
            ? this.trans.__('a value is missing')
            : this.trans.__('no value begins with %1', this.text[start])
      );
    }
    const word = this.text.slice(start, this.at);
    if (!['true', 'false', 'null'].includes(word)) {
      this.at = start;
      const better = WORDS[word];
      this.fail(
        better ? this.trans.__('write %1 for %2', better, word) : this.trans.__('strings need "double quotes"')
      );
    }
  }

  /** Move behind what an expression matches at this place. */
  private match(expression: RegExp): boolean {
    expression.lastIndex = this.at;
    const found = expression.test(this.text);
    this.at = found ? expression.lastIndex : this.at;
    return found;
  }

  private fail(message: string): never {
    throw new Fault(this.at, message);
  }

  private at = 0;
}
