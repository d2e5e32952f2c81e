#!/bin/sh
# `npm run demo`. The steps count their seconds from here.
set -e
STEPS_STARTED=$(date +%s)
export STEPS_STARTED
cd "$(dirname "$0")/.."
node scripts/bootstrap.mjs --step=1/7
exec node --import tsx deploy/demo/demo.ts
