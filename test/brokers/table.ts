import { readFile, writeFile } from "node:fs/promises";

const PAGE = new URL("../../docs/brokers.md", import.meta.url);
const START = "<!-- table: written by npm run brokers:table -->";
const END = "<!-- end of table -->";

/** By capability, then by broker. */
const found = new Map<string, Map<string, string>>();
const brokers: string[] = [];

/** Notes what a run finds of a broker. */
export function capabilities(broker: string) {
  brokers.push(broker);
  return (capability: string, has: boolean | string) => {
    const row = found.get(capability) ?? new Map<string, string>();
    found.set(capability, row.set(broker, typeof has === "string" ? has : has ? "yes" : "no"));
  };
}

export function tableOf(): string {
  const rows = [...found].map(([capability, by]) => [
    capability,
    ...brokers.map((name) => by.get(name) ?? "?"),
  ]);
  const lines = [["", ...brokers], brokers.concat("").map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export async function committedTable(): Promise<string> {
  const page = await readFile(PAGE, "utf8");
  return page.slice(page.indexOf(START) + START.length, page.indexOf(END)).trim();
}

export async function writeTable(): Promise<void> {
  const page = await readFile(PAGE, "utf8");
  const before = page.slice(0, page.indexOf(START) + START.length);
  await writeFile(PAGE, `${before}\n${tableOf()}\n${page.slice(page.indexOf(END))}`);
}
