import { kernelDriver } from "./kernel-driver.ts";

/** Any chip with a driver in the kernel's Industrial I/O subsystem. */
export const iio = kernelDriver("iio", {
  name: "iio",
  chip: "any with a Linux IIO driver",
  description: "A chip that a kernel driver serves: climate, pressure, light, gas, motion, voltage",
  datasheet: "Linux, Documentation/ABI/testing/sysfs-bus-iio",
});
