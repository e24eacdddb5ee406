import { kernelDriver } from "./kernel-driver.ts";

/** Any chip with a driver in the kernel's hardware monitoring subsystem. */
export const hwmon = kernelDriver("hwmon", {
  name: "hwmon",
  chip: "any with a Linux hwmon driver",
  description: "A chip that a kernel driver serves: temperature, humidity, voltage, current, power, fan",
  datasheet: "Linux, Documentation/ABI/testing/sysfs-class-hwmon",
});
