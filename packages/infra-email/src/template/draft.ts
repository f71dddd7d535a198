import { type MissingVariable, TemplateDataError } from '../errors.ts';
import { type Program, Verbatim } from './program.ts';
import { fillPlain, type Slot } from './slots.ts';
import type { SourceFile } from './source.ts';
import { findMissing } from './variables.ts';

/** A template, compiled. */
export interface Template {
  readonly source: SourceFile;
  readonly layoutName: string;
  readonly subject: Program;
  readonly preheader: Program;
  readonly body: Program;
}

/** A layout, compiled. */
export interface Layout {
  readonly source: SourceFile;
  readonly program: Program;
}

/** A message whose values are still slots. */
export interface Draft {
  readonly subject: string;
  readonly preheader: string;
  /** The body. */
  readonly markdown: string;
  /** The layout, with {@link CONTENT} where the body goes. */
  readonly page: string;
  readonly slots: readonly Slot[];
}

/** Stands in a layout for the body. No file or value holds this character. */
export const CONTENT = '\u0006';
const RTL = /^(?:ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/;

/**
 * Runs a template and its layout over data.
 *
 * @throws {@link TemplateDataError} `E_EMAIL_DATA` naming every variable that the data lacks.
 */
export function draft(
  name: string,
  template: Template,
  layout: Layout,
  data: Readonly<Record<string, unknown>>,
  lang: string,
): Draft {
  const slots: Slot[] = [];
  const unprinted: MissingVariable[] = [];
  const line = (program: Program): string => {
    const own: Slot[] = [];
    return fillPlain(program.expand(program.run(data, own, unprinted)), own)
      .replaceAll(/\s+/g, ' ')
      .trim();
  };
  const around = (subject: string, preheader: string): Record<string, unknown> => ({
    ...data,
    subject,
    preheader,
    lang,
    dir: RTL.test(lang) ? 'rtl' : 'ltr',
    content: new Verbatim(CONTENT),
  });
  const missing = partsOf(template).flatMap((program) => findMissing(program.variables, data, program.site));
  missing.push(...findMissing(layout.program.variables, around('', ''), layout.program.site));
  if (missing.length > 0) throw new TemplateDataError(name, dedupe(missing));

  const subject = line(template.subject);
  const preheader = line(template.preheader);
  const markdown = template.body.run(data, slots, unprinted);
  const page = layout.program.run(around(subject, preheader), slots, unprinted);
  if (unprinted.length > 0) throw new TemplateDataError(name, dedupe(unprinted));
  return { subject, preheader, markdown, page, slots };
}

function dedupe(missing: readonly MissingVariable[]): MissingVariable[] {
  const seen = new Map<string, MissingVariable>();
  for (const one of missing) if (!seen.has(one.variable)) seen.set(one.variable, one);
  return [...seen.values()];
}

/** The programs of a template, the layout's aside. */
export const partsOf = ({ subject, preheader, body }: Template): Program[] => [subject, preheader, body];
