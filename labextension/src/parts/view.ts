import { createContext, useContext } from 'react';
import type { EnergyUnit } from '../format.js';
import { ENGLISH, type Words } from '../words.js';

/** What every part of the panel needs: the language and the user's unit. */
export interface View {
  words: Words;
  energyUnit: EnergyUnit;
}

export const ViewContext = createContext<View>({ words: ENGLISH, energyUnit: 'J' });

export const useView = (): View => useContext(ViewContext);
