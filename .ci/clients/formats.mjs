// The kinds of number formats by ssf and numfmt, and the texts of serial numbers by ssf.
// Reads {codes, serials} from standard input, and writes {kinds, shown}.
import { getFormatInfo } from "numfmt";
import SSF from "ssf";
import { readFileSync } from "node:fs";

const { codes, serials } = JSON.parse(readFileSync(0, "utf8"));
const show = (serial, date1904) => SSF.format("yyyy-mm-dd\\Thh:mm:ss", serial, { date1904 });
const kinds = codes.map((code) => ({ numfmt: getFormatInfo(code).type, ssf: SSF.is_date(code) }));
const shown = serials.map((serial) => [show(serial, false), show(serial, true)]);
console.log(JSON.stringify({ kinds, shown }));
