import { type Mosquitto, type MosquittoOptions, startMosquitto } from "../test/broker/mosquitto.ts";
import { undoAtExit } from "./scratch.ts";

/** A real broker for as long as `work` takes. */
export async function withBroker<T>(
  options: MosquittoOptions,
  work: (broker: Mosquitto) => Promise<T>,
): Promise<T> {
  const broker = await startMosquitto(options);
  const kill = undoAtExit(() => void broker.kill());
  try {
    return await work(broker);
  } finally {
    kill();
    await broker.stop();
  }
}
