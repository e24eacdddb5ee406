import type * as v from "valibot";
import { conditionEntries, groupEntries, ruleEntries } from "../rules/settings.ts";
import { settings } from "../schema/settings.ts";
import { blockDescriptions } from "./descriptions.ts";
import type { JsonSchema } from "./json-schema.ts";

const CONDITION: JsonSchema = { $ref: "#/definitions/condition" };

/** Rules, whose conditions hold conditions: those are under `definitions`. */
export function rulesJsonSchema(toJson: (schema: v.GenericSchema) => JsonSchema): JsonSchema {
  const rule = toJson(settings(ruleEntries));
  const properties = { when: CONDITION, ...(rule["properties"] as object) };
  return {
    title: "rules",
    description: blockDescriptions["rules"],
    type: "array",
    default: [],
    items: { ...rule, properties, required: ["when", "set"] },
  };
}

export function conditionJsonSchema(toJson: (schema: v.GenericSchema) => JsonSchema): JsonSchema {
  const leaves = Object.values(conditionEntries).map((entries) => toJson(settings(entries)));
  const lasting = toJson(settings(groupEntries))["properties"] as object;
  const group = (name: string, within: JsonSchema) => ({
    type: "object",
    properties: { [name]: within, ...lasting },
    required: [name],
    additionalProperties: false,
  });
  const list = { type: "array", items: CONDITION, minItems: 1 };
  return { anyOf: [...leaves, group("all", list), group("any", list), group("not", CONDITION)] };
}
