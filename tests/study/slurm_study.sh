#!/usr/bin/env bash
# A real Slurm cluster of one machine on loopback (Debian: slurm-wlm, munge) runs a study as an array of two workers. Half-way the
# node is killed, its jobs with it; when it is back, they are requeued and go on from their training states.
#   tests/study/slurm_study.sh STUDY OUT [SECONDS [WHOLE]]
# SECONDS: when the node is killed (60), or as soon after as a training has saved its state. WHOLE: the folder of the same study run without Slurm, whose tables must be equal.
# Exit code 77: skipped, because the cluster cannot start here; the reason is printed.
set -euo pipefail
study=$(realpath "$1") out=$2 after=${3:-60} whole=${4:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
apps=${TV_APPS:-$root/build/release/apps}  # where the programs are
skip() { echo "skipped: $*" && exit 77; }
for tool in slurmctld slurmd sbatch squeue scontrol munged; do
  command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin
  command -v "$tool" >/dev/null || skip "there is no $tool (apt-get install slurm-wlm munge)"
done
[ "$(id -u)" -eq 0 ] || skip "slurmd starts jobs of users, which only root can"
mkdir -p "$out"
out=$(realpath "$out")
cluster=$(mktemp -d /tmp/tv_slurm.XXXXXX)
chmod 755 "$cluster"
mkdir -p "$cluster"/{state,spool,munge}
chmod 700 "$cluster/munge"
host=$(hostname -s)
export SLURM_CONF=$cluster/slurm.conf

dd if=/dev/urandom of="$cluster/munge/key" bs=128 count=1 status=none
chmod 400 "$cluster/munge/key"
pids=()
stop() {
  scancel --user=root >/dev/null 2>&1 || true
  sleep 1
  pids+=($(cat "$cluster"/*.pid 2>/dev/null))
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done; done
  cp "$cluster"/*.log "$out/" 2>/dev/null || true
  rm -rf "$cluster"
}
trap stop EXIT
munged --foreground --force --key-file="$cluster/munge/key" --socket="$cluster/munge.socket" \
  --pid-file="$cluster/munge/pid" --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" >"$cluster/munged.log" 2>&1 &
pids+=($!)

cat >"$SLURM_CONF" <<CONF
ClusterName=tv
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$cluster/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=30
InactiveLimit=0
KillWait=30
MinJobAge=300
JobRequeue=1
SlurmdParameters=config_overrides
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

for ((i = 0; i < 50; ++i)); do [ -S "$cluster/munge.socket" ] && break || sleep 0.1; done
[ -S "$cluster/munge.socket" ] || skip "munged does not start: $(tail -n 1 "$cluster/munged.log" "$cluster/munge/log" 2>/dev/null)"
slurmctld -c || skip "slurmctld does not start: $(tail -n 1 "$cluster/slurmctld.log")"
slurmd || skip "slurmd does not start: $(tail -n 1 "$cluster/slurmd.log")"
for ((i = 0; i < 100; ++i)); do
  [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
  sleep 0.3
done
[ "$(sinfo --noheader --format=%T)" = idle ] || skip "the node is $(sinfo --noheader --format='%T (%E)'): $(tail -n 2 "$cluster/slurmd.log")"
echo "cluster: $(slurmd -V), $(sinfo --noheader --format='%N %c processors, %T')"

"$apps/tv_study" slurm "$study" --out "$out/study" --tasks 2 --time 2:00:00 --quiet
saved() { find "$out/study/jobs" -path '*/checkpoint/*' -type f 2>/dev/null | grep -q .; }  # of a job that is not done
states() { squeue --noheader --array --format='%i %T' | tr '\n' ';'; }
begin=$SECONDS killed=0
while [ -n "$(squeue --noheader)" ]; do
  if [ "$killed" -eq 0 ] && [ $((SECONDS - begin)) -ge "$after" ] && saved; then
    killed=1
    echo "$((SECONDS - begin)) s: $(states) the node is killed"
    "$apps/tv_study" status "$out/study" 2>/dev/null | sed 's/^/  /'
    # slurmd, the steps that it started, the workers and their programs, all at once
    daemon=$(cat "$cluster/slurmd.pid")
    steps=$(pgrep -f "slurmstepd: \[" || true)
    workers=$(pgrep -f "tv_study worker $out/study" || true)
    programs=$(for worker in $workers; do pgrep -P "$worker" || true; done)
    kill -KILL $daemon $steps $workers $programs 2>/dev/null || true
    sleep 15
    echo "$((SECONDS - begin)) s: $(sinfo --noheader --format=%T); $(states)"
    slurmd
  fi
  [ "$killed" -eq 0 ] && sleep 0.2 || sleep 5
done
[ "$killed" -eq 1 ] || { echo "no training had a saved state after $after s: nothing was killed"; exit 1; }
echo "$((SECONDS - begin)) s: the queue is empty"
"$apps/tv_study" status "$out/study" 2>/dev/null
resumed=$({ grep -rl '"resumed_from": [1-9]' "$out/study/jobs" --include=results.json || true; } | wc -l)
echo "trainings that went on from a saved state: $resumed"
"$apps/tv_study" report "$out/study" --tables "$root/docs/paper" --quiet 2>/dev/null
failed=0
if [ -n "$whole" ]; then
  for name in cells.tsv jobs.tsv accuracies.tsv table_A1.tsv networks.tsv report.html; do
    if cmp "$whole/report/$name" "$out/study/report/$name"; then echo "equal: $name"; else failed=1; fi
  done
fi
exit "$failed"
