import type { Scope } from '../rest.js';
import type { Words } from '../words.js';

export function scopeName(scope: Scope, words: Words): string {
  return {
    session: words.__('Session'),
    notebook: words.__('Notebook'),
    project: words.__('Project')
  }[scope];
}
