/** What figures say on hover, for the keyboard and for touch: pure, over a part of the page. */

/** Has something to say. */
const SAYS = "[title]:not([title='']), svg[aria-label]";
/** Walked to as a whole, with all that is said in it. */
const ROWS = '.jp-Costmeter-fold, .jp-Costmeter-cell';
/** These have arrow keys of their own, or are walked to by those who have. */
const OTHERS = "[role='tab'], [role='option'], option";
/** Where a press does something else. */
const PRESSED = 'button, a, input, select, textarea, label';
const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  Home: -Infinity,
  End: Infinity
};
const ID = 'jp-Costmeter-explained';
/** Pixels to what it is about, and to the window's edge. */
const [GAP, EDGE] = [4, 8];

/** All that an element and what is in it say, each once. */
function saidOf(element: Element): string {
  const all = [element, ...element.querySelectorAll(SAYS)].filter(one => one.matches(SAYS));
  const said = all.map(one => one.getAttribute('title') || one.getAttribute('aria-label') || '');
  return [...new Set(said)].join('\n');
}

const isDrawn = (element: Element): boolean => element.getClientRects().length > 0;

/** What the arrow keys walk through, in the page's order: of what lies in another the outer one. */
function stopsOf(part: Element): HTMLElement[] {
  const all = [...part.querySelectorAll<HTMLElement>(`${SAYS}, ${ROWS}`)];
  const inner = (one: Element): boolean =>
    one.parentElement?.closest(`${SAYS}, ${ROWS}, button`) != null;
  return all.filter(one => !one.matches(OTHERS) && !inner(one) && isDrawn(one));
}

/** The one that is so many steps from there, which may be none of them. */
function stepped(stops: readonly HTMLElement[], from: Element, step: number): HTMLElement | null {
  const here = stops.indexOf(from as HTMLElement);
  const after = stops.findIndex(
    one => from.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING
  );
  const next = after < 0 ? stops.length : after;
  const at = here >= 0 ? here + step : step > 0 ? next + step - 1 : next + step;
  const kept = Math.max(0, Math.min(stops.length - 1, at));
  return stops[kept] ?? null;
}

class Tip {
  private about: Element | null = null;
  private node: HTMLElement | null = null;
  /** By what else it was described before. */
  private described: string | null = null;
  private readonly observer = new MutationObserver(() => this.refresh());

  constructor(private readonly part: Element) {}

  get shown(): Element | null {
    return this.about;
  }

  /** Beside the element; nothing where it says nothing. */
  show(about: Element): void {
    this.hide();
    if (saidOf(about) === '') {
      return;
    }
    this.about = about;
    this.node = document.body.appendChild(document.createElement('div'));
    Object.assign(this.node, { id: ID, className: 'jp-Costmeter-tip', role: 'tooltip' });
    this.described = about.getAttribute('aria-describedby');
    about.setAttribute('aria-describedby', ID);
    this.refresh();
    this.observer.observe(this.part, {
      subtree: true,
      childList: true,
      attributeFilter: ['title']
    });
    document.addEventListener('keydown', this.onKey, true);
    document.addEventListener('pointerdown', this.onPress, true);
    window.addEventListener('wheel', this.hide, { passive: true });
  }

  readonly hide = (): void => {
    if (this.about !== null && this.described !== null) {
      this.about.setAttribute('aria-describedby', this.described);
    } else {
      this.about?.removeAttribute('aria-describedby');
    }
    this.node?.remove();
    this.about = this.node = null;
    this.observer.disconnect();
    document.removeEventListener('keydown', this.onKey, true);
    document.removeEventListener('pointerdown', this.onPress, true);
    window.removeEventListener('wheel', this.hide);
  };

  /** Figures change while they are looked at, or go. */
  private refresh(): void {
    const { about, node } = this;
    if (about === null || node === null) {
      return;
    }
    const said = saidOf(about);
    if (!about.isConnected || said === '') {
      this.hide();
    } else if (node.textContent !== said) {
      node.textContent = said;
      place(node, about.getBoundingClientRect());
    }
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation(); // it closes this alone
      this.hide();
    }
  };

  private readonly onPress = (event: Event): void => {
    const target = event.target as Node;
    if (!this.node?.contains(target) && !this.about?.contains(target)) {
      this.hide();
    }
  };
}

/** Below what it is about, or above where there is no room; never beyond the window. */
function place(node: HTMLElement, about: DOMRect): void {
  const { width, height } = node.getBoundingClientRect();
  const below = about.bottom + GAP;
  const fits = below + height + EDGE <= window.innerHeight;
  const left = Math.min(about.left, window.innerWidth - width - EDGE);
  node.style.left = `${Math.max(EDGE, left)}px`;
  node.style.top = `${Math.max(EDGE, fits ? below : about.top - GAP - height)}px`;
}

/** It can have the focus while it has it; also while another window has the keyboard. */
function focus(element: HTMLElement): void {
  if (!element.matches('button, [tabindex]')) {
    element.tabIndex = -1;
    const leave = (): void => {
      if (document.activeElement !== element) {
        element.removeAttribute('tabindex');
        element.removeEventListener('blur', leave);
      }
    };
    element.addEventListener('blur', leave);
  }
  element.focus();
}

/**
 * From the part itself, from a button and from each other the arrow keys walk through all that
 * says something, and show it; a press shows it, too (in a button: a long one). Answers how to stop.
 */
export function explaining(part: HTMLElement): () => void {
  const tip = new Tip(part);
  const walk = (event: KeyboardEvent): void => {
    const [step, from] = [STEPS[event.key], event.target as HTMLElement];
    const other = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
    const stops = step === undefined || other || event.defaultPrevented ? [] : stopsOf(part);
    const walks = stops.includes(from) || from === part || from.matches('button');
    const next = walks && !from.matches(OTHERS) ? stepped(stops, from, step ?? 0) : null;
    if (next !== null) {
      event.preventDefault();
      event.stopPropagation();
      focus(next);
      tip.show(next);
    }
  };
  const enter = ({ target }: FocusEvent): void => {
    const found = target as Element;
    if (found.matches('button[title]:focus-visible')) {
      tip.show(found); // what a mouse would be told
    } else if (found !== tip.shown) {
      tip.hide();
    }
  };
  const press = ({ target }: Event): void => {
    const found = (target as Element).closest(SAYS);
    if (found !== null && part.contains(found) && found.closest(PRESSED) === null) {
      tip.show(found);
    }
  };
  const hold = (event: MouseEvent): void => {
    const found = (event.target as Element).closest(`${SAYS}, ${ROWS}`);
    if ((event as PointerEvent).pointerType === 'touch' && found !== null) {
      event.preventDefault();
      tip.show(found.closest(ROWS) ?? found);
    }
  };
  part.addEventListener('keydown', walk);
  part.addEventListener('focusin', enter);
  part.addEventListener('focusout', tip.hide);
  part.addEventListener('click', press);
  part.addEventListener('contextmenu', hold);
  return () => {
    tip.hide();
    part.removeEventListener('keydown', walk);
    part.removeEventListener('focusin', enter);
    part.removeEventListener('focusout', tip.hide);
    part.removeEventListener('click', press);
    part.removeEventListener('contextmenu', hold);
  };
}
