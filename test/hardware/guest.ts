import { fileURLToPath } from "node:url";
import { inject } from "vitest";
import { boot, type Guest, type GuestJob } from "./boot.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder that build-kernel.sh printed. */
    kernel: string;
  }
}

const init = fileURLToPath(new URL("guest/init.sh", import.meta.url));

/** Boots a guest with a job, on the kernel that the suite was given. */
export function bootGuest(job: GuestJob): Promise<Guest> {
  return boot({ kernel: inject("kernel"), init }, job);
}
