import { decode } from "cbor2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCbor } from "../../../src/mqtt/encoding/cbor.ts";
import { encodeJson } from "../../../src/mqtt/encoding/encoding.ts";
import { senmlCborEncoder } from "../../../src/mqtt/encoding/senml-cbor.ts";
import { senmlJsonEncoder } from "../../../src/mqtt/encoding/senml-json.ts";
import { toSenmlUnit } from "../../../src/mqtt/encoding/senml-units.ts";
import { fieldsToJson, type Sample } from "../../../src/record/record.ts";

const WALL_MS = Date.UTC(2026, 10, 23, 0, 44, 20, 123);

function sample(fields: Record<string, unknown>, more: Partial<Sample> = {}): Sample {
  return {
    topic: "telemetry/air",
    wallMs: WALL_MS,
    monotonicMs: 5_000,
    bootId: "0badcafe",
    synced: true,
    historical: false,
    fieldsJson: fieldsToJson(fields),
    ...more,
  };
}

const senml = {
  device: "greenhouse-1",
  unitOf: (_topic: string, field: string) => ({ temperature: "°C", humidity: "%", pressure: "hPa" })[field],
};

describe("CBOR", () => {
  test("says with any decoder what the JSON says", () => {
    const fields = fc.dictionary(
      fc
        .stringMatching(/^[a-z][a-z_0-9]{0,15}$/)
        .filter((name) => !["seq", "time", "clock", "historical"].includes(name)),
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => (Object.is(v, -0) ? 0 : v)),
        fc.boolean(),
        fc.string(),
        fc.integer(),
      ),
    );
    fc.assert(
      fc.property(
        fields,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.boolean(),
        (fields, seq, historical) => {
          const record = sample(fields, { historical });
          const time = { wallMs: WALL_MS, clock: "repaired" } as const;
          const json = JSON.parse(encodeJson(seq, time, record) as string) as Record<string, unknown>;
          const cbor = decode(encodeCbor(seq, time, record) as Uint8Array) as Record<string, unknown>;
          // A decoder may give whole numbers above 32 bits as BigInt.
          if (typeof cbor["seq"] === "bigint") cbor["seq"] = Number(cbor["seq"]);
          for (const [name, value] of Object.entries(cbor))
            if (typeof value === "bigint") cbor[name] = Number(value);
          expect({ ...cbor }).toEqual({ ...json });
        },
      ),
    );
  });

  test("is smaller than the JSON of a usual reading", () => {
    const record = sample({ temperature: 21.42, humidity: 48.1, pressure: 1013.25 });
    const time = { wallMs: WALL_MS };
    expect((encodeCbor(1042, time, record) as Uint8Array).length).toBeLessThan(
      (encodeJson(1042, time, record) as string).length,
    );
  });
});

describe("SenML", () => {
  const reading = sample(
    { temperature: 21.42, humidity: 48.1, pressure: 1013.25, ok: true },
    { historical: true },
  );

  test("is a pack of base fields, measurements in registered units, and what the node says beside them", () => {
    const pack = JSON.parse(
      senmlJsonEncoder(senml)(1042, { wallMs: WALL_MS, clock: "repaired" }, reading) as string,
    );
    expect(pack).toEqual([
      { bn: "greenhouse-1/telemetry/air/", bt: 1_795_394_660.123, n: "seq", v: 1042 },
      { n: "clock", vs: "repaired" },
      { n: "historical", vb: true },
      { n: "temperature", u: "Cel", v: 21.42 },
      { n: "humidity", u: "%RH", v: 48.1 },
      { n: "pressure", u: "Pa", v: 101_325 },
      { n: "ok", vb: true },
    ]);
  });

  test("is the same pack in CBOR, under the labels of RFC 8428, table 4", () => {
    const time = { wallMs: WALL_MS };
    const json = JSON.parse(senmlJsonEncoder(senml)(7, time, reading) as string) as Record<string, unknown>[];
    const cbor = decode(senmlCborEncoder(senml)(7, time, reading) as Uint8Array) as Map<number, unknown>[];
    const names = new Map([
      [-2, "bn"],
      [-3, "bt"],
      [0, "n"],
      [1, "u"],
      [2, "v"],
      [3, "vs"],
      [4, "vb"],
    ]);
    expect(
      cbor.map((record) =>
        Object.fromEntries([...record].map(([label, value]) => [names.get(label), value])),
      ),
    ).toEqual(json);
  });

  test("names things in the characters that RFC 8428 allows (section 4.5.1)", () => {
    const pack = JSON.parse(senmlJsonEncoder(senml)(1, { wallMs: WALL_MS }, reading) as string) as {
      bn?: string;
      n: string;
    }[];
    const base = pack[0]!.bn!;
    for (const { n } of pack) expect(base + n).toMatch(/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/);
  });

  test("writes what has parts, as events do, as JSON in a text", () => {
    const boot = sample({ boot: 3, skipped: { from_seq: 4, to_seq: 9 } }, { topic: "event/boot" });
    expect(JSON.parse(senmlJsonEncoder(senml)(10, { wallMs: WALL_MS }, boot) as string).slice(1)).toEqual([
      { n: "boot", v: 3 },
      { n: "skipped", vs: '{"from_seq":4,"to_seq":9}' },
    ]);
  });

  test.each([
    [21.5, "°C", "temperature", { u: "Cel", v: 21.5 }],
    [50, "%", "humidity", { u: "%RH", v: 50 }],
    [50, "%", "outdoor_humidity", { u: "%RH", v: 50 }],
    [50, "%", "disk_free", { u: "/", v: 0.5 }],
    [1013.25, "hPa", "pressure", { u: "Pa", v: 101_325 }],
    [412, "ppm", "carbon_dioxide", { u: "/", v: 0.000412 }],
    [12.3, "µg/m³", "pm2_5", { u: "kg/m3", v: 1.23e-8 }],
    [1.5, "Wh", "energy", { u: "J", v: 5_400 }],
    [250, "mm", "distance", { u: "m", v: 0.25 }],
    [-65, "dBm", "signal", { u: "dBW", v: -95 }],
    [3, "", "count", { v: 3 }],
    [3, "furlong", "distance", { v: 3 }],
    [3, "constructor", "distance", { v: 3 }],
  ])("converts %f %s of %s to the primary registry's unit", (value, unit, field, expected) => {
    expect(toSenmlUnit(value, unit, field)).toEqual(expected);
  });

  test("knows no unit that IANA's primary registry does not have (RFC 8428, section 12.1)", () => {
    const registered = new Set(
      "m kg s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 m/s m/s2 m3/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW count / %RH %EL EL 1/s S/m B VA VAs var vars J/m kg/m3 deg".split(
        " ",
      ),
    );
    for (const unit of "°C hPa Pa lx V mV A mA W Wh kWh VA var Hz Ω ppm ppb % µg/m³ mm cm m s ms min kg g l L m³ m/s m/s² µT ° dB dBm".split(
      " ",
    )) {
      const { u } = toSenmlUnit(1, unit);
      expect(registered.has(u ?? "nothing"), unit).toBe(true);
    }
  });
});
