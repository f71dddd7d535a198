import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { closest } from '../closest.ts';
import { messageOf } from '../core.ts';
import {
  EmailOptionError,
  TemplateNameError,
  TemplateNotFoundError,
  TemplateSyntaxError,
} from '../errors.ts';
import { STARTERS } from '../starters.ts';

/** A file of a template or layout, as read. */
export interface SourceFile {
  readonly path: string;
  /** The path as messages show it: short where it is below the working folder. */
  readonly shown: string;
  /** The locale in the file's name; absent for one without. */
  readonly locale?: string;
  readonly text: string;
}

const NAME = /^[a-z0-9][\w-]*(?:\/[a-z0-9][\w-]*)*$/i;
/** Controls, with which the inner workings mark their own text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** Finds templates in folders, the first folder that has one wins. */
export interface TemplateFolders {
  /**
   * The file of a template: of its locale (`fr-CA`, then `fr`), else the one without.
   *
   * @throws {@link TemplateNotFoundError} `E_EMAIL_TEMPLATE_NOT_FOUND`, or {@link TemplateNameError} `E_EMAIL_TEMPLATE_NAME`.
   */
  template(name: string, locale: string | undefined): Promise<SourceFile>;
  /** The file of a layout. Throws as {@link TemplateFolders.template} does. */
  layout(name: string): Promise<SourceFile>;
}

/** Looks in `folder`, then among the starter templates. */
export function templateFolders(folder: string): TemplateFolders {
  const folders = [resolve(folder), STARTERS];
  const find = async (
    kind: 'template' | 'layout',
    name: string,
    candidates: readonly { file: string; locale?: string }[],
  ): Promise<SourceFile> => {
    const searched: string[] = [];
    for (const home of folders) {
      for (const { file, locale } of candidates) {
        const path = join(home, file);
        const text = await read(path);
        if (text !== undefined) return { text, path, shown: short(path), ...(locale ? { locale } : {}) };
        searched.push(short(path));
      }
    }
    const names = await Promise.all(folders.map((home) => list(home, kind)));
    throw new TemplateNotFoundError(kind, name, searched, closest(name, names.flat()));
  };

  return {
    async template(name, locale) {
      if (typeof name !== 'string' || !NAME.test(name) || name.startsWith('layouts/'))
        throw new TemplateNameError(name);
      const files = localeChain(locale).map((it) => ({ file: `${name}.${it}.md`, locale: it }));
      return find('template', name, [...files, { file: `${name}.md` }]);
    },
    async layout(name) {
      if (!NAME.test(name)) throw new TemplateNameError(name);
      return find('layout', name, [{ file: join('layouts', `${name}.njk`) }]);
    },
  };
}

/** `fr-ca` → `fr-CA`, `fr`. @throws {@link EmailOptionError} `E_EMAIL_OPTION` for what names no locale. */
function localeChain(locale: string | undefined): string[] {
  if (locale === undefined) return [];
  const help = "Use a language tag such as 'fr' or 'pt-BR'.";
  try {
    const [tag = ''] = Intl.getCanonicalLocales(locale);
    const parts = tag.split('-');
    return parts.map((_, i) => parts.slice(0, parts.length - i).join('-'));
  } catch {
    throw new EmailOptionError('locale', locale, help);
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
    return text.replace(CONTROLS, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new TemplateSyntaxError(
      { file: short(path), line: 1 },
      `it cannot be read: ${messageOf(error)}`,
      'Let the process read the file.',
      error,
    );
  }
}

/** The names of the templates or layouts in a folder, for a suggestion. */
async function list(home: string, kind: 'template' | 'layout'): Promise<string[]> {
  const base = kind === 'layout' ? join(home, 'layouts') : home;
  const files = await readdir(base, { recursive: true }).catch(() => []);
  return files.flatMap((file) => {
    const name = file.split(sep).join('/');
    const end = kind === 'layout' ? /\.njk$/ : /(?:\.[a-z]{2,3}(?:-[\w-]+)?)?\.md$/i;
    return end.test(name) ? [name.replace(end, '')] : [];
  });
}

function short(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
