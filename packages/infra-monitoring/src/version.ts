/** This package's version; kept equal to package.json by the release script and a test. */
export const VERSION = '1.0.0';
