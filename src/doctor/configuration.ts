import { type Check, type Diagnosis, failed, ok, warning } from "./check.ts";
import type { FileFacts } from "./machine.ts";
import type { Patient } from "./patient.ts";
import { inShort, may, nodeUser } from "./user.ts";

/** Where systemd puts the service's secrets, and where the packages' unit has them from. */
export const CREDENTIALS = "/run/credentials/fieldpost.service/";
export const CREDENTIALS_AT_REST = "/etc/fieldpost/credentials/";

const EVERYBODY = 0o007;
const OTHERS = 0o077;

/** That it is valid has been seen by the time that anything can be checked. */
export const configuration: Check = {
  id: "config",
  area: "configuration",
  title: "configuration",
  looksAt: "the configuration is valid; what it says and seldom should is a warning",
  async run({ config, file: { path, warnings } }) {
    const count = (things: readonly unknown[], name: string) =>
      `${things.length} ${name}${things.length === 1 ? "" : "s"}`;
    const parts = [count(config.sensors, "sensor"), count(config.actuators, "actuator")];
    if (config.rules.length > 0) parts.push(count(config.rules, "rule"));
    return [
      ok("configuration", `${path}: ${config.device.id}, ${parts.join(", ")}`),
      ...warnings.map(({ line, column, message, suggestion }) =>
        warning(
          "configuration",
          `line ${line}:${column}: ${message}`,
          suggestion && `did you mean "${suggestion}"?`,
        ),
      ),
    ];
  },
};

export const configFile: Check = {
  id: "config-file",
  area: "configuration",
  title: "its file",
  looksAt:
    "the node's user may read the file, nobody else may change it, and not everybody reads a password in it",
  needs: "linux",
  async run({ machine, file, config }) {
    const facts = await machine.facts(file.path);
    if (!facts) return [failed("its file", `${file.path} cannot be looked at`)];
    const user = await nodeUser({ machine, file });
    const what = "its file";
    const shown = inShort(facts);
    if (!may(user, facts, "r"))
      return [
        failed(
          what,
          `${shown}: ${user.name}, as whom the node runs, may not read it`,
          `chgrp ${user.name} ${file.path}; chmod 640 ${file.path}`,
        ),
      ];
    if ((facts.mode & 0o002) !== 0)
      return [failed(what, `${shown}: everybody may change it`, `chmod 640 ${file.path}`)];
    const { password } = config.mqtt;
    if (password && file.text.includes(password) && (facts.mode & EVERYBODY) !== 0)
      return [
        warning(
          what,
          `${shown}: everybody may read the password in it`,
          `chmod 640 ${file.path}, or put the password into a file of its own (\${file:…})`,
        ),
      ];
    return [ok(what, `${shown}, read by ${user.name}`)];
  },
};

export const secrets: Check = {
  id: "secrets",
  area: "configuration",
  title: "secrets",
  looksAt:
    "the files that secrets are taken from, systemd's credentials among them, are there, filled, and closed to others",
  needs: "linux",
  async run({ machine, file }) {
    const named = [...file.text.matchAll(/^(?!\s*#).*\$\{file:([^}\n]+)\}/gm)].map(([, path = ""]) =>
      path.trim(),
    );
    const diagnoses = await Promise.all([...new Set(named)].map((path) => diagnoseSecret(path, machine)));
    return diagnoses.flat();
  },
};

async function diagnoseSecret(path: string, machine: Patient["machine"]): Promise<readonly Diagnosis[]> {
  const isCredential = path.startsWith(CREDENTIALS);
  // What systemd hands over is a copy, and closed: the one it is made of counts.
  const place = isCredential ? CREDENTIALS_AT_REST + path.slice(CREDENTIALS.length) : path;
  const what = `secret ${place.slice(place.lastIndexOf("/") + 1)}`;
  const facts = await machine.facts(place);
  // That it can be read where the configuration has it has been seen already.
  if (!facts) return isCredential ? [ok(what, `comes from systemd (${place} is root's)`)] : [];
  if (((await machine.text(place)) ?? "-") === "")
    return [failed(what, `${place} is empty`, `write the secret into it, then systemctl restart fieldpost`)];
  const tooOpen = (facts.mode & (isCredential ? OTHERS : EVERYBODY)) !== 0;
  if (!tooOpen) return [ok(what, `${place}: ${inShort(facts)}`)];
  return [
    warning(
      what,
      `${place}: ${inShort(facts)}: others may read it`,
      `chmod ${modeFor(facts, isCredential)} ${place}`,
    ),
  ];
}

/** A group may be its administrator's choice. */
function modeFor({ mode }: FileFacts, isCredential: boolean): string {
  return isCredential || (mode & 0o040) === 0 ? "600" : "640";
}

/** The name that every new Raspberry Pi has, and those of systems that were given none. */
const FACTORY_NAMES = ["raspberrypi", "localhost", "debian"];

const HOSTNAME = `\${hostname}`;
const MACHINE_ID = `\${machine_id}`;

export const identity: Check = {
  id: "identity",
  area: "configuration",
  title: "identity",
  looksAt:
    "what makes this node different from others (`hostname`, `machine_id`) is not what every new machine has",
  needs: "linux",
  async run({ file, machine, config, board, simulated }) {
    const what = "identity";
    if (file.text.includes(HOSTNAME)) {
      const hostname = ((await machine.text("/etc/hostname")) ?? "").trim() || board.host.hostname;
      if (!simulated && FACTORY_NAMES.includes(hostname))
        return [
          warning(
            what,
            `\${hostname} is "${hostname}", as on every new machine: two nodes would throw each other out`,
            "sudo hostnamectl set-hostname NAME",
          ),
        ];
    }
    if (file.text.includes(MACHINE_ID)) {
      const id = ((await machine.text("/etc/machine-id")) ?? "").trim();
      if (!/^[0-9a-f]{32}$/.test(id))
        return [failed(what, "/etc/machine-id holds no id", "sudo systemd-machine-id-setup, then reboot")];
    }
    return [
      ok(
        what,
        `device ${config.device.id}, client id ${config.mqtt.client_id}, topics below ${config.mqtt.topic_root}`,
      ),
    ];
  },
};
