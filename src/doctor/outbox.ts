import { join } from "node:path";
import { nodeFiles } from "../outbox/files/node.ts";
import { type Inspection, inspectOutbox } from "../outbox/inspect.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import type { Machine } from "./machine.ts";

/** Bytes of disk that the outbox takes now. */
export function bytesOfOutbox(machine: Machine, path: string): number {
  return look(machine, path)?.diskBytes ?? 0;
}

/** Undefined: there is none yet, or it cannot be read. */
function look({ root }: Machine, path: string): Inspection | undefined {
  try {
    return inspectOutbox(join(root, path), nodeFiles());
  } catch {
    return undefined;
  }
}

export const outbox: Check = {
  id: "outbox",
  area: "storage",
  title: "outbox",
  looksAt: "the outbox can be read, and nothing in it is damaged or was set aside",
  needs: "linux",
  async run({ machine, config }) {
    const { path, tail } = config.buffer;
    const folder = join(machine.root, path);
    const what = "outbox";
    if (!(await machine.facts(path))) return [ok(what, "empty: the node makes it when it first starts")];
    try {
      const { damaged, depth, stream } = inspectOutbox(folder, nodeFiles(), tail && join(machine.root, tail));
      const aside = (await machine.names(path)).filter((name) => name.endsWith(".damaged"));
      const bad = [...damaged, ...aside];
      if (bad.length > 0)
        return [
          warning(
            what,
            `damaged: ${bad.join(", ")}`,
            "the node goes on and reports what is lost (event/dropped); damage that comes back is a failing card. fieldpost buffer export rescues the rest",
          ),
        ];
      if (stream === undefined) return [ok(what, "empty")];
      return [ok(what, `${depth} ${depth === 1 ? "record waits" : "records wait"} for the broker`)];
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EACCES") return [skipped(what, "this user may not read it: sudo fieldpost doctor")];
      return [failed(what, message, code === "EIO" ? "the card is failing: change it" : undefined)];
    }
  },
};

export const outboxOwner: Check = {
  id: "outbox-owner",
  area: "storage",
  title: "outbox's owner",
  looksAt: "no other process has the outbox than a node that answers",
  needs: "linux",
  async run({ machine, config, runningNode }) {
    const what = "outbox's owner";
    const ownerPid = look(machine, config.buffer.path)?.ownerPid;
    if (ownerPid === undefined) return [ok(what, "nobody has it open")];
    const node = await runningNode();
    if (node.runs && (node.view === undefined || node.view.pid === ownerPid))
      return [ok(what, `the running node, process ${ownerPid}`)];
    return [
      failed(
        what,
        `process ${ownerPid} has it, and answers to nobody`,
        `ps ${ownerPid} shows what it is: stop it, or set another buffer.path`,
      ),
    ];
  },
};
