import React, { useEffect, useRef } from 'react';
import type { Held } from '../api.js';
import { about, percent, si } from '../format.js';
import { FORGOTTEN_S, HELD_STEP_S } from '../model.js';
import type { Words } from '../words.js';
import { Coded } from './figure.js';
import { useTick } from './tick.js';
import { useView } from './view.js';

const FREE = 'torch.cuda.empty_cache()';

/** `GPU 0 (NVIDIA A100)`; a UUID only where it is needed to tell one from another. */
function gpuName({ device, name }: Held, several: boolean, words: Words): string {
  const short = device.slice(0, 12).replace(/-$/, '');
  if (name === null) {
    return short;
  }
  if (device.startsWith('GPU ')) {
    return `${short} (${name})`;
  }
  return several ? words.__('a GPU (%1, %2)', name, short) : words.__('a GPU (%1)', name);
}

function use({ busy_share }: Held, words: Words): string {
  if (busy_share === null) {
    return words.__('How much of it was used is not known.');
  }
  const shown = percent(busy_share);
  return Math.round(100 * busy_share) > 0 // others may have used it, too
    ? words.__('At most %1 of it was used.', shown)
    : words.__('%1 of it was used.', shown);
}

function sentence(held: Held, several: boolean, words: Words): string {
  const gpu = gpuName(held, several, words);
  const time = about(held.idle_s);
  return held.used_bytes === null
    ? words.__('This kernel has held %1 for %2 since the last cell.', gpu, time)
    : words.__(
        'This kernel has held %1 on %2 for %3 since the last cell.',
        si(held.used_bytes, 'B'),
        gpu,
        time
      );
}

function release(words: Words): string {
  return words.__(
    'To release it: delete what holds it, then (PyTorch) %1; what the CUDA context itself takes goes only when the kernel is restarted. The totals are as of the last cell.',
    FREE
  );
}

/** Ask the kernel again, once for each look that is due. */
function useLooks(due: number, ask: () => void): void {
  const asked = useRef(0);
  useEffect(() => {
    if (due > 0 && due !== asked.current) {
      ask();
    }
    asked.current = due;
  });
}

export interface HeldNoteProps {
  /** As of now, each time that it is called. */
  held: () => Held[];
  /** Which look at them is due, if any. */
  due: () => number;
  ticks: boolean;
  ask: () => void;
}

/** GPUs that are held and not used, for how long, and how to release them; nothing where there are none. */
export function HeldNote({ held, due, ticks, ask }: HeldNoteProps): React.JSX.Element | null {
  const { words } = useView();
  const all = held();
  const idle = Math.max(0, ...all.map(one => one.idle_s));
  const active = ticks && all.length > 0;
  useTick(active, idle, HELD_STEP_S);
  useLooks(active ? due() : 0, ask);
  const found = all.filter(one => one.idle_s >= FORGOTTEN_S);
  return found.length === 0 ? null : (
    <div className="jp-Costmeter-held" role="note">
      {found.map(one => (
        <p key={one.device} data-device={one.device} data-idle={one.idle_s.toFixed(0)}>
          {sentence(one, found.length > 1, words)} {use(one, words)}
        </p>
      ))}
      <p>
        <Coded text={release(words)} code={FREE} />
      </p>
    </div>
  );
}
