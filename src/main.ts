#!/usr/bin/env node
import { limitHeapGrowth } from './heap.ts';

// Before anything else is loaded: the heap grows while modules are.
limitHeapGrowth();
const { main } = await import('./cli.ts');
await main();
