"""Our permutation tests beside SciPy's permutation_test, and our t-SNE beside scikit-learn's, in one run.

    python bench/peers/stats_bench.py [--ours build/release/bench/tv_bench_stats] [--threads T] [--only permutation tsne]

Permutation: 50,000 examples, two models of about 75 % accuracy, 10,000 permutations, one core. SciPy gets the same test,
vectorised (permutation_type="samples"), in batches that keep its memory near 1 GB; `--scipy-permutations` runs fewer of
them there and the table scales the time up, which favours neither: SciPy's time is proportional.

t-SNE: 5,000 x 1,536 features like ReLU outputs (sklearn_logreg.py makes them), the same settings on both sides:
perplexity 30, 1,000 iterations, PCA start, Barnes-Hut theta 0.5, T threads. Times are of the whole embedding. The KL
divergences are each program's own; trustworthiness (12 neighbours) is scikit-learn's for both.

Needs numpy, scipy, scikit-learn, safetensors. Prints name, ours, peer, ratio (above 1 we are faster).
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def ours(program, *arguments):
    out = subprocess.run([str(program), *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in out.splitlines())


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
        mine = float(result[f"{name}_seconds"])
        print(f"permutation {name}: ours {mine:.3f} s, SciPy {seconds:.1f} s, ratio {seconds / mine:.0f}; "
              f"p {float(result[f'{name}_p']):.4f} and {peer.pvalue:.4f}; "
              f"difference {float(result[f'{name}_difference']):.6g} and {peer.statistic:.6g}", flush=True)


def tsne(options, folder):
    import numpy as np
    from safetensors.numpy import load_file
    from sklearn.manifold import TSNE, trustworthiness

    sys.path.insert(0, str(HERE))
    import sklearn_logreg

    file = folder / "features.safetensors"
    sklearn_logreg.make(file, options.n, options.d, 50, 0, 2)
    x = load_file(file)["features"]
    start = time.perf_counter()
    model = TSNE(perplexity=30, max_iter=options.iterations, init="pca", method="barnes_hut", angle=0.5,
                 learning_rate="auto", n_jobs=options.threads, random_state=0)
    peer = model.fit_transform(x)
    seconds = time.perf_counter() - start
    csv = folder / "embedding.csv"
    result = ours(options.ours, "tsne", file, "--threads", options.threads, "--iterations", options.iterations,
                  "--embedding", csv)
    mine = float(result["tsne_seconds"])
    print(f"t-SNE {options.n} x {options.d}: ours {mine:.1f} s, scikit-learn {seconds:.1f} s, ratio "
          f"{seconds / mine:.2f}; iterations {result['tsne_iterations']} and {model.n_iter_ + 1}; KL "
          f"{float(result['tsne_kl']):.4f} and {model.kl_divergence_:.4f}; trustworthiness "
          f"{trustworthiness(x, np.loadtxt(csv, delimiter=','), n_neighbors=12):.4f} and "
          f"{trustworthiness(x, peer, n_neighbors=12):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=ROOT / "build/release/bench/tv_bench_stats")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=("permutation", "tsne"), default=("permutation", "tsne"))
    parser.add_argument("--scipy-permutations", type=int, default=10_000)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--d", type=int, default=1536)
    parser.add_argument("--iterations", type=int, default=1000)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    import scipy
    import sklearn

    print(f"# SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}, {options.threads} threads for t-SNE")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            {"permutation": permutation, "tsne": tsne}[name](options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
