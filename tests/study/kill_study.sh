#!/usr/bin/env bash
# Runs a study to its end, and again while its runner, its workers and their programs are killed at random moments; then holds
# both ledgers and tables to each other, byte for byte.
#   tests/study/kill_study.sh STUDY OUT [KILLS]      STUDY: a TOML file; OUT: a new folder; KILLS: 30
set -euo pipefail
study=$1 out=$2 kills=${3:-30}
root=$(cd "$(dirname "$0")/../.." && pwd)
apps=${TV_APPS:-$root/build/release/apps}  # where the programs are
tables=$root/docs/paper
mkdir -p "$out"
RANDOM=${SEED:-1}

begin=$SECONDS
"$apps/tv_study" run "$study" --out "$out/whole" --quiet
whole=$((SECONDS - begin))
echo "uninterrupted: $whole s"

start() {
  "$apps/tv_study" run "$study" --out "$out/killed" --quiet >>"$out/killed.log" 2>&1 &
  runner=$!
}
# The runner, its workers and the workers' programs, one a line: "kind process".
family() {
  local worker
  echo "runner $runner"
  for worker in $(pgrep -P "$runner" || true); do
    echo "worker $worker"
    pgrep -P "$worker" | sed 's/^/program /' || true
  done
}

begin=$SECONDS
start
done_kills=0
declare -A hit=([runner]=0 [worker]=0 [program]=0)
while [ "$done_kills" -lt "$kills" ]; do
  # On average a kill in each KILLS-th of the study's length.
  pause=$(awk -v whole="$whole" -v kills="$kills" -v r="$RANDOM" 'BEGIN { print 2 * whole / kills * r / 32767 * 0.9 }')
  sleep "$pause"
  if ! kill -0 "$runner" 2>/dev/null; then
    wait "$runner" && { echo "the study ended after $done_kills kills"; break; }
    start
    continue
  fi
  # In turn the runner, a worker and a program, whichever there is.
  kinds=(runner worker program)
  mapfile -t all < <(family | grep "^${kinds[done_kills % 3]} " || family)
  read -r kind process <<<"${all[RANDOM % ${#all[@]}]}"
  if kill -KILL "$process" 2>/dev/null; then
    done_kills=$((done_kills + 1))
    hit[$kind]=$((hit[$kind] + 1))
  fi
  if [ "$kind" = runner ]; then
    wait "$runner" 2>/dev/null || true
    start
  fi
done
code=0
wait "$runner" || code=$?
while [ "$code" -ne 0 ]; do
  start
  code=0
  wait "$runner" || code=$?
done
echo "with $done_kills kills (runner ${hit[runner]}, workers ${hit[worker]}, programs ${hit[program]}): $((SECONDS - begin)) s"

for run in whole killed; do
  "$apps/tv_study" report "$out/$run" --tables "$tables" --quiet >"$out/$run.report" 2>&1
  echo "$run: $(grep -rl '"resumed_from": [1-9]' "$out/$run/jobs" --include=results.json | wc -l) trainings went on from a saved state"
  "$apps/tv_study" status "$out/$run" 2>/dev/null
done
failed=0
for name in cells.tsv jobs.tsv accuracies.tsv table_A1.tsv networks.tsv comparisons.tsv claims.json report.html; do
  if cmp "$out/whole/report/$name" "$out/killed/report/$name"; then
    echo "equal: $name"
  else
    failed=1
  fi
done
exit "$failed"
