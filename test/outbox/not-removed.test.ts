import { expect, test } from "vitest";
import { type FaultyFiles, faultyFiles } from "./faulty-files.ts";
import { drain, fill, numbers, Rig } from "./rig.ts";

test.each(["kill", "cutPower"] as const)(
  "segments that a failed sync made doubtful and that could not be removed do not say where the log ends (%s)",
  async (ending) => {
    let files!: FaultyFiles;
    const rig = new Rig({}, (real) => {
      files = faultyFiles(real);
      return files;
    });
    const outbox = await rig.open();
    fill(outbox, 50);
    files.fault = (operation, path) =>
      path.endsWith(".seg") && ["sync", "remove"].includes(operation) ? "EIO" : undefined;
    await expect(outbox.sync()).rejects.toThrow("EIO");
    files.fault = () => undefined;
    await rig.clock.advance(5000);
    await outbox.sync();
    expect(outbox.status().fault).toBeUndefined();
    const lastSeq = fill(outbox, 20);
    if (ending === "cutPower") await outbox.sync();
    rig[ending]();
    const again = await rig.open();
    expect(again.opening.skipped?.fromSeq).toBe(ending === "kill" ? undefined : lastSeq + 1);
    expect(again.status().nextSeq).toBeGreaterThan(lastSeq);
    expect(drain(again)).toEqual(numbers(1, lastSeq));
    expect(again.takeDrops()).toEqual([]);
  },
);
