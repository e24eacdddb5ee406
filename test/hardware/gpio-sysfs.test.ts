import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("GPIO through sysfs, on gpio-sim", async () => {
  await guestSuite("gpio-sysfs.ts");
});
