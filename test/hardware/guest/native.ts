import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Addon } from "../../../src/device/linux/addon.ts";

/** As the built program has it; from where the tests are bundled to. */
const NATIVE = new URL(
  `../../dist/native/${process.platform}-${process.arch}/fieldpost.node`,
  import.meta.url,
);

export const addon: Addon = createRequire(import.meta.url)(fileURLToPath(NATIVE));
