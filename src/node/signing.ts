import type { Config } from "../config/config.ts";
import type { DownlinkParts } from "../mqtt/downlink/downlink.ts";

/** Only a node that wants signatures loads what checks them. */
export async function signing({ commands }: Config): Promise<Pick<DownlinkParts, "signed">> {
  if (Object.keys(commands.keys).length === 0) return {};
  const { createUnseal } = await import("../mqtt/downlink/signature.ts");
  return { signed: { unseal: createUnseal(commands.keys), maxValidityMs: commands.max_validity } };
}
