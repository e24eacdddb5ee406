import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isSecure } from "../mqtt/broker/server.ts";
import type { BrokerVisit, Handshake } from "./broker-visit.ts";
import { type Check, type Diagnosis, failed, ok, skipped, warning } from "./check.ts";
import { BROKER_LIMIT_MS, eachBroker } from "./network.ts";
import { inShort, may, nodeUser } from "./user.ts";

const DAY_MS = 86_400_000;

/** Before that somebody should have begun to renew it. */
const SOON_DAYS = 30;

/** What Node says where the dates are to blame: the chain is then looked at by its dates only. */
const DATE_FAULTS = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];

const secure = (
  look: (shown: Handshake, what: string, visit: BrokerVisit, nowMs: number) => readonly Diagnosis[],
  title: string,
) =>
  eachBroker(
    title,
    async (visit, what, { clock }) => {
      if (!isSecure(visit.server)) return [];
      return look(await visit.handshake(), what, visit, clock.wallMs());
    },
    "mqtts:// and wss:// want the broker's TLS port, mqtt:// and ws:// the other",
  );

export const brokerTrust: Check = {
  id: "tls-trust",
  area: "broker",
  title: "certificate chain",
  looksAt:
    "the broker's certificate leads to an authority in `mqtt.tls.ca`, or one that the system trusts, with nothing missing between",
  needs: "broker",
  limitMs: BROKER_LIMIT_MS,
  run: async (patient) => {
    const { tls } = patient.config.mqtt;
    return secure(({ certificate, distrust, protocol }, what) => {
      const issuer = [certificate.issuer?.CN ?? certificate.issuer?.O].flat().join(", ");
      if (distrust === undefined) return [ok(what, `issued by ${issuer}, trusted (${protocol})`)];
      if (DATE_FAULTS.includes(distrust)) return [skipped(what, "the dates come first")];
      const found = `issued by ${issuer}, whom ${tls?.ca === undefined ? "this system does" : `${tls.ca} does`} not vouch for (${distrust})`;
      if (tls?.insecure)
        return [
          warning(what, `${found}; mqtt.tls.insecure lets it pass`, "set mqtt.tls.ca, take insecure out"),
        ];
      return [
        failed(
          what,
          found,
          "mqtt.tls.ca: the PEM file of the authority that signed it. The broker must send the certificates between (its chain)",
        ),
      ];
    }, "certificate chain")(patient);
  },
};

export const brokerCertificateName: Check = {
  id: "tls-name",
  area: "broker",
  title: "certificate name",
  looksAt: "the broker's certificate is for the name that it is called by",
  needs: "broker",
  limitMs: BROKER_LIMIT_MS,
  run: secure(({ certificate, wrongName, expectedName }, what) => {
    if (wrongName === undefined) return [ok(what, expectedName)];
    const names = certificate.subjectaltname ?? `${certificate.subject?.CN}`;
    return [
      failed(
        what,
        `is for ${names}, not for ${expectedName}`,
        "call the broker by one of its names in mqtt.url, or set mqtt.tls.server_name",
      ),
    ];
  }, "certificate name"),
};

export const brokerCertificateDates: Check = {
  id: "tls-dates",
  area: "broker",
  title: "certificate dates",
  looksAt: "the broker's certificate, and those that it leads to, are valid now and for 30 days",
  needs: "broker",
  limitMs: BROKER_LIMIT_MS,
  run: secure(({ certificate }, what, _visit, nowMs) => {
    const chain: Handshake["certificate"][] = [];
    // The last one has signed itself.
    for (let at = certificate; at?.valid_to !== undefined && !chain.includes(at); at = at.issuerCertificate)
      chain.push(at);
    const judged = chain.map(({ subject, valid_from, valid_to }) =>
      judgeDates(what, [subject?.CN].flat().join(", ") || "it", valid_from, valid_to, nowMs),
    );
    return [
      judged.find(({ verdict }) => verdict === "failed") ??
        judged.find(({ verdict }) => verdict === "warning") ??
        judged[0] ??
        ok(what, "none"),
    ];
  }, "certificate dates"),
};

export function judgeDates(what: string, name: string, from: string, to: string, nowMs: number): Diagnosis {
  const day = (text: string) => new Date(Date.parse(text)).toISOString().slice(0, 10);
  const leftDays = Math.floor((Date.parse(to) - nowMs) / DAY_MS);
  if (Date.parse(from) > nowMs)
    return failed(
      what,
      `"${name}" is not valid before ${day(from)}`,
      "this machine's clock is probably not set: see clock",
    );
  if (Date.parse(to) <= nowMs)
    return failed(
      what,
      `"${name}" expired on ${day(to)}`,
      "renew it; it is read again at the next connection. Is this machine's clock right?",
    );
  const found = `valid until ${day(to)}, ${leftDays} ${leftDays === 1 ? "day" : "days"}`;
  return leftDays < SOON_DAYS ? warning(what, `"${name}": ${found}`, "renew it") : ok(what, found);
}

const MINE = ["ca", "cert"] as const;
const NAMES = { ca: "authority", cert: "client certificate" } as const;

export const ownCertificates: Check = {
  id: "tls-own-dates",
  area: "broker",
  title: "own certificates",
  looksAt:
    "the files of `mqtt.tls.ca` and `mqtt.tls.cert` hold certificates that are valid now and for 30 days",
  async run({ config, clock }) {
    const diagnoses = await Promise.all(
      MINE.map(async (key): Promise<readonly Diagnosis[]> => {
        const path = config.mqtt.tls?.[key];
        if (path === undefined) return [];
        const what = NAMES[key];
        const blocks =
          (await readFile(path, "latin1")).match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END/g) ??
          [];
        if (blocks.length === 0)
          return [
            failed(
              what,
              `${path} holds no certificate in PEM`,
              "openssl x509 -in FILE -inform DER -out FILE.pem makes one of DER",
            ),
          ];
        const judged = blocks.map((block) => {
          const { subject, validFrom, validTo } = new X509Certificate(`${block} CERTIFICATE-----\n`);
          const name = /CN=(.*)/.exec(subject)?.[1] ?? path;
          return judgeDates(what, name, validFrom, validTo, clock.wallMs());
        });
        // Of several authorities one that is not needed any more may have expired.
        const worst = key === "ca" ? judged.find(({ verdict }) => verdict === "ok") : undefined;
        return [worst ?? judged.find(({ verdict }) => verdict === "failed") ?? judged[0]!];
      }),
    );
    return diagnoses.flat();
  },
};

export const clientKey: Check = {
  id: "tls-key",
  area: "broker",
  title: "client key",
  looksAt:
    "the private key belongs to the client certificate, the node's user may read it, and not everybody",
  async run(patient) {
    const { cert, key } = patient.config.mqtt.tls ?? {};
    if (cert === undefined || key === undefined) return [];
    const what = "client key";
    const { createPrivateKey } = await import("node:crypto");
    const pem = await readFile(key, "latin1");
    try {
      if (!new X509Certificate(await readFile(cert)).checkPrivateKey(createPrivateKey(pem)))
        return [
          failed(
            what,
            `${key} is not the key of ${cert}`,
            "openssl pkey -pubout and openssl x509 -pubkey print the same where they belong together",
          ),
        ];
    } catch (error) {
      return [
        failed(
          what,
          `${key}: ${(error as Error).message}`,
          "a key in PEM without a passphrase: openssl pkey -in OLD -out NEW",
        ),
      ];
    }
    const facts = await patient.machine.facts(key);
    if (!facts) return [ok(what, "belongs to the certificate")];
    const user = await nodeUser(patient);
    if (!may(user, facts, "r"))
      return [
        failed(
          what,
          `${key}: ${inShort(facts)}: ${user.name} may not read it`,
          `sudo chown ${user.name} ${key}`,
        ),
      ];
    if ((facts.mode & 0o007) !== 0)
      return [warning(what, `${key}: ${inShort(facts)}: everybody may use it`, `chmod 600 ${key}`)];
    return [ok(what, `belongs to the certificate; ${inShort(facts)}`)];
  },
};
