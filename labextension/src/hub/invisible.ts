/**
 * Characters that are invisible, or that change the direction of the text around them, in names that were stored before
 * the server refused them.
 *
 * The rule is that of the Python package's `names`: joiners stay where their script or an emoji needs them, variation
 * selectors behind the characters that they vary.
 */

/** The signs of Indic scripts that join the letters beside them. */
const VIRAMA =
  '\u094D\u09CD\u0A4D\u0ACD\u0B4D\u0BCD\u0C4D\u0CCD\u0D3B\u0D3C\u0D4D\u0DCA\u0E3A\u0EBA\u0F84\u1039\u103A\u1714\u1715\u1734\u17D2\u1A60\u1B44\u1BAA\u1BAB\u1BF2\u1BF3\u2D7F\uA806\uA82C\uA8C4\uA953\uA9C0\uAAF6\uABED';

/** Arabic letters that join the next one. */
const JOINING =
  '\u0626\u0628\u062A-\u062E\u0633-\u0647\u0649\u064A\u066E\u066F\u0678-\u0687\u069A-\u06BF\u06CC\u06CE\u06D0\u06D1\u06FA-\u06FC\u06FF';

const FITS = [
  `(?<=[${VIRAMA}])[\u200C\u200D]`,
  `(?<=[${JOINING}][\u064B-\u065F]*)\u200C(?=[\u0620-\u064A\u066E-\u06D3\u06FA-\u06FF])`,
  '(?<=[\\p{So}\u{1F3FB}-\u{1F3FF}\uFE0F])\u200D(?=\\p{So})',
  '(?<=[\\p{So}\\p{Sm}\\p{Unified_Ideograph}])[\uFE00-\uFE0F]',
  '[\uFE00-\uFE0F](?=\u20E3)',
  '(?<=\\p{Unified_Ideograph})[\u{E0100}-\u{E01EF}]',
  '(?<=[\u1820-\u18AA])[\u180B-\u180F]'
].join('|');
const HIDDEN =
  '[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0\u2800\u180B-\u180F\uFE00-\uFE0F\u{E0100}-\u{E01EF}]';
// eslint-disable-next-line no-misleading-character-class -- each selector is searched for by itself
const RULE = new RegExp(`(${FITS})|${HIDDEN}`, 'gu');
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** Return a text with each hidden character replaced. */
export function replaceHidden(text: string, replacement: (hidden: string) => string): string {
  return text.replace(RULE, (found: string, fits?: string) => fits ?? replacement(found));
}

/** Return a text with its hidden characters written as JavaScript does: `\u{202e}`. */
export function escapeHidden(text: string): string {
  return replaceHidden(text, hidden => `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Return a text marked so that its direction does not change the text beside it. */
export function isolate(text: string): string {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}
