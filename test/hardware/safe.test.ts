import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("outputs after the process that drove them is gone", async () => {
  await guestSuite("safe.ts");
});
