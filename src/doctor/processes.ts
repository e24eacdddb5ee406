import type { Machine } from "./machine.ts";

/** Processes by the kernel's name for them (comm: at most 15 letters). */
export async function processes(
  machine: Machine,
): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const pids = (await machine.names("/proc")).filter((name) => /^\d+$/.test(name));
  const names = await Promise.all(pids.map((pid) => machine.text(`/proc/${pid}/comm`)));
  return pids.flatMap((pid, at) => (names[at] === undefined ? [] : [{ pid: Number(pid), name: names[at] }]));
}
