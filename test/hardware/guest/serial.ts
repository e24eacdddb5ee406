import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { command, mhZ19 } from "../../../src/sensors/mh-z19.ts";
import { pms5003 } from "../../../src/sensors/pms5003.ts";
import { openPty } from "./pty.ts";

const clock = linuxClock();
const openPort = (devicePath: string) => linuxBoard({ clock }).serial({ devicePath, baudRate: 9_600 });

/** A frame of a PMS5003 with these concentrations (data manual, Appendix I). */
function dustFrame(pm1: number, pm2_5: number, pm10: number): number[] {
  const words = [28, 1, 1, 1, pm1, pm2_5, pm10, 0, 0, 0, 0, 0, 0, 0x9700];
  const bytes = [0x42, 0x4d, ...words.flatMap((word) => [word >> 8, word & 0xff])];
  const sum = bytes.reduce((sum, byte) => sum + byte, 0);
  return [...bytes, sum >> 8, sum & 0xff];
}

test("every byte goes through as it is, both ways", async () => {
  const pty = openPty();
  const port = await openPort(pty.path);
  const every = Array.from({ length: 256 }, (_, byte) => byte);
  const heard: number[] = [];
  pty.hear((bytes) => heard.push(...bytes));
  await port.write(every);
  pty.say(every);
  const read: number[] = [];
  while (read.length < 256) read.push(...(await port.read(1_000)));
  while (heard.length < 256) await sleep(5);
  assert.deepEqual([read, heard], [every, every]);
  await port.close();
  pty.unplug();
});

test("the PMS5003 driver takes the next whole frame, and none of those that wait", async () => {
  const pty = openPty();
  const port = await openPort(pty.path);
  const sensor = await pms5003.open(port, { warm_up: 0 }, clock);
  await assert.rejects(port.read(20), { fault: "timeout" });
  for (let old = 0; old < 100; old++) pty.say(dustFrame(9, 9, 9));
  await sleep(50);
  const reading = sensor.read();
  await sleep(50);
  const frame = dustFrame(3, 5, 8);
  pty.say(frame.slice(20));
  pty.say(frame.slice(0, 7));
  await sleep(20);
  pty.say(frame.slice(7));
  assert.deepEqual(await reading, { pm1: 3, pm2_5: 5, pm10: 8 });
  await port.close();
  pty.unplug();
});

test("the MH-Z19 driver asks and is answered", async () => {
  const pty = openPty();
  const port = await openPort(pty.path);
  pty.hear((bytes) => {
    if (command(0x86).join() === [...bytes].join()) pty.say([0xff, 0x86, 0x02, 0x20, 0, 0, 0, 0, 0x58]);
  });
  const sensor = await mhZ19.open(port, { warm_up: 0, self_calibration: false }, clock);
  for (let times = 0; times < 3; times++) assert.deepEqual(await sensor.read(), { carbon_dioxide: 544 });
  await port.close();
  pty.unplug();
});

test("a port that another program has is taken", async () => {
  const pty = openPty();
  const [one, other] = [await openPort(pty.path), await openPort(pty.path)];
  await one.write([1]);
  await assert.rejects(other.write([1]), { name: "SerialError", fault: "taken" });
  await one.close();
  await other.write([1]);
  await other.close();
  pty.unplug();
});

test("a port that is pulled out is told of, and works again when it is back", async () => {
  const pty = openPty();
  const port = await openPort(pty.path);
  const reading = port.read(5_000);
  await sleep(50);
  pty.unplug();
  await assert.rejects(reading, { name: "SerialError", fault: "io" });
  await assert.rejects(port.read(100), { fault: "no_port", message: /no such port/ });
  const again = openPty();
  assert.equal(again.path, pty.path);
  const later = port.read(5_000);
  await sleep(50);
  again.say([42]);
  assert.deepEqual([...(await later)], [42]);
  await port.close();
  again.unplug();
});
