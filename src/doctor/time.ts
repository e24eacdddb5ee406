import { isSecure } from "../mqtt/broker/server.ts";
import { usesWallTime } from "../rules/rule.ts";
import { type Check, type Diagnosis, failed, ok, warning } from "./check.ts";
import type { Machine } from "./machine.ts";
import type { Patient } from "./patient.ts";
import { processes } from "./processes.ts";
import { systemdSettings, valuesIn } from "./unit.ts";

export const clockSet: Check = {
  id: "clock",
  area: "clock",
  title: "clock",
  looksAt: "the system clock has been set since the machine started; TLS fails before that",
  needs: "linux",
  async run({ clock, config }) {
    const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+/, "");
    if (clock.synced()) return [ok("clock", `set; it is ${now}`)];
    const found = `not set since the machine started; it says ${now}`;
    const fix =
      "wait for a time server (timedatectl shows it), or set it by hand: sudo date -u -s 'YYYY-MM-DD hh:mm'";
    return [
      config.mqtt.url.some(isSecure)
        ? failed("clock", `${found}: no certificate can be checked`, fix)
        : warning("clock", `${found}: readings say so until it is`, fix),
    ];
  },
};

/** Who keeps the clock: the process's name, and what shows how it does. */
const KEEPERS: Readonly<Record<string, string>> = {
  "systemd-timesyn": "systemd-timesyncd",
  chronyd: "chrony",
  ntpd: "ntpd",
  ntpsec: "ntpsec",
  openntpd: "OpenNTPD",
};

export const timeService: Check = {
  id: "time-service",
  area: "clock",
  title: "time service",
  looksAt: "something keeps the clock right: systemd-timesyncd, chrony, ntpd",
  needs: "board",
  async run({ machine }) {
    const names = new Set((await processes(machine)).map(({ name }) => name));
    const keeper = Object.entries(KEEPERS).find(([process]) => names.has(process));
    if (keeper) return [ok("time service", `${keeper[1]} runs`)];
    return [
      warning(
        "time service",
        "nobody keeps the clock: it will drift by seconds a day",
        "sudo timedatectl set-ntp true",
      ),
    ];
  },
};

/** Seconds of error from which readings, schedules and `max_age` of commands begin to suffer, and where they are wrong. */
const NOTICEABLE_S = 1;
const WRONG_S = 60;

/** What a machine asks that was told nothing: the public pool. */
const PUBLIC_POOL = "pool.ntp.org";

export const clockOffset: Check = {
  id: "clock-offset",
  area: "clock",
  title: "clock offset",
  looksAt:
    "the clock is within a second of a time server's (SNTP, one question to the one that this machine uses)",
  needs: "broker",
  async run({ machine, askTime, clock }) {
    const what = "clock offset";
    const server = (await timeServers(machine))[0] ?? PUBLIC_POOL;
    try {
      const { offsetMs, roundTripMs } = await askTime(server);
      const seconds = Math.abs(offsetMs) / 1000;
      const found = `${inSeconds(seconds)} ${offsetMs < 0 ? "ahead of" : "behind"} ${server} (answer in ${Math.round(roundTripMs)} ms)`;
      const fix = "sudo systemctl restart systemd-timesyncd; timedatectl timesync-status";
      if (seconds > WRONG_S) return [failed(what, found, fix)];
      return [seconds > NOTICEABLE_S ? warning(what, found, fix) : ok(what, found)];
    } catch (error) {
      return [noAnswer(server, (error as Error).message, machine, clock.synced())];
    }
  },
};

function noAnswer(server: string, message: string, machine: Machine, synced: boolean): Diagnosis {
  const what = "clock offset";
  const said = machine.kernelClock();
  if (synced && said && said.maxErrorUs < NOTICEABLE_S * 1e6)
    return ok(
      what,
      `at most ${inSeconds(said.maxErrorUs / 1e6)}, by the kernel's own estimate (${server}: ${message})`,
    );
  return warning(
    what,
    `${server}: ${message}`,
    "open UDP port 123, or name a server of your network in /etc/systemd/timesyncd.conf (NTP=)",
  );
}

function inSeconds(seconds: number): string {
  return seconds < 10 ? `${Math.round(seconds * 1000)} ms` : `${Math.round(seconds)} s`;
}

/** timesyncd.conf(5), also what it shows as its defaults; chrony.conf(5), `server` and `pool`. */
async function timeServers(machine: Machine): Promise<readonly string[]> {
  const texts = await systemdSettings(machine, "timesyncd.conf");
  const chrony = (await machine.text("/etc/chrony/chrony.conf")) ?? "";
  const named = [...valuesIn(texts, "NTP"), ...valuesIn(texts, "FallbackNTP")].flatMap((names) =>
    names.split(/\s+/),
  );
  const ofChrony = [...chrony.matchAll(/^(?:server|pool)\s+(\S+)/gm)].map(([, name = ""]) => name);
  const main = (await machine.text("/etc/systemd/timesyncd.conf")) ?? "";
  const shown = valuesIn(main.replaceAll(/^#(?=FallbackNTP=)/gm, ""), "FallbackNTP").flatMap((names) =>
    names.split(/\s+/),
  );
  return [...named, ...ofChrony, ...shown];
}

const EARLIEST_TRUE_MS = Date.UTC(2026, 0, 1);

export const batteryClock: Check = {
  id: "battery-clock",
  area: "clock",
  title: "battery clock",
  looksAt: "the battery-backed clock, where there is one, holds a time that can be true",
  needs: "board",
  async run({ machine }) {
    const what = "battery clock";
    const [rtc] = (await machine.names("/sys/class/rtc")).filter((name) => /^rtc\d+$/.test(name));
    if (rtc === undefined)
      return [
        ok(what, "none: after a power cut the clock waits for the network, and readings are repaired later"),
      ];
    const seconds = await machine.text(`/sys/class/rtc/${rtc}/since_epoch`);
    const name = (await machine.text(`/sys/class/rtc/${rtc}/name`)) ?? rtc;
    if (seconds !== undefined && Number(seconds) * 1000 >= EARLIEST_TRUE_MS)
      return [ok(what, `${name} holds the time`)];
    return [
      warning(
        what,
        `${name} holds no time: its battery is missing or empty, or it was never set`,
        "a new battery, then sudo hwclock -w",
      ),
    ];
  },
};

/** Zones by which a machine is set that nobody has asked where it is. */
const NOBODYS_ZONES = ["UTC", "Etc/UTC", "Etc/UCT", "UCT", "Universal", "Zulu", "GMT"];

export const timeZone: Check = {
  id: "time-zone",
  area: "clock",
  title: "time zone",
  looksAt:
    "rules that look at the time of day have a time zone: `location.time_zone`, or the system's if that is not just UTC",
  async run({ config, machine }: Patient) {
    const what = "time zone";
    if (!config.rules.some(usesWallTime)) return [];
    const { time_zone } = config.location;
    if (time_zone !== undefined) return [ok(what, time_zone)];
    const zone = (await systemZone(machine)) ?? "UTC";
    if (!NOBODYS_ZONES.includes(zone)) return [ok(what, `${zone}, the system's`)];
    return [
      warning(
        what,
        `rules look at the time of day, and the system's zone is ${zone}`,
        "location: { time_zone: Europe/Berlin } in the configuration, or sudo timedatectl set-timezone",
      ),
    ];
  },
};

async function systemZone(machine: Machine): Promise<string | undefined> {
  const named = (await machine.text("/etc/timezone"))?.trim();
  const linked = /zoneinfo\/(.+)$/.exec((await machine.real("/etc/localtime")) ?? "")?.[1];
  return linked ?? named;
}
