/** Uploads the selection, into the workbook and the sheet that the file says it belongs to. */

import type { Api } from "./api.ts";
import { readSelection } from "./sheet.ts";

/** Where the ids stand in the file. */
const WORKBOOK = "tally_workbook_id";
const SHEET = "tally_sheet_id";

export interface Range {
  id: string;
  workbook_id: string;
  sheet_id: string;
  address: string;
}

/** The range, ready to be asked about. */
export async function uploadSelection(
  api: Api,
  onPart = (_done: number, _all: number) => {},
): Promise<Range> {
  const { selection, parts } = await readSelection();
  const kept = await readIds();
  const workbookId =
    kept.workbookId ??
    (await api.call<{ id: string }>("POST", "/workbooks", { name: kept.name })).id;
  const sheet = kept.sheetId ? { id: kept.sheetId, ...selection.sheet } : selection.sheet;
  const body = { ...selection, sheet, parts: parts.length };
  const range = await api.call<Range>("POST", `/workbooks/${workbookId}/ranges`, body);
  // Kept at once: if a part fails, the next upload must not make a second sheet of this one.
  await keepIds(workbookId, range.sheet_id);
  for (const [index, part] of parts.entries()) {
    await api.call("PUT", `/ranges/${range.id}/parts/${index + 1}`, part);
    onPart(index + 1, parts.length);
  }
  return { ...range, ...(await api.call<Range>("POST", `/ranges/${range.id}/complete`)) };
}

/** The ids in the file. A copied sheet has its original's, so an id that is there twice is none. */
function readIds(): Promise<{ workbookId?: string; sheetId?: string; name: string }> {
  return Excel.run(async (context) => {
    const { workbook } = context;
    const workbookId = workbook.load("name").settings.getItemOrNullObject(WORKBOOK).load("value");
    const active = workbook.worksheets
      .getActiveWorksheet()
      .customProperties.getItemOrNullObject(SHEET)
      .load("value");
    const sheets = workbook.worksheets.load("items/name");
    await context.sync();
    const all = sheets.items.map((sheet) =>
      sheet.customProperties.getItemOrNullObject(SHEET).load("value"),
    );
    await context.sync();
    const same = all.filter(
      (id) => !id.isNullObject && !active.isNullObject && id.value === active.value,
    );
    return {
      name: workbook.name.slice(0, 100),
      ...(workbookId.isNullObject ? {} : { workbookId: workbookId.value as string }),
      ...(same.length === 1 ? { sheetId: active.value } : {}),
    };
  });
}

/** Renaming the file or the sheet keeps them, and so the rules for them. */
function keepIds(workbookId: string, sheetId: string): Promise<void> {
  return Excel.run(async (context) => {
    context.workbook.settings.add(WORKBOOK, workbookId);
    context.workbook.worksheets.getActiveWorksheet().customProperties.add(SHEET, sheetId);
    await context.sync();
  });
}
