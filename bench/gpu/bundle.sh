#!/usr/bin/env bash
# Packs tv_gpu_check and tv_predict of a build with all they need but CUDA's libraries into one folder below 40 MB.
#   bench/gpu/bundle.sh BUILD FOLDER [WEIGHTS PHOTOS]
# WEIGHTS is NETWORK.safetensors; with PHOTOS, a folder of images, run.sh makes a real prediction too.
set -euo pipefail
build=$1 folder=$2 weights=${3:-} photos=${4:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$folder"
mkdir -p "$folder/lib"
for program in "$build/bench/tv_gpu_check" "$build/apps/tv_predict"; do
  strip -o "$folder/$(basename "$program")" "$program"
  # What every Linux has stays out, and so do CUDA's own libraries.
  ldd "$program" | awk '/=> \// {print $3}' | grep -vE '/lib(c|m|dl|rt|pthread|cuda|cudart|cublas|cublasLt|cudnn)[.-]' |
    xargs -r cp -Lt "$folder/lib"
done
cp "$root/bench/peers/torch_gpu.py" "$folder/"
if [ -n "$weights" ]; then
  cp "$weights" "$folder/"
  mkdir "$folder/photos"
  cp "$photos"/* "$folder/photos/"
fi
cat >"$folder/run.sh" <<'TEXT'
#!/usr/bin/env bash
# ./run.sh [OUT] [ARGUMENTS of tv_gpu_check]: the tables go to OUT (default: out). PYTHON names a Python with PyTorch.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-out}
shift || true
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
mkdir -p "$out"
for weights in "$here"/*.safetensors; do
  [ -e "$weights" ] || continue
  "$here/tv_predict" --network "$(basename "$weights" .safetensors)" --weights "$weights" --device cuda \
    --json "$out/predictions.json" "$here/photos"
done
exec "$here/tv_gpu_check" --out "$out" --peer "$here/torch_gpu.py" --python "${PYTHON:-python3}" "$@"
TEXT
chmod +x "$folder/run.sh"
megabytes=$(du -sm --apparent-size "$folder" | cut -f1)
[ "$megabytes" -lt 40 ] || { echo "bundle: $folder has $megabytes MB, the limit is 40" >&2; exit 1; }
echo "bundle: $folder, $megabytes MB; copy it and call run.sh there"
