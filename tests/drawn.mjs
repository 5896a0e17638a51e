/** What React draws, as text: for tests of what is said. */
import React from 'react';
import { ViewContext } from '../labextension/lib/parts/view.js';
import { ENGLISH } from '../labextension/lib/words.js';

const VIEW = { words: ENGLISH, energyUnit: 'J', showMoney: true };

export const viewed = element =>
  React.createElement(ViewContext.Provider, { value: VIEW }, element);

const SIGNS = { '&#x27;': "'", '&quot;': '"', '&lt;': '<', '&gt;': '>', '&amp;': '&' };

export const text = html =>
  html.replace(/<[^>]*>/g, '').replace(/&[#\w]+;/g, sign => SIGNS[sign] ?? sign);
