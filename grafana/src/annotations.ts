import { type AnnotationQuery, AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { booted, changedLabel, changedSize, newTime } from './changes.ts';
import { DOMAIN } from './queries.ts';
import { DATASOURCE } from './variables.ts';

/** The shortest step: scrapes are rarely further apart, and the subqueries of changes.ts look once a minute. */
const STEP = '1m';

interface Mark {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly text: string;
}

const MARKS: readonly Mark[] = [
  {
    name: 'Started',
    color: 'light-blue',
    expr: newTime('libvirt_domain_start_time_seconds', DOMAIN),
    text: '{{domain}}: a new QEMU process; what was pending is in force',
  },
  {
    name: 'Guest booted',
    color: 'super-light-blue',
    expr: booted('libvirt_domain_guest_boot_time_seconds', 'libvirt_domain_guest_cpu_seconds_total', DOMAIN),
    text: '{{domain}}: the guest booted; without a start beside it, pending configuration still waits',
  },
  {
    name: 'Machine type changed',
    color: 'purple',
    expr: changedLabel('libvirt_domain_machine_type_info', 'machine', DOMAIN),
    text: '{{domain}}: {{was}} → {{machine}}',
  },
  {
    name: 'QEMU changed',
    color: 'orange',
    expr: changedLabel('libvirt_domain_qemu_info', 'running_version', 'running_version!="unknown"', DOMAIN),
    text: '{{domain}}: {{was}} → {{running_version}}',
  },
  {
    name: 'Kernel changed',
    color: 'yellow',
    expr: changedLabel('libvirt_domain_os_info', 'kernel', 'kernel!=""', DOMAIN),
    text: '{{domain}}: {{was}} → {{kernel}}',
  },
  {
    name: 'OS changed',
    color: 'red',
    expr: changedLabel('libvirt_domain_os_info', 'detected', 'detected!=""', DOMAIN),
    text: '{{domain}}: {{was}} → {{detected}}',
  },
  {
    name: 'Declared OS changed',
    color: 'dark-red',
    expr: changedLabel('libvirt_domain_os_info', 'declared', 'declared!=""', DOMAIN),
    text: '{{domain}}: {{was}} → {{declared}}',
  },
  {
    name: 'Swap changed',
    color: 'green',
    expr: changedSize('libvirt_domain_guest_swap_total_bytes', DOMAIN),
    text: '{{domain}}: swap {{change}}',
  },
];

/** Marks on the time axis of everything that may have made a VM slow, or fast again. */
export function changeAnnotations(): readonly AnnotationQuery[] {
  return MARKS.map(({ name, color, expr, text }) =>
    new AnnotationQueryBuilder()
      .name(name)
      .datasource(DATASOURCE)
      .enable(true)
      .iconColor(color)
      // Grafana 11 reads these, 12 the target; each ignores the other.
      .expr(expr)
      .step(STEP)
      .target(new DataqueryBuilder().refId('Anno').expr(expr).interval(STEP).range())
      .titleFormat(name)
      .textFormat(text)
      .tagKeys('domain,instance')
      .useValueForTime(false)
      .build(),
  );
}
