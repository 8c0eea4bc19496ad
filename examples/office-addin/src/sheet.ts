/** Reads the selection of Excel in blocks that are the parts of an upload. It writes no cell. */

import {
  hiddenRows,
  hiddenColumns,
  mergedCells,
  pivotTables,
  spilledCells,
} from "./surroundings.ts";
import { type Area, address, areaOf, cells, halves, rangeOf, SPOT } from "./area.ts";

/** A part as `PUT /ranges/{id}/parts/{n}` takes it. One value may stand for all cells. */
export interface Part {
  address: string;
  values: unknown[][];
  formulas: unknown[][];
  number_formats: unknown;
  value_types: unknown;
  text?: string[][];
}

export interface Selection {
  sheet: { name: string; visibility: string };
  address: string;
  headers: "auto";
  separators: { decimal: string; group: string };
  date_system: 1900 | 1904;
  hidden_rows: string[];
  hidden_columns: string[];
  merged: string[];
  spills: string[];
  pivots: { address: string }[];
}

const MAX_CELLS = 500_000;
const MAX_PART_BYTES = 1024 * 1024;
/** Most cells of a block. Office.js answers at most 5 MB on the web: some 500 bytes a cell. */
const BLOCK_CELLS = 10_000;

/** The used area of the selection with its surroundings, and its cells in parts. */
export function readSelection(): Promise<{ selection: Selection; parts: Part[] }> {
  return Excel.run(async (context) => {
    const sheet = context.workbook.worksheets.getActiveWorksheet().load("name");
    const used = sheet.getUsedRange(true);
    const range = context.workbook.getSelectedRange().getIntersectionOrNullObject(used).load(SPOT);
    const application = context.workbook.application.load("decimalSeparator,thousandsSeparator");
    // Office.js does not name the date system. This date is 0 in the system of 1904, else 1462.
    const epoch = context.workbook.functions.date(1904, 1, 1).load("value");
    await context.sync();
    if (range.isNullObject) throw new Error("The selection is empty.");
    const area = areaOf(range);
    if (cells(area) > MAX_CELLS) throw new Error("Select at most 500,000 cells.");
    const selection: Selection = {
      // A sheet with a selection is visible.
      sheet: { name: sheet.name, visibility: "visible" },
      address: address(area),
      headers: "auto",
      separators: { decimal: application.decimalSeparator, group: application.thousandsSeparator },
      date_system: epoch.value === 0 ? 1904 : 1900,
      hidden_rows: await hiddenRows(context, sheet, area),
      hidden_columns: await hiddenColumns(context, sheet, area),
      merged: await mergedCells(context, sheet, area),
      spills: await spilledCells(context, sheet, area),
      pivots: await pivotTables(context, sheet),
    };
    return { selection, parts: await readParts(context, sheet, area) };
  });
}

/** Parts that tile an area. A block that is too large for Excel or for a part is halved. */
async function readParts(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<Part[]> {
  const part = cells(area) <= BLOCK_CELLS ? await readPart(context, sheet, area) : undefined;
  if (part && new TextEncoder().encode(JSON.stringify(part)).length <= MAX_PART_BYTES)
    return [part];
  if (cells(area) === 1) throw new Error(`Excel does not give the cell ${address(area)}.`);
  const [first, second] = halves(area);
  return [
    ...(await readParts(context, sheet, first)),
    ...(await readParts(context, sheet, second)),
  ];
}

async function readPart(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<Part | undefined> {
  const range = rangeOf(sheet, area).load("values,formulas,numberFormat,valueTypes,text");
  try {
    await context.sync();
  } catch (error) {
    if ((error as { code?: string }).code === "ResponsePayloadSizeLimitExceeded") return undefined;
    throw error;
  }
  // Too large an answer may also come as null, without an error.
  if (range.values === null) return undefined;
  const part: Part = {
    address: address(area),
    values: range.values,
    formulas: range.formulas,
    number_formats: oneForAll(range.numberFormat),
    value_types: oneForAll(range.valueTypes),
  };
  // A linked entity has its name in the text alone.
  if (range.valueTypes.flat().includes("RichValue" as Excel.RangeValueType)) part.text = range.text;
  return part;
}

/** The matrix, or its value where all cells have the same one. */
function oneForAll<T>(matrix: T[][]): T[][] | T {
  const [first, ...rest] = new Set(matrix.flat());
  return first === undefined || rest.length > 0 ? matrix : first;
}
