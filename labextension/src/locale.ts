/**
 * How numbers and moments are written in the language that JupyterLab speaks, which is one for the whole page.
 * English keeps the plain form that commands and exports have: `12.4`, `62 %`, `2026-11-26 13:40:12`.
 */

/** Empty is English, or a language that the browser knows no way of writing numbers in. */
let language = '';
/** That of the browser's own varieties of it, whose clock the reader is used to. */
let clock: string | undefined;

function isKnown(code: string): boolean {
  try {
    return Intl.NumberFormat.supportedLocalesOf(code).length > 0;
  } catch {
    return false; // malformed, as ours are in tests of translators
  }
}

const family = (code: string): string => code.split('-')[0] ?? code;

/** @param code - JupyterLab's language as its translator tells it: `en`, `de-DE` */
export function speak(code: string, browser: readonly string[] = []): void {
  const tag = code.replace('_', '-');
  language = family(tag) === 'en' || !isKnown(tag) ? '' : tag;
  clock = [...browser, tag].find(one => family(one) === family(tag) && isKnown(one));
}

/** Whether numbers are as the kernel's own sentences write them. */
export const isPlain = (): boolean => language === '';

/** What is made as commands and exports write it, whatever the page speaks: for the clipboard. */
export function plainly<T>(make: () => T): T {
  const before = language;
  language = '';
  try {
    return make();
  } finally {
    language = before;
  }
}

const formats = new Map<string, Intl.NumberFormat>();

function format(digits: number, style: 'decimal' | 'percent'): Intl.NumberFormat {
  const key = [language, digits, style].join();
  const known = formats.get(key);
  if (known !== undefined) {
    return known;
  }
  const made = new Intl.NumberFormat(language, {
    style,
    numberingSystem: 'latn', // counts in sentences, and what is typed, are in these digits, too
    useGrouping: false,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  });
  formats.set(key, made);
  return made;
}

const digitsOf = (decimal: string): number => decimal.split('.')[1]?.length ?? 0;

/** A decimal that is already rounded, as `3.10`: `3,10` in German. */
export function written(decimal: string): string {
  return language === '' ? decimal : format(digitsOf(decimal), 'decimal').format(Number(decimal));
}

export function fixed(value: number, digits: number): string {
  return written(value.toFixed(digits));
}

/** `62 %` of a rounded 62; where the sign stands is the language's. */
export function hundredths(decimal: string): string {
  return language === ''
    ? `${decimal} %`
    : format(digitsOf(decimal), 'percent').format(Number(decimal) / 100);
}

/** The decimals in a text of the kernel's or the server's, such as a bill's; a version (`1.2.3`) is none. */
export function rewritten(text: string): string {
  return language === '' ? text : text.replace(/(?<![\w.])\d+\.\d+(?![\d.]*\d)/g, written);
}

/** Whether a decimal's sign is a comma, so that a point may be one between thousands. */
export function hasComma(): boolean {
  return language !== '' && format(1, 'decimal').format(0.5).includes(',');
}

/** A number as one types it in a field: `1.5`, `1,5`. */
export function typed(decimal: string): string {
  return hasComma() ? decimal.replace('.', ',') : decimal;
}

/** `2026-11-26`, a day of nowhere: `26.11.2026`. */
export function day(iso: string): string {
  const at = Date.parse(`${iso}T00:00:00Z`);
  return language === '' || Number.isNaN(at)
    ? iso
    : new Date(at).toLocaleDateString(clock, { dateStyle: 'medium', timeZone: 'UTC' });
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `2026-11-26 13:40:12`, where the reader is. */
export function moment(seconds: number): string {
  const at = new Date(1000 * seconds);
  if (language !== '') {
    return at.toLocaleString(clock, { dateStyle: 'medium', timeStyle: 'medium' });
  }
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${date} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}

/** By the clocks of a zone, `''` is the reader's: `Mon, Nov 30, 12:00 AM`. */
export function weekdayMoment(seconds: number, zone: string): string {
  const at = new Date(1000 * seconds);
  const options: Intl.DateTimeFormatOptions = {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit'
  };
  try {
    return at.toLocaleString(clock, { ...options, ...(zone === '' ? {} : { timeZone: zone }) });
  } catch {
    return at.toLocaleString(clock, options); // a zone that this browser lacks
  }
}
