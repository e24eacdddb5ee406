import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { median, type Part } from "./figure.ts";
import { runNode } from "./node-process.ts";

const ROUNDS = 11;

/** How long the outputs of a node that has died stay as they were: what `ExecStopPost` needs. */
export const safe: Part = {
  name: "safe",
  title: `fieldpost safe: from exec to the last of three outputs being safe, simulated board, ${ROUNDS} rounds`,
  async measure(bench) {
    const config = join(bench.folder, "safe.yaml");
    await writeFile(config, YAML);
    const runs: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const startMs = performance.now();
      await runNode(["-e", "0"]);
      bare.push(performance.now() - startMs);
      runs.push(await safeOnce(bench.bundle, config));
    }
    bench.progress(`safe: ${Math.round(median(runs))} ms`);
    return {
      figures: [
        {
          name: "exec to safe",
          unit: "ms",
          runs,
          beside: { name: "node -e 0", runs: bare, as: "ratio" },
          target: { of: "figure", bound: "at most", limit: 300 },
        },
      ],
    };
  },
};

const YAML = `
device: { id: bench }
mqtt: { url: "mqtt://127.0.0.1:1" }
expanders: { relays: { chip: mcp23017 } }
sensors: [{ id: air, driver: bme280 }]
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
  - { id: heater, driver: relay_board, expander: relays, relay: 4 }
  - { id: blind, driver: cover, open_pin: 5, close_pin: 6, open_time: 30s }
`;

/** An output is safe when the command says so. */
async function safeOnce(bundle: string, config: string): Promise<number> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [bundle, "safe", "--simulate", "--config", config], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  let safeAtMs = Number.NaN;
  child.stdout.on("data", (data) => {
    said += data;
    if (said.split("\n").length > 3) safeAtMs = performance.now();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`fieldpost safe ended with ${code}`);
  return safeAtMs - startMs;
}
