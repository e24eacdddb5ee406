import type { Clock } from "../clock.ts";
import { GpioError, type GpioFault } from "../gpio.ts";
import { errorCode, type TextFiles } from "./text-files.ts";

/** A line that the kernel has given to sysfs. */
export interface ExportedLine {
  /** For people: `GPIO17`. */
  readonly name: string;
  readonly number: number;
  /** Whether it had been exported before: by a run of this program that crashed, or by another program. */
  readonly found: boolean;
  read(attribute: Attribute): Promise<string>;
  write(attribute: Attribute, text: string): Promise<void>;
  /** Gives the line back to the kernel, which may make it an input. */
  unexport(): Promise<void>;
}

export type Attribute = "value" | "direction" | "active_low" | "edge";

/** udev needs some time to give a fresh line's files to the group gpio (raspberrypi/linux#553). */
const PERMISSION_PATIENCE_MS = 2_000;
const PERMISSION_POLL_MS = 10;

const FAULTS: Readonly<Record<string, readonly [fault: GpioFault, message: string]>> = {
  EBUSY: ["taken", "another process or a kernel driver owns the line"],
  EACCES: ["denied", "not permitted: add the user to the group gpio"],
  EPERM: ["denied", "not permitted: add the user to the group gpio"],
  EROFS: ["denied", "/sys is read-only here: the service must not set ProtectKernelTunables"],
};

/**
 * Exports a line and waits, without holding up the event loop, until these attributes can be used. onoff would do
 * both inside its constructor, and the waiting as thousands of synchronous opens; on an exported line it does neither.
 */
export async function exportLine(
  files: TextFiles,
  clock: Clock,
  number: number,
  name: string,
  attributes: readonly Attribute[],
): Promise<ExportedLine> {
  const folder = `sys/class/gpio/gpio${number}`;
  const access = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw toGpioError(name, cause);
    }
  };
  const line: ExportedLine = {
    name,
    number,
    found: await exists(files, folder),
    read: (attribute) => access(files.read(`${folder}/${attribute}`)),
    write: (attribute, text) => access(files.write(`${folder}/${attribute}`, text)),
    unexport: () => access(files.write("sys/class/gpio/unexport", `${number}`)),
  };
  if (!line.found) await access(files.write("sys/class/gpio/export", `${number}`));
  try {
    await waitUntilUsable(files, clock, folder, name, attributes);
  } catch (error) {
    if (!line.found) await line.unexport();
    throw error;
  }
  return line;
}

async function waitUntilUsable(
  files: TextFiles,
  clock: Clock,
  folder: string,
  name: string,
  attributes: readonly Attribute[],
): Promise<void> {
  const endMs = clock.monotonicMs() + PERMISSION_PATIENCE_MS;
  for (;;) {
    const usable = await Promise.all(attributes.map((attribute) => files.isUsable(`${folder}/${attribute}`)));
    if (!usable.includes(false)) return;
    if (clock.monotonicMs() >= endMs) {
      const there = await files.list(folder);
      const absent = attributes.find((attribute) => !there.includes(attribute));
      throw absent === undefined
        ? new GpioError("denied", `${name}: not permitted: add the user to the group gpio`)
        : new GpioError("unsupported", `${name}: the line has no "${absent}", so it cannot do this`);
    }
    await clock.sleep(PERMISSION_POLL_MS);
  }
}

function exists(files: TextFiles, folder: string): Promise<boolean> {
  return files.list(folder).then(
    () => true,
    () => false,
  );
}

/** Turns what Node or onoff threw about a line into a {@link GpioError} that keeps it as cause. */
export function toGpioError(name: string, cause: unknown): GpioError {
  if (cause instanceof GpioError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const [fault, message] = FAULTS[errorCode(cause)] ?? (["io", text] as const);
  return new GpioError(fault, `${name}: ${message}`, { cause });
}
