import { type Panel, RowBuilder, type RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';

export interface Section {
  readonly id: number;
  readonly title: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 24;

interface Placed {
  readonly panels: Panel[];
  /** The first line below them. */
  readonly end: number;
}

/** Left to right, a new line where the next one does not fit. */
function flow(panels: readonly Panel[], top: number): Placed {
  const placed: Panel[] = [];
  let x = 0;
  let y = top;
  let height = 0;
  for (const panel of panels) {
    const { w, h } = panel.gridPos ?? { w: WIDTH, h: 8 };
    if (x + w > WIDTH) {
      x = 0;
      y += height;
      height = 0;
    }
    placed.push({ ...panel, gridPos: { x, y, w, h } });
    x += w;
    height = Math.max(height, h);
  }
  return { panels: placed, end: y + height };
}

function row(section: Section, y: number, collapsed: boolean, panels: Panel[]): RowPanel {
  const built = new RowBuilder(section.title)
    .id(section.id)
    .collapsed(collapsed)
    .gridPos({ x: 0, y, w: WIDTH, h: 1 })
    .build();
  return { ...built, panels };
}

/** Stats on top, one open row, the other rows collapsed. */
export function layOut(top: readonly Panel[], open: Section, rest: readonly Section[]): (Panel | RowPanel)[] {
  const stats = flow(top, 0);
  const shown = flow(open.panels, stats.end + 1);
  const folded = rest.map((section, index) => {
    const y = shown.end + index;
    return row(section, y, true, flow(section.panels, y + 1).panels);
  });
  return [...stats.panels, row(open, stats.end, false, []), ...shown.panels, ...folded];
}
