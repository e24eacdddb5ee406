import type { EncodeRecord } from "./encoding.ts";
import { type SenmlOptions, senmlEncoder } from "./senml.ts";

/** SenML in JSON (RFC 8428, section 5). */
export const senmlJsonEncoder = (options: SenmlOptions): EncodeRecord =>
  senmlEncoder(options, (pack) => JSON.stringify(pack));
