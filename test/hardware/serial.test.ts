import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("Serial lines, on pseudo-terminals", async () => {
  await guestSuite("serial.ts");
});
