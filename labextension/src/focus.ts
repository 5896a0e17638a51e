/** The keyboard's focus is not lost with what had it: pure, over a part of the page. */

/** Where what had the focus goes away, and nobody else takes it, the part itself has it; answers how to stop. */
export function keepFocus(part: HTMLElement): () => void {
  let last: Element | null = null;
  const observer = new MutationObserver(() => {
    if (last !== null && !last.isConnected && document.activeElement === document.body) {
      part.focus({ preventScroll: true });
    }
  });
  const enter = (event: FocusEvent): void => {
    last = event.target as Element;
    observer.observe(part, { childList: true, subtree: true });
  };
  const leave = ({ relatedTarget }: FocusEvent): void => {
    // by the user; what is taken away may say so, too, and is found by the observer
    const goes = last?.isConnected === true || relatedTarget !== null;
    if (goes && !part.contains(relatedTarget as Node | null)) {
      setTimeout(() => {
        if (last?.isConnected !== false && !part.contains(document.activeElement)) {
          last = null;
          observer.disconnect();
        }
      });
    }
  };
  part.addEventListener('focusin', enter);
  part.addEventListener('focusout', leave);
  return () => {
    observer.disconnect();
    part.removeEventListener('focusin', enter);
    part.removeEventListener('focusout', leave);
  };
}
