interface LandingPage {
  readonly version: string;
  readonly telemetryPath: string;
  readonly collectors: readonly string[];
}

/** The page at `/`. All values come from the operator, never from a guest, so they need no escaping. */
export function renderLandingPage({ version, telemetryPath, collectors }: LandingPage): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>libvirt-drift-exporter</title>
  <style>body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
</head>
<body>
  <h1>libvirt-drift-exporter</h1>
  <p>Machine-type, QEMU, configuration and OS drift of this hypervisor's domains. Version ${version}.</p>
  <ul>
    <li><a href="${telemetryPath}">Metrics</a></li>
    <li><a href="/-/healthy">Health</a>: this process serves</li>
    <li><a href="/-/ready">Readiness</a>: libvirt answers</li>
  </ul>
  <p>Collectors: ${collectors.join(', ')}.
    A scrape can select some of them: <code>${telemetryPath}?collect[]=NAME</code> or <code>?exclude[]=NAME</code>.</p>
</body>
</html>
`;
}
