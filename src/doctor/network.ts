import { isIP } from "node:net";
import { formatServer, isSecure } from "../mqtt/broker/server.ts";
import { type BrokerVisit, NotReachedError } from "./broker-visit.ts";
import { type Check, type Diagnosis, failed, ok, skipped } from "./check.ts";
import type { Patient } from "./patient.ts";

/** Looks at each broker; what a step before has failed at is said there. */
export function eachBroker(
  title: string,
  look: (visit: BrokerVisit, what: string, patient: Patient) => Promise<readonly Diagnosis[]>,
  fix?: string,
): Check["run"] {
  return async (patient) => {
    const several = patient.brokers.length > 1;
    const found = await Promise.all(
      patient.brokers.map(async (visit) => {
        const what = several ? `${title} ${formatServer(visit.server)}` : title;
        try {
          return await look(visit, what, patient);
        } catch (error) {
          if (error instanceof NotReachedError) return [skipped(what, "the broker is not reached that far")];
          return [failed(what, (error as Error).message, fix)];
        }
      }),
    );
    return found.flat();
  };
}

/** The connection needs more than one step. */
export const BROKER_LIMIT_MS = 30_000;

export const brokerName: Check = {
  id: "broker-name",
  area: "broker",
  title: "name",
  looksAt: "the broker's name leads to an address (DNS)",
  needs: "broker",
  limitMs: BROKER_LIMIT_MS,
  run: eachBroker(
    "name",
    async (visit, what) => {
      const { host, scheme } = visit.server;
      if (scheme === "mqtt+unix" || isIP(host) !== 0) return [];
      return [ok(what, `${host} is ${(await visit.addresses()).join(", ")}`)];
    },
    "check mqtt.url and this machine's network (ip address, resolvectl query NAME)",
  ),
};

export const brokerPort: Check = {
  id: "broker-port",
  area: "broker",
  title: "port",
  looksAt: "the broker's port accepts a connection",
  needs: "broker",
  limitMs: BROKER_LIMIT_MS,
  run: eachBroker(
    "port",
    async (visit, what) => {
      const ms = await visit.reach();
      const inClear = isSecure(visit.server) ? "" : ", not encrypted";
      return [ok(what, `${formatServer(visit.server)} accepts in ${Math.round(ms)} ms${inClear}`)];
    },
    "is the broker running, is the port right, does a firewall stand between?",
  ),
};
