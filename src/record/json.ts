import type { Sample } from "./record.ts";
import type { SampleTime } from "./time.ts";

/** The wire's JSON (contract: readings and events), spliced around the stored fields rather than parsed and rebuilt. */
export function toJson(
  seq: number,
  time: SampleTime,
  sample: Pick<Sample, "fieldsJson" | "historical"> & { readonly resent?: boolean },
): string {
  const clock = time.clock === undefined ? "" : `,"clock":"${time.clock}"`;
  const historical = sample.historical ? ',"historical":true' : "";
  const resent = sample.resent ? ',"resent":true' : "";
  const fields = sample.fieldsJson === "" ? "" : `,${sample.fieldsJson}`;
  return `{"seq":${seq},"time":"${isoTime(time.wallMs)}"${clock}${historical}${resent}${fields}}`;
}

/** UTC with milliseconds, RFC 3339. */
export function isoTime(wallMs: number): string {
  return new Date(Math.round(wallMs)).toISOString();
}
