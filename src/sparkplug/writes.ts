import { NODE_TARGET, type Topics } from "../mqtt/convention/topics.ts";
import type { Incoming } from "../mqtt/link/link.ts";
import { type Definition, type Definitions, type Model, REBIRTH, REBOOT, RESEND, SAMPLE } from "./model.ts";
import { decodeWrites, type WrittenMetric } from "./payload.ts";

/** What a host's NCMD or DCMD asks for. */
export interface Asked {
  /** As messages of the contract: they are judged and guarded like any other command. */
  readonly commands: readonly Incoming[];
  readonly rebirth: boolean;
  /** Why something in it was not understood. */
  readonly complaints: readonly string[];
}

/** `device`: undefined for an NCMD. Never throws: whatever is damaged asks for nothing. */
export function readWrites(
  message: Incoming,
  device: string | undefined,
  model: Model,
  topics: Topics,
): Asked {
  const metrics = device === undefined ? model.node : model.devices.get(device)?.metrics;
  if (!metrics) return { commands: [], rebirth: false, complaints: ["no such device"] };
  let writes: readonly WrittenMetric[];
  try {
    writes = decodeWrites(message.payload);
  } catch (error) {
    return { commands: [], rebirth: false, complaints: [`not a payload: ${(error as Error).message}`] };
  }
  const commands: Incoming[] = [];
  const complaints: string[] = [];
  let rebirth = false;
  for (const write of writes) {
    const definition = definitionOf(write, metrics);
    const payload = definition && meaningOf(definition, write.value, device === undefined);
    if (definition?.name === REBIRTH && write.value === true) rebirth = true;
    else if (payload === undefined)
      complaints.push("a metric that cannot be written, or not with this value");
    else
      commands.push({
        topic: topics.command(device ?? NODE_TARGET),
        payload: Buffer.from(payload),
        retain: message.retain,
        qos: message.qos,
      });
  }
  return { commands, rebirth, complaints };
}

/** By alias or by name; where both are there they must mean the same. */
function definitionOf({ name, alias }: WrittenMetric, metrics: Definitions): Definition | undefined {
  const named = name === undefined ? undefined : metrics.get(name);
  if (alias === undefined) return named;
  const aliased = [...metrics.values()].find((definition) => definition.alias === alias);
  return name === undefined || named === aliased ? aliased : undefined;
}

/** The contract's words (section 5) for a value that is written to a metric; undefined where there are none. */
function meaningOf({ name }: Definition, value: WrittenMetric["value"], ofNode: boolean): string | undefined {
  if (!ofNode) {
    if (name === "state" && typeof value === "string" && value !== "") return value;
    if (name === "on" && typeof value === "boolean") return JSON.stringify({ set: value ? "on" : "off" });
    if (name === "value" && typeof value === "number" && Number.isFinite(value))
      return JSON.stringify({ set: value });
    return undefined;
  }
  if (name === REBOOT && value === true) return JSON.stringify({ do: "restart" });
  if (name === SAMPLE && value === true) return JSON.stringify({ do: "sample" });
  const range = name === RESEND && typeof value === "string" ? /^(\d{1,15})-(\d{1,15})$/.exec(value) : null;
  return range
    ? JSON.stringify({ do: "resend", from_seq: Number(range[1]), to_seq: Number(range[2]) })
    : undefined;
}
