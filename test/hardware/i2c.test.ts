import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("I2C through i2c-dev, on simulated chips", async () => {
  await guestSuite("i2c.ts");
});
