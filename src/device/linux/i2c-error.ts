import { formatAddress, I2cError, type I2cFault } from "../i2c.ts";

interface SystemError {
  /** Negative from Node's own calls, positive from native modules. */
  readonly errno: number;
  readonly syscall: string;
}

/**
 * Linux errno values (include/uapi/asm-generic/errno*.h; the same on ARM and x86) and what adapters mean by them
 * (Documentation/i2c/fault-codes.rst). By number: Node has no name for EREMOTEIO and leaves `code` empty.
 */
const FAULTS: Readonly<Record<number, readonly [fault: I2cFault, message: string]>> = {
  4: ["io", "interrupted by a signal"], // EINTR
  6: ["absent", "no chip acknowledged: check wiring, power and address"], // ENXIO
  11: ["arbitration", "another master won the bus"], // EAGAIN
  16: [
    "owned",
    "a kernel driver has the chip: use driver: iio or hwmon, or take its dtoverlay out of config.txt",
  ], // EBUSY
  19: ["absent", "no chip acknowledged: check wiring, power and address"], // ENODEV
  95: ["unsupported", "the adapter cannot do such a transfer"], // EOPNOTSUPP
  110: ["timeout", "no end within the kernel's time-out: a hung chip, a held line or clock stretching"], // ETIMEDOUT
  121: ["absent", "no chip acknowledged: check wiring, power and address"], // EREMOTEIO
};

/** What opening the device file can fail with: the bus's fault, never the chip's. */
const OPEN_FAULTS: Readonly<Record<number, string>> = {
  1: "not permitted: add the user to the group i2c", // EPERM
  2: "no such bus: put dtparam=i2c_arm=on into config.txt, or modprobe i2c-dev", // ENOENT
  13: "not permitted: add the user to the group i2c", // EACCES
};

/** Turns what Node or i2c-bus threw into an {@link I2cError} that keeps it as cause. */
export function toI2cError(bus: string, address: number, cause: unknown): I2cError {
  if (cause instanceof I2cError) return cause;
  if (!isSystemError(cause)) {
    return new I2cError("io", `${bus} ${formatAddress(address)}: ${String(cause)}`, { cause });
  }
  const errno = Math.abs(cause.errno);
  if (cause.syscall === "open" || cause.syscall === "realpath") {
    return new I2cError("no_bus", `${bus}: ${OPEN_FAULTS[errno] ?? cause.message}`, { cause });
  }
  const [fault, message] = FAULTS[errno] ?? ["io", cause.message];
  return new I2cError(fault, `${bus} ${formatAddress(address)}: ${message}`, { cause });
}

function isSystemError(error: unknown): error is Error & SystemError {
  return error instanceof Error && "errno" in error && typeof error.errno === "number" && "syscall" in error;
}
