// The tree of Barnes and Hut over points of 1, 2 or 3 dimensions, for the repulsion of t-SNE.
//
// J. Barnes, P. Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324 (1986); L. van der Maaten,
// "Accelerating t-SNE using tree-based algorithms", JMLR 15 (2014).
//
// Points are sorted along Morton's curve, so a cell is a range of them and the tree is built by looking for the places
// where a bit of the curve changes. Nodes stand in the order of a depth-first walk and know where the walk goes on when
// they are taken whole; a walk needs no stack. Cells of up to 8 points are not divided; equal points share a cell.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN
namespace stats {
namespace detail {

template <int D>
class SpaceTree {
  static_assert(D >= 1 && D <= 3);

 public:
  static constexpr int levels = D == 3 ? 21 : 32;  ///< bits of a coordinate
  static constexpr std::int32_t leaf_size = 8;

  /// Over y [n, D], all finite. Deterministic; one thread.
  void build(const double* y, Index n) {
    sort_points(y, n);
    nodes_.clear();
    if (n > 0) add_node(0, static_cast<std::int32_t>(n));
  }

  Index size() const { return static_cast<Index>(order_.size()); }
  Index nodes() const { return static_cast<Index>(nodes_.size()); }
  /// The point that stands at `place` of the curve.
  Index point(Index place) const { return order_[static_cast<std::size_t>(place)]; }

  /// Adds sum over j of q^2 (y_i - y_j) to `force` and returns the sum over j of q, with q = 1 / (1 + |y_i - y_j|^2), for
  /// the point i at `place` and all j but i. A cell that does not hold i counts as one point at its centre of mass when
  /// its width is below theta times the distance to that; theta = 0 makes the sums exact.
  double repulsion(Index place, double theta, double* force) const {
    const double limit = theta * theta;
    std::array<double, D> own, sum{};
    for (int a = 0; a < D; ++a) own[a] = points_[static_cast<std::size_t>(place * D + a)];
    double z = -1;  // the point's own q, which the sum over its cell holds
    const auto last = nodes_.size();
    for (std::size_t at = 0; at < last;) {
      const Node& node = nodes_[at];
      double apart[D], square = 0;
      for (int a = 0; a < D; ++a) {
        apart[a] = own[a] - node.centre[a];
        square += apart[a] * apart[a];
      }
      if (node.square_width < limit * square && (place < node.begin || place >= node.end)) {
        const double q = 1 / (1 + square), weight = node.count * q;
        z += weight;
        for (int a = 0; a < D; ++a) sum[a] += weight * q * apart[a];
        at = node.next;
      } else if (node.leaf) {
        const double* other = points_.data() + static_cast<Index>(node.begin) * D;
        for (std::int32_t j = node.begin; j < node.end; ++j, other += D) {
          square = 0;
          for (int a = 0; a < D; ++a) {
            apart[a] = own[a] - other[a];
            square += apart[a] * apart[a];
          }
          const double q = 1 / (1 + square);
          z += q;
          for (int a = 0; a < D; ++a) sum[a] += q * q * apart[a];
        }
        at = node.next;
      } else {
        ++at;
      }
    }
    for (int a = 0; a < D; ++a) force[a] += sum[a];
    return z;
  }

 private:
  struct Node {
    double centre[D];
    double square_width, count;
    std::int32_t begin, end;  // places of its points
    std::uint32_t next;       // node after all of its cell
    bool leaf;
  };

  /// The bits of x with D - 1 zeros before each.
  static std::uint64_t spread(std::uint64_t x) {
    if constexpr (D == 2) {
      x = (x | x << 16) & 0x0000ffff0000ffffull;
      x = (x | x << 8) & 0x00ff00ff00ff00ffull;
      x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
      x = (x | x << 2) & 0x3333333333333333ull;
      x = (x | x << 1) & 0x5555555555555555ull;
    } else if constexpr (D == 3) {
      x = (x | x << 32) & 0x001f00000000ffffull;
      x = (x | x << 16) & 0x001f0000ff0000ffull;
      x = (x | x << 8) & 0x100f00f00f00f00full;
      x = (x | x << 4) & 0x10c30c30c30c30c3ull;
      x = (x | x << 2) & 0x1249249249249249ull;
    }
    return x;
  }

  void sort_points(const double* y, Index n) {
    std::array<double, D> low, high;
    low.fill(0), high.fill(0);
    for (int a = 0; a < D && n > 0; ++a) low[a] = high[a] = y[a];
    for (Index i = 0; i < n; ++i)
      for (int a = 0; a < D; ++a) {
        low[a] = std::min(low[a], y[i * D + a]);
        high[a] = std::max(high[a], y[i * D + a]);
      }
    width_ = 0;
    for (int a = 0; a < D; ++a) width_ = std::max(width_, high[a] - low[a]);
    constexpr double cells = static_cast<double>(std::uint64_t{1} << levels);
    const double scale = width_ > 0 ? cells / width_ : 0;

    const auto count = static_cast<std::size_t>(n);
    keys_.resize(count), other_keys_.resize(count), order_.resize(count), other_order_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t key = 0;
      for (int a = 0; a < D; ++a) {
        const double cell = std::min((y[i * D + static_cast<std::size_t>(a)] - low[a]) * scale, cells - 1);
        key |= spread(static_cast<std::uint64_t>(cell)) << (D - 1 - a);
      }
      keys_[i] = key;
      order_[i] = static_cast<std::int32_t>(i);
    }
    sort_keys();
    points_.resize(count * D);
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t a = 0; a < D; ++a) points_[p * D + a] = y[static_cast<std::size_t>(order_[p]) * D + a];
  }

  /// Radix sort of the keys, a byte at a time; equal keys keep the order of their points.
  void sort_keys() {
    for (int shift = 0; shift < levels * D; shift += 8) {
      std::array<std::size_t, 257> begin{};
      for (const std::uint64_t key : keys_) ++begin[((key >> shift) & 255u) + 1];
      for (std::size_t b = 1; b < begin.size(); ++b) begin[b] += begin[b - 1];
      for (std::size_t i = 0; i < keys_.size(); ++i) {
        const std::size_t to = begin[(keys_[i] >> shift) & 255u]++;
        other_keys_[to] = keys_[i];
        other_order_[to] = order_[i];
      }
      keys_.swap(other_keys_);
      order_.swap(other_order_);
    }
  }

  /// The node of the places [begin, end), which is not empty, and all nodes below it. Cells in which all points share a
  /// smaller cell are skipped. Returns its number.
  std::size_t add_node(std::int32_t begin, std::int32_t end) {
    const std::size_t at = nodes_.size();
    nodes_.push_back({});
    const std::uint64_t first = keys_[static_cast<std::size_t>(begin)],
                        differing = first ^ keys_[static_cast<std::size_t>(end - 1)];
    // Levels whose bits all keys share, the highest first.
    const int shared = differing == 0 ? levels : (levels * D - static_cast<int>(std::bit_width(differing))) / D;
    const double width = std::ldexp(width_, -shared);
    std::array<double, D> sum{};
    const bool leaf = end - begin <= leaf_size || shared == levels;
    if (leaf) {
      for (std::int32_t p = begin; p < end; ++p)
        for (std::size_t a = 0; a < D; ++a) sum[a] += points_[static_cast<std::size_t>(p) * D + a];
    } else {
      const int shift = (levels - 1 - shared) * D;
      for (std::int32_t from = begin; from < end;) {
        const std::uint64_t part = keys_[static_cast<std::size_t>(from)] >> shift;
        const auto to =
            static_cast<std::int32_t>(std::partition_point(keys_.begin() + from, keys_.begin() + end,
                                                           [&](std::uint64_t key) { return key >> shift == part; }) -
                                      keys_.begin());
        const Node& child = nodes_[add_node(from, to)];
        for (std::size_t a = 0; a < D; ++a) sum[a] += child.centre[a] * child.count;
        from = to;
      }
    }
    Node& node = nodes_[at];
    node.count = static_cast<double>(end - begin);
    for (std::size_t a = 0; a < D; ++a) node.centre[a] = sum[a] / node.count;
    node.square_width = width * width;
    node.begin = begin, node.end = end;
    node.next = static_cast<std::uint32_t>(nodes_.size());
    node.leaf = leaf;
    return at;
  }

  double width_ = 0;
  std::vector<std::uint64_t> keys_, other_keys_;
  std::vector<std::int32_t> order_, other_order_;
  std::vector<double> points_;  // in the order of the curve
  std::vector<Node> nodes_;
};

}  // namespace detail
}  // namespace stats
TINYVISION_END
