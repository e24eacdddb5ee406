import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { OpenLink } from "../mqtt/link/link.ts";

/** Makes links stay within the limits of the configuration's preset, if it names one. */
export async function linkLimits({ mqtt }: Config): Promise<(link: OpenLink, clock: Clock) => OpenLink> {
  const { preset } = mqtt;
  if (preset === undefined) return (link) => link;
  const [{ limitLink }, { PRESETS }] = await Promise.all([
    import("../mqtt/link/limited-link.ts"),
    import("../mqtt/broker/presets.ts"),
  ]);
  return (link, clock) => limitLink(link, PRESETS[preset], clock);
}
