/** Searching the places with a grid: pure. */
import type { Region } from './api.js';
import { fixed } from './locale.js';

/** Its words in lower case without accents, one space between: `gcp/us-central1` is `gcp us central1`. */
export function fold(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return (plain.match(/[\p{L}\p{N}]+/gu) ?? []).join(' ');
}

const begin = (words: readonly string[], text: string): boolean =>
  words.every(word => ` ${text}`.includes(` ${word}`));

/** How well it fits, 0 is best; -1 where it does not. */
function rank(wanted: string, region: Region): number {
  const words = wanted.split(' ');
  const [id, name] = [fold(region.id), fold(region.name)];
  const names = [name, ...region.aliases.map(fold)];
  const all = [id, ...names].join(' ');
  return [
    wanted === id,
    names.includes(wanted),
    id.startsWith(wanted),
    name.startsWith(wanted),
    begin(words, `${id} ${name}`),
    begin(words, all),
    words.every(word => all.includes(word))
  ].indexOf(true);
}

/** A cloud's region that has its place's figure comes after all that have their own, unless it is meant. */
const isLate = ({ id }: Region, rank: number): number =>
  Number(rank > 1 && /^(aws|azure)\//.test(id));

const byName = (a: Region, b: Region): number => a.name.localeCompare(b.name);

/** The regions that fit all words of `text`, the best first; all of them, by name, where there are no words. */
export function searchRegions(regions: readonly Region[], text: string): Region[] {
  const wanted = fold(text);
  if (wanted === '') {
    return [...regions].sort(byName);
  }
  return regions
    .map(region => ({ region, rank: rank(wanted, region) }))
    .filter(one => one.rank >= 0)
    .sort(
      (a, b) =>
        isLate(a.region, a.rank) - isLate(b.region, b.rank) ||
        a.rank - b.rank ||
        byName(a.region, b.region)
    )
    .map(one => one.region);
}

/** A refused region has no figure, so nothing can be derived of it. */
export const canChoose = ({ g_per_kwh }: Region): boolean => g_per_kwh !== null;

/** `56 g/kWh`, `7.4 g/kWh`. */
export function perKwh(value: number): string {
  return `${fixed(value, value < 9.95 ? 1 : 0)} g/kWh`;
}
