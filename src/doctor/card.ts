import { type Check, failed, ok, warning } from "./check.ts";
import { mountOf } from "./mounts.ts";
import type { Patient } from "./patient.ts";

/** Where a disk of the kernel is: of the partition's device number to `/sys/devices/…/block/mmcblk0`. */
async function blockDevice(patient: Patient) {
  const { machine, config } = patient;
  const mount = await mountOf(machine, config.buffer.path);
  const real = mount && (await machine.real(`/sys/dev/block/${mount.device}`));
  if (real === undefined) return undefined;
  const isPartition = (await machine.facts(`${real}/partition`)) !== undefined;
  const disk = isPartition ? real.slice(0, real.lastIndexOf("/")) : real;
  return { disk, part: real.slice(real.lastIndexOf("/") + 1) };
}

/** JESD84-B51, 7.4.73 and 7.4.74: tenths of the life that are used, and how many spare blocks are left. */
const WORN_TENTHS = 8;
const PRE_EOL_NORMAL = 1;

export const cardWear: Check = {
  id: "card-wear",
  area: "storage",
  title: "card wear",
  looksAt: "an eMMC has not used up its life (SD cards do not tell)",
  needs: "board",
  async run(patient) {
    const { machine } = patient;
    const device = await blockDevice(patient);
    if (!device) return [];
    const what = "card wear";
    const life = await machine.text(`${device.disk}/device/life_time`);
    if (life === undefined) return [];
    const tenths = Math.max(...life.split(/\s+/).map(Number));
    const spare = Number((await machine.text(`${device.disk}/device/pre_eol_info`)) ?? PRE_EOL_NORMAL);
    const found = `${Math.min(100, tenths * 10)} % of its life is used`;
    if (tenths > 10 || spare > PRE_EOL_NORMAL + 1)
      return [failed(what, `${found}: it is at its end`, "change the module")];
    if (tenths >= WORN_TENTHS || spare > PRE_EOL_NORMAL)
      return [warning(what, found, "plan to change the module")];
    return [ok(what, `at most ${found}`)];
  },
};

export const cardErrors: Check = {
  id: "card-errors",
  area: "storage",
  title: "card errors",
  looksAt: "ext4 has noted no error since its last check",
  needs: "board",
  async run(patient) {
    const device = await blockDevice(patient);
    const count = device && (await patient.machine.text(`/sys/fs/ext4/${device.part}/errors_count`));
    if (count === undefined) return [];
    if (Number(count) === 0) return [ok("card errors", "none noted")];
    return [
      failed(
        "card errors",
        `${count} noted by the file system of ${device?.part}`,
        "fsck.mode=force in /boot/firmware/cmdline.txt for one boot; where they come back, change the card",
      ),
    ];
  },
};
