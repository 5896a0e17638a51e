import { createContext, useContext, useEffect, useRef, type RefObject } from 'react';
import type { EnergyUnit } from '../format.js';
import { ENGLISH, type Words } from '../words.js';

/** What every part of the panel needs: the language and the user's settings. */
export interface View {
  words: Words;
  energyUnit: EnergyUnit;
  showMoney: boolean;
}

export const ViewContext = createContext<View>({
  words: ENGLISH,
  energyUnit: 'J',
  showMoney: true
});

export const useView = (): View => useContext(ViewContext);

/** What the user has just opened comes into view. */
export function useInView<T extends HTMLElement>(opened = true): RefObject<T> {
  const node = useRef<T>(null);
  useEffect(() => {
    if (opened) {
      node.current?.scrollIntoView({ block: 'nearest' });
    }
  }, [opened]);
  return node;
}
