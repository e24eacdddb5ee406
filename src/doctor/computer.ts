import { throttledFlags } from "../node/health.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import { systemdSettings, valuesIn } from "./unit.ts";

/** package.json, engines. */
const OLDEST_NODE = [20, 15] as const;

export const nodeVersion: Check = {
  id: "node-version",
  area: "machine",
  title: "Node.js",
  looksAt: "Node.js is not older than the program needs",
  async run({ machine: { nodeVersion } }) {
    const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
    const [oldestMajor, oldestMinor] = OLDEST_NODE;
    if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor))
      return [ok("Node.js", nodeVersion)];
    return [
      failed(
        "Node.js",
        `${nodeVersion} is too old: ${OLDEST_NODE.join(".")} or newer is needed`,
        "the package fieldpost brings its own",
      ),
    ];
  },
};

/** A node takes about 60 MiB; the file system wants some, too. */
const ENOUGH_MEMORY_BYTES = 100 * 1024 ** 2;

const inMib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`;

export const memory: Check = {
  id: "memory",
  area: "machine",
  title: "memory",
  looksAt: "a node's memory is free, unless it runs already",
  async run({ board, runningNode }) {
    const memory = await board.host.memory();
    if (!memory) return [];
    const found = `${inMib(memory.availableBytes)} of ${inMib(memory.totalBytes)} available`;
    const enough = memory.availableBytes >= ENOUGH_MEMORY_BYTES || (await runningNode()).runs;
    return [
      enough
        ? ok("memory", found)
        : warning(
            "memory",
            `${found}; a node takes about 60 MiB`,
            "stop what else runs (ps aux --sort -rss), or take a board with more",
          ),
    ];
  },
};

export const swap: Check = {
  id: "swap",
  area: "machine",
  title: "swap",
  looksAt: "no memory is swapped to the card, which would wear it out; zram does no harm",
  needs: "board",
  async run({ machine }) {
    const [, ...lines] = ((await machine.text("/proc/swaps")) ?? "").split("\n");
    const onDisk = lines
      .map((line) => line.split(/\s+/)[0] ?? "")
      .filter((name) => name !== "" && !/zram/.test(name));
    if (onDisk.length === 0) return [ok("swap", lines.length === 0 ? "none" : "in memory only (zram)")];
    return [
      warning(
        "swap",
        `on ${onDisk.join(", ")}: wears a card`,
        "sudo swapoff -a, and sudo systemctl disable --now dphys-swapfile (or take the line out of /etc/fstab)",
      ),
    ];
  },
};

export const power: Check = {
  id: "power",
  area: "machine",
  title: "power supply",
  looksAt:
    "the Raspberry Pi's firmware has seen no under-voltage, now or since boot, and has not slowed the processor down",
  async run({ board }) {
    const word = await board.host.throttled();
    if (word === undefined) return [];
    const what = "power supply";
    const flags = Object.entries(throttledFlags(word)).flatMap(([name, isSet]) => (isSet ? [name] : []));
    const now = flags.filter((name) => !name.endsWith("_since_boot"));
    const inWords = (names: readonly string[]) => names.map((name) => name.replaceAll("_", " ")).join(", ");
    const mend =
      "a supply of 5.1 V and 3 A (5 A for a Pi 5) on a short, thick cable; nothing hungry on the USB ports";
    if (now.includes("under_voltage")) return [failed(what, `${inWords(now)}, right now`, mend)];
    if (now.length > 0) return [warning(what, `${inWords(now)}, right now`, "cool it: a heat sink, air")];
    if (flags.length > 0)
      return [
        warning(
          what,
          inWords(flags),
          flags.some((name) => name.startsWith("under")) ? mend : "cool it: a heat sink, air",
        ),
      ];
    return [ok(what, "no under-voltage since boot")];
  },
};

/** Raspberry Pi documentation, "Frequency management and thermal control": from here on the firmware slows down. */
const HOT_CELSIUS = 80;

export const temperature: Check = {
  id: "temperature",
  area: "machine",
  title: "temperature",
  looksAt: "the processor is below 80 °C, where it begins to slow down",
  async run({ board }) {
    const celsius = await board.host.cpuTemperature();
    if (celsius === undefined) return [];
    const found = `${celsius.toFixed(1)} °C in the processor`;
    return [
      celsius < HOT_CELSIUS
        ? ok("temperature", found)
        : warning(
            "temperature",
            `${found}: it slows down from ${HOT_CELSIUS} °C on`,
            "a heat sink, air, shade; in a closed box it gets hotter still",
          ),
    ];
  },
};

export const watchdog: Check = {
  id: "watchdog",
  area: "machine",
  title: "watchdog",
  looksAt: "there is a hardware watchdog, and systemd feeds it: it starts a machine anew that hangs",
  needs: "board",
  async run({ machine }) {
    const what = "watchdog";
    const devices = (await machine.names("/sys/class/watchdog")).filter((name) => /^watchdog\d+$/.test(name));
    const [device] = devices;
    if (device === undefined)
      return [
        warning(
          what,
          "the kernel has none: a machine that hangs stays so",
          "dtparam=watchdog=on in config.txt, then reboot",
        ),
      ];
    const read = (file: string) => machine.text(`/sys/class/watchdog/${device}/${file}`);
    const [state, identity = device, timeout] = await Promise.all([
      read("state"),
      read("identity"),
      read("timeout"),
    ]);
    // Not every kernel tells the state; then what systemd was told counts.
    const settings = await systemdSettings(machine, "system.conf");
    const wanted = valuesIn(settings, "RuntimeWatchdogSec").at(-1);
    const isFed =
      state === undefined ? wanted !== undefined && !/^(0|off)$/.test(wanted) : state === "active";
    if (isFed) return [ok(what, `${identity} is armed${timeout === undefined ? "" : `, ${timeout} s`}`)];
    return [
      warning(
        what,
        `${identity} is there, and nobody feeds it`,
        "RuntimeWatchdogSec=14s below [Manager] in /etc/systemd/system.conf.d/watchdog.conf, then sudo systemctl daemon-reexec",
      ),
    ];
  },
};

export const cgroups: Check = {
  id: "memory-limit",
  area: "machine",
  title: "memory limit",
  looksAt: "the kernel keeps the memory limits of the service; some Raspberry Pi firmware switches that off",
  needs: "board",
  async run({ machine, file }) {
    if (!file.isOfService) return [];
    const what = "memory limit";
    const controllers = await machine.text("/sys/fs/cgroup/cgroup.controllers");
    if (controllers === undefined) return [skipped(what, "this system has no control groups of version 2")];
    if (controllers.split(/\s+/).includes("memory")) return [ok(what, "kept by the kernel")];
    return [
      warning(
        what,
        "the kernel does not keep the service's MemoryMax",
        "cgroup_enable=memory in /boot/firmware/cmdline.txt (one line), then reboot",
      ),
    ];
  },
};

/** dBm. Below this a Wi-Fi link loses packets and falls back to its slowest rates. */
const WEAK_DBM = -75;

export const wifi: Check = {
  id: "wifi",
  area: "machine",
  title: "Wi-Fi",
  looksAt: "the Wi-Fi's signal is not weaker than -75 dBm",
  async run({ board }) {
    const dbm = await board.host.signalDbm();
    if (dbm === undefined) return [];
    if (dbm >= WEAK_DBM) return [ok("Wi-Fi", `${dbm} dBm`)];
    return [
      warning(
        "Wi-Fi",
        `${dbm} dBm is weak`,
        "move the board or its access point; an aerial outside a metal box; a cable",
      ),
    ];
  },
};
