import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { linuxClock } from "../../src/device/linux/clock.ts";
import { compare, sntp } from "../../src/doctor/sntp.ts";
import { diagnosed, unwell } from "./patient.ts";

const NTP_TO_UNIX_S = 2_208_988_800;

/** A time server on loopback whose clock is ahead of this machine's. */
async function asking(aheadMs: number, change: (answer: Buffer) => void = () => {}) {
  const server = createSocket("udp4");
  server.on("message", (request, { port, address }) => {
    const answer = Buffer.alloc(48);
    answer[0] = 0x24;
    answer[1] = 2;
    request.copy(answer, 24, 40, 48);
    for (const at of [32, 40]) {
      const ms = Date.now() + aheadMs;
      answer.writeUInt32BE(Math.floor(ms / 1000) + NTP_TO_UNIX_S, at);
      answer.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
    }
    change(answer);
    server.send(answer, port, address);
  });
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  try {
    return await sntp(linuxClock(), (server.address() as AddressInfo).port)("127.0.0.1");
  } finally {
    server.close();
  }
}

describe("one question to a time server", () => {
  test("tells how far this machine's clock is behind it", async () => {
    const { offsetMs } = await asking(90_000);
    expect(Math.abs(offsetMs - 90_000)).toBeLessThan(5_000);
  });

  test("counts the way there and back to neither side (RFC 5905, section 8)", () => {
    const exchange = { sentMs: 1_000, serverGotMs: 6_040, serverSentMs: 6_045, receivedMs: 1_105 };
    expect(compare(exchange)).toEqual({ offsetMs: 4_990, roundTripMs: 100 });
  });

  test.each<[string, (answer: Buffer) => void, RegExp]>([
    ["a server without a clock", (answer) => void answer.writeUInt8(0xe4, 0), /its own clock is not set/],
    [
      "a server that refuses (RFC 4330, section 8)",
      (answer) => {
        answer.writeUInt8(0, 1);
        answer.write("RATE", 12);
      },
      /refuses \(RATE\)/,
    ],
    ["something that is no server", (answer) => void answer.writeUInt8(0x23, 0), /no time server/],
  ])("is not answered by %s", async (_name, change, words) => {
    await expect(asking(0, change)).rejects.toThrow(words);
  });
});

describe("clock-offset", () => {
  const withTime = async (askTime: () => Promise<{ offsetMs: number; roundTripMs: number }>) => {
    const found = await diagnosed({
      breakIt: ({ patient }) => void Object.assign(patient, { askTime }),
      brokers: () => [
        { server: { scheme: "mqtt", host: "127.0.0.1", port: 1 }, end: async () => {} } as never,
      ],
    });
    return unwell(found).filter(({ check }) => check === "clock-offset");
  };

  test.each([
    [500, []],
    [-5_000, [{ verdict: "warning", found: expect.stringContaining("5000 ms ahead of pool.ntp.org") }]],
    [3_600_000, [{ verdict: "failed", found: expect.stringContaining("3600 s behind pool.ntp.org") }]],
  ])("judges an offset of %i ms", async (offsetMs, expected) => {
    expect(await withTime(async () => ({ offsetMs, roundTripMs: 20 }))).toMatchObject(expected);
  });

  test("takes the kernel's own estimate where the server does not answer", async () => {
    expect(await withTime(() => Promise.reject(new Error("no answer")))).toEqual([]);
  });
});
