import type { Lamp } from "../lamp.ts";
import type { TextFiles } from "./text-files.ts";

const FOLDER = "sys/class/leds";

/** The activity light of a Raspberry Pi by its names: of the device trees since 2022, and of those before. */
const NAMES = ["ACT", "led0"];

/**
 * A light of the kernel's LED class. Source: Documentation/leds/leds-class.rst and ABI/testing/sysfs-class-led: `trigger`
 * shows all triggers with the active one in brackets, and takes a name; `brightness` goes from 0 to `max_brightness`, and
 * 0 also ends a trigger, which is why there is none while it blinks.
 */
export function linuxLamp(files: TextFiles): Lamp {
  async function find(): Promise<string | undefined> {
    const there = await files.list(FOLDER).catch((): readonly string[] => []);
    return NAMES.find((name) => there.includes(name));
  }

  return {
    isThere: async () => (await find()) !== undefined,
    async take() {
      const name = await find();
      if (name === undefined) throw new Error(`this board has no light called ${NAMES.join(" or ")}`);
      const at = (file: string) => `${FOLDER}/${name}/${file}`;
      const [triggers, before, brightest] = await Promise.all(
        ["trigger", "brightness", "max_brightness"].map((file) => files.read(at(file))),
      );
      const trigger = /\[(.+?)\]/.exec(triggers!)?.[1] ?? "none";
      const write = (file: string, text: string) =>
        files.write(at(file), text).catch((error: NodeJS.ErrnoException) => {
          throw explain(error, `/${at(file)}`);
        });
      await write("trigger", "none");
      return {
        name,
        set: (on) => write("brightness", on ? brightest! : "0"),
        async giveBack() {
          if (trigger === "none") await write("brightness", before!);
          else await write("trigger", trigger);
        },
      };
    },
  };
}

function explain(error: NodeJS.ErrnoException, path: string): Error {
  const { code } = error;
  if (code === "EACCES" || code === "EPERM")
    return new Error(`${path}: not permitted: a udev rule must give it to the group gpio`, { cause: error });
  if (code === "EROFS")
    return new Error(`${path}: read-only here: the service needs ReadWritePaths=-/sys/devices`, {
      cause: error,
    });
  return new Error(`${path}: ${error.message}`, { cause: error });
}
