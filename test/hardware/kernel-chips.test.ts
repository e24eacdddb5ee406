import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("chips that the kernel's own drivers serve, on i2c-stub and on the loop bus", async () => {
  await guestSuite("kernel-chips.ts");
});
