"""The masks of dropout and drop path, as `docs` and sources define them: functions of (seed, stream, step, index).

    bits(index)    words 1 and 0 of Philox4x32-10 (Salmon et al., SC 2011) for the counter (index, step), 64 bits each, and the
                   key (seed mod 2^32, seed >> 32 xor stream << 24)
    uniform(index) ((bits >> 12) + 1/2) 2^-52
    dropout        stream 2, index n C + c:        kept where uniform < keep, and then divided by keep
    drop path      stream 8, index path 2^32 + n:  a whole map of example n, likewise; paths are counted through the network
    keep of a path 1 - min(step / 250000, 1) (1 - last) (cell + 1) / cells, cells counted from 0
"""
import numpy as np
import torch

DROPOUT, DROP_PATH = 2, 8


def philox4x32(counter, key):
    """Four arrays of uint64 below 2^32 and two numbers -> four arrays."""
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    c = [np.asarray(word, dtype=np.uint64) for word in counter]
    k = list(key)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> shift) ^ c[1] ^ np.uint64(k[0]), p1 & low, (p0 >> shift) ^ c[3] ^ np.uint64(k[1]), p0 & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def uniform(seed, stream, step, index):
    index = np.asarray(index, dtype=np.uint64)
    words = philox4x32([index & np.uint64(0xFFFFFFFF), index >> np.uint64(32),
                        np.full(index.shape, step & 0xFFFFFFFF, dtype=np.uint64),
                        np.full(index.shape, step >> 32, dtype=np.uint64)],
                       [seed & 0xFFFFFFFF, (seed >> 32) ^ (stream << 24)])
    bits = (words[1] << np.uint64(32)) | words[0]
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


class Masks:
    """Of one training step. Paths are counted in the order in which `path` is asked."""

    def __init__(self, seed, step, dropout_keep, last_path_keep, cells):
        self.seed, self.step, self.keep, self.last, self.cells = seed, step, dropout_keep, last_path_keep, cells
        self.paths = 0

    def feature(self, x):
        """The factors of x [N,C,1,1]."""
        if self.keep == 1:
            return torch.ones_like(x)
        kept = uniform(self.seed, DROPOUT, self.step, np.arange(x.numel())) < self.keep
        return torch.from_numpy(kept.astype(np.float64)).reshape(x.shape).to(x.dtype) / self.keep

    def path(self, cell, x):
        """The factors of the next path, of cell `cell`, for x [N,...]."""
        number = self.cells.index(cell)
        keep = 1 - min(self.step / 250000, 1.0) * (1 - self.last) / len(self.cells) * (number + 1)
        kept = uniform(self.seed, DROP_PATH, self.step, (self.paths << 32) + np.arange(x.shape[0])) < keep
        self.paths += 1
        return torch.from_numpy(kept.astype(np.float64)).to(x.dtype).reshape(-1, 1, 1, 1) / keep
