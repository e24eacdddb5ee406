import { describe } from "vitest";
import { guestSuite } from "./suite.ts";

describe("SPI through spidev, on a simulated controller", async () => {
  await guestSuite("spi.ts");
});
