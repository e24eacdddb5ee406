import type { Clock } from "../clock.ts";
import { type OneWire, OneWireError } from "../one-wire.ts";
import { errorCode, type TextFiles } from "./text-files.ts";

const DEVICES = "sys/bus/w1/devices";

/** Family codes that the kernel's w1_therm driver serves: DS18S20, DS1822, DS18B20, DS1825 or MAX31850, DS28EA00. */
const THERMOMETER = /^(10|22|28|3b|42)-[0-9a-f]{12}$/;

const MASTER = /^w1_bus_master\d+$/;

/** Sensors with the same interval ask within a few milliseconds of each other; so long is waited for the others. */
const GATHER_MS = 25;

/** A conversion at 12 bits takes 750 ms; some clones take longer. */
const BULK_LIMIT_MS = 2_000;
const BULK_POLL_MS = 20;

interface Request {
  readonly id: string;
  readonly resolve: (text: string) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The kernel's 1-Wire bus through sysfs (Documentation/w1/slaves/w1_therm.rst). One read at a time: the kernel lets one
 * conversion onto a bus, and waiting there would hold a thread of Node's pool each. Those that are due together share one
 * conversion where the kernel can (`therm_bulk_read`, Linux 5.8 and newer, writable); else they follow each other.
 */
export function linuxOneWire(files: TextFiles, clock: Clock): OneWire {
  let waiting: Request[] = [];
  let working = false;
  /** Thermometers without the result of an earlier bulk conversion, which the kernel would hand out as the next reading. */
  const fresh = new Set<string>();

  async function work(): Promise<void> {
    working = true;
    await clock.sleep(GATHER_MS);
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const ids = [...new Set(batch.map(({ id }) => id))];
      const converted = await convertTogether(ids).catch(() => new Set<string>());
      for (const { id, resolve, reject } of batch) {
        await convert(id, converted.delete(id)).then(resolve, reject);
      }
    }
    working = false;
  }

  /** Has every thermometer measure at once, on each master with two or more of `ids`; returns those that have. */
  async function convertTogether(ids: readonly string[]): Promise<Set<string>> {
    const done = new Set<string>();
    if (ids.length < 2) return done;
    for (const { name, slaves } of await masters()) {
      const wanted = ids.filter((id) => slaves.includes(id));
      const file = `${DEVICES}/${name}/therm_bulk_read`;
      if (wanted.length < 2 || !(await files.isUsable(file))) continue;
      for (const id of slaves) fresh.delete(id);
      await files.write(file, "trigger\n");
      const endMs = clock.monotonicMs() + BULK_LIMIT_MS;
      // -1: still measuring; 1: there is something to be fetched.
      while ((await files.read(file)) === "-1" && clock.monotonicMs() < endMs)
        await clock.sleep(BULK_POLL_MS);
      for (const id of wanted) done.add(id);
    }
    return done;
  }

  async function masters() {
    const names = (await files.list(DEVICES)).filter((name) => MASTER.test(name));
    return Promise.all(
      names.map(async (name) => {
        const slaves = await files.read(`${DEVICES}/${name}/w1_master_slaves`).catch(() => "");
        return { name, slaves: slaves.split(/\s+/).filter((id) => THERMOMETER.test(id)) };
      }),
    );
  }

  async function convert(id: string, isConverted: boolean): Promise<string> {
    // What the kernel kept from a conversion of the others, long ago, is not a reading of now.
    if (!isConverted && !fresh.has(id) && (await somethingIsKept())) await readSlave(id);
    const text = await readSlave(id);
    fresh.add(id);
    return text;
  }

  async function somethingIsKept(): Promise<boolean> {
    const states = await masters()
      .then((all) => Promise.all(all.map(({ name }) => files.read(`${DEVICES}/${name}/therm_bulk_read`))))
      .catch(() => []);
    return states.some((state) => state !== "0");
  }

  async function readSlave(id: string): Promise<string> {
    try {
      return await files.read(`${DEVICES}/${id}/w1_slave`);
    } catch (cause) {
      throw await slaveError(id, cause);
    }
  }

  async function ids(): Promise<readonly string[]> {
    try {
      return (await files.list(DEVICES)).filter((id) => THERMOMETER.test(id));
    } catch (cause) {
      throw busError(cause);
    }
  }

  async function slaveError(id: string, cause: unknown): Promise<OneWireError> {
    const code = errorCode(cause);
    if (code !== "ENOENT" && code !== "ENODEV")
      return new OneWireError("io", `1-Wire ${id}: ${(cause as Error).message}`, { cause });
    const present = (await ids()).join(", ") || "none";
    return new OneWireError("absent", `no 1-Wire thermometer ${id} (present: ${present})`, { cause });
  }

  return {
    ids,
    readThermometer(id) {
      return new Promise((resolve, reject) => {
        waiting.push({ id, resolve, reject });
        if (!working) void work();
      });
    },
    async setResolution(id, bits) {
      const file = `${DEVICES}/${id}/resolution`;
      try {
        if (Number(await files.read(file)) === bits) return;
        await files.write(file, `${bits}\n`);
        if (Number(await files.read(file)) !== bits) throw new Error(`it stays at ${await files.read(file)}`);
      } catch (cause) {
        const code = errorCode(cause);
        if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
          throw new OneWireError(
            "denied",
            `1-Wire ${id}: not permitted to set the resolution: as root, echo ${bits} > /${file}, then echo save > /${DEVICES}/${id}/eeprom_cmd; the chip keeps it`,
            { cause },
          );
        }
        // A kernel before 5.8 has no such file; a chip that is not there says so when it is read.
        if (code === "ENOENT" && (await ids()).includes(id))
          throw new OneWireError("io", `1-Wire ${id}: resolution needs Linux 5.8 or newer`, { cause });
        throw await slaveError(id, cause);
      }
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
