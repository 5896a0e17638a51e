/** What the pure modules need of a translator; JupyterLab's TranslationBundle is one. */
export interface Words {
  __(text: string, ...args: (string | number)[]): string;
  _n(one: string, many: string, n: number, ...args: (string | number)[]): string;
}

function fill(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d)/g, (all, n: string) => String(args[Number(n) - 1] ?? all));
}

/** The words as they stand in the source, for tests. */
export const ENGLISH: Words = {
  __: (text, ...args) => fill(text, args),
  _n: (one, many, n, ...args) => fill(n === 1 ? one : many, [n, ...args])
};
