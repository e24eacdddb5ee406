/** As much of JSON Schema draft-07 as this project's own schema uses. Returns what is wrong, by path. */
export function schemaFaults(schema: unknown, value: unknown, path = ""): string[] {
  const s = schema as Readonly<Record<string, unknown>>;
  const faults: string[] = [];
  const fault = (what: string) => faults.push(`${path || "/"}: ${what}`);
  if (typeof s["type"] === "string" && !hasType(value, s["type"])) fault(`is no ${s["type"]}`);
  if (Array.isArray(s["enum"]) && !s["enum"].includes(value)) fault(`is none of ${s["enum"].join(", ")}`);
  if ("const" in s && s["const"] !== value) fault(`is not ${s["const"]}`);
  if (
    typeof value === "string" &&
    typeof s["pattern"] === "string" &&
    !new RegExp(s["pattern"]).test(value)
  ) {
    fault(`does not match ${s["pattern"]}`);
  }
  if (typeof value === "number") {
    if (typeof s["minimum"] === "number" && value < s["minimum"]) fault("is too small");
    if (typeof s["maximum"] === "number" && value > s["maximum"]) fault("is too large");
  }
  if (
    Array.isArray(s["anyOf"]) &&
    s["anyOf"].every((option) => schemaFaults(option, value, path).length > 0)
  ) {
    fault("fits no alternative");
  }
  for (const part of (s["allOf"] as unknown[] | undefined) ?? [])
    faults.push(...schemaFaults(part, value, path));
  if (s["if"] && schemaFaults(s["if"], value, path).length === 0)
    faults.push(...schemaFaults(s["then"] ?? {}, value, path));
  if (Array.isArray(value)) faults.push(...itemFaults(s["items"], value, path));
  else if (typeof value === "object" && value !== null) faults.push(...keyFaults(s, value, path));
  return faults;
}

function hasType(value: unknown, type: string): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function itemFaults(items: unknown, value: readonly unknown[], path: string): string[] {
  if (items === undefined) return [];
  return value.flatMap((item, i) =>
    schemaFaults(Array.isArray(items) ? (items[i] ?? {}) : items, item, `${path}/${i}`),
  );
}

function keyFaults(s: Readonly<Record<string, unknown>>, value: object, path: string): string[] {
  const properties = (s["properties"] ?? {}) as Readonly<Record<string, unknown>>;
  const missing = ((s["required"] ?? []) as string[])
    .filter((key) => !(key in value))
    .map((key) => `${path || "/"}: lacks ${key}`);
  const inner = Object.entries(value).flatMap(([key, inner]) => {
    if (key in properties) return schemaFaults(properties[key], inner, `${path}/${key}`);
    if (s["additionalProperties"] === false) return [`${path}/${key}: is unknown`];
    return schemaFaults(s["additionalProperties"] ?? {}, inner, `${path}/${key}`);
  });
  return [...missing, ...inner];
}
