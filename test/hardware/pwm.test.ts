import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("PWM through sysfs, on the kernel's driver for a PCA9685", async () => {
  await guestSuite("pwm.ts");
});
