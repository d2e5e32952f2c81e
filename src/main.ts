#!/usr/bin/env node
import { keepHeapSmall } from './heap.ts';

// Before anything else is loaded: the heap grows while modules are.
keepHeapSmall();
const { main } = await import('./cli.ts');
await main();
