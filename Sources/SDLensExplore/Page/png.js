// The texts of a PNG that this program wrote: how the picture was made.

/** Reads the texts by their keywords, and the size; null for what is no PNG. */
export function read(buffer) {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 33 || view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a) return null;
  const found = { texts: {}, width: view.getUint32(16), height: view.getUint32(20) };
  for (let place = 8; place + 12 <= bytes.length;) {
    const length = view.getUint32(place);
    const type = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    const content = bytes.subarray(place + 8, place + 8 + length);
    const end = content.indexOf(0);
    if (end > 0 && (type === "tEXt" || type === "iTXt")) {
      const keyword = new TextDecoder("latin1").decode(content.subarray(0, end));
      let start = end + 1;
      if (type === "iTXt") {
        // Compressed texts are never ours; then come the language and a translated keyword.
        if (content[start] !== 0) { place += 12 + length; continue; }
        start = content.indexOf(0, content.indexOf(0, start + 2) + 1) + 1;
      }
      found.texts[keyword] = new TextDecoder(type === "tEXt" ? "latin1" : "utf-8").decode(content.subarray(start));
    }
    if (type === "IEND") break;
    place += 12 + length;
  }
  return found;
}
