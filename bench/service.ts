import { readFileSync } from "node:fs";

export const START_SCRIPT = "deploy/package/root/fieldpost";

/** What the packages' start script gives Node: read from it, so that what is measured is what runs in the field. */
export function serviceSettings(): {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  const script = readFileSync(START_SCRIPT, "utf8");
  const [, flags = ""] = /^exec \S+((?: --\S+)*) /m.exec(script) ?? [];
  const env = [...script.matchAll(/^: "\$\{(\w+):=(\S+)\}"$/gm)].map(([, name, value]) => [name, value]);
  if (flags === "" || env.length === 0) throw new Error(`${START_SCRIPT}: cannot read what it gives Node`);
  return { flags: flags.split(" ").filter(Boolean), env: Object.fromEntries(env) };
}
