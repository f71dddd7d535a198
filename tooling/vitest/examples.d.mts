/**
 * Registers one test per ```ts block of a package's Markdown files, and one per `.ts` file named. Each runs in a process of its own, on the
 * package's source, in a fresh temporary folder with `NODE_ENV=test`, and must exit by itself with 0 within 30
 * seconds. A failure names the line on which it starts and shows what the process printed.
 *
 * @param packageFolder the folder that holds `package.json`: `new URL('..', import.meta.url)` in a test.
 * @param files relative to it; a missing file and one without a ```ts block fail. Default `README.md`, `SKILL.md`.
 */
export declare function runExamples(packageFolder: URL | string, files?: readonly string[]): void;

/**
 * Names the packages from `node_modules` that importing `specifier` loads, sorted: what is in this list costs every
 * user start-up time. The import runs in a fresh process on the package's source. Packages of this workspace are not
 * in the list, see {@link loadedFiles}.
 *
 * @param packageFolder the folder that holds `package.json`, from which `specifier` resolves (also to itself).
 */
export declare function loadedBy(packageFolder: URL | string, specifier: string): Promise<string[]>;

/** The absolute paths of every file that importing `specifier` loads, the loader's own among them. */
export declare function loadedFiles(packageFolder: URL | string, specifier: string): Promise<string[]>;
