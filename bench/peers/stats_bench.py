"""The driver behind `./tv bench stats`: our tests beside SciPy's, and our t-SNE beside scikit-learn's, in one run.

    python bench/peers/stats_bench.py [--ours build/release/bench/tv_bench_stats] [--threads T] [--only tests permutation tsne]

Tests: Pearson, Spearman, paired t, Wilcoxon's normal approximation and Benjamini-Hochberg on 100,000 values, exact Wilcoxon
on 40, 10,000 bootstrap lines through 40 points; one call each, one thread, medians of five.

Permutation: 50,000 examples, two models of about 75 % accuracy, 10,000 permutations, one core. SciPy gets the same test,
vectorised (permutation_type="samples"), in batches that keep its memory near 1 GB; `--scipy-permutations` runs fewer of
them there and the table scales the time up, which favours neither: SciPy's time is proportional.

t-SNE: 5,000 x 1,536 features like ReLU outputs (sklearn_logreg.py makes them), the same settings on both sides:
perplexity 30, 1,000 iterations, PCA start, Barnes-Hut theta 0.5, T threads. Times are of the whole embedding. The KL
divergences are each program's own; trustworthiness (12 neighbours) is scikit-learn's for both.

Needs numpy, scipy, scikit-learn, safetensors. Prints and writes (--out) name, ours, peer, ratio (above 1 we are faster) and
what both computed.
"""
import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from cpu_bench import HERE, ROOT, hardware


def ours(program, *arguments):
    out = subprocess.run([str(program), *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in out.splitlines())


def peer_seconds(call):
    """Seconds of one call, median of five runs of at least 50 ms, and what it gives."""
    seconds = []
    for round_ in range(6):  # the first warms up
        calls, start = 0, time.perf_counter()
        while True:
            result = call()
            calls += 1
            passed = time.perf_counter() - start
            if passed >= 0.05:
                break
        seconds += [passed / calls] if round_ else []
    return statistics.median(seconds), result


def tests(options, folder):
    import numpy as np
    from safetensors.numpy import save_file
    from scipy import stats

    rng = np.random.default_rng(0)
    x = rng.standard_normal(100_000)
    y = 0.3 * x + rng.standard_normal(100_000)
    small_x = rng.standard_normal(40)
    small_y = 0.8 * small_x + 0.3 + 0.5 * rng.standard_normal(40)
    p = rng.random(100_000) ** 2
    file = folder / "columns.safetensors"
    save_file({"x": x, "y": y, "p": p, "small_x": small_x, "small_y": small_y}, file)
    result = ours(options.ours, "tests", file, "--threads", 1)

    grid = np.array([-2, -1, 0, 1, 2.0])

    def lines(a, b, axis):
        mean_a, mean_b = a.mean(axis, keepdims=True), b.mean(axis, keepdims=True)
        slope = ((a - mean_a) * (b - mean_b)).sum(axis) / ((a - mean_a)**2).sum(axis)
        return np.stack([mean_b[..., 0] + slope * (at - mean_a[..., 0]) for at in grid])

    def band():
        return stats.bootstrap((small_x, small_y), lines, paired=True, vectorized=True, method="percentile",
                               n_resamples=10_000, rng=np.random.default_rng(1)).confidence_interval.low[2]

    peers = {
        "pearson": lambda: stats.pearsonr(x, y).statistic,
        "spearman": lambda: stats.spearmanr(x, y).statistic,
        "t_test": lambda: stats.ttest_rel(x, y).statistic,
        "wilcoxon_normal": lambda: stats.wilcoxon(x, y, method="asymptotic").pvalue,
        "wilcoxon_exact": lambda: stats.wilcoxon(small_x, small_y, method="exact").pvalue,
        "benjamini_hochberg": lambda: stats.false_discovery_control(p).sum(),
        "bootstrap_band": band,
    }
    for name, call in peers.items():
        seconds, value = peer_seconds(call)
        yield name, float(result[f"{name}_seconds"]), seconds, f"{float(result[f'{name}_result']):.10g} and {value:.10g}"


def permutation(options, folder):
    import numpy as np
    from safetensors.numpy import save_file
    from scipy.stats import permutation_test

    rng = np.random.default_rng(0)
    n, classes = 50_000, 1000
    labels = rng.integers(0, classes, n)
    first = (rng.random(n) < 0.752).astype(np.uint8)
    second = (rng.random(n) < 0.748).astype(np.uint8)
    file = folder / "hits.safetensors"
    save_file({"first": first, "second": second, "labels": labels.astype(np.int64)}, file)
    result = ours(options.ours, "permutation", file, "--threads", 1)

    sizes = np.bincount(labels, minlength=classes)
    weights = {"top1": np.full(n, 1 / n), "mean_per_class": 1 / (sizes[labels] * np.count_nonzero(sizes))}
    batch = 1000
    for name, weight in weights.items():
        start = time.perf_counter()
        peer = permutation_test((first.astype(np.float32), second.astype(np.float32)),
                                lambda x, y, axis: ((x - y) * weight.astype(np.float32)).sum(axis=axis),
                                permutation_type="samples", vectorized=True, n_resamples=options.scipy_permutations,
                                batch=batch, rng=np.random.default_rng(1))
        seconds = (time.perf_counter() - start) * 10_000 / options.scipy_permutations
        yield (f"permutation_{name}", float(result[f"{name}_seconds"]), seconds,
               f"p {float(result[f'{name}_p']):.4f} and {peer.pvalue:.4f}; "
               f"difference {float(result[f'{name}_difference']):.6g} and {peer.statistic:.6g}")


def tsne(options, folder):
    import numpy as np
    from safetensors.numpy import load_file
    from sklearn.manifold import TSNE, trustworthiness

    import sklearn_logreg

    file = folder / "features.safetensors"
    sklearn_logreg.make(file, options.n, options.d, 50, 0, 2)
    x = load_file(file)["features"]
    start = time.perf_counter()
    model = TSNE(perplexity=30, max_iter=options.iterations, init="pca", method="barnes_hut", angle=0.5,
                 learning_rate="auto", n_jobs=options.threads, random_state=0)
    peer = model.fit_transform(x)
    seconds = time.perf_counter() - start
    embedding = folder / "embedding.csv"
    result = ours(options.ours, "tsne", file, "--threads", options.threads, "--iterations", options.iterations,
                  "--embedding", embedding)
    yield (f"tsne_{options.n}x{options.d}", float(result["tsne_seconds"]), seconds,
           f"iterations {result['tsne_iterations']} and {model.n_iter_ + 1}; KL {float(result['tsne_kl']):.4f} and "
           f"{model.kl_divergence_:.4f}; trustworthiness "
           f"{trustworthiness(x, np.loadtxt(embedding, delimiter=','), n_neighbors=12):.4f} and "
           f"{trustworthiness(x, peer, n_neighbors=12):.4f}")


def main():
    benches = {"tests": tests, "permutation": permutation, "tsne": tsne}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=ROOT / "build/release/bench/tv_bench_stats")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=benches, default=list(benches))
    parser.add_argument("--scipy-permutations", type=int, default=10_000)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--d", type=int, default=1536)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("stats_bench.csv"))
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    sys.path.insert(0, str(HERE))
    import numpy
    import scipy
    import sklearn

    info = hardware()
    info["peers"] = f"scipy {scipy.__version__} scikit-learn {sklearn.__version__} numpy {numpy.__version__}"
    info["threads"] = f"1, and {options.threads} for t-SNE"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            for row in benches[name](options, pathlib.Path(folder)):
                rows.append(row)
                print(f"{row[0]}: ours {row[1]:.4g} s, peer {row[2]:.4g} s, ratio {row[2] / row[1]:.2f}; {row[3]}", flush=True)
    info["load_at_the_end"] = hardware()["load"]
    with open(options.out, "w", newline="") as file:
        for key, value in info.items():
            file.write(f"# {key}: {value}\n")
        writer = csv.writer(file)
        writer.writerow(["measurement", "ours_seconds", "peer_seconds", "ratio", "ours_and_peer"])
        for name, mine, peer, note in rows:
            writer.writerow([name, f"{mine:.6g}", f"{peer:.6g}", f"{peer / mine:.2f}", note])


if __name__ == "__main__":
    main()
