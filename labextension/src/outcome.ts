/** How runs end, in glyphs that every font has. */
export const MARKS = { ok: '', error: '✗', interrupted: '■', killed: '†' } as const;
