import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("1-Wire through w1_therm, on simulated thermometers", async () => {
  await guestSuite("one-wire.ts", {
    // The kernel looks for chips every second instead of every ten, and gives one up after it was missed twice.
    kernelArguments: ["wire.timeout=1", "wire.slave_ttl=2"],
  });
});

describe("ten thermometers on one 1-Wire bus", async () => {
  await guestSuite("one-wire-bulk.ts", { kernelArguments: ["wire.timeout=1"] });
});
