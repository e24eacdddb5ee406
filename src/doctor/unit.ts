import type { Machine } from "./machine.ts";

const NAME = "fieldpost.service";

/** systemd.unit(5), "Unit File Load Path": the first that there is counts. */
const FOLDERS = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** A unit of systemd with its drop-ins. */
export interface Unit {
  readonly path: string;
  /** Of a setting, in order; one without a value takes back those before it. */
  values(key: string): readonly string[];
}

/** Undefined: the service is not installed. */
export async function readUnit(machine: Machine): Promise<Unit | undefined> {
  for (const folder of FOLDERS) {
    const path = `${folder}/${NAME}`;
    const text = await machine.text(path);
    if (text === undefined) continue;
    const settings = [text, ...(await dropIns(machine, FOLDERS, NAME))].join("\n");
    return { path, values: (key) => valuesIn(settings, key) };
  }
  return undefined;
}

/** The texts of `NAME.d/*.conf`, those of the lowest folder first. */
async function dropIns(
  machine: Machine,
  folders: readonly string[],
  name: string,
): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const folder of [...folders].reverse()) {
    const names = (await machine.names(`${folder}/${name}.d`)).filter((each) => each.endsWith(".conf"));
    for (const each of names) texts.push((await machine.text(`${folder}/${name}.d/${each}`)) ?? "");
  }
  return texts;
}

const SYSTEMD_FOLDERS = ["/etc/systemd", "/run/systemd", "/usr/lib/systemd"];

/** The text of one of systemd's own configurations (`system.conf`, `journald.conf`) with its drop-ins behind it. */
export async function systemdSettings(machine: Machine, name: string): Promise<string> {
  const main = (await machine.text(`/etc/systemd/${name}`)) ?? "";
  return [main, ...(await dropIns(machine, SYSTEMD_FOLDERS, name))].join("\n");
}

export function valuesIn(text: string, key: string): readonly string[] {
  const values: string[] = [];
  for (const [, value = ""] of text.matchAll(new RegExp(`^\\s*${key}[ \\t]*=[ \\t]*(.*?)[ \\t]*$`, "gm"))) {
    if (value === "") values.length = 0;
    else values.push(value);
  }
  return values;
}
