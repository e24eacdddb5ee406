import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("the built node on a board of the kernel's simulated chips", async () => {
  await guestSuite("whole-node.ts");
});
