/** Rectangles of a sheet, which count from zero as those of Office.js do. */

export interface Area {
  row: number;
  column: number;
  rows: number;
  columns: number;
}

/** The properties of a range that are an area. */
export const SPOT = "rowIndex,columnIndex,rowCount,columnCount";

export function areaOf(range: Excel.Range): Area {
  return {
    row: range.rowIndex,
    column: range.columnIndex,
    rows: range.rowCount,
    columns: range.columnCount,
  };
}

export function rangeOf(sheet: Excel.Worksheet, area: Area): Excel.Range {
  return sheet.getRangeByIndexes(area.row, area.column, area.rows, area.columns);
}

export function cells(area: Area): number {
  return area.rows * area.columns;
}

/** `B2:D9` */
export function address(area: Area): string {
  const first = letters(area.column) + (area.row + 1);
  return cells(area) === 1
    ? first
    : `${first}:${letters(area.column + area.columns - 1)}${area.row + area.rows}`;
}

/** The letters of a column: 0 is A, 27 is AB. */
export function letters(column: number): string {
  const before = column < 26 ? "" : letters(Math.floor(column / 26) - 1);
  return before + String.fromCharCode(65 + (column % 26));
}

/** Two halves of more than one cell, one above the other if there are rows enough. */
export function halves(area: Area): [Area, Area] {
  if (area.rows > 1) {
    const rows = Math.ceil(area.rows / 2);
    return [
      { ...area, rows },
      { ...area, row: area.row + rows, rows: area.rows - rows },
    ];
  }
  const columns = Math.ceil(area.columns / 2);
  return [
    { ...area, columns },
    { ...area, column: area.column + columns, columns: area.columns - columns },
  ];
}

export function contains(area: Area, row: number, column: number): boolean {
  return (
    row >= area.row &&
    row < area.row + area.rows &&
    column >= area.column &&
    column < area.column + area.columns
  );
}

/** The rest of an area without another one that has its first cell: at the right, and below. */
export function without(area: Area, other: Area): Area[] {
  const columns = Math.min(area.columns, other.column + other.columns - area.column);
  const rows = Math.min(area.rows, other.row + other.rows - area.row);
  const right = {
    row: area.row,
    column: area.column + columns,
    rows,
    columns: area.columns - columns,
  };
  const below = {
    row: area.row + rows,
    column: area.column,
    rows: area.rows - rows,
    columns: area.columns,
  };
  return [right, below].filter((left) => cells(left) > 0);
}
