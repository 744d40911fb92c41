// What check_resizers.py compares with other programs:
//
//   oracle_resize RESIZER IN HEIGHT WIDTH OUT OUT_HEIGHT OUT_WIDTH
//
// IN: bytes of an RGB image; OUT: its resized values as 32-bit floats.
#include "tinyvision/data/resize.hpp"

#include <cstdio>

#include "tinyvision/core/files.hpp"

int main(int argc, char** argv) {
  using namespace tinyvision;
  try {
    if (argc != 8) fail_usage("oracle_resize", "7 arguments, see the head of tests/oracle/resize.cpp");
    const std::string bytes = read_file(argv[2]);
    const data::ImageView image(std::stoll(argv[3]), std::stoll(argv[4]),
                                reinterpret_cast<const std::uint8_t*>(bytes.data()));
    if (static_cast<Index>(bytes.size()) != 3 * image.height * image.width)
      fail_usage("oracle_resize", argv[2], ": ", bytes.size(), " bytes");
    const std::vector<float> out =
        data::resize(image, std::stoll(argv[6]), std::stoll(argv[7]), data::parse_resizer(argv[1]));
    write_file_atomically(argv[5], {reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float)});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
