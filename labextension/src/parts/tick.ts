import { useEffect, useReducer } from 'react';

/** Redraw when the shown time changes next: as rarely as will do, and not at all when nobody looks. */
export function useTick(active: boolean, seconds: number, step: number): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = active ? setTimeout(tick, 1000 * (step - (seconds % step)) + 1) : undefined;
    return () => clearTimeout(timer);
  }, [active, seconds, step]);
}
