/** Checks of what comes over the wire: each takes a value and its path, and returns it typed or throws. */

/** Something on the wire is not as agreed; says where. */
export class WireError extends Error {
  override name = 'WireError';
}

export type Check<T> = (value: unknown, path: string) => T;
export type Fields = Record<string, unknown>;

function kind(value: unknown): string {
  if (value === null) {
    return 'null';
  }
  return Array.isArray(value) ? 'a list' : value === undefined ? 'nothing' : `a ${typeof value}`;
}

function refuse(path: string, wanted: string, value: unknown): never {
  throw new WireError(`${path}: expected ${wanted}, got ${kind(value)}`);
}

export const text: Check<string> = (value, path) =>
  typeof value === 'string' ? value : refuse(path, 'a string', value);

export const flag: Check<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'a boolean', value);

export const number: Check<number> = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(path, 'a number', value);

export const fields: Check<Fields> = (value, path) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : refuse(path, 'an object', value);

export function oneOf<T extends string>(...words: readonly T[]): Check<T> {
  return (value, path) =>
    words.find(word => word === value) ??
    refuse(path, words.map(word => word || "''").join(' | '), value);
}

/** null stays null: on this wire it means "not known", never zero. */
export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path));
}

export function list<T>(check: Check<T>): Check<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item: unknown, i) => check(item, `${path}[${i}]`))
      : refuse(path, 'a list', value);
}

/** Named things of a kind, whatever their names. */
export function map<T>(check: Check<T>): Check<ReadonlyMap<string, T>> {
  return (value, path) =>
    new Map(
      Object.entries(fields(value, path)).map(([key, one]) => [key, check(one, `${path}.${key}`)])
    );
}

/** Exactly two of a kind. */
export function pair<T>(check: Check<T>): Check<[T, T]> {
  const both = list(check);
  return (value, path) => {
    const [one, other, ...more] = both(value, path);
    return one === undefined || other === undefined || more.length > 0
      ? refuse(path, 'a list of two', value)
      : [one, other];
  };
}

/** What an older kernel does not send yet. */
export function orElse<T>(check: Check<T>, fallback: T): Check<T> {
  return (value, path) => (value === undefined ? fallback : check(value, path));
}

/** An object whose named fields pass their checks; other fields are left behind. */
export function object<T>(checks: { [K in keyof T]: Check<T[K]> }): Check<T> {
  const entries = Object.entries(checks) as [keyof T & string, Check<unknown>][];
  return (value, path) => {
    const source = fields(value, path);
    const found = entries.map(([name, check]) => [name, check(source[name], `${path}.${name}`)]);
    return Object.fromEntries(found) as T;
  };
}
