// NASNet-A: what goes wrong silently (wiring, borders, strides), drop path, auxiliary head, both spellings.
#include "models/varied_network.hpp"
#include "tinyvision/nn/cells.hpp"

namespace nasnet_test {

using namespace tinyvision;
using model_test::make_varied;
using model_test::parameter;
using model_test::PlainPass;
using op_test::expect_close;
using op_test::random_tensor;

NetworkOptions small(DType dtype = DType::f64) {
  NetworkOptions options;
  options.classes = 6;
  options.dtype = dtype;
  return options;
}

const PoolOptions same1{3, 1, Padding::same()}, same2{3, 2, Padding::same()};

// Figure 4 of the paper, combination by combination; `h0` and `h1` are the adjusted inputs.
TEST(Nasnet, NormalCell) {
  const PlainPass pass(*make_varied("nasnet_a_mobile", small()), random_tensor({2, 65, 79, 3}, DType::f64, 1));
  const std::string at = "cell_2";
  const Variable h0 = pass.row(at + "/beginning_bn"), h1 = pass.row(at + "/prev_bn");
  const auto c = [&](int i) { return pass.row(concat_text(at, "/comb_iter_", i, "/combine")); };
  const auto part = [&](int i, const char* name) { return pass.row(concat_text(at, "/comb_iter_", i, "/", name)); };
  const auto expect = [&](const Variable& a, const Variable& b, const char* what) {
    expect_close(a.value(), b.value(), 1e-14, what);
  };
  // The first row of a separable stack is the ReLU of its input.
  expect(part(0, "left"), relu(h0), "c0 left");
  expect(part(0, "right"), relu(h1), "c0 right");
  expect(part(1, "left"), relu(h1), "c1 left");
  expect(part(1, "right"), relu(h1), "c1 right");
  expect(part(4, "left"), relu(h0), "c4 left");
  expect(c(0), add(part(0, "left/bn_sep_5x5_2"), part(0, "right/bn_sep_3x3_2")), "c0");
  expect(c(1), add(part(1, "left/bn_sep_5x5_2"), part(1, "right/bn_sep_3x3_2")), "c1");
  expect(c(2), add(average_pool(h0, same1), h1), "c2");
  expect(c(3), scale(average_pool(h1, same1), 2), "c3");
  expect(c(4), add(part(4, "left/bn_sep_3x3_2"), h0), "c4");
  expect(pass.row(at + "/cell_output"), concat({h1, c(0), c(1), c(2), c(3), c(4)}), "output");
}

TEST(Nasnet, ReductionCell) {
  const PlainPass pass(*make_varied("nasnet_a_mobile", small()), random_tensor({2, 65, 79, 3}, DType::f64, 1));
  const std::string at = "reduction_cell_1";
  const Variable h0 = pass.row(at + "/beginning_bn"), h1 = pass.row(at + "/prev_bn");
  const auto c = [&](int i) { return pass.row(concat_text(at, "/comb_iter_", i, "/combine")); };
  const auto part = [&](int i, const char* name) { return pass.row(concat_text(at, "/comb_iter_", i, "/", name)); };
  const auto expect = [&](const Variable& a, const Variable& b, const char* what) {
    expect_close(a.value(), b.value(), 1e-14, what);
  };
  expect(part(0, "left"), relu(h0), "c0 left");
  expect(part(0, "right"), relu(h1), "c0 right");
  expect(part(1, "right"), relu(h1), "c1 right");
  expect(part(2, "right"), relu(h1), "c2 right");
  expect(part(4, "left"), relu(c(0)), "c4 left");
  expect(c(0), add(part(0, "left/bn_sep_5x5_2"), part(0, "right/bn_sep_7x7_2")), "c0");
  expect(c(1), add(max_pool(h0, same2), part(1, "right/bn_sep_7x7_2")), "c1");
  expect(c(2), add(average_pool(h0, same2), part(2, "right/bn_sep_5x5_2")), "c2");
  expect(c(3), add(c(1), average_pool(c(0), same1)), "c3");
  expect(c(4), add(part(4, "left/bn_sep_3x3_2"), max_pool(h0, same2)), "c4");
  expect(pass.row(at + "/cell_output"), concat({c(1), c(2), c(3), c(4)}), "output");
}

// Which earlier results cells read; the first row of a cell is the ReLU of the earlier of both.
TEST(Nasnet, EarlierInputsOfCells) {
  for (const bool large : {false, true}) {
    const PlainPass pass(*make_varied(large ? "nasnet_a_large" : "nasnet_a_mobile", small(DType::f32), false),
                         random_tensor({1, 65, 65, 3}, DType::f32, 1));
    const auto expect = [&](const std::string& cell, const std::string& earlier, const std::string& current) {
      SCOPED_TRACE(concat_text(cell, " large ", large));
      const auto result = [&](const std::string& name) {
        return relu(pass.row(name == "conv0" ? "conv0_bn" : name + "/cell_output")).value();
      };
      expect_close(pass.row(cell).value(), result(earlier), 0, "earlier");
      // After the rows of the adjustment, the ReLU of the current input is the last row of this name.
      Variable last;
      for (const Trace::Row& row : pass.trace.rows())
        if (row.name == cell) last = Variable(row.value);
      expect_close(last.value(), result(current), 0, "current");
    };
    expect("cell_stem_0", "conv0", "conv0");
    expect("cell_stem_1", "conv0", "cell_stem_0");
    expect("cell_0", "cell_stem_0", "cell_stem_1");
    expect("cell_1", "cell_stem_1", "cell_0");
    if (large) {
      expect("reduction_cell_0", "cell_4", "cell_5");
      expect("cell_6", "cell_4", "reduction_cell_0");  // skip_reduction_layer_input: the last but one before it
      expect("cell_7", "reduction_cell_0", "cell_6");
      expect("cell_12", "cell_10", "reduction_cell_1");
    } else {
      expect("reduction_cell_0", "cell_2", "cell_3");
      expect("cell_4", "cell_3", "reduction_cell_0");  // the last before it
      expect("cell_5", "reduction_cell_0", "cell_4");
      expect("cell_8", "cell_7", "reduction_cell_1");
    }
    // The stem's second input goes in as it is, without a ReLU and a 1x1 convolution of its own.
    expect_close(pass.row("cell_stem_0/comb_iter_0/right").value(), relu(pass.row("conv0_bn")).value(), 0, "stem");
  }
}

// The second path of a factorised reduction takes pixels (2i+1, 2j+1), zeros after the end, on even and on odd maps.
TEST(Nasnet, FactorizedReductionShiftsByAPixel) {
  const auto network = make_varied("nasnet_a_mobile", small());
  for (const Index height : {65, 67})
    for (const bool fused : {false, true}) {
      SCOPED_TRACE(concat_text(height, " fused ", fused));
      const NoGradient guard;
      Trace trace;
      Context context;
      context.fused = fused;
      context.trace = &trace;
      network->forward(Variable(random_tensor({1, height, 81, 3}, DType::f64, 3)), context);
      std::vector<Tensor> rows;  // ReLU, pixels at even places, [pad, crop,] pixels at odd places, both joined
      for (const Trace::Row& row : trace.rows())
        if (row.name == "cell_stem_1") rows.push_back(row.value);
      ASSERT_EQ(rows.size(), fused ? 5u : 7u);
      const Tensor x = rows[0], even = rows[1], odd = rows[rows.size() - 3];
      const Index h = (height - 3) / 2 + 1, w = 40, c = 32;
      ASSERT_EQ(odd.shape(), (Shape{1, (h + 1) / 2, w / 2, c}));
      for (Index i = 0; i < odd.dim(1); ++i)
        for (Index j = 0; j < odd.dim(2); ++j) {
          const auto pixel = [&](Index row, Index column) {
            return row < h && column < w ? x.data<double>()[(row * w + column) * c + 7] : 0.0;
          };
          EXPECT_EQ(even.data<double>()[(i * w / 2 + j) * c + 7], pixel(2 * i, 2 * j));
          EXPECT_EQ(odd.data<double>()[(i * w / 2 + j) * c + 7], pixel(2 * i + 1, 2 * j + 1)) << i << " " << j;
        }
    }
}

// Average pools divide by the pixels inside the map: a constant stays a constant up to the border.
TEST(Nasnet, AveragePoolsCountValidPixels) {
  const PlainPass pass(*make_varied("nasnet_a_mobile", small()), random_tensor({1, 65, 65, 3}, DType::f64, 3));
  const Variable x = pass.row("reduction_cell_0/beginning_bn"), y = pass.row("reduction_cell_0/comb_iter_2/left");
  ASSERT_EQ(x.shape()[1], 8);
  ASSERT_EQ(y.shape()[1], 4);
  const auto at = [](const Variable& map, Index i, Index j) {
    return map.value().data<double>()[(i * map.shape()[2] + j) * map.shape()[3]];
  };
  // SAME, 3x3 at stride 2 on 8 pixels: windows start at 0, 2, 4, 6 and the last has two pixels inside.
  EXPECT_NEAR(at(y, 3, 3), (at(x, 6, 6) + at(x, 6, 7) + at(x, 7, 6) + at(x, 7, 7)) / 4, 1e-14);
  EXPECT_NEAR(at(y, 3, 0), (at(x, 6, 0) + at(x, 6, 1) + at(x, 6, 2) + at(x, 7, 0) + at(x, 7, 1) + at(x, 7, 2)) / 6,
              1e-14);
}

// SAME at stride 2: 5x5 on an even map is padded by 1 before and 2 after.
TEST(Nasnet, SameAtStrideTwo) {
  const auto network = make_varied("nasnet_a_mobile", small());
  const PlainPass pass(*network, random_tensor({1, 65, 65, 3}, DType::f64, 3));
  const std::string stack = "reduction_cell_0/comb_iter_0/left";
  const Variable x = pass.row(stack), y = pass.row(stack + "/separable_5x5_1/depthwise");
  const Variable w = parameter(*network, stack + "/separable_5x5_1/depthwise_weights");
  ASSERT_EQ(x.shape()[1], 8);
  expect_close(y.value(), depthwise_conv2d(x, w, {2, Padding::amounts(1, 2, 1, 2)}).value(), 1e-14, "depthwise");
  const Index c = x.shape()[3];
  double first = 0;
  for (Index a = 1; a < 5; ++a)
    for (Index b = 1; b < 5; ++b)
      first += x.value().data<double>()[((a - 1) * 8 + b - 1) * c] * w.value().data<double>()[(a * 5 + b) * c];
  EXPECT_NEAR(y.value().data<double>()[0], first, 1e-14 * std::max(1.0, std::fabs(first)));
}

TEST(Nasnet, BothSpellingsOfATrainingStep) {
  const Tensor images = random_tensor({4, 65, 79, 3}, DType::f64, 5);
  for (const double keep : {1.0, 0.5}) {
    SCOPED_TRACE(keep);
    NetworkOptions options = small();
    options.drop_path_keep = keep;
    const auto fused = model_test::training_step(make_varied("nasnet_a_mobile", options), images, true, 3, 200000);
    const auto plain = model_test::training_step(make_varied("nasnet_a_mobile", options), images, false, 3, 200000);
    model_test::expect_equal_steps(fused, plain, 1e-9);
  }
}

TEST(Nasnet, DropPathFollowsItsSchedule) {
  Context context;
  context.training = true;
  context.update = 125000;
  const PathDropper half(0.7, 22, context);
  EXPECT_TRUE(half.drops());
  EXPECT_DOUBLE_EQ(half.keep(0), 1 - 0.5 * (1.0 / 22) * 0.3);
  EXPECT_DOUBLE_EQ(half.keep(21), 1 - 0.5 * 0.3);
  context.update = 1000000;
  EXPECT_DOUBLE_EQ(PathDropper(0.7, 22, context).keep(21), 0.7);
  EXPECT_FALSE(PathDropper(1, 22, context).drops());
  context.training = false;
  EXPECT_FALSE(PathDropper(0.7, 22, context).drops());
}

TEST(Nasnet, DropPathIsOffInEvaluationAndAtTheStartAndCannotBeRecorded) {
  NetworkOptions options = small();
  const Tensor images = random_tensor({2, 49, 49, 3}, DType::f64, 5);
  const auto without = make_varied("nasnet_a_mobile", options);
  options.drop_path_keep = 0.5;
  const auto with = make_varied("nasnet_a_mobile", options);
  EXPECT_TRUE(without->recordable());
  EXPECT_FALSE(with->recordable());
  expect_close(PlainPass(*with, images).outputs.logits.value(), PlainPass(*without, images).outputs.logits.value(), 0,
               "evaluation");
  const auto loss = [&](double keep, std::uint64_t seed, Index steps_done) {
    NetworkOptions o = small();
    o.drop_path_keep = keep;
    return model_test::training_step(make_varied("nasnet_a_mobile", o), images, true, seed, steps_done).loss;
  };
  EXPECT_NEAR(loss(0.5, 1, 0), loss(1, 1, 0), 1e-12);  // keep is 1 at step 0
  EXPECT_NE(loss(0.5, 1, 200000), loss(1, 1, 200000));
  EXPECT_EQ(loss(0.5, 1, 200000), loss(0.5, 1, 200000));
  EXPECT_NE(loss(0.5, 2, 200000), loss(0.5, 1, 200000));
  EXPECT_NE(loss(0.5, 1, 200001), loss(0.5, 1, 200000));
}

// The auxiliary head, operation by operation, on an image size of its own; and its gradient reaches the cells before it.
TEST(Nasnet, AuxiliaryHead) {
  NetworkOptions options = small();
  options.auxiliary_head = true;
  options.image_size = 161;  // 80, 40, 20 after the stem, 10 from cell 4 on: 2 after the pool
  const auto network = make_varied("nasnet_a_mobile", options);
  EXPECT_EQ(parameter(*network, "aux_7/aux_logits/Conv/weights").shape(), (Shape{2, 2, 128, 768}));
  const Tensor images = random_tensor({2, 161, 161, 3}, DType::f64, 5);
  const PlainPass pass(*network, images);
  const std::string at = "aux_7/aux_logits/";
  const auto get = [&](const char* name) { return parameter(*network, at + name); };
  const auto norm = [&](const Variable& x, const std::string& name) {
    const auto of = [&](const char* which) { return parameter(*network, at + name + "/" + which); };
    return batch_norm(x, {of("gamma"), of("beta"), of("moving_mean"), of("moving_variance")},
                      {1e-3, 0.9997, false, Activation::relu});
  };
  const NoGradient guard;
  Variable x = average_pool(relu(pass.row("cell_7/cell_output")), {5, 3, Padding::valid()});
  ASSERT_EQ(x.shape(), (Shape{2, 2, 2, 528}));
  x = norm(conv2d(x, get("proj/weights")), "aux_bn0");
  x = norm(conv2d(x, get("Conv/weights"), {1, Padding::valid()}), "aux_bn1");
  x = linear(reshape(x, {2, 768}), get("FC/weights"), get("FC/biases"));
  expect_close(pass.outputs.aux_logits.value(), x.value(), 1e-13, "auxiliary logits");
  Context evaluation;
  EXPECT_FALSE(network->forward(Variable(images), evaluation).aux_logits.defined());
  Context training;
  training.training = true;
  EXPECT_TRUE(network->forward(Variable(images), training).aux_logits.defined());
  EXPECT_THROW(network->forward(Variable(random_tensor({2, 225, 225, 3}, DType::f64, 5)), training), UsageError);
  options.image_size = 65;
  EXPECT_THROW(make_network("nasnet_a_mobile", options), UsageError);
}

TEST(Nasnet, AuxiliaryGradientReachesEarlierCellsAlone) {
  NetworkOptions options = small(DType::f32);
  options.auxiliary_head = true;
  options.image_size = 97;  // 48, 24, 12, 6: 1 after the pool
  const auto network = make_varied("nasnet_a_mobile", options);
  Context context;
  context.training = true;
  const Outputs out = network->forward(Variable(random_tensor({2, 97, 97, 3}, DType::f32, 5)), context);
  backward(out.aux_logits, Tensor::full(out.aux_logits.shape(), 1));
  EXPECT_TRUE(parameter(*network, "conv0/weights").gradient().defined());
  EXPECT_TRUE(parameter(*network, "cell_7/1x1/weights").gradient().defined());
  EXPECT_TRUE(parameter(*network, "aux_7/aux_logits/FC/weights").gradient().defined());
  EXPECT_FALSE(parameter(*network, "cell_8/1x1/weights").gradient().defined());
  EXPECT_FALSE(parameter(*network, "final_layer/FC/weights").gradient().defined());
}

TEST(Nasnet, InitialValuesScaleWithTheFanOut) {
  const auto network = make_network("nasnet_a_mobile", small(DType::f32));
  initialise(network->parameters(), 5);
  const auto check = [&](const std::string& name, double fan_out) {
    const std::vector<double> x = parameter(*network, name).value().to_vector<double>();
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double variance = squares / static_cast<double>(x.size()) / (1.3 * 2 / fan_out);
    EXPECT_NEAR(variance, 0.7737, 10 / std::sqrt(static_cast<double>(x.size()))) << name;
  };
  check("cell_11/1x1/weights", 176);
  check("cell_11/comb_iter_0/left/separable_5x5_1/depthwise_weights", 25);
  check("cell_11/comb_iter_0/left/separable_5x5_1/pointwise_weights", 176);
}

}  // namespace nasnet_test
