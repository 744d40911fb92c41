// NASNet-A Mobile and Large. Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018,
// Figure 4 (the cells), section A.4 and Table 5: 12 normal cells of 44 filters at 224 px, 18 of 168 at 331 px. Names, order and
// settings are TF-Slim's (research/slim/nets/nasnet).
//
// Parameters without logits and auxiliary head: 4,232,978; 84,720,150 (Table A.2 of Kornblith et al.: 4.2, 84.7 million).
//
// What is easy to get wrong, and is tested: a cell reads the result of the cell before it and of the one before that; after
// a reduction the latter is the last cell before it (Mobile) or the last but one (Large), as TF-Slim wires them; average
// pools divide by the pixels inside the map; a normal cell's output has its adjusted earlier input in it, a reduction
// cell's output lacks the first combination.
//
// Every reader of a cell's result activates it first, so the fused spelling keeps results activated: sums are written
// through a ReLU to their slice of the concatenation.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tinyvision/nn/cells.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class NasnetA : public Network {
 public:
  enum class Size { mobile, large };

  NasnetA(Size size, const NetworkOptions& options)
      : Network(plan_of(size).name, options, plan_of(size).image_size, 3), plan_(plan_of(size)) {
    bn_epsilon_ = 1e-3;
    const ConvDefaults defaults{.weights = Initialiser::variance_scaling_fan_out(2),
                                .l2_slim = plan_.l2_slim,
                                .bn_epsilon = bn_epsilon_,
                                .bn_decay = 0.9997,
                                .bn_scale = bn_scale(true)};
    const Index side = options_.image_size;
    stem_ = ConvThenNorm(scope("conv0"), scope("conv0_bn"), {3, 3}, 3, plan_.stem_channels, defaults,
                         {2, Padding::valid()});
    // Results that later cells may read: channels, and how often their maps were halved after the stem.
    std::vector<Map> maps{{plan_.stem_channels, 0}};
    const auto add_cell = [&](const std::string& name, Index filters, bool reduces, std::size_t earlier) {
      cells_.emplace_back(scope(name), filters, reduces, maps.back(), maps[earlier], earlier == maps.size() - 1,
                          defaults);
      cells_.back().earlier = earlier;
      maps.push_back(cells_.back().result);
    };
    add_cell("cell_stem_0", plan_.filters / 4, true, 0);  // both inputs are the stem's
    add_cell("cell_stem_1", plan_.filters / 2, true, 0);
    Index filters = plan_.filters;
    for (Index i = 0; i < plan_.cells; ++i) {
      std::size_t earlier = maps.size() - 2;
      if (i == plan_.cells / 3 || i == 2 * (plan_.cells / 3)) {
        filters *= 2;
        add_cell(concat_text("reduction_cell_", i == plan_.cells / 3 ? 0 : 1), filters, true, earlier);
        if (!plan_.skips_reduction_input) earlier = maps.size() - 2;
      }
      add_cell(concat_text("cell_", i), filters, false, earlier);
      if (i == 2 * (plan_.cells / 3) - 1) {
        auxiliary_cell_ = cells_.size() - 1;
        if (options.auxiliary_head)
          auxiliary_ = Auxiliary(scope(concat_text("aux_", i)).in_group(ParameterGroup::aux), maps.back().channels,
                                 map_side(side, maps.back().halvings), options.classes, defaults);
      }
    }
    feature_size_ = maps.back().channels;
    logits_ = Logits::fully_connected(scope("final_layer").in_group(ParameterGroup::logits) / "FC", feature_size_,
                                      options.classes, defaults);
  }

  bool recordable() const override { return options_.drop_path_keep == 1; }

  Outputs forward(const Variable& images, const Context& context) const override {
    Outputs out;
    PathDropper drop(options_.drop_path_keep, static_cast<Index>(cells_.size()), context);
    Variable x = prepare(images);
    context.record("input", x);
    if (context.fused) {
      context.skip(2);
      x = stem_.forward_fused(x, context, Activation::relu);
    } else {
      x = stem_.forward(x, context);
    }
    // NASNet-A Mobile at 224 px: [N,111,111,32], stem cells [N,56,56,44], [N,28,28,88], cells 0-3 [N,28,28,264],
    // 4-7 [N,14,14,528], 8-11 [N,7,7,1056]
    std::vector<Variable> maps{x};
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      maps.push_back(cell.forward(maps.back(), maps[cell.earlier], static_cast<Index>(i), drop, context));
      out.keep(context, cell.name, context.fused ? maps.back() : relu(maps.back()));
      if (i == auxiliary_cell_) out.aux_logits = auxiliary(maps.back(), context);
    }
    x = activated(maps.back(), context);
    context.record("final_layer", x);
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1056]
    context.record("final_layer", out.feature);
    x = dropped(out.feature, context);
    context.record("final_layer/dropout", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    return out;
  }

 private:
  /// Table 5 and section A.4 of the paper, TF-Slim's settings.
  struct Plan {
    const char* name;
    Index image_size, cells, filters, stem_channels;
    bool skips_reduction_input;  ///< the cell after a reduction reads the last cell but one before it
    double l2_slim;
  };
  static const Plan& plan_of(Size size) {
    static const Plan mobile{"nasnet_a_mobile", 224, 12, 44, 32, false, 4e-5};
    static const Plan large{"nasnet_a_large", 331, 18, 168, 96, true, 5e-5};
    return size == Size::mobile ? mobile : large;
  }

  enum class Op { identity, separable3, separable5, separable7, average3, max3 };
  /// Sum of two operations, each on a state of the cell: 0 is the result before it, 1 the one before that, both adjusted to
  /// the cell's filters; 2 and up are the combinations' own results.
  struct Combination {
    Op left;
    std::size_t left_input;
    Op right;
    std::size_t right_input;
  };
  /// Figure 4 of the paper, with the states whose concatenation is the result.
  struct Wiring {
    std::array<Combination, 5> combinations;
    std::vector<std::size_t> joined;
  };
  static const Wiring& wiring_of(bool reduces) {
    using enum Op;
    static const Wiring normal{{{{separable5, 0, separable3, 1},
                                 {separable5, 1, separable3, 1},
                                 {average3, 0, identity, 1},
                                 {average3, 1, average3, 1},
                                 {separable3, 0, identity, 0}}},
                               {1, 2, 3, 4, 5, 6}};
    static const Wiring reduction{{{{separable5, 0, separable7, 1},
                                    {max3, 0, separable7, 1},
                                    {average3, 0, separable5, 1},
                                    {identity, 3, average3, 2},
                                    {separable3, 2, max3, 0}}},
                                  {3, 4, 5, 6}};
    return reduces ? reduction : normal;
  }
  /// Kernel of a separable operation, 0 for the others.
  static Index kernel_of(Op op) {
    return op == Op::separable3 ? 3 : op == Op::separable5 ? 5 : op == Op::separable7 ? 7 : 0;
  }

  struct Map {
    Index channels, halvings;
  };
  /// Side of a map that was halved so many times, each time rounded up, after the stem's convolution.
  static Index map_side(Index image, Index halvings) {
    Index side = (image - 3) / 2 + 1;
    for (Index i = 0; i < halvings; ++i) side = (side + 1) / 2;
    return side;
  }
  /// A result as its readers take it, after the ReLU.
  static Variable activated(const Variable& x, const Context& context) { return context.fused ? x : relu(x); }

  class Cell {
   public:
    std::string name;
    std::size_t earlier = 0;  ///< which result its second input is
    Map result{};

    /// `current` and `before` describe its inputs; `shared` says that both are the stem's, of which the second stays as it
    /// is.
    Cell(const Scope& at, Index cell_filters, bool cell_reduces, const Map& current, const Map& before, bool shared,
         const ConvDefaults& defaults)
        : name(at.path()), filters(cell_filters), reduces(cell_reduces) {
      const Wiring& wiring = wiring_of(reduces);
      result = {filters * static_cast<Index>(wiring.joined.size()), current.halvings + (reduces ? 1 : 0)};
      adjust = shared ? Adjust::none : before.halvings != current.halvings ? Adjust::halve : Adjust::project;
      if (adjust == Adjust::halve) halving = FactorizedReduction(at, before.channels, filters, defaults);
      if (adjust == Adjust::project)
        projection = ConvThenNorm(at / "prev_1x1", at / "prev_bn", {1, 1}, before.channels, filters, defaults);
      beginning = ConvThenNorm(at / "1x1", at / "beginning_bn", {1, 1}, current.channels, filters, defaults);
      for (std::size_t i = 0; i < wiring.combinations.size(); ++i) {
        const Combination& c = wiring.combinations[i];
        const Scope here = at / concat_text("comb_iter_", i);
        const auto stack = [&](const char* side, Op op, std::size_t input) {
          if (kernel_of(op) == 0) return SeparableStack();
          const Index in = input == 1 && shared ? before.channels : filters;
          return SeparableStack(here / side, kernel_of(op), in, filters, stride_of(input), defaults);
        };
        left[i] = stack("left", c.left, c.left_input);
        right[i] = stack("right", c.right, c.right_input);
      }
    }

    /// Two results -> this cell's, as results are kept (activated when fused). `number` counts cells for drop path.
    Variable forward(const Variable& current, const Variable& before, Index number, PathDropper& drop,
                     const Context& context) const {
      States states(*this, context);
      const Variable second = activated(before, context);
      if (adjust == Adjust::project) context.record(name, second);
      if (adjust == Adjust::project) states.raw[1] = projection.forward(second, context);
      if (adjust == Adjust::halve) states.raw[1] = halving.forward(second, context);
      if (adjust == Adjust::none) (context.fused ? states.active[1] : states.raw[1]) = before;
      const Variable first = activated(current, context);
      context.record(name, first);
      states.raw[0] = beginning.forward(first, context);
      for (std::size_t i = 0; i < left.size(); ++i) combine(i, states, number, drop, context);
      const Variable joined = states.join();
      if (context.fused) {
        context.skip(1);
      } else {
        context.record(name + "/cell_output", joined);
      }
      return joined;
    }

   private:
    enum class Adjust { none, project, halve };

    /// The states of a cell during a forward pass: as they are, and after the ReLU.
    struct States {
      const Cell& cell;
      const Context& context;
      const Wiring& wiring;
      std::array<Variable, 7> raw, active;
      Tensor buffer;  ///< fused: the result

      States(const Cell& of, const Context& in) : cell(of), context(in), wiring(wiring_of(of.reduces)) {}

      /// Place of state `s` in the result, undefined when it has none.
      Tensor slot(std::size_t s) {
        const auto at = std::find(wiring.joined.begin(), wiring.joined.end(), s);
        if (at == wiring.joined.end()) return Tensor();
        if (!buffer.defined()) {
          Shape shape = raw[0].shape();
          for (const int axis : {1, 2}) shape[axis] = cell.reduces ? (shape[axis] + 1) / 2 : shape[axis];
          shape[3] = cell.result.channels;
          buffer = Tensor::empty(shape, raw[0].dtype(), raw[0].device());
        }
        return buffer.slice_channels(static_cast<Index>(at - wiring.joined.begin()) * cell.filters, cell.filters);
      }
      /// State `s` after the ReLU; the plain spelling makes one for each reader.
      Variable activated_state(std::size_t s) {
        if (!context.fused) return relu(raw[s]);
        if (!active[s].defined()) active[s] = activation(raw[s], Activation::relu, slot(s));
        return active[s];
      }
      /// Whether an operation without a ReLU reads state `s`.
      bool read_as_it_is(std::size_t s) const {
        for (const Combination& c : wiring.combinations)
          if ((kernel_of(c.left) == 0 && c.left_input == s) || (kernel_of(c.right) == 0 && c.right_input == s))
            return true;
        return false;
      }
      Variable join() {
        std::vector<Variable> parts;
        for (const std::size_t s : wiring.joined) parts.push_back(context.fused ? activated_state(s) : raw[s]);
        return context.fused ? concat(parts, buffer) : concat(parts);
      }
    };

    Index stride_of(std::size_t input) const { return reduces && input < 2 ? 2 : 1; }

    /// Identity or a pool of state `s`.
    Variable move(Op op, std::size_t s, const States& states) const {
      if (op == Op::identity) return states.raw[s];
      const PoolOptions options{3, stride_of(s), Padding::same()};
      return op == Op::max3 ? max_pool(states.raw[s], options) : average_pool(states.raw[s], options);
    }

    /// State i + 2 = left + right.
    void combine(std::size_t i, States& states, Index number, PathDropper& drop, const Context& context) const {
      const Combination& c = states.wiring.combinations[i];
      const std::string at = concat_text(name, "/comb_iter_", i);
      const bool left_moves = kernel_of(c.left) == 0, right_moves = kernel_of(c.right) == 0;
      const std::size_t s = i + 2;
      const auto record_move = [&](Op op, const char* side, const Variable& y) {
        if (op != Op::identity) context.record(at + side, y);
      };
      // A sum that is read after the ReLU alone is written so, to its place in the result.
      const Tensor place = context.fused && !states.read_as_it_is(s) ? states.slot(s) : Tensor();
      const Activation after = place.defined() ? Activation::relu : Activation::none;
      Variable sum;
      if (context.fused && !drop.drops() && !(left_moves && right_moves)) {  // the sum in a convolution's last step
        if (right_moves) {
          const Variable y = move(c.right, c.right_input, states);
          sum = left[i].forward_sum(states.activated_state(c.left_input), y, after, place, context);
          record_move(c.right, "/right", y);
        } else {
          Variable x;
          if (left_moves) {
            x = move(c.left, c.left_input, states);
            record_move(c.left, "/left", x);
          } else {
            x = left[i].forward(states.activated_state(c.left_input), context);
          }
          sum = right[i].forward_sum(states.activated_state(c.right_input), x, after, place, context);
        }
      } else {
        const auto side = [&](Op op, std::size_t input, const SeparableStack& stack, const char* which) {
          Variable y;
          if (kernel_of(op) > 0) {
            y = stack.forward(states.activated_state(input), context);
          } else {
            y = move(op, input, states);
            record_move(op, which, y);
          }
          return op == Op::identity ? y : drop(y, number);
        };
        const Variable x = side(c.left, c.left_input, left[i], "/left");
        const Variable y = side(c.right, c.right_input, right[i], "/right");
        sum = place.defined() ? add_activation(x, y, after, place) : add(x, y);
      }
      if (place.defined()) {
        context.skip(1);
        states.active[s] = sum;
      } else {
        context.record(at + "/combine", sum);
        states.raw[s] = sum;
      }
    }

    Index filters;
    bool reduces;
    Adjust adjust = Adjust::none;
    FactorizedReduction halving;
    ConvThenNorm projection, beginning;
    std::array<SeparableStack, 5> left, right;
  };

  /// The classifier in the middle: 5x5 mean at stride 3, 1x1 convolution to 128 channels, one of the size of the map to
  /// 768, both with BN and ReLU, and a matrix.
  struct Auxiliary {
    static constexpr int rows = 10;  ///< in the specification, with the ReLU before it
    std::string name;
    Index map = 0;
    ConvThenNorm projection, whole;
    Logits logits;

    Auxiliary() = default;
    Auxiliary(const Scope& scope, Index channels, Index side, Index classes, const ConvDefaults& defaults)
        : name(scope.path() + "/aux_logits") {
      if (side < 5)
        fail_usage("nasnet", "the auxiliary head needs maps of 5 px or more, images this small leave ", side);
      map = (side - 5) / 3 + 1;
      const Scope at = scope / "aux_logits";
      projection = ConvThenNorm(at / "proj", at / "aux_bn0", {1, 1}, channels, 128, defaults);
      whole = ConvThenNorm(at / "Conv", at / "aux_bn1", {map, map}, 128, 768, defaults, {1, Padding::valid()});
      logits = Logits::fully_connected(at / "FC", 768, classes, defaults);
    }

    Variable forward(const Variable& input, const Context& context) const {  // NASNet-A Mobile at 224 px:
      context.record("", input);                                             // [N,14,14,528]
      Variable x = average_pool(input, {5, 3, Padding::valid()});            // [N,4,4,528]
      if (x.shape()[1] != map || x.shape()[2] != map)
        fail_usage("nasnet", "the auxiliary head was made for maps of ", map, "x", map, " px after its pool, not ",
                   x.shape()[1], "x", x.shape()[2], ": construct the network for this image size");
      context.record(name, x);
      x = relu(projection.forward(x, context));  // [N,4,4,128]
      context.record(name, x);
      x = relu(whole.forward(x, context));  // [N,1,1,768]
      context.record(name, x);
      x = cast(reshape(x, {x.shape()[0], x.shape()[3]}), logits.dtype());
      context.record(name, x);
      return logits.forward(x, context);  // [N,classes]
    }
  };
  /// Scores of the auxiliary head in training, or where a trace asks for all rows; else undefined.
  Variable auxiliary(const Variable& result, const Context& context) const {
    if (!options_.auxiliary_head || !(context.training || context.trace)) {
      context.skip(Auxiliary::rows);
      return Variable();
    }
    return auxiliary_.forward(activated(result, context), context);
  }

  Plan plan_;
  ConvThenNorm stem_;
  std::vector<Cell> cells_;
  std::size_t auxiliary_cell_ = 0;
  Auxiliary auxiliary_;
  Logits logits_;
};

TINYVISION_END
