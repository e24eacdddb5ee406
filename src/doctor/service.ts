import { resolve } from "node:path";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import type { Machine } from "./machine.ts";
import { processes } from "./processes.ts";
import { readUnit, systemdSettings, valuesIn } from "./unit.ts";

const SERVICE_CONFIG = "/etc/fieldpost/fieldpost.yaml";

export const runningNode: Check = {
  id: "node",
  area: "service",
  title: "node",
  looksAt: "a node that runs has its broker, and no second one runs beside it",
  needs: "linux",
  async run({ machine, file, runningNode }) {
    const what = "node";
    const node = await runningNode();
    const others = await nodesAmong(machine, file.path);
    if (others.length > 1)
      return [
        warning(
          what,
          `several run with this configuration: processes ${others.join(", ")}`,
          "stop all but one: they would throw each other out at the broker",
        ),
      ];
    if (!node.runs) return [ok(what, "none runs with this configuration")];
    if (!node.view) return [skipped(what, "one runs, and this user may not talk to it: try sudo")];
    const { pid, link } = node.view;
    if (link.connected) return [ok(what, `runs, process ${pid}, connected to ${link.server}`)];
    return [
      warning(
        what,
        `runs, process ${pid}, without a broker: ${link.last_error ?? "it has just begun"}`,
        "see what is said of the broker below",
      ),
    ];
  },
};

/** Processes that run `fieldpost run` with this configuration. */
async function nodesAmong(machine: Machine, configPath: string): Promise<readonly number[]> {
  const all = await processes(machine);
  const isNode = await Promise.all(
    all.map(async ({ pid }) => {
      const words = ((await machine.text(`/proc/${pid}/cmdline`)) ?? "").split("\0");
      const at = words.indexOf("run");
      if (at < 1 || !/(^|\/)fieldpost(\.js)?$/.test(words[at - 1]!)) return false;
      const named = words.findIndex((word) => /^(-c|--config)(=|$)/.test(word));
      const file = named < 0 ? SERVICE_CONFIG : (/=(.*)/.exec(words[named]!)?.[1] ?? words[named + 1] ?? "");
      return resolve((await machine.real(`/proc/${pid}/cwd`)) ?? "/", file) === configPath;
    }),
  );
  return all.flatMap(({ pid }, at) => (isNode[at] ? [pid] : []));
}

export const service: Check = {
  id: "service",
  area: "service",
  title: "service",
  looksAt: "the service is installed and enabled: without that no node runs after a reboot",
  needs: "board",
  async run({ machine, file }) {
    const what = "service";
    if (!(await machine.facts("/run/systemd/system"))) return [skipped(what, "systemd does not run here")];
    if (!file.isOfService) return [skipped(what, "this is not the configuration of the service")];
    const unit = await readUnit(machine);
    if (!unit)
      return [
        failed(
          what,
          "not installed: no node runs after a reboot",
          "install the package (fieldpost deploy does it)",
        ),
      ];
    // A link to the unit, which need not lead anywhere that this user may look.
    const wanted = await machine.names("/etc/systemd/system/multi-user.target.wants");
    if (wanted.includes("fieldpost.service")) return [ok(what, `installed and enabled (${unit.path})`)];
    return [
      failed(what, "not enabled: no node runs after a reboot", "sudo systemctl enable --now fieldpost"),
    ];
  },
};

export const safeOutputs: Check = {
  id: "safe-outputs",
  area: "service",
  title: "safe outputs",
  looksAt:
    "where there are actuators, the service runs `fieldpost safe` after any exit (ExecStopPost): the board goes on driving its outputs",
  needs: "board",
  async run({ machine, file, config }) {
    const unit = file.isOfService && config.actuators.length > 0 ? await readUnit(machine) : undefined;
    if (!unit) return [];
    const what = "safe outputs";
    if (unit.values("ExecStopPost").some((command) => /\bsafe\b/.test(command)))
      return [ok(what, "fieldpost safe runs after any exit")];
    return [
      failed(
        what,
        "after a crash the outputs stay as they are",
        "ExecStopPost=/usr/bin/fieldpost safe in the service (systemctl cat fieldpost shows what takes it away)",
      ),
    ];
  },
};

export const journal: Check = {
  id: "journal",
  area: "service",
  title: "system log",
  looksAt: "the log of the system is kept in memory, or has a limit that spares the card",
  needs: "board",
  async run({ machine }) {
    const what = "system log";
    if (!(await machine.facts("/run/systemd/system"))) return [];
    const settings = await systemdSettings(machine, "journald.conf");
    const storage = valuesIn(settings, "Storage").at(-1) ?? "auto";
    const onDisk =
      storage === "persistent" ||
      (storage === "auto" && (await machine.facts("/var/log/journal")) !== undefined);
    if (!onDisk) return [ok(what, "in memory")];
    const limit = valuesIn(settings, "SystemMaxUse").at(-1);
    if (limit !== undefined) return [ok(what, `at most ${limit} on disk`)];
    return [
      warning(
        what,
        "on disk without a limit of its own: up to a tenth of the card",
        "SystemMaxUse=32M below [Journal] in /etc/systemd/journald.conf, then sudo systemctl restart systemd-journald",
      ),
    ];
  },
};
