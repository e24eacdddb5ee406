import type { PeerCertificate } from "node:tls";
import { formatServer, type Server } from "../broker/server.ts";
import { CertificateNotYetValidError } from "./link.ts";

type CodedError = Error & { readonly code?: string; readonly errors?: readonly CodedError[] };

/** One line on why a broker could not be reached, and how to mend it. The original stays as the cause. */
export function explainDialError(error: Error, server: Server): Error {
  const cause = (error as CodedError).errors?.[0] ?? (error as CodedError);
  return new Error(`${formatServer(server)}: ${networkFault(cause, server)}`, { cause: error });
}

function networkFault({ code, message }: CodedError, { scheme, host, port }: Server): string {
  if (scheme === "mqtt+unix") return socketFault(code) ?? message;
  switch (code) {
    case "ECONNREFUSED":
      return `nothing listens on port ${port} (connection refused)`;
    case "ENOTFOUND":
      return `no such host: ${host}`;
    case "EAI_AGAIN":
      return `cannot look up ${host}: no name server answers`;
    case "ETIMEDOUT":
      return "no answer (timed out)";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "no route to the host: is the network up?";
    case "ECONNRESET":
      return "the connection was reset";
    default:
      return message;
  }
}

function socketFault(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOENT":
      return "there is no such socket: does the broker run, and does it listen there?";
    case "ECONNREFUSED":
      return "nobody listens on that socket any more: does the broker run?";
    case "EACCES":
      return "this user may not use that socket";
    default:
      return undefined;
  }
}

export interface TlsContext {
  readonly server: Server;
  /** The name that the certificate had to be for. */
  readonly expectedName: string;
  /** `mqtt.tls.ca`, where one is set. */
  readonly caPath: string | undefined;
}

/**
 * As {@link explainDialError}, with the faults of TLS. `certificate` fetches the broker's certificate; it is called only
 * where a certificate is to blame.
 */
export async function explainTlsError(
  error: Error,
  context: TlsContext,
  certificate: () => Promise<PeerCertificate>,
): Promise<Error> {
  const fault = FAULTS[(error as CodedError).code ?? ""];
  if (fault === undefined) return explainDialError(error, context.server);
  const shown = fault.needsCertificate ? await certificate().catch(() => undefined) : undefined;
  const words = fault.say(describe(shown), context, shown);
  const Explained = (error as CodedError).code === "CERT_NOT_YET_VALID" ? CertificateNotYetValidError : Error;
  return new Explained(`${formatServer(context.server)}: ${words}`, { cause: error });
}

interface Fault {
  readonly needsCertificate: boolean;
  say(name: string, context: TlsContext, certificate: PeerCertificate | undefined): string;
}

const untrusted: Fault = {
  needsCertificate: true,
  say: (name, { caPath }) =>
    caPath === undefined
      ? `${name} is not signed by an authority that this system trusts: set mqtt.tls.ca to the one that signed it`
      : `${name} is not signed by an authority in mqtt.tls.ca (${caPath}): put the one that signed it there`,
};

/** Nobody but the broker itself has signed it (a certificate that is its own authority): it can be trusted as it is. */
const selfSigned: Fault = {
  needsCertificate: true,
  say: (name, { caPath }) =>
    caPath === undefined
      ? `${name} is self-signed: to trust it, copy the certificate itself to this machine and set mqtt.tls.ca to it`
      : `${name} is self-signed and not the one in mqtt.tls.ca (${caPath}): put the certificate itself there`,
};

/** By error code of Node (node:tls) and OpenSSL. */
const FAULTS: Readonly<Record<string, Fault>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: {
    needsCertificate: true,
    say: (name, _context, shown) =>
      `${name} expired${shown ? ` on ${shown.valid_to}` : ""}: renew it, or set this machine's clock if that is wrong`,
  },
  CERT_NOT_YET_VALID: {
    needsCertificate: true,
    say: (name, _context, shown) =>
      `${name} is not valid yet${shown ? ` (from ${shown.valid_from})` : ""}: this machine's clock is probably not set`,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    needsCertificate: true,
    say: (name, { expectedName }, shown) =>
      `${name} is for ${shown?.subjectaltname ?? "other names"}, not for ${expectedName}: connect by one of its names, or set mqtt.tls.server_name`,
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    needsCertificate: false,
    say: (_name, { server }) =>
      `port ${server.port} does not speak TLS: use mqtt:// or the broker's TLS port`,
  },
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: {
    needsCertificate: false,
    say: () => "the broker asks for a client certificate: set mqtt.tls.cert and mqtt.tls.key",
  },
};

/** A certificate by the names that a person knows it by. */
function describe(certificate: PeerCertificate | undefined): string {
  if (certificate?.subject === undefined) return "the broker's certificate";
  const issuer = [certificate.issuer?.CN].flat().join(", ") || "unknown";
  const subject = [certificate.subject.CN].flat().join(", ") || "without a name";
  return `the broker's certificate "${subject}" (issued by "${issuer}")`;
}
