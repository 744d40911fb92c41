// Convolutions by cuDNN's graph API, through NVIDIA's cudnn-frontend. The one file that reads its headers.
//
// A problem becomes a graph: the convolution and, behind it, multiplication, additions and activation of the epilogue. Its
// engine comes from the plan file, from timing, or from cuDNN's heuristics (mode A, then its list of last resorts), in this
// order; graph and plan are then kept for the life of the process.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cuda_runtime.h>
#include <cudnn_frontend.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>

#include "vendor/convolution_library.h"
#include "vendor/event.h"
#include "vendor/library.h"
#include "vendor/settings.h"
#include "vendor/versions.h"

#if CUDNN_FRONTEND_VERSION < 13200
#error "cudnn-frontend 1.32 or newer is needed"
#endif

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // the frontend finds every function of cuDNN through this
}

namespace tinyvision_kernels {
namespace vendor {
namespace {

namespace fe = cudnn_frontend;
using Graph = fe::graph::Graph;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

constexpr Index most_scratch = Index{1} << 30;  ///< bytes that an engine may want
constexpr int most_candidates = 8;              ///< that are timed
constexpr int timed_runs = 5;

/// Numbers of the arrays in a graph; in their order execution takes the pointers.
enum Role : Index { first = 1, second = 2, scale = 3, shift = 4, residual = 5, result = 6 };

using vendor::expect;  // of the CUDA runtime
void expect(cudnnStatus_t status, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw std::runtime_error("[cudnn] " + what + ": " + fe::detail::get_error_string(status) + " " +
                           fe::detail::get_last_error_string_());
}

/// One line of bounded length: cuDNN's messages list every engine that failed.
std::string first_words(const std::string& message) {
  std::string text = message.substr(0, 300);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}
void expect(fe::error_t error, const std::string& what) {
  if (error.is_bad()) throw std::runtime_error("[cudnn] " + what + ": " + first_words(error.get_message()));
}

fe::DataType_t type_of(Number number) {
  return number == Number::f32 ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16;
}

// --- Graphs ----------------------------------------------------------------------------------------------------------

using Extents = std::vector<std::int64_t>;

/// cuDNN counts dimensions as N, C, H, W whatever their order in memory.
Extents extents(Index n, Index c, Index h, Index w) { return {n, c, h, w}; }
Extents strides(Index h, Index w, Index pitch) { return {h * w * pitch, 1, w * pitch, pitch}; }

class GraphOf {
 public:
  explicit GraphOf(const Problem& problem) : p_(problem), g_(problem.window), graph_(std::make_shared<Graph>()) {
    graph_->set_io_data_type(type_of(p_.number))
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    graph_->set_name(describe(p_));
    // Plans live as long as the process, so graphs that were captured from them need no share in them.
    graph_->set_cuda_graph_retention(fe::CudaGraphRetention_t::NONE);
  }

  std::shared_ptr<Graph> make() {
    if (p_.pass == Pass::forward) {
      finish(graph_->conv_fprop(input(first), weights(second), with_window(fe::graph::Conv_fprop_attributes())));
    } else if (p_.pass == Pass::backward_input) {
      const Tensor dx =
          graph_->conv_dgrad(output(first), weights(second), with_window(fe::graph::Conv_dgrad_attributes()));
      give(dx, extents(g_.batch, g_.in_c, g_.in_h, g_.in_w), strides(g_.in_h, g_.in_w, g_.in_pitch));
    } else {
      const Tensor dw =
          graph_->conv_wgrad(output(second), input(first), with_window(fe::graph::Conv_wgrad_attributes()));
      give(dw, weight_extents(), strides(g_.kernel_h, g_.kernel_w, g_.in_c / p_.groups));
    }
    return graph_;
  }

 private:
  Tensor array(Role role, Number number, const Extents& extent, const Extents& stride) {
    return graph_->tensor(fe::graph::Tensor_attributes()
                              .set_uid(role)
                              .set_dim(extent)
                              .set_stride(stride)
                              .set_data_type(type_of(number))
                              .set_alignment(p_.alignment));
  }
  /// A map of the size of the input, or of the output.
  Tensor input(Role role) {
    return array(role, p_.number, extents(g_.batch, g_.in_c, g_.in_h, g_.in_w), strides(g_.in_h, g_.in_w, g_.in_pitch));
  }
  Tensor output(Role role) { return output(role, g_.out_pitch); }
  Tensor output(Role role, Index pitch) {
    return array(role, p_.number, output_extents(), strides(g_.out_h, g_.out_w, pitch));
  }
  Tensor weights(Role role) {
    return array(role, p_.number, weight_extents(), strides(g_.kernel_h, g_.kernel_w, g_.in_c / p_.groups));
  }
  Tensor channels(Role role) { return array(role, Number::f32, extents(1, g_.out_c, 1, 1), strides(1, 1, g_.out_c)); }
  Extents output_extents() const { return extents(g_.batch, g_.out_c, g_.out_h, g_.out_w); }
  /// cuDNN reads the number of groups off the channels of the weights.
  Extents weight_extents() const { return extents(g_.out_c, g_.in_c / p_.groups, g_.kernel_h, g_.kernel_w); }

  template <class Attributes>
  Attributes with_window(Attributes attributes) const {
    const Padding pad = padding_of(g_);
    attributes.set_pre_padding({pad.top, pad.left})
        .set_post_padding({pad.bottom, pad.right})
        .set_stride({g_.stride_h, g_.stride_w})
        .set_dilation({1, 1});
    return attributes;
  }

  Tensor pointwise(fe::PointwiseMode_t mode, const Tensor& a, const Tensor& b) {
    return graph_->pointwise(a, b, fe::graph::Pointwise_attributes().set_mode(mode));
  }

  /// The epilogue behind the convolution's result v, in f32 up to the last step.
  void finish(Tensor v) {
    const auto step = [&](Tensor next) {
      v->set_dim(output_extents()).set_stride(strides(g_.out_h, g_.out_w, g_.out_c));
      v = next;
    };
    if (p_.scale) step(pointwise(fe::PointwiseMode_t::MUL, v, channels(scale)));
    if (p_.shift) step(pointwise(fe::PointwiseMode_t::ADD, v, channels(shift)));
    if (p_.residual_pitch != 0) step(pointwise(fe::PointwiseMode_t::ADD, v, output(residual, p_.residual_pitch)));
    if (p_.activation != Activation::none) {
      fe::graph::Pointwise_attributes relu;
      relu.set_mode(fe::PointwiseMode_t::RELU_FWD);
      if (p_.activation == Activation::relu6) relu.set_relu_upper_clip(6.0f);
      step(graph_->pointwise(v, relu));
    }
    give(v, output_extents(), strides(g_.out_h, g_.out_w, g_.out_pitch));
  }

  /// Makes a tensor the graph's result.
  void give(const Tensor& tensor, const Extents& extent, const Extents& stride) {
    tensor->set_uid(result)
        .set_dim(extent)
        .set_stride(stride)
        .set_data_type(type_of(p_.result))
        .set_alignment(p_.alignment)
        .set_output(true);
  }

  const Problem& p_;
  const Window& g_;
  std::shared_ptr<Graph> graph_;
};

// --- Choosing --------------------------------------------------------------------------------------------------------

struct Solution final : ConvolutionLibrary::Choice {
  std::shared_ptr<Graph> graph;
  std::int64_t index = 0;  ///< among the graph's plans
  std::int64_t scratch_bytes = 0;
  std::string what;
};

void refuse_notes(Graph& graph, const RefusedNotes& refused) {
  std::vector<fe::NumericalNote_t> notes;
  const auto add = [&](bool refuse, fe::NumericalNote_t note) {
    if (refuse) notes.push_back(note);
  };
  add(refused.nondeterministic, fe::NumericalNote_t::NONDETERMINISTIC);
  add(refused.down_convert_inputs, fe::NumericalNote_t::DOWN_CONVERT_INPUTS);
  add(refused.reduced_precision_reduction, fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION);
  add(refused.fft, fe::NumericalNote_t::FFT);
  add(refused.winograd, fe::NumericalNote_t::WINOGRAD);
  add(refused.winograd, fe::NumericalNote_t::WINOGRAD_TILE_4x4);
  add(refused.winograd, fe::NumericalNote_t::WINOGRAD_TILE_6x6);
  add(refused.winograd, fe::NumericalNote_t::WINOGRAD_TILE_13x13);
  add(refused.tensor_core, fe::NumericalNote_t::TENSOR_CORE);
  graph.deselect_numeric_notes(notes);
}

/// What cudnn-frontend calls the engine and knobs of a plan; equal names, equal plans.
std::string name_of(const Graph& graph, std::int64_t index, const std::string& what) {
  std::string name;
  expect(graph.get_plan_name_at_index(index, name), what + ": name of a plan");
  return name;
}

/// Pointers in the order of their roles, those that the problem has.
struct Pointers {
  void* all[6];
  int count = 0;

  explicit Pointers(const Arrays& a) {
    for (const void* array : {a.first, a.second, static_cast<const void*>(a.scale), static_cast<const void*>(a.shift),
                              a.residual, static_cast<const void*>(a.result)})
      if (array) all[count++] = const_cast<void*>(array);
  }
};

class Cudnn final : public ConvolutionLibrary {
 public:
  Cudnn() : library_("cudnn", "libcudnn.so.9", advice) {
    std::size_t (*get_version)() = nullptr;
    library_.find("cudnnGetVersion", get_version);
    machine_.cudnn = static_cast<Index>(get_version());
    const std::string refused = cudnn_refusal(CUDNN_VERSION, machine_.cudnn);
    if (!refused.empty()) throw std::runtime_error(refused);
    fe::cudnn_dlhandle = library_.handle();
    // Where several CUDA runtimes are installed, the frontend shall take the one of these headers and not warn.
    setenv("CUDNN_FRONTEND_CUDART_LIB_NAME", ("libcudart.so." + std::to_string(CUDART_VERSION / 1000)).c_str(), 0);
  }

  Index version() override { return machine_.cudnn; }

  const Choice& choose(const Problem& problem, const Arrays& arrays, const Scratch& scratch, Stream stream) override {
    std::unique_ptr<Solution>& place = solutions_[numbers_of(problem)];
    if (!place) {
      auto solution = std::make_unique<Solution>();
      solution->what = describe(problem);
      start(stream);
      try {
        solve(problem, arrays, scratch, *solution);
      } catch (const fe::cudnnException& error) {
        throw std::runtime_error("[cudnn] " + solution->what + ": " + first_words(error.what()));
      }
      place = std::move(solution);  // not before: a plan that throws shall throw again
    }
    return *place;
  }

  void run(const Choice& choice, const Arrays& arrays, const Scratch& scratch, Stream stream) override {
    const Solution& solution = static_cast<const Solution&>(choice);
    start(stream);
    const Space<char> space(scratch, solution.scratch_bytes);
    execute(solution, solution.index, Pointers(arrays), space.data());
  }

 private:
  static constexpr const char* advice =
      "install cuDNN 9 or add its folder to LD_LIBRARY_PATH; the own kernels need neither (--kernels own)";

  /// The handle, bound to this stream.
  void start(Stream stream) {
    const auto wanted = static_cast<cudaStream_t>(stream);
    if (!handle_) {
      int device = 0;
      cudaDeviceProp properties;
      expect(cudaGetDevice(&device), "device in use");
      expect(cudaGetDeviceProperties(&properties, device), "properties of the device");
      machine_.gpu =
          std::string(properties.name) + " sm_" + std::to_string(properties.major) + std::to_string(properties.minor);
      expect(fe::detail::create_handle(&handle_), "making a handle");
      expect(fe::detail::set_stream(handle_, wanted), "choosing the stream");
    } else if (wanted != stream_) {
      expect(fe::detail::set_stream(handle_, wanted), "choosing the stream");
    }
    stream_ = wanted;
  }

  void execute(const Solution& solution, std::int64_t index, Pointers pointers, void* space) {
    expect(solution.graph->execute_plan_at_index(handle_, pointers.all, pointers.count, space, index),
           solution.what + ": running it");
  }

  /// Fills in a solution, or its refusal.
  void solve(const Problem& problem, const Arrays& arrays, const Scratch& scratch, Solution& solution) {
    const auto refuse = [&](const char* why, fe::error_t error) {
      solution.refusal = std::string("cuDNN ") + why + ": " + first_words(error.get_message());
    };
    solution.graph = GraphOf(problem).make();
    Graph& graph = *solution.graph;
    if (const auto error = graph.validate(); error.is_bad()) return refuse("does not take the graph", error);
    if (const auto error = graph.build_operation_graph(handle_); error.is_bad())
      return refuse("does not take the graph", error);
    graph.deselect_workspace_greater_than(most_scratch);

    if (const auto error = graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}); error.is_bad())
      return refuse("has no engine", error);
    refuse_notes(graph, refused_notes(problem));
    PlanStore& store = settings().plans;
    const std::string key = key_of(problem, machine_);
    const Plan* known = store.find(key);
    if (known && (known->timed || !settings().tuning)) return rebuild(*known, solution);

    std::vector<std::int64_t> candidates;
    fe::error_t last;
    const std::size_t wanted = settings().tuning ? most_candidates : 1;
    for (std::int64_t i = 0; i < graph.get_execution_plan_count() && candidates.size() < wanted; ++i) {
      last = graph.build_plan_at_index(i);
      if (last.is_good()) candidates.push_back(i);
    }
    if (candidates.empty()) return refuse("has no engine that is repeatable and exact enough", last);
    solution.index = candidates.front();
    if (settings().tuning) solution.index = fastest(solution, candidates, Pointers(arrays), scratch);
    measure_scratch(solution);
    store.keep(key, {name_of(graph, solution.index, solution.what), settings().tuning});
  }

  /// The plan that the file has, found by its name among those that cuDNN proposes: its knobs cannot all be set from outside.
  /// It decides the bits of results, so no other one takes its place.
  void rebuild(const Plan& plan, Solution& solution) {
    Graph& graph = *solution.graph;
    const std::string& path = settings().plans.path();
    const std::string what = solution.what + ": the plan " + plan.engine + (path.empty() ? "" : " of " + path);
    solution.index = 0;
    while (solution.index < graph.get_execution_plan_count() &&
           name_of(graph, solution.index, solution.what) != plan.engine)
      ++solution.index;
    if (solution.index == graph.get_execution_plan_count())
      throw std::runtime_error("[cudnn] " + what + " is not among those that cuDNN proposes");
    expect(graph.build_plan_at_index(solution.index), what + " cannot be built");
    measure_scratch(solution);
  }

  void measure_scratch(Solution& solution) const {
    expect(solution.graph->get_workspace_size_plan_at_index(solution.index, solution.scratch_bytes),
           solution.what + ": scratch space of a plan");
  }

  /// The candidate whose best of some runs is the shortest; the earlier one where two are equal.
  std::int64_t fastest(const Solution& solution, const std::vector<std::int64_t>& candidates, const Pointers& pointers,
                       const Scratch& scratch) {
    Event begin, end;
    std::int64_t best = candidates.front();
    float shortest = std::numeric_limits<float>::infinity();
    for (const std::int64_t candidate : candidates) {
      std::int64_t bytes = 0;
      expect(solution.graph->get_workspace_size_plan_at_index(candidate, bytes), solution.what + ": scratch space");
      const Space<char> space(scratch, bytes);
      execute(solution, candidate, pointers, space.data());  // the first run loads the kernel
      for (int i = 0; i < timed_runs; ++i) {
        begin.record(stream_);
        execute(solution, candidate, pointers, space.data());
        end.record(stream_);
        const float time = end.since(begin);
        if (time < shortest) shortest = time, best = candidate;
      }
    }
    return best;
  }

  Library library_;
  Machine machine_;
  cudnnHandle_t handle_ = nullptr;  // never destroyed: at the end of the process the driver may be gone before it
  cudaStream_t stream_ = nullptr;
  std::map<std::array<Index, 25>, std::unique_ptr<Solution>> solutions_;
};

}  // namespace

ConvolutionLibrary& convolution_library() {
  static Cudnn& cudnn = *new Cudnn;  // never destroyed, as the handle
  return cudnn;
}

}  // namespace vendor
}  // namespace tinyvision_kernels
