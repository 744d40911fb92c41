// Writes the event file that check_event_file.py reads with TensorBoard: `oracle_write_events FILE`. A first session of scalars,
// an image and a histogram; then the file is cut in the middle of a record, as by a kill, and a second session resumes.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "tinyvision/report/event_file.hpp"

int main(int argc, char** argv) {
  using namespace tinyvision;
  if (argc != 2) {
    std::fprintf(stderr, "usage: oracle_write_events FILE\n");
    return 2;
  }
  try {
    const std::string path = argv[1];
    double clock = 1.6e9;
    const auto tick = [&clock] { return clock += 0.25; };
    {
      report::EventFile file(path, tick);
      for (Index step = 0; step < 10; ++step) file.scalar("train/loss", step, 1.0 / static_cast<double>(step + 1));
      file.scalar("train/broken", 3, std::nan(""));
      Tensor picture = Tensor::empty({5, 7, 3}, DType::u8);
      for (Index i = 0; i < picture.count(); ++i) picture.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(2 * i);
      file.image("mistakes", 4, picture);
      std::vector<float> values;
      for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i) * 0.5f - 7);
      file.histogram("weights", 4, values, 10);
      file.scalar("train/loss", 10, 99);
    }
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
    report::EventFile file(path, tick);
    file.restart(8);
    for (Index step = 8; step < 12; ++step) file.scalar("train/loss", step, -static_cast<double>(step));
    file.flush();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
