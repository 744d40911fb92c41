// The parts of kernels/vendor that need neither a GPU nor a library: keys, plan files, versions, loading.
#include <gtest/gtest.h>

#include <set>

#include "checkpoint/folder.hpp"
#include "tinyvision/core/files.hpp"
#include "vendor/library.h"
#include "vendor/plan_book.h"
#include "vendor/problem.h"
#include "vendor/settings.h"
#include "vendor/versions.h"

namespace vendor_plans_test {

using namespace tinyvision_emulated::vendor;
using tinyvision::read_file;
using tinyvision_emulated::Activation;
using tinyvision_emulated::Index;
using tinyvision_emulated::Window;

template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

Problem example() {
  Problem p;
  p.window = {8, 56, 56, 64, 80, 28, 28, 128, 130, 3, 3, 2, 2, 0, 0};
  return p;
}

/// The example with one member changed, for every member.
std::vector<Problem> variations() {
  std::vector<Problem> all;
  const auto vary = [&](auto change) { change(all.emplace_back(example())); };
  vary([](Problem&) {});
  vary([](Problem& p) { p.pass = Pass::backward_input; });
  vary([](Problem& p) { p.pass = Pass::backward_weight; });
  vary([](Problem& p) { p.number = Number::bf16; });
  vary([](Problem& p) { p.result = Number::bf16; });
  for (Index Window::*member :
       {&Window::batch, &Window::in_h, &Window::in_w, &Window::in_c, &Window::in_pitch, &Window::out_h, &Window::out_w,
        &Window::out_c, &Window::out_pitch, &Window::kernel_h, &Window::kernel_w, &Window::stride_h, &Window::stride_w,
        &Window::pad_top, &Window::pad_left})
    vary([&](Problem& p) { ++(p.window.*member); });
  vary([](Problem& p) { p.groups = 64; });
  vary([](Problem& p) { p.groups = 2; });
  vary([](Problem& p) { p.scale = true; });
  vary([](Problem& p) { p.shift = true; });
  vary([](Problem& p) { p.residual_pitch = 128; });
  vary([](Problem& p) { p.residual_pitch = 130; });
  vary([](Problem& p) { p.activation = Activation::relu; });
  vary([](Problem& p) { p.activation = Activation::relu6; });
  vary([](Problem& p) { p.tf32 = true; });
  vary([](Problem& p) { p.alignment = 4; });
  return all;
}

TEST(PlanKey, DiffersInEveryMember) {
  const Machine machine{92400, "NVIDIA H100 80GB HBM3 sm_90"};
  std::set<std::string> keys;
  std::set<std::array<Index, 25>> numbers;
  for (const Problem& p : variations()) {
    EXPECT_EQ(key_of(p, machine), key_of(Problem(p), machine));
    EXPECT_TRUE(keys.insert(key_of(p, machine)).second) << key_of(p, machine);
    EXPECT_TRUE(numbers.insert(numbers_of(p)).second) << key_of(p, machine);
  }
  EXPECT_TRUE(keys.insert(key_of(example(), {92401, machine.gpu})).second);
  EXPECT_TRUE(keys.insert(key_of(example(), {92400, "NVIDIA A100-SXM4-40GB sm_80"})).second);
}

TEST(PlanKey, ReadsLikeThis) {
  Problem p = example();
  EXPECT_EQ(describe(p),
            "conv2d_forward f32 to f32, images 8, input 56x56x64 pitch 80, output 28x28x128 pitch 130, kernel 3x3, "
            "stride 2x2, padding 0 1 0 1, groups 1, epilogue none, tf32 off, aligned to 16");
  p.pass = Pass::backward_weight, p.number = Number::bf16, p.groups = 64, p.tf32 = true;
  p.scale = p.shift = true, p.residual_pitch = 128, p.activation = Activation::relu6;
  EXPECT_EQ(key_of(p, {92400, "a\tcard\n"}),
            "depthwise_backward_weight bf16 to f32, images 8, input 56x56x64 pitch 80, output 28x28x128 pitch 130, "
            "kernel 3x3, stride 2x2, padding 0 1 0 1, groups 64, epilogue scale shift residual pitch 128 relu6, tf32 "
            "on, aligned to 16, cudnn 92400, gpu a card ");
}

TEST(Problem, PaddingOfAllSides) {
  const auto padding = [](Index in, Index out, Index kernel, Index stride, Index before) {
    Window g = example().window;
    g.in_h = g.in_w = in, g.out_h = g.out_w = out, g.kernel_h = g.kernel_w = kernel, g.stride_h = g.stride_w = stride;
    g.pad_top = g.pad_left = before;
    const auto p = padding_of(g);
    EXPECT_EQ(p.top, before);
    EXPECT_EQ(p.left, before);
    EXPECT_EQ(p.bottom, p.right);
    return p.bottom;
  };
  EXPECT_EQ(padding(56, 28, 3, 2, 0), 1) << "SAME with stride 2 on an even size";
  EXPECT_EQ(padding(224, 112, 7, 2, 2), 3);
  EXPECT_EQ(padding(56, 56, 3, 1, 1), 1);
  EXPECT_EQ(padding(56, 28, 1, 2, 0), 0) << "the windows end before the input does";
  EXPECT_EQ(padding(7, 3, 3, 2, 0), 0);
}

TEST(Problem, WhatCudnnIsNotAskedFor) {
  EXPECT_EQ(refusal(example()), "");
  Problem p = example();
  p.window.batch = 0;
  EXPECT_EQ(refusal(p), "an extent is 0");
  p = example(), p.window.out_h = 26;
  EXPECT_EQ(refusal(p), "the padding does not give the output's extent");
  p = example(), p.groups = 3;
  EXPECT_EQ(refusal(p), "the channels do not divide into groups");
  p = example(), p.window.batch = 8560;  // 8560 * 56 * 56 * 80 is a little more than 2^31
  EXPECT_EQ(refusal(p), "an array has 2^31 elements or more");
  p.window.batch = 8559;
  EXPECT_EQ(refusal(p), "");
  p = example(), p.residual_pitch = 1 << 20;
  EXPECT_EQ(refusal(p), "an array has 2^31 elements or more");
}

TEST(Problem, AlignmentAndRefusedNotes) {
  const auto address = [](std::uintptr_t a) { return reinterpret_cast<const void*>(a); };
  EXPECT_EQ(common_alignment({address(256), address(4096)}), 16);
  EXPECT_EQ(common_alignment({address(256), address(24), nullptr}), 8);
  EXPECT_EQ(common_alignment({address(256), address(12)}), 4);
  EXPECT_EQ(common_alignment({address(258)}), 2);
  EXPECT_EQ(common_alignment({nullptr}), 16);
  Problem p;
  EXPECT_TRUE(refused_notes(p).nondeterministic && refused_notes(p).down_convert_inputs &&
              refused_notes(p).reduced_precision_reduction && refused_notes(p).fft && refused_notes(p).winograd);
  EXPECT_TRUE(refused_notes(p).tensor_core) << "f32 without TF32";
  p.tf32 = true;
  EXPECT_FALSE(refused_notes(p).tensor_core);
  EXPECT_TRUE(refused_notes(p).nondeterministic);
  p.tf32 = false, p.number = Number::bf16;
  EXPECT_FALSE(refused_notes(p).tensor_core);
}

PlanBook book() {
  PlanBook book;
  book.set("second key", {"eng34_k2=1_k7=-3", true});
  book.set("first key, with words", {"eng0", false});
  return book;
}

TEST(PlanFile, RoundTrip) {
  const std::string text = book().text();
  EXPECT_EQ(text.substr(0, text.rfind(' ')),
            "tinyvision plans 1\n"
            "first key, with words\teng0\theuristics\n"
            "second key\teng34_k2=1_k7=-3\ttiming\n"
            "end 2");
  const PlanBook read = PlanBook::parse(text, "p");
  EXPECT_EQ(read.size(), 2u);
  EXPECT_EQ(read.text(), text);
  ASSERT_NE(read.find("second key"), nullptr);
  EXPECT_EQ(*read.find("second key"), *book().find("second key"));
  EXPECT_EQ(read.find("third key"), nullptr);
  EXPECT_EQ(read.timed().size(), 1u);
  EXPECT_NE(read.timed().find("second key"), nullptr);
  EXPECT_EQ(PlanBook::parse(PlanBook().text(), "p").size(), 0u);
}

TEST(PlanFile, OrderOfEntriesDoesNotShow) {
  PlanBook other;
  other.set("first key, with words", {"eng9", true});
  other.set("second key", *book().find("second key"));
  EXPECT_NE(other.text(), book().text());
  other.set("first key, with words", *book().find("first key, with words"));
  EXPECT_EQ(other.text(), book().text());
}

TEST(PlanFile, EveryTruncationAndEveryChangedByteIsFound) {
  const std::string text = book().text();
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_NE(error_of([&] { PlanBook::parse(text.substr(0, length), "p"); }), "no error") << length;
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const int flip : {1, 16}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      EXPECT_NE(error_of([&] { PlanBook::parse(damaged, "p"); }), "no error") << at;
    }
}

/// A file with these lines and a right last one.
std::string with_end(const std::string& lines, std::size_t count) {
  const std::string body = "tinyvision plans 1\n" + lines;
  const std::string message =
      error_of([&] { PlanBook::parse(body + "end " + std::to_string(count) + " 0000000000000000\n", "p"); });
  const std::size_t at = message.find("give '");
  return at == std::string::npos ? body
                                 : body + "end " + message.substr(at + 6, message.find('\'', at + 6) - at - 6) + "\n";
}

TEST(PlanFile, ErrorTexts) {
  const auto parse = [](const std::string& text) { return error_of([&] { PlanBook::parse(text, "runs/plans.txt"); }); };
  EXPECT_EQ(parse("{}"), "[plan file] runs/plans.txt, line 1: a plan file begins with 'tinyvision plans 1'");
  const std::string text = book().text();
  EXPECT_EQ(parse(text.substr(0, 40)),
            "[plan file] runs/plans.txt: ends at byte 40 without its last line, 'end': it was cut off");
  std::string damaged = text;
  damaged[damaged.find("34")] = '2';
  const std::string message = parse(damaged);
  EXPECT_EQ(message.rfind("[plan file] runs/plans.txt, line 4: the number of plans and the checksum are '2 ", 0), 0u);
  EXPECT_NE(message.find("': it was changed or damaged"), std::string::npos);
  EXPECT_EQ(parse(text + "more\n"), "[plan file] runs/plans.txt, line 5: nothing may follow the line 'end'");
  EXPECT_EQ(parse("tinyvision plans 1\nk\teng1\theuristics\nk\teng2\theuristics\nend 1 0\n"),
            "[plan file] runs/plans.txt, line 3: a second plan for 'k'");
  for (const char* line : {"k", "\teng1\ttiming", "k\teng1", "k\teng1\tluck", "k\t\ttiming", "k\t1\ttiming",
                           "k\teng1 k2=1\ttiming", "k\teng1\ttiming\t"})
    EXPECT_EQ(parse("tinyvision plans 1\n" + std::string(line) + "\nend 1 0\n"),
              "[plan file] runs/plans.txt, line 2: not a plan: '" + std::string(line) + "'");
  EXPECT_EQ(parse(with_end("k\teng1_k2=3\ttiming\n", 1)), "no error");
}

TEST(PlanFile, IsReadKeptAndReplaced) {
  const TestFolder folder;
  const std::string path = folder.path("plans.txt");
  PlanStore store;
  store.use_file(path);
  EXPECT_EQ(read_file(path), PlanBook().text()) << "that it can be written shows at once";
  store.keep("a key", {"eng3_k1=2", false});
  EXPECT_EQ(read_file(path), store.book().text());
  store.keep("a key", {"eng4_k1=3", true});
  PlanStore second;
  second.use_file(path);
  ASSERT_NE(second.find("a key"), nullptr);
  EXPECT_EQ(*second.find("a key"), (Plan{"eng4_k1=3", true}));
  second.use_file("");
  EXPECT_EQ(second.find("a key"), nullptr);
  second.keep("another", {"eng1", false});  // no file, nothing to write
  EXPECT_EQ(read_file(path), store.book().text());
  EXPECT_EQ(error_of([&] { store.use_file(folder.path("missing/plans.txt")); }),
            "[plan file] " + folder.path("missing/plans.txt.new") + ": No such file or directory");
  EXPECT_EQ(error_of([&] { store.use_file(folder.root()); }), "[plan file] " + folder.root() + ": Is a directory");
}

TEST(Versions, AsTheLibrariesNumberThem) {
  EXPECT_EQ(cudnn_text(92400), "9.24.0");
  EXPECT_EQ(cudnn_text(91901), "9.19.1");
  EXPECT_EQ(cudnn_text(8907), "8.9.7");
  EXPECT_EQ(cudnn_text(100203), "10.2.3");
  EXPECT_EQ(cudnn_major(8907), 8);
  EXPECT_EQ(cudnn_major(90000), 9);
  EXPECT_EQ(cudnn_major(100000), 10);
  EXPECT_EQ(cublas_text(130100), "13.1.0");
}

TEST(Versions, Refusals) {
  EXPECT_EQ(cudnn_refusal(91900, 92400), "");
  EXPECT_EQ(cudnn_refusal(92400, 90000), "");
  EXPECT_EQ(cudnn_refusal(91900, 8907),
            "[cudnn] this build is for cuDNN 9, found cuDNN 8.9.7: install cuDNN 9, or use --kernels own");
  EXPECT_EQ(cudnn_refusal(91900, 100000),
            "[cudnn] this build is for cuDNN 9, found cuDNN 10.0.0: install cuDNN 9, or use --kernels own");
  EXPECT_EQ(cublas_refusal(130100, 130000), "");
  EXPECT_EQ(cublas_refusal(130100, 120900),
            "[cublas] this build is for cuBLAS 13, found cuBLAS 12.9.0: install CUDA 13, or use --kernels own");
  EXPECT_EQ(grouped_refusal(92400), "");
  EXPECT_EQ(grouped_refusal(100000), "");
  EXPECT_EQ(grouped_refusal(92399),
            "cuDNN 9.23.99 is refused: before 9.24.0 its depthwise convolutions have wrong results");
}

TEST(Library, OneThatIsMissingIsNamed) {
  EXPECT_EQ(error_of([] { Library("cudnn", "libcudnn-of-nobody.so.9", "install it"); }),
            "[cudnn] cannot be loaded: libcudnn-of-nobody.so.9: cannot open shared object file: No such file or "
            "directory: install it");
}

TEST(Library, FunctionsAreFound) {
  const Library library("system", "libm.so.6", "it is there");
  double (*root)(double) = nullptr;
  library.find("sqrt", root);
  EXPECT_EQ(root(9), 3);
  EXPECT_EQ(error_of([&] { library.symbol("no_such_function"); }),
            "[system] libm.so.6 has no function no_such_function");
}

}  // namespace vendor_plans_test
