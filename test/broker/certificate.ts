import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Certificate {
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
}

/** An authority, and a certificate of its for `localhost` with the dates that a test wants (openssl's ca takes them). */
export async function issueCertificate(
  folder: string,
  id: string,
  { name = "localhost", from = "20200101000000Z", to = "20400101000000Z" }: Certificate,
) {
  const dir = join(folder, id);
  await mkdir(dir);
  const file = (part: string) => join(dir, part);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("openssl", [
    "req",
    "-x509",
    ...key,
    "-keyout",
    file("ca.key"),
    "-subj",
    `/CN=Authority ${id}`,
    "-days",
    "3650",
    "-out",
    file("ca.pem"),
  ]);
  await run("openssl", [
    "req",
    ...key,
    "-keyout",
    file("key.pem"),
    "-subj",
    "/CN=broker of the test",
    "-out",
    file("request"),
  ]);
  await writeFile(
    file("ca.conf"),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${file("index")}\nserial=${file("serial")}\nnew_certs_dir=${dir}\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:${name}\n`,
  );
  await writeFile(file("index"), "");
  await writeFile(file("serial"), "01\n");
  await run("openssl", [
    "ca",
    "-batch",
    "-config",
    file("ca.conf"),
    "-cert",
    file("ca.pem"),
    "-keyfile",
    file("ca.key"),
    "-in",
    file("request"),
    "-startdate",
    from,
    "-enddate",
    to,
    "-notext",
    "-out",
    file("cert.pem"),
  ]);
  return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
}
