import type React from 'react';
import type { Bucket, Summary } from '../api.js';

/** A figure of each scope: a row of the table where it is wide. */
export interface Column {
  name: string;
  label: string;
  /** Where there is little room; the unit says the rest. */
  short: string;
  /** It shows a part of the energy. */
  bucket?: Bucket;
  /** Derived of the joules. */
  cost?: boolean;
  quiet?: boolean;
  isThere?: (summary: Summary) => boolean;
  render?: (summary: Summary) => React.JSX.Element | null;
}
