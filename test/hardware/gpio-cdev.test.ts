import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("GPIO through the character device, on gpio-sim", async () => {
  await guestSuite("gpio-cdev.ts");
});
