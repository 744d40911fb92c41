#!/usr/bin/env bash
# Holds `tv_audit trace` in f64 to the independent PyTorch interpreter: an evaluation and 3 training steps of each network.
#   tests/oracle/run_oracle.sh [path of tv_audit] [networks...]
# Needs the tables ($TV_SPEC or ../shared/spec/networks) and, once, a network to install PyTorch from PyPI.
# The environment lives in build/oracle-venv (TV_ORACLE_VENV names another); traces are kept only with TV_ORACLE_KEEP=1.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/oracle
case ${1:-} in -h | --help) sed -n '2,6s/^# \?//p' "$0"; exit 0 ;; esac
audit=${1:-$root/build/release/apps/tv_audit}
shift || true
networks=("$@")
[ ${#networks[@]} -gt 0 ] || networks=(inception_v1 bn_inception inception_v3 inception_v4 inception_resnet_v2
  resnet50_v1 resnet101_v1 resnet152_v1 densenet121 densenet169 densenet201 mobilenet_v1 mobilenet_v2 mobilenet_v2_140
  nasnet_a_mobile nasnet_a_large)
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
  # The committed goldens' settings (tests/oracle/make_goldens.py): well-conditioned, so that 1e-9 means something. The
  # reference kernels take minutes for the larger networks, where the test suite holds them to our own (tests/models).
  read -r batch height width steps lr decay_set ema smoothing kernel_sets extra < <(
    case $network in
      mobilenet_v1) echo 8 65 79 5 0.002 conv_fc 0.9999 0 own,reference ;;
      mobilenet_v2*) echo 8 65 79 5 0.002 slim 0.99 0.1 own,reference ;;
      inception_v1 | bn_inception) echo 4 65 79 3 0.0002 slim 0.9999 0 own,reference ;;
      inception_v3) echo 8 155 155 3 0.0002 slim 0.9999 0.1 own --auxiliary-head --image-size 155 ;;
      inception_v4) echo 8 123 123 3 0.0000001 slim 0.9999 0 own --auxiliary-head --image-size 123 ;;
      inception_resnet_v2) echo 8 123 123 3 0.000001 slim 0.9999 0 own --auxiliary-head --image-size 123 ;;
      densenet121) echo 4 97 97 3 0.0002 slim 0.9999 0 own,reference ;;
      densenet*) echo 2 97 97 3 0.0002 slim 0.9999 0 own ;;
      nasnet_a_mobile) echo 4 97 97 3 0.0002 slim 0.9999 0 own --auxiliary-head --image-size 97 ;;
      nasnet_a_large) echo 4 67 67 3 0.0002 slim 0.9999 0 own --auxiliary-head --image-size 67 ;;
      resnet101_v1) echo 4 65 79 3 0.000005 all 0.9999 0 own ;;
      resnet152_v1) echo 8 97 97 3 0.000002 all 0.9999 0 own ;;
      *) echo 4 65 79 5 0.00005 all 0.9999 0 own,reference ;;
    esac
  )
  read -ra extra <<<"$extra"
  folder=$work/$network
  rm -rf "$folder"
  mkdir -p "$folder"
  "$python" "$here/make_inputs.py" --network "$network" --classes 10 --batch-size "$batch" --height "$height" \
    --image-width "$width" "${extra[@]}" --weights "$folder/w.safetensors" --batch "$folder/b.safetensors"
  common=(--network "$network" --classes 10 --weights "$folder/w.safetensors" --batch "$folder/b.safetensors"
    --dtype f64 --lr "$lr" --momentum 0.9 --weight-decay 8e-5 --decay-set "$decay_set" --bn-decay 0.9 --ema "$ema"
    --label-smoothing "$smoothing" "${extra[@]}")
  for mode in eval train; do
    run=("${common[@]}" --mode "$mode" --steps "$([ $mode = eval ] && echo 1 || echo "$steps")")
    "$python" "$here/train_trace.py" "${run[@]}" --dump "$folder/oracle" >"$folder/oracle.log"
    for kernels in ${kernel_sets//,/ }; do
      report=$folder/$mode-$kernels
      if "$audit" trace "${run[@]}" --kernels "$kernels" --fused off --dump "$folder/$kernels" >"$report.log" 2>&1 &&
        "$python" "$here/compare.py" "$folder/$kernels" "$folder/oracle" --tol 1e-9 >"$report.txt"; then
        verdict=agree
      else
        verdict=DISAGREE
        failed=1
        tail -n 20 "$report.log"
      fi
      [ -f "$report.txt" ] && cat "$report.txt"
      worst=$(sed -n 's/.*largest ratio \([^,]*\),.*/\1/p' "$report.txt" 2>/dev/null || true)
      summary+=$(printf '%-20s %-5s %-10s %-9s %s' "$network" "$mode" "$kernels" "$verdict" "${worst:--}")$'\n'
      [ -n "${TV_ORACLE_KEEP:-}" ] || rm -rf "${folder:?}/$kernels"
    done
    [ -n "${TV_ORACLE_KEEP:-}" ] || rm -rf "$folder/oracle"
  done
done
printf '\n%-20s %-5s %-10s %-9s %s\n%s' network mode kernels verdict "largest |a-b| / scale (tolerance 1e-9)" "$summary"
exit $failed
