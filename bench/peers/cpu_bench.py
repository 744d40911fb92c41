"""The driver behind `./tv bench cpu`: PyTorch and ours interleaved, scikit-learn, torchvision; ratios and a CSV.

Each round asks one program, then the other, for the time of one step; the order alternates, medians are compared. The
PyTorch process runs with its allocator tuned (MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184).

Our program (`--ours`, default build/release/bench/tv_bench_cpu) speaks torch_networks.py's protocol:
    tv_bench_cpu --threads T --serve                         lines `run NETWORK MODE BATCH` -> seconds of one step
    tv_bench_cpu --threads T --memory NETWORK MODE BATCH     one line: peak resident MB minus resident MB at start
and two programs beside it:
    tv_bench_logreg --threads T --logistic FILE              CSV: lambda,objective,gradient_norm,iterations,seconds
    tv_bench_decode --decode FOLDER --limit L --serve        lines `decode N` -> seconds for N images, one thread
NETWORK is one of the sixteen, MODE inference or train, at the network's own image size in f32. The first `run` of a
configuration may do warm-up steps of its own before the one it reports. Without our program (`--ours none`) the peers
alone are measured.

Ratio = PyTorch's time / our time: above 1 we are faster. Memory ratio = our peak / PyTorch's: below 1 we need less.
"""
import argparse
import csv
import io
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NETWORKS = ("inception_v1", "bn_inception", "inception_v3", "inception_v4", "inception_resnet_v2", "resnet50_v1",
            "resnet101_v1", "resnet152_v1", "densenet121", "densenet169", "densenet201", "mobilenet_v1", "mobilenet_v2",
            "mobilenet_v2_140", "nasnet_a_mobile", "nasnet_a_large")
MODES = ("inference", "train")
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184"}


def environment(threads, tuned):
    result = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                  OPENBLAS_NUM_THREADS=str(threads), PYTHONDONTWRITEBYTECODE="1")
    for name in ALLOCATOR:
        result.pop(name, None)
    return {**result, **ALLOCATOR} if tuned else result


class Program:
    """A persistent process that answers one line with one line."""

    def __init__(self, command, env):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise SystemExit(f"{self.command[0]} answered {answer!r} to {line!r}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def output(command, env):
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def hardware():
    info = {"machine": platform.machine(), "kernel": platform.release(), "cores": os.cpu_count()}
    with open("/proc/cpuinfo") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                info.setdefault("cpu", value.strip())
            elif key.strip() == "flags" and "flags" not in info:
                wanted = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
                          "amx_tile")
                present = value.split()
                info["flags"] = " ".join(flag for flag in wanted if flag in present)
    info["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    return info


def machine(python):
    info = hardware()
    info["torch"] = output([python, str(HERE / "torch_networks.py"), "--version"], environment(2, False)).strip()
    return info


def interleaved(ours, peer, question, rounds):
    """Medians (ours, peer) over the rounds; who goes first alternates. `ours` may be None."""
    times = ([], [])
    for program in (ours, peer):
        if program:
            program.ask(question)  # builds the configuration, warms up
    for round_ in range(rounds):
        order = ((0, ours), (1, peer)) if round_ % 2 == 0 else ((1, peer), (0, ours))
        for index, program in order:
            if program:
                times[index].append(float(program.ask(question)))
    return [statistics.median(t) if t else math.nan for t in times]


def geometric_mean(values):
    values = [v for v in values if v == v]
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def batches_of(options, network):
    return [max(1, batch // 4) for batch in options.batches] if network == "nasnet_a_large" else options.batches


def bench_networks(options, rows):
    threads = ["--threads", str(options.threads)]
    torch = [options.python, str(HERE / "torch_networks.py"), *threads]
    ours = Program([options.ours, *threads, "--serve"], environment(options.threads, False)) if options.ours else None
    peer = Program([*torch, "--serve"], environment(options.threads, True))
    for network in options.networks:
        for mode in MODES:
            for batch in batches_of(options, network):
                name = f"{network} {mode} {batch}"
                mine, other = interleaved(ours, peer, f"run {name}", options.rounds)
                layout = peer.ask(f"layout {name}")
                rows.append(dict(bench=mode, network=network, batch=batch, unit="images/s", ours=batch / mine,
                                 peer=batch / other, ratio=other / mine, note=f"torch {layout}"))
                show(rows[-1])
    peer.close()
    if ours:
        ours.close()


def bench_memory(options, rows):
    """In the layout that was the faster one; channels_last where no times were taken."""
    threads = ["--threads", str(options.threads)]
    torch = [options.python, str(HERE / "torch_networks.py"), *threads]
    for network in options.networks:
        for batch in batches_of(options, network):
            for mode in MODES:
                layout = next((r["note"].split()[1] for r in rows
                               if (r["bench"], r["network"], r["batch"]) == (mode, network, batch)), "channels_last")
                words = ["--memory", network, mode, str(batch)]
                other = float(output([*torch, *words, "--layout", layout], environment(options.threads, False)))
                mine = math.nan
                if options.ours:
                    mine = float(output([options.ours, *threads, *words], environment(options.threads, False)))
                rows.append(dict(bench=f"memory {mode}", network=network, batch=batch, unit="MB", ours=mine, peer=other,
                                 ratio=mine / other, note=f"torch {layout}, default allocator settings"))
                show(rows[-1])


def beside(program, name):
    """Another of our programs, in the same folder."""
    return str(pathlib.Path(program).with_name(name))


def bench_logistic(options, rows, folder):
    problem = folder / "logistic.safetensors"
    script = [options.python, str(HERE / "sklearn_logreg.py"), "--threads", str(options.threads)]
    env = environment(options.threads, False)
    make = [*script, "--make", str(problem), "--values", str(options.logistic_values)]
    subprocess.run(make, check=True, env=env)
    ours = None
    if options.ours:
        ours = output([beside(options.ours, "tv_bench_logreg"), "--threads", str(options.threads), "--logistic", str(problem)], env)
        ours = "\n".join(line for line in ours.splitlines() if not line.startswith("#"))
    settings = ["--warm-start"] if options.logistic_warm_start else []
    settings += ["--tol", options.logistic_tol] if options.logistic_tol else []
    settings += ["--max-iter", options.logistic_max_iter] if options.logistic_max_iter else []
    peer = output([*script, "--solve", str(problem), *settings], env)
    (options.out / "logistic_sklearn.csv").write_text(peer)

    def read(text):
        return {f"{float(r['lambda']):.6e}": r for r in csv.DictReader(io.StringIO(text))}

    other = read(peer)
    total = sum(float(r["seconds"]) for r in other.values())
    mine = math.nan
    note = f"scikit-learn lbfgs f64, tol {options.logistic_tol or 1e-4}, max_iter {options.logistic_max_iter or 100}"
    note += ", warm start" if options.logistic_warm_start else ""
    if ours:
        (options.out / "logistic_ours.csv").write_text(ours)
        own = read(ours)
        mine = sum(float(r["seconds"]) for r in own.values())
        if set(own) != set(other):
            raise SystemExit(f"{options.ours} --logistic: {len(own)} values, not those of the problem")
        above = [float(own[key]["objective"]) / float(other[key]["objective"]) - 1 for key in own]
        note += f"; our objective / theirs - 1: {min(above):.1e} to {max(above):.1e} over {len(above)} values"
        # At the same objective: the penalties at which scikit-learn comes within 1e-6 of ours, which are certified.
        equal = [key for key, excess in zip(own, above) if -excess <= 1e-6]
        seconds = [sum(float(side[key]["seconds"]) for key in equal) for side in (own, other)]
        note += f"; {len(equal)} values at which theirs is within 1e-6 of ours: {seconds[0]:.2f} s, theirs {seconds[1]:.2f} s"
        note += f"; our largest certificate {max(float(own[key]['relative_certificate']) for key in own):.1e}"
    rows.append(dict(bench="logistic path", network=f"{len(other)} values", batch=5000, unit="s", ours=mine, peer=total,
                     ratio=total / mine, note=note))
    show(rows[-1])


def bench_decode(options, rows):
    env = environment(1, False)
    common = ["--limit", "200", "--serve"]
    peer = Program([options.python, str(HERE / "torchvision_decode.py"), str(options.photos), *common], env)
    ours = Program([beside(options.ours, "tv_bench_decode"), "--decode", str(options.photos), *common], env) if options.ours else None
    count = 100
    mine, other = interleaved(ours, peer, f"decode {count}", options.rounds)
    rows.append(dict(bench="decode + resize", network="JPEG to 224 px", batch=1, unit="images/s/core",
                     ours=count / mine, peer=count / other, ratio=other / mine, note="torchvision's faster way"))
    show(rows[-1])
    peer.close()
    if ours:
        ours.close()


def show(row):
    print("{bench:16} {network:14} batch {batch:<5} ours {ours:10.2f} peer {peer:10.2f} {unit:14} ratio {ratio:.3f}  "
          "{note}".format(**row), flush=True)


def report(rows, info, out):
    with open(out / "cpu_bench.csv", "w", newline="") as file:
        for key, value in info.items():
            file.write(f"# {key}: {value}\n")
        writer = csv.DictWriter(file, ["bench", "network", "batch", "unit", "ours", "peer", "ratio", "note"])
        writer.writeheader()
        writer.writerows(rows)
    lines = [f"{info.get('cpu', '')}, {info['cores']} cores, {info['torch']}", "",
             "| bench | network | batch | ours | peer | unit | ratio |", "|---|---|---|---|---|---|---|"]
    line = "| {bench} | {network} | {batch} | {ours:.2f} | {peer:.2f} | {unit} | {ratio:.3f} |"
    lines += [line.format(**row) for row in rows]
    lines.append("")
    for bench in dict.fromkeys(r["bench"] for r in rows):
        mean = geometric_mean([r["ratio"] for r in rows if r["bench"] == bench])
        lines.append(f"geometric mean, {bench}: {mean:.3f}  ")
    lines.append("\nRatio: peer's time / ours (above 1 we are faster); memory: ours / peer's (below 1 we need less).")
    text = "\n".join(lines) + "\n"
    (out / "cpu_bench.md").write_text(text)
    print("\n" + text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=str(ROOT / "build/release/bench/tv_bench_cpu"), help="our program, or none")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch and scikit-learn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[16],
                        help="images per step (NASNet-A Large: a quarter of it)")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--only", nargs="+", choices=("networks", "memory", "logistic", "decode"),
                        default=["networks", "memory", "logistic", "decode"])
    parser.add_argument("--logistic-warm-start", action="store_true", help="scikit-learn with warm_start")
    parser.add_argument("--logistic-tol", help="scikit-learn's tol (default 1e-4: it then stops short of the optimum)")
    parser.add_argument("--logistic-max-iter", help="scikit-learn's max_iter (default 100)")
    parser.add_argument("--logistic-values", type=int, default=45, help="penalties between 1e-6 and 1e5")
    parser.add_argument("--photos", type=pathlib.Path, help="folder of JPEGs (default $TV_SHARED_DATA/photos)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "bench")
    options = parser.parse_args()
    if options.ours == "none":
        options.ours = None
    elif not os.access(options.ours, os.X_OK):
        parser.error(f"no executable {options.ours}: build it, or --ours none")
    if options.rounds < 5:
        parser.error("--rounds: at least 5")
    data = os.environ.get("TV_SHARED_DATA") or ROOT / ".." / "shared" / "data"
    options.photos = options.photos or pathlib.Path(data) / "photos"
    options.out.mkdir(parents=True, exist_ok=True)
    info, rows = machine(options.python), []
    info["threads"], info["rounds"] = options.threads, options.rounds
    if "networks" in options.only:
        bench_networks(options, rows)
    if "memory" in options.only:
        bench_memory(options, rows)
    if "logistic" in options.only:
        with tempfile.TemporaryDirectory() as folder:
            bench_logistic(options, rows, pathlib.Path(folder))
    if "decode" in options.only:
        if options.photos.is_dir():
            bench_decode(options, rows)
        else:
            print(f"{options.photos} is missing: decode skipped")
    report(rows, info, options.out)


if __name__ == "__main__":
    main()
