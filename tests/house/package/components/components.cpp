// One call into every component of the installed package: their headers are found and their libraries are linked.
#include <cstdio>
#include <string>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/data/decode.hpp"
#include "tinyvision/models/mobilenet_v1.hpp"
#include "tinyvision/stats/mcnemar.hpp"
#include "tinyvision/train/binary_svm.hpp"

using namespace tinyvision;

int main(int, char** argv) {
  const std::string path = std::string(argv[0]) + ".safetensors";
  checkpoint::save_safetensors(path, {{"x", Tensor::full({2}, 1.5)}});
  const bool json = checkpoint::load_safetensors(path).tensor("x").to_vector<float>().at(1) == 1.5f;

  const std::string ppm = "P6\n1 1\n255\nabc";
  const data::Image image = data::decode_image({reinterpret_cast<const std::uint8_t*>(ppm.data()), ppm.size()}, "ppm");
  const bool decoded = image.pixels.at(2) == 'c' && data::decoder_name(data::Decoder::turbo).size() > 13;

  const bool stats = stats::mcnemar(1, 5).exact == 14.0 / 64;  // 2 P(X <= 1), X ~ Binomial(6, 1/2)
  const bool models = MobilenetV1({.classes = 3}).parameters().back().variable.shape() == Shape({3});

  SvmRows rows(Tensor::from_vector<float>({2, 1}, {-1, 1}), SvmOptions{});
  const bool svm = solve_svm(rows, {{0, 1}, {-1, 1}}, 1).converged();

  std::printf("image %d, json %d, stats %d, models %d, svm %d\n", decoded, json, stats, models, svm);
  return decoded && json && stats && models && svm ? 0 : 1;
}
