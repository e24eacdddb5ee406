import type { ActuatorConfig } from "../config/config.ts";
import { withBuses } from "../config/expanders.ts";
import { EXPANDERS } from "../device/expanders/settings.ts";
import { formatAddress } from "../device/i2c.ts";
import { askAddress } from "../device/i2c-scan.ts";
import { choosePwmChip, readPwmChips } from "../device/linux/pwm-chips.ts";
import { textFiles } from "../device/linux/text-files.ts";
import { type Check, type Diagnosis, failed, ok, skipped } from "./check.ts";
import type { Patient } from "./patient.ts";

export const outputChips: Check = {
  id: "i2c-outputs",
  area: "board",
  title: "chips of outputs",
  looksAt: "expanders and I2C outputs answer at their addresses. Nothing is written to them",
  async run(patient) {
    const { config, board } = patient;
    const chips = [
      ...Object.entries(withBuses(config)).map(([name, { chip, address, i2cPath }]) => ({
        what: `expander ${name}`,
        address: address ?? EXPANDERS[chip].addresses[0]!,
        path: i2cPath ?? board.defaultI2c,
      })),
      ...config.actuators.flatMap(({ id, address, i2cPath }) =>
        address === undefined ? [] : [{ what: `actuator ${id}`, address, path: i2cPath ?? board.defaultI2c }],
      ),
    ];
    return Promise.all(chips.map((chip) => askChip(chip, patient)));
  },
};

async function askChip(
  { what, address, path }: { readonly what: string; readonly address: number; readonly path: string },
  { board, machine, simulated }: Patient,
): Promise<Diagnosis> {
  if (!simulated && (await machine.facts(path)) === undefined) return skipped(what, `${path} is not there`);
  const place = `${path} ${formatAddress(address)}`;
  const answer = await askAddress(board.i2c(path), address);
  if (answer === "here") return ok(what, `answers at ${place}`);
  if (answer === "absent")
    return failed(
      what,
      `nobody answers at ${place}`,
      "check wiring, power and the address pins; fieldpost scan shows what answers",
    );
  if (answer === "owned")
    return failed(
      what,
      `a driver of the kernel has ${place}`,
      "take its dtoverlay out of config.txt and reboot",
    );
  return failed(what, answer.message);
}

/** The kernel's channels, not those of a PCA9685. */
function kernelChannel({ kind, options }: ActuatorConfig) {
  if (!["pwm", "servo"].includes(kind.name) || options["expander"] !== undefined) return undefined;
  return { channel: Number(options["channel"]), chip: String(options["chip"] ?? "auto") };
}

export const pwmChannels: Check = {
  id: "pwm",
  area: "board",
  title: "PWM",
  looksAt: "the kernel has the PWM channels that actuators use (`dtoverlay=pwm-2chan`)",
  needs: "board",
  async run({ config, machine }) {
    const chips = await readPwmChips(textFiles(machine.root));
    return config.actuators.flatMap((actuator): readonly Diagnosis[] => {
      const wanted = kernelChannel(actuator);
      if (!wanted) return [];
      const what = `actuator ${actuator.id}`;
      try {
        const { name, channelCount } = choosePwmChip(chips, wanted.chip);
        return [
          wanted.channel < channelCount
            ? ok(what, `${name}, channel ${wanted.channel}`)
            : failed(what, `${name} has channels 0 to ${channelCount - 1}, no ${wanted.channel}`),
        ];
      } catch (error) {
        return [failed(what, (error as Error).message)];
      }
    });
  },
};
