/** What is said where kernel, server and page are of different versions: pure. */

/** What ends a sentence of two versions that a button of ours can help with. */
export const RELOAD = 'reload it';
export const RESTART = 'then restart the kernel';

/** Which of two is to be upgraded, where they do not speak one language. */
export function mismatch(schema: unknown, ours: number, ofKernel: boolean): string {
  const said = `(it speaks schema ${String(schema)}, this page ${ours})`;
  const newer = Number(schema) > ours;
  if (ofKernel) {
    return newer
      ? `the kernel's jupyter_costmeter is newer than JupyterLab's ${said}: upgrade it where JupyterLab runs, then restart that`
      : `the kernel's jupyter_costmeter is older than JupyterLab's ${said}: upgrade it in the kernel's environment, ${RESTART}`;
  }
  return newer
    ? `this page is older than the server's jupyter_costmeter ${said}: ${RELOAD}`
    : `the server's jupyter_costmeter is older than this page ${said}: upgrade it where JupyterLab runs, then restart that`;
}
