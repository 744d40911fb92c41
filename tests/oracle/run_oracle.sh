#!/usr/bin/env bash
# Holds `tv_audit trace` in f64 to the independent PyTorch interpreter: 5 training steps of three networks.
#   tests/oracle/run_oracle.sh [path of tv_audit] [networks...]
# Needs the tables ($TV_SPEC or ../shared/spec/networks) and, once, a network to install PyTorch from PyPI.
# The environment lives in build/oracle-venv (TV_ORACLE_VENV names another); traces are kept only with TV_ORACLE_KEEP=1.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/oracle
case ${1:-} in -h | --help) sed -n '2,5s/^# \?//p' "$0"; exit 0 ;; esac
audit=${1:-$root/build/release/apps/tv_audit}
shift || true
networks=("$@")
[ ${#networks[@]} -gt 0 ] || networks=(mobilenet_v1 mobilenet_v2 resnet50_v1)
[ -x "$audit" ] || { echo "[oracle] no executable $audit: build it first" >&2; exit 2; }

venv=${TV_ORACLE_VENV:-$root/build/oracle-venv}
if ! "$venv/bin/python" -c 'import torch, safetensors, numpy' 2>/dev/null; then
  interpreter=${PYTHON:-python3}
  "$interpreter" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    { echo "[oracle] $interpreter is older than 3.10: set PYTHON" >&2; exit 2; }
  echo "[oracle] installing torch, safetensors and numpy from PyPI into $venv (several GB with the default wheel)"
  "$interpreter" -m venv "$venv"
  "$venv/bin/pip" install --quiet --upgrade pip
  "$venv/bin/pip" install --quiet torch safetensors numpy
fi
python=$venv/bin/python
export PYTHONDONTWRITEBYTECODE=1
"$python" -c 'import sys, torch, numpy; print("python", sys.version.split()[0], "torch", torch.__version__,
  "numpy", numpy.__version__)'

work=${TV_ORACLE_WORK:-$root/build/oracle}
mkdir -p "$work"
failed=0
summary=""
for network in "${networks[@]}"; do
  # The committed goldens' settings (tests/oracle/make_goldens.py): well-conditioned, so that 1e-9 means something.
  read -r batch lr decay_set ema smoothing < <(
    case $network in
      mobilenet_v1) echo 8 0.002 conv_fc 0.9999 0 ;;
      mobilenet_v2*) echo 8 0.002 slim 0.99 0.1 ;;
      *) echo 4 0.00005 all 0.9999 0 ;;
    esac
  )
  folder=$work/$network
  rm -rf "$folder"
  mkdir -p "$folder"
  "$python" "$here/make_inputs.py" --network "$network" --classes 10 --batch-size "$batch" --height 65 \
    --image-width 79 --weights "$folder/w.safetensors" --batch "$folder/b.safetensors"
  common=(--network "$network" --classes 10 --weights "$folder/w.safetensors" --batch "$folder/b.safetensors"
    --mode train --steps 5 --dtype f64 --lr "$lr" --momentum 0.9 --weight-decay 8e-5 --decay-set "$decay_set"
    --bn-decay 0.9 --ema "$ema" --label-smoothing "$smoothing")
  "$python" "$here/train_trace.py" "${common[@]}" --dump "$folder/oracle" >"$folder/oracle.log"
  for kernels in own reference; do
    if "$audit" trace "${common[@]}" --kernels "$kernels" --fused off --dump "$folder/$kernels" >"$folder/$kernels.log" 2>&1 &&
      "$python" "$here/compare.py" "$folder/$kernels" "$folder/oracle" --tol 1e-9 >"$folder/$kernels.txt"; then
      verdict=agree
    else
      verdict=DISAGREE
      failed=1
      tail -n 20 "$folder/$kernels.log"
    fi
    [ -f "$folder/$kernels.txt" ] && cat "$folder/$kernels.txt"
    worst=$(sed -n 's/.*largest ratio \([^,]*\),.*/\1/p' "$folder/$kernels.txt" 2>/dev/null || true)
    summary+=$(printf '%-18s %-10s %-9s %s' "$network" "$kernels" "$verdict" "${worst:--}")$'\n'
    [ -n "${TV_ORACLE_KEEP:-}" ] || rm -rf "${folder:?}/$kernels"
  done
  [ -n "${TV_ORACLE_KEEP:-}" ] || rm -rf "$folder/oracle"
done
printf '\n%-18s %-10s %-9s %s\n%s' network kernels verdict "largest |a-b| / scale (tolerance 1e-9)" "$summary"
exit $failed
