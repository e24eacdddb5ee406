import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Conversation, type Qemu, startQemu, talkTo } from "../qemu.ts";

/** What a command in the guest printed, and how it ended. */
export interface Ended {
  readonly status: number;
  readonly printed: string;
}

/** A Debian 13 for 64-bit ARM with its own systemd, and what can be done to it from outside. */
export interface DebianBoard {
  /** Resolves once systemd has started what it was to start. */
  booted(): Promise<void>;
  /** Runs a line of shell in the guest as root; its output without the last line feed. Rejects where it fails. */
  run(line: string): Promise<string>;
  /** As {@link run}, however it ends. */
  attempt(line: string): Promise<Ended>;
  /** Repeats a line until its output fits. */
  until(line: string, fits: (printed: string) => boolean, timeoutMs?: number): Promise<string>;
  /** The level of one of the GPIO controller's pins, as what is wired to it sees it. */
  pin(number: number): Promise<0 | 1>;
  /** Resets the machine between two instructions: nothing is stopped, nothing is synced. */
  reset(): Promise<void>;
  readonly qemu: Qemu;
}

/** An emulated processor is some forty times slower than this one, which may be busy. */
export const PATIENCE_MS = 300_000;

/** Table 3-2 of ARM DDI 0190B: the data register, whose address bits 9 to 2 say which pins to look at: all. */
const PL061_DATA = 0x0903_0000 + (0xff << 2);

/**
 * `system`: what debian/setup.sh printed. `cargo`: an archive that the guest finds as its second disk. `folder`: for disk,
 * console and sockets.
 */
export async function startDebian(
  emulator: string,
  system: string,
  cargo: string,
  folder: string,
): Promise<DebianBoard> {
  const disk = join(folder, "disk.ext4");
  await copyFile(join(system, "disk.ext4"), disk);
  const agent = join(folder, "agent");
  const qemu = startQemu(
    emulator,
    [
      ...["-machine", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "1024"],
      ...["-kernel", join(system, "kernel"), "-initrd", join(system, "initrd")],
      ...["-dtb", join(system, "board.dtb"), "-append", "console=ttyAMA0 quiet"],
      ...["-drive", `file=${disk},format=raw,if=virtio,cache=writeback`],
      ...["-drive", `file=${cargo},format=raw,if=virtio,readonly=on`],
      // No boot from the network: its program is in a package of its own.
      ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
      ...["-device", "i6300esb", "-device", "qemu-xhci,id=usb"],
      ...["-device", "virtio-serial-pci"],
      ...["-chardev", `socket,id=agent,path=${agent},server=on,wait=off`],
      ...["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
      ...["-serial", `file:${join(folder, "console")}`],
    ],
    folder,
  );

  const attempt = async (line: string, timeoutMs = PATIENCE_MS): Promise<Ended> => {
    const endMs = performance.now() + timeoutMs;
    const { pid } = (await asked(agent, qemu, endMs, "guest-exec", {
      path: "/bin/sh",
      arg: ["-c", line],
      env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"],
      "capture-output": "merged",
    })) as { pid: number };
    for (;;) {
      const status = (await asked(agent, qemu, endMs, "guest-exec-status", { pid })) as ExecStatus;
      if (status.exited) {
        const printed = Buffer.from(status["out-data"] ?? "", "base64").toString();
        return { status: status.exitcode ?? 128 + (status.signal ?? 0), printed: printed.trimEnd() };
      }
      await sleep(200);
    }
  };
  const run = async (line: string) => {
    const { status, printed } = await attempt(line);
    if (status !== 0) throw new Error(`${line}\nended with ${status} in the guest:\n${printed}`);
    return printed;
  };
  return {
    qemu,
    run,
    attempt: (line) => attempt(line),
    async booted() {
      await run("systemctl is-system-running --wait || true");
    },
    async until(line, fits, timeoutMs = PATIENCE_MS) {
      const endMs = performance.now() + timeoutMs;
      for (;;) {
        const { printed } = await attempt(line);
        if (fits(printed)) return printed;
        if (performance.now() > endMs)
          throw new Error(`${line}\nhas not printed what was waited for, but:\n${printed}`);
        await sleep(500);
      }
    },
    async pin(number) {
      const command = `xp /1wx 0x${PL061_DATA.toString(16)}`;
      const printed = (await qemu.control("human-monitor-command", { "command-line": command })) as string;
      const levels = Number(/: (0x[0-9a-f]+)/.exec(printed)?.[1]);
      return ((levels >> number) & 1) as 0 | 1;
    },
    async reset() {
      await qemu.control("system_reset");
    },
  };
}

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly "out-data"?: string;
}

let asks = 0;

/** Asks the guest's agent, which may not run yet, or no more: as often as it takes until it listens. */
async function asked(
  path: string,
  qemu: Qemu,
  endMs: number,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const agent = await listening(path, qemu, endMs);
  const deadline = setTimeout(agent.close, Math.max(1, endMs - performance.now()));
  try {
    return await agent.ask(command, args);
  } finally {
    clearTimeout(deadline);
    agent.close();
  }
}

async function listening(path: string, qemu: Qemu, endMs: number): Promise<Conversation> {
  for (;;) {
    const complaint = qemu.ended();
    if (complaint !== undefined) throw new Error(complaint);
    const agent = await talkTo(path);
    const deadline = setTimeout(agent.close, 10_000);
    try {
      // Whatever an agent before left half said ends here.
      const id = ++asks;
      let synced = await agent.ask("guest-sync", { id });
      while (synced !== id) synced = await agent.answer();
      return agent;
    } catch (error) {
      agent.close();
      if (performance.now() > endMs) throw new Error("the guest's agent does not answer", { cause: error });
      await sleep(500);
    } finally {
      clearTimeout(deadline);
    }
  }
}
