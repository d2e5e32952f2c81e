const shared = {
  testEnvironment: 'node',
  // The packaging tests put images there, which hold this project's package.json as well.
  modulePathIgnorePatterns: ['<rootDir>/.rig/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};

/** A project for each thing that its tests need: Node alone, promtool, libvirtd, Prometheus, an image builder. */
const PROJECTS = ['unit', 'promtool', 'integration', 'e2e', 'packaging'];

export default {
  // The integration tests share one libvirtd and restart it: one worker, one file after the other.
  // `npm run test:unit` raises this for the unit tests, which share nothing.
  maxWorkers: 1,
  testTimeout: 60_000,
  projects: PROJECTS.map((name) => ({
    ...shared,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  })),
};
