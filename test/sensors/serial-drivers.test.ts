import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SerialError, type SerialPort } from "../../src/device/serial.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { command, decode as decodeCo2, mhZ19 } from "../../src/sensors/mh-z19.ts";
import { decode as decodeDust, pms5003 } from "../../src/sensors/pms5003.ts";
import { type FrameShape, readFrame } from "../../src/sensors/serial-frame.ts";

const hex = (text: string) => text.split(" ").map((byte) => Number.parseInt(byte, 16));
const clock = new VirtualClock({ wallMs: 0, monotonicMs: 3_600_000 });

/** A port on which these bytes come, in pieces of at most `chunk`, and then nothing. */
function saying(bytes: readonly number[], chunk = 7): SerialPort & { readonly written: number[][] } {
  let left = [...bytes];
  return {
    name: "/dev/serial0",
    written: [],
    async write(bytes) {
      this.written.push([...bytes]);
    },
    async read() {
      if (left.length === 0) throw new SerialError("timeout", "nothing came");
      const some = left.slice(0, chunk);
      left = left.slice(chunk);
      return Uint8Array.from(some);
    },
    async discard() {},
    async close() {},
  };
}

/** "PMS5003 series data manual", Appendix I: 32 bytes, with the sum of the first thirty at the end. */
function dustFrame(words: readonly number[]): number[] {
  const bytes = [0x42, 0x4d, 0, 28, ...words.flatMap((word) => [word >> 8, word & 0xff])];
  const sum = bytes.reduce((a, b) => a + b, 0);
  return [...bytes, sum >> 8, sum & 0xff];
}

const DUST = dustFrame([5, 8, 9, 4, 7, 8, 900, 270, 44, 6, 2, 0, 0x9700]);

describe("pms5003", () => {
  const options = { warm_up: 30_000 };

  test("takes the concentrations under atmospheric environment, not those for factories", async () => {
    const sensor = await pms5003.open(saying(DUST), options, clock);
    expect(await sensor.read()).toEqual({ pm1: 4, pm2_5: 7, pm10: 8 });
  });

  test("reports thick smoke, of which the manual says that it reaches 1,000 µg/m³ or more", () => {
    const frame = Uint8Array.from(dustFrame([0, 0, 0, 640, 1_873, 2_410, 0, 0, 0, 0, 0, 0, 0]));
    expect(decodeDust(frame)).toEqual({ pm1: 640, pm2_5: 1_873, pm10: 2_410 });
  });

  test("needs no word to speak: its TX line is enough", async () => {
    const port = saying(DUST);
    await (await pms5003.open(port, options, clock)).read();
    expect(port.written).toEqual([]);
  });

  test("says nothing while its fan starts, counted from the board's start", async () => {
    const young = new VirtualClock({ wallMs: 0, monotonicMs: 29_000 });
    const sensor = await pms5003.open(saying(DUST), options, young);
    await expect(sensor.read()).rejects.toMatchObject({
      fault: "not_ready",
      message: expect.stringContaining("30s"),
    });
    await young.advance(1_000);
    expect(await sensor.read()).toMatchObject({ pm1: 4 });
  });
});

describe("mh_z19", () => {
  // MH-Z19B user's manual: the examples of the commands 0x86 and 0x79.
  test.each([
    [command(0x86), "ff 01 86 00 00 00 00 00 79"],
    [command(0x79, 0xa0), "ff 01 79 a0 00 00 00 00 e6"],
    [command(0x79), "ff 01 79 00 00 00 00 00 86"],
  ])("writes a command as the manual does", (bytes, expected) => {
    expect(bytes).toEqual(hex(expected));
  });

  test("reads the manual's example: 544 ppm", async () => {
    const port = saying(hex("ff 86 02 20 00 00 00 00 58"));
    const sensor = await mhZ19.open(port, { warm_up: 180_000, self_calibration: undefined }, clock);
    expect(await sensor.read()).toEqual({ carbon_dioxide: 544 });
    expect(port.written).toEqual([hex("ff 01 86 00 00 00 00 00 79")]);
  });

  test("sets its calibration only where that was asked for", async () => {
    const port = saying([]);
    await mhZ19.open(port, { warm_up: 0, self_calibration: true }, clock);
    expect(port.written).toEqual([hex("ff 01 79 a0 00 00 00 00 e6")]);
  });

  test("warms up three minutes after the board's start", async () => {
    const young = new VirtualClock({ wallMs: 0, monotonicMs: 179_999 });
    const sensor = await mhZ19.open(saying([]), { warm_up: 180_000, self_calibration: undefined }, young);
    await expect(sensor.read()).rejects.toMatchObject({
      fault: "not_ready",
      message: expect.stringContaining("3m"),
    });
  });

  test.each([0, 10_001])("refuses %i ppm", (ppm) => {
    const answer = Uint8Array.of(0xff, 0x86, ppm >> 8, ppm & 0xff, 0, 0, 0, 0, 0);
    expect(() => decodeCo2(answer)).toThrow(expect.objectContaining({ fault: "out_of_range" }));
  });
});

describe("a frame", () => {
  const shape: FrameShape = {
    lengthBytes: 5,
    start: [0xaa, 0x55],
    isWhole: (frame) => frame[4] === ((frame[2]! + frame[3]!) & 0xff),
  };
  const read = (bytes: readonly number[], chunk?: number) =>
    readFrame(saying(bytes, chunk), clock, shape, 1_000);

  test("is found wherever it begins, however it is cut, and whatever comes before it", async () => {
    const noise = fc.array(fc.integer({ min: 0, max: 0xa9 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        noise,
        fc.nat(255),
        fc.nat(255),
        fc.integer({ min: 1, max: 9 }),
        async (before, a, b, chunk) => {
          const frame = [0xaa, 0x55, a, b, (a + b) & 0xff];
          expect([...(await read([...before, ...frame], chunk))]).toEqual(frame);
        },
      ),
    );
  });

  test("that is broken is passed over for the next one, also where that begins inside it", async () => {
    expect([...(await read([0xaa, 0x55, 1, 0xaa, 0x55, 2, 3, 5]))]).toEqual([0xaa, 0x55, 2, 3, 5]);
  });

  test("that never comes whole is a wrong checksum; where nothing comes, the port's own error", async () => {
    await expect(read([0xaa, 0x55, 1, 2, 9])).rejects.toMatchObject({ name: "SensorError", fault: "crc" });
    await expect(read([1, 2, 3])).rejects.toMatchObject({ name: "SensorError", fault: "crc" });
    await expect(read([])).rejects.toMatchObject({ name: "SerialError", fault: "timeout" });
  });
});
