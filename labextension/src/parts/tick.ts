import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** Redraw when somebody says so. */
export function useSignal<T>(signal: ISignal<T, void>): void {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    signal.connect(redraw);
    return () => void signal.disconnect(redraw);
  }, [signal]);
}

/** Redraw in so many seconds, unless something else does before; never where nobody looks (null). */
export function useClock(due: (() => number) | null): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = due === null ? undefined : setTimeout(tick, 1000 * due() + 1);
    return () => clearTimeout(timer);
  });
}

/** Redraw when the shown time changes next: as rarely as will do, and not at all when nobody looks. */
export function useTick(active: boolean, seconds: number, step: number): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = active ? setTimeout(tick, 1000 * (step - (seconds % step)) + 1) : undefined;
    return () => clearTimeout(timer);
  }, [active, seconds, step]);
}
