import { once, operation } from './core.ts';
import { TemplateSyntaxError } from './errors.ts';
import { CONTENT, type Draft, draft, type Layout, partsOf, type Template } from './template/draft.ts';
import { type Finding, messageFindings, pageFindings, unusedData } from './template/findings.ts';
import { loadYaml, parseFrontMatter } from './template/front-matter.ts';
import { type Libraries, loadLibraries } from './template/libraries.ts';
import { lru } from './template/lru.ts';
import { fillPage, type Page, readPage, readText } from './template/page.ts';
import type { ProgramCompiler } from './template/program.ts';
import type { Slot } from './template/slots.ts';
import { type SourceFile, templateFolders } from './template/source.ts';

/** What a template is rendered with. */
export interface RenderOptions {
  /** A value for every variable the template uses. @default {} */
  readonly data?: Readonly<Record<string, unknown>>;
  /** A language tag: `fr-CA` takes `welcome.fr-CA.md`, else `welcome.fr.md`, else `welcome.md`. */
  readonly locale?: string | undefined;
}

/** A rendered template. */
export interface RenderedTemplate {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  /** What is worth a look. */
  readonly findings: readonly Finding[];
  /** The locale of the template that was used. */
  readonly locale: string;
}

/** Renders Markdown templates. */
export interface TemplateEngine {
  /** Loads the libraries underneath. Rendering does it too. Idempotent. */
  ready(): Promise<void>;
  /**
   * Renders a template.
   *
   * @throws `E_EMAIL_TEMPLATE_NOT_FOUND`, `E_EMAIL_TEMPLATE_NAME`, `E_EMAIL_TEMPLATE_SYNTAX`, `E_EMAIL_DATA`,
   * `E_EMAIL_VALUE`, `E_EMAIL_URL` or `E_EMAIL_OPTION`.
   */
  render(name: string, options?: RenderOptions): Promise<RenderedTemplate>;
}

/** How a {@link TemplateEngine} is made. */
export interface TemplateEngineOptions {
  /** The folder of the application's templates. The starter templates stand behind it. */
  readonly folder: string;
  /** The language of templates without a locale in their name. @default 'en' */
  readonly locale?: string;
  /** Looks at the files again at each rendering. @default true unless NODE_ENV is production */
  readonly reload?: boolean;
}

/** Everything of a message that its values do not change. */
interface Skeleton {
  readonly html: Page;
  readonly text: Page;
  readonly findings: readonly Finding[];
}

const renders = operation('email.render');

const MAX_TEMPLATES = 500;
const MAX_SKELETONS = 500;
/** What is longer comes from a list of thousands and is not kept: it would take the memory of many ordinary ones. */
const MAX_KEY_LENGTH = 64 * 1024;

/** Makes a template engine. */
export function createTemplates(options: TemplateEngineOptions): TemplateEngine {
  const folders = templateFolders(options.folder);
  const reload = options.reload ?? process.env.NODE_ENV !== 'production';
  const templates = lru<Template>(MAX_TEMPLATES);
  const layouts = lru<Layout>(MAX_TEMPLATES);
  const skeletons = lru<Skeleton>(MAX_SKELETONS);
  const load = once(loadLibraries);

  const findTemplate = async (name: string, locale: string | undefined): Promise<Template> => {
    const key = `${name} ${locale ?? ''}`;
    const known = templates.get(key);
    if (known && !reload) return known;
    const source = await folders.template(name, locale);
    if (known && isSame(known.source, source)) return known;
    const made = await readTemplate(source, (await load()).compile);
    templates.set(key, made);
    return made;
  };
  const findLayout = async (name: string): Promise<Layout> => {
    const known = layouts.get(name);
    if (known && !reload) return known;
    const source = await folders.layout(name);
    if (known && isSame(known.source, source)) return known;
    const made = { source, program: (await load()).compile(source.text, source.shown, 1) };
    layouts.set(name, made);
    return made;
  };

  const render = async (name: string, { data = {}, locale }: RenderOptions): Promise<RenderedTemplate> => {
    const libraries = await load();
    const template = await findTemplate(name, locale);
    const layout = await findLayout(template.layoutName);
    const language = template.source.locale ?? options.locale ?? 'en';
    const run = draft(name, template, layout, data, language);
    const key = [template.body.id, run.markdown, layout.program.id, run.page].join('\0');
    let skeleton = skeletons.get(key);
    if (!skeleton) {
      skeleton = build(run, template, layout, libraries);
      if (key.length <= MAX_KEY_LENGTH) skeletons.set(key, skeleton);
    }
    const html = fillPage(skeleton.html, run.slots);
    const findings = [
      ...skeleton.findings,
      ...messageFindings(run.subject, run.preheader, html),
      ...unusedData(
        data,
        [...partsOf(template), layout.program].map((part) => part.variables.roots),
      ),
    ];
    return {
      subject: run.subject,
      html,
      text: fillPage(skeleton.text, run.slots),
      findings,
      locale: language,
    };
  };

  return {
    ready: async () => {
      await Promise.all([load(), loadYaml()]);
    },
    render: (name, given = {}) =>
      renders.trace(() => render(name, given), {
        template: name,
        ...(given.locale === undefined ? {} : { locale: given.locale }),
      }),
  };
}

const isSame = (a: SourceFile, b: SourceFile): boolean => a.path === b.path && a.text === b.text;

async function readTemplate(source: SourceFile, compile: ProgramCompiler): Promise<Template> {
  const { subject, preheader, layout, body, lines } = await parseFrontMatter(source.text, source.shown);
  return {
    source,
    layoutName: layout,
    subject: compile(subject, source.shown, lines.subject),
    preheader: compile(preheader, source.shown, lines.preheader),
    body: compile(body, source.shown, lines.body),
  };
}

function build(
  { markdown, page, slots }: Draft,
  template: Template,
  layout: Layout,
  libraries: Libraries,
): Skeleton {
  const body = libraries.markdown(template.body.expand(markdown));
  if (body.bareAddress !== undefined) {
    const { site, expression } = slots[body.bareAddress] as Slot;
    throw new TemplateSyntaxError(
      site,
      `<{{ ${expression} }}> is no link`,
      `Write [{{ ${expression} }}]({{ ${expression} }}).`,
    );
  }
  const html = libraries.inline(layout.program.expand(page).split(CONTENT).join(body.html));
  return {
    html: readPage(html, slots),
    text: readText(body.text),
    findings: pageFindings(html, body.text),
  };
}
