/** The texts of an XML document; throws where tags do not match. Enough for what this program writes. */
export function textsOf(xml: string): readonly string[] {
  const open: string[] = [];
  const texts: string[] = [];
  for (const [, close, name, attributes = "", text] of xml.matchAll(
    /<(\/?)([a-zA-Z]+)((?:\s[^<>]*)?)>([^<]*)/g,
  )) {
    if (close === "/") {
      if (open.pop() !== name) throw new Error(`</${name}> ends nothing`);
    } else if (!attributes.endsWith("/")) open.push(name!);
    if (text!.trim() !== "") texts.push(text!.trim());
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not ended`);
  return texts;
}
