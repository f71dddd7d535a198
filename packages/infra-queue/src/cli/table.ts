/** Rows as aligned columns under their titles. */
export function table(titles: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [titles, ...rows.map((row) => row.map(shown))];
  const widths = titles.map((_, i) => Math.max(...cells.map((row) => String(row[i] ?? '').length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => String(cell).padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const shown = (value: unknown): string => {
  if (value === undefined || value === null) return '-';
  // A schedule that fires no more has no date.
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'never' : value.toISOString();
  // One line each, whatever a failure says.
  return String(value).replaceAll(/\s+/g, ' ').slice(0, 100);
};

/** A span in words: `45s`, `3m`, `2h`, `5d`. */
export function span(ms: number): string {
  const units: readonly [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1000, 's'],
  ];
  const [unit, name] = units.find(([size]) => ms >= size) ?? [1, 'ms'];
  return `${Math.floor(ms / unit)}${name}`;
}
