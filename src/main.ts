#!/usr/bin/env node
import { limitHeapGrowth } from './heap.ts';

// First, because the heap grows while modules are loaded.
limitHeapGrowth();
const { main } = await import('./cli.ts');
await main();
