/** Translates the texts that people see; JupyterLab's `TranslationBundle` is one. */
export interface ITranslation {
  /** Translate a text. `%1`, `%2`, ... in it stand for the values. */
  __(text: string, ...values: unknown[]): string;

  /** Translate one of two texts, chosen by a count. `%1` stands for the first value. */
  _n(one: string, many: string, count: number, ...values: unknown[]): string;
}

/** Leaves the texts in English, for pages that have no translations. */
export const ENGLISH: ITranslation = {
  __: (text, ...values) => fill(text, values),
  _n: (one, many, count, ...values) => fill(count === 1 ? one : many, values)
};

function fill(text: string, values: readonly unknown[]): string {
  return text.replace(/%(\d+)/g, (_found, number: string) => String(values[Number(number) - 1]));
}
