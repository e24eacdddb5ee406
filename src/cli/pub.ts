import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkTopic } from "../mqtt/messages/hub.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { visit } from "./visitor.ts";

/** The largest payload of MQTT (MQTT 5, section 2.1.4), bytes: what is read of a file at most. */
const MAX_PAYLOAD_BYTES = 268_435_455;

/** `fieldpost pub TOPIC PAYLOAD`: one message to the node's own broker. Ends with 1 where the broker does not take it. */
export async function pub(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      qos: { type: "string", default: "1" },
      retain: { type: "boolean", default: false },
      file: { type: "string" },
    },
    allowPositionals: true,
    strict: true,
  });
  const [topic, text, ...others] = positionals;
  if (topic === undefined || (text === undefined) === (values.file === undefined) || others.length > 0)
    throw wrongUsage("pub takes a TOPIC and a PAYLOAD, or --file FILE in the payload's place");
  const qos = parseQos(values.qos);
  try {
    checkTopic(topic);
  } catch (error) {
    throw wrongUsage((error as Error).message);
  }
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const payload = values.file === undefined ? text! : await payloadIn(resolve(io.cwd, values.file));
  const link = await visit(config, () => {}, new AbortController().signal);
  try {
    await link.publish({ topic, payload, qos, retain: values.retain });
    return EXIT.done;
  } catch (error) {
    throw new CliError(EXIT.failed, `${topic}: ${(error as Error).message}`, { cause: error });
  } finally {
    await link.end();
  }
}

export function parseQos(text: string): 0 | 1 | 2 {
  if (text !== "0" && text !== "1" && text !== "2") throw wrongUsage(`--qos ${text}: expected 0, 1 or 2`);
  return Number(text) as 0 | 1 | 2;
}

async function payloadIn(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: MAX_PAYLOAD_BYTES }))
      chunks.push(chunk as Buffer);
  } catch (error) {
    throw new CliError(EXIT.failed, `--file ${path}: ${(error as Error).message}`);
  }
  const payload = Buffer.concat(chunks);
  if (payload.length > MAX_PAYLOAD_BYTES)
    throw new CliError(EXIT.failed, `--file ${path}: larger than a message can be (256 MiB)`);
  return payload;
}
