import { expect, test } from '@jest/globals';
import type { BootFiles } from '../../../src/inventory/boot-files.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';

const NONE: BootFiles = { loader: undefined, nvram: undefined, nvramTemplate: undefined, isAutomatic: false };
const CODE = '/usr/share/OVMF/OVMF_CODE.fd';
const VARS = '/usr/share/OVMF/OVMF_VARS.fd';
const STORE = '/var/lib/libvirt/qemu/nvram/vm_VARS.fd';

test.each<[xml: string, expected: Partial<BootFiles>]>([
  ['<os><type>hvm</type></os>', {}],
  ['', {}],
  ["<os firmware='efi'/>", { isAutomatic: true }],
  [
    `<os><loader readonly='yes' type='pflash'>${CODE}</loader><nvram template='${VARS}'>${STORE}</nvram></os>`,
    { loader: CODE, nvram: STORE, nvramTemplate: VARS },
  ],
  [
    `<os firmware='efi'><loader>${CODE}</loader><nvram template='${VARS}' type='file'><source file='${STORE}'/></nvram></os>`,
    { loader: CODE, nvram: STORE, nvramTemplate: VARS, isAutomatic: true },
  ],
  [`<os><nvram type='network'><source protocol='iscsi' name='x'/></nvram></os>`, {}],
  [`<os><varstore template='${VARS}' path='${STORE}'/></os>`, { nvram: STORE, nvramTemplate: VARS }],
  ['<os><loader>bios.bin</loader><nvram/></os>', {}],
  [`<os><loader>/${'x'.repeat(5_000)}</loader></os>`, {}],
  ['<os><loader/><nvram template=""> </nvram></os>', {}],
])('%s', (xml, expected) => {
  expect(parseDomainXml(`<domain>${xml}</domain>`).bootFiles).toEqual({ ...NONE, ...expected });
});
