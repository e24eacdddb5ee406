import { type OneWire, OneWireError } from "../one-wire.ts";
import { errorCode, type TextFiles } from "./text-files.ts";

const DEVICES = "sys/bus/w1/devices";

/** Family codes that the kernel's w1_therm driver serves: DS18S20, DS1822, DS18B20, DS1825 or MAX31850, DS28EA00. */
const THERMOMETER = /^(10|22|28|3b|42)-[0-9a-f]{12}$/;

/** The kernel's 1-Wire bus through sysfs (Documentation/w1/slaves/w1_therm.rst). */
export function linuxOneWire(files: TextFiles): OneWire {
  let last: Promise<unknown> = Promise.resolve();

  async function ids(): Promise<readonly string[]> {
    try {
      return (await files.list(DEVICES)).filter((id) => THERMOMETER.test(id));
    } catch (cause) {
      throw busError(cause);
    }
  }

  async function convert(id: string): Promise<string> {
    try {
      return await files.read(`${DEVICES}/${id}/w1_slave`);
    } catch (cause) {
      const code = errorCode(cause);
      if (code !== "ENOENT" && code !== "ENODEV") {
        throw new OneWireError("io", `1-Wire ${id}: ${(cause as Error).message}`, { cause });
      }
      const present = (await ids()).join(", ") || "none";
      throw new OneWireError("absent", `no 1-Wire thermometer ${id} (present: ${present})`, { cause });
    }
  }

  return {
    ids,
    readThermometer(id) {
      // The kernel lets one conversion at a time onto a bus; waiting there would hold a thread of Node's four each.
      const turn = last.then(() => convert(id));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

function busError(cause: unknown): OneWireError {
  return errorCode(cause) === "ENOENT"
    ? new OneWireError(
        "no_bus",
        "the kernel has no 1-Wire bus: put dtoverlay=w1-gpio into config.txt and reboot",
        { cause },
      )
    : new OneWireError("io", `1-Wire bus: ${(cause as Error).message}`, { cause });
}
