import type { Config } from "../config/config.ts";
import { loadConvention } from "./convention.ts";
import { linkLimits } from "./limits.ts";
import { loadRules } from "./rules.ts";
import { signing } from "./signing.ts";

/**
 * Loads the parts of the program that a node with this configuration asks for. On a virtual clock they must be there
 * before the node starts: reading a file is nothing that such a clock could wait for.
 */
export async function loadParts(config: Config): Promise<void> {
  await Promise.all([loadConvention(config), loadRules(config), signing(config), linkLimits(config)]);
}
