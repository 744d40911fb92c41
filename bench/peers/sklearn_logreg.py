"""scikit-learn's side of the logistic-regression bench, and the problem both sides solve.

Problem: minimise sum of the per-example losses + lambda/2 |W|^2 (intercepts not penalised) for 45 values of lambda,
logspace(-6, 5), from the largest to the smallest; scikit-learn's C is 1/lambda. `--make FILE` writes it: `features`
[n, d] f32 (non-negative like ReLU outputs, with a decaying spectrum), `labels` [n] i64 and `lambdas` [--values] f64.

`--solve FILE` runs LogisticRegression (lbfgs, f64, its default tol and max_iter unless given) and writes a CSV:
lambda, objective (recomputed here in f64 from the coefficients), gradient_norm, iterations, seconds.
"""
import argparse
import sys
import time
import warnings

import numpy as np
from safetensors.numpy import load_file, save_file


def make(path, n, d, k, seed, values):
    rng = np.random.default_rng(seed)
    latent = min(256, d)
    scale = (1.0 + np.arange(latent)) ** -0.7
    centres = rng.standard_normal((k, latent)) * scale * 0.5
    labels = rng.integers(0, k, n)
    labels[:k] = np.arange(k)
    hidden = centres[labels] + rng.standard_normal((n, latent)) * scale
    mixing = rng.standard_normal((latent, d)) / np.sqrt((scale**2).sum())
    features = np.maximum(hidden @ mixing + 0.1 * rng.standard_normal((n, d)), 0.0)
    save_file({"features": features.astype(np.float32), "labels": labels.astype(np.int64),
               "lambdas": np.logspace(5, -6, values)}, path)


def objective(x, y, weights, intercept, penalty):
    """(objective, Euclidean norm of its gradient) in f64; weights [k, d]."""
    scores = x @ weights.T + intercept
    scores -= scores.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scores).sum(axis=1))
    value = (log_sum - scores[np.arange(len(y)), y]).sum() + 0.5 * penalty * (weights**2).sum()
    residual = np.exp(scores - log_sum[:, None])
    residual[np.arange(len(y)), y] -= 1.0
    gradient = residual.T @ x + penalty * weights
    return value, np.sqrt((gradient**2).sum() + (residual.sum(axis=0) ** 2).sum())


def solve(options):
    from sklearn.linear_model import LogisticRegression

    problem = load_file(options.solve)
    x, y = problem["features"].astype(np.float64), problem["labels"]
    lambdas = problem["lambdas"]
    print("lambda,objective,gradient_norm,iterations,seconds", flush=True)
    model = LogisticRegression(solver="lbfgs", warm_start=options.warm_start)
    if options.tol is not None:
        model.set_params(tol=options.tol)
    if options.max_iter is not None:
        model.set_params(max_iter=options.max_iter)
    total = 0.0
    for penalty in lambdas:
        model.set_params(C=1.0 / penalty)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "did not converge": the iterations column shows it
            model.fit(x, y)
        seconds = time.perf_counter() - start
        total += seconds
        value, norm = objective(x, y, model.coef_, model.intercept_, penalty)
        print(f"{penalty:.17g},{value:.17g},{norm:.6g},{int(model.n_iter_.max())},{seconds:.4f}", flush=True)
    print(f"# total {total:.3f} s, {len(lambdas)} values, tol {model.tol}, max_iter {model.max_iter}, "
          f"warm_start {model.warm_start}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", metavar="FILE")
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--d", type=int, default=1024)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--values", type=int, default=45)
    parser.add_argument("--solve", metavar="FILE")
    parser.add_argument("--tol", type=float, help="scikit-learn's default: 1e-4")
    parser.add_argument("--max-iter", type=int, help="scikit-learn's default: 100")
    parser.add_argument("--warm-start", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not (options.make or options.solve):
        parser.error("one of --make, --solve")
    if options.make:
        make(options.make, options.n, options.d, options.k, options.seed, options.values)
    if options.solve:
        from threadpoolctl import threadpool_limits

        import sklearn  # noqa: F401  (loads the libraries to limit)

        with threadpool_limits(options.threads):
            solve(options)


if __name__ == "__main__":
    main()
