import type { Sample } from "../../record/record.ts";

/** A record's own fields. Throws where they cannot be read. */
export function fieldsOfRecord({ fieldsJson }: Pick<Sample, "fieldsJson">): Record<string, unknown> {
  return JSON.parse(`{${fieldsJson}}`) as Record<string, unknown>;
}
