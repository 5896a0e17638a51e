/** What the kernel and the server say in English sentences, from the values beside them: in the reader's numbers and unit. Pure. */
import type { Forecast, Verdict } from './budget.js';
import { amountText } from './budgets.js';
import { percent, plain, show, type EnergyUnit } from './format.js';
import { isPlain } from './locale.js';
import type { Words } from './words.js';

/** Empty where only the sentence says it. */
function perText({ period }: Verdict, words: Words): string {
  switch (period.kind) {
    case 'day':
      return words.__('per day');
    case 'week':
      return words.__('per week');
    case 'month':
      return words.__('per month');
    case 'session':
      return words.__('per session');
    case 'total':
      return words.__('in all');
    default:
      return '';
  }
}

function whoseText({ scope, key }: Verdict, words: Words): string {
  const name = key?.split(/[\\/]/).filter(Boolean).pop() ?? '';
  switch (scope) {
    case 'user':
      return words.__('all of mine');
    case 'session':
      return name === '' ? words.__('each session') : words.__('each session of %1', name);
    case 'notebook':
      return words.__('notebook %1', name);
    case 'project':
      return words.__('project %1', name);
    default:
      return '';
  }
}

/** `0,5 kWh per day, project paper`: what a budget without a name is called. */
export function titleOf(verdict: Verdict, words: Words): string {
  const [per, whose] = [perText(verdict, words), whoseText(verdict, words)];
  const { name, title, limit } = verdict;
  return isPlain() || name !== '' || per === '' || whose === ''
    ? title
    : words.__('%1 %2, %3', amountText(verdict, limit, limit), per, whose);
}

function basisText({ source, runs, device }: Forecast, words: Words): string {
  return source === 'progress'
    ? words.__('by its progress, on %1', device)
    : words._n('as its last run, on %2', 'as its last %1 runs, on %2', runs, device);
}

/** What it leaves of the budget that it takes most of. */
function leavesText({ budgets }: Forecast, words: Words): string[] {
  const known = budgets.filter(one => one.share_after !== null);
  const [most] = known.sort((a, b) => (b.share_after ?? 0) - (a.share_after ?? 0));
  return most?.share_after == null
    ? []
    : [words.__('%1 of %2 is spent then', percent(most.share_after), most.title)];
}

/** `~4,07 J, 1,50 s, as its last run, on AMD EPYC`. */
export function forecastText(forecast: Forecast, unit: EnergyUnit, words: Words): string {
  const { energy_j, wall_s, text } = forecast;
  const figures = [energy_j, wall_s].flatMap(one =>
    one === null || one.value === null ? [] : [plain(show(one, unit))]
  );
  return (isPlain() && unit === 'J') || figures.length === 0
    ? text
    : [...figures, basisText(forecast, words), ...leavesText(forecast, words)].join(', ');
}
