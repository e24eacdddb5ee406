import { unlinkSync } from "node:fs";

/** A driver of one's own that, once it is told to by a file, never gives the processor back. */
export default {
  name: "endless",
  chip: "none",
  description: "hangs when told to",
  datasheet: "none",
  bus: "host",
  fields: { count: { unit: "", precision: 0 } },
  options: {},
  async open() {
    return {
      async read() {
        try {
          unlinkSync("/run/fieldpost/hang");
        } catch {
          return { count: 1 };
        }
        for (;;);
      },
    };
  },
};
