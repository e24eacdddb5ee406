import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("The whole node on a board that changes under it", async () => {
  await guestSuite("changes.ts");
});
