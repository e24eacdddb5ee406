import type { Machine } from "./machine.ts";

/** Where Raspberry Pi OS has it: since Bookworm, and before. */
const PLACES = ["/boot/firmware/config.txt", "/boot/config.txt"];

/** How to get what a line of config.txt switches on. */
export async function mendByFirmware(machine: Machine, line: string): Promise<string> {
  for (const path of PLACES) {
    const text = await machine.text(path);
    if (text === undefined) continue;
    return hasLine(text, line)
      ? `${path} has ${line}: reboot; where it is still missing then, dmesg tells why`
      : `put ${line} into ${path} and reboot`;
  }
  return `on a Raspberry Pi: ${line} in config.txt and a reboot`;
}

function hasLine(text: string, line: string): boolean {
  return text.split("\n").some((each) => {
    const trimmed = each.trim();
    return trimmed === line || trimmed.startsWith(`${line},`);
  });
}
