// Protocol buffers: every field as everything that it can be, messages within messages included.
#include "tinyvision/checkpoint/protobuf.hpp"

#include "fuzz/target.hpp"

static void walk(tinyvision::checkpoint::ProtobufMessage message, std::string_view input, int& budget) {
  using tinyvision::checkpoint::WireType;
  while (message.next()) {
    std::vector<std::uint64_t> integers;
    std::vector<float> floats;
    if (message.type() != WireType::bytes) continue;
    const std::string_view bytes = message.bytes();
    tinyvision::check(input.substr(message.bytes_offset(), bytes.size()) == bytes, "fuzz", "the value is elsewhere");
    fuzz::refuses_or_reads([&] { message.append_varints(integers); });
    fuzz::refuses_or_reads([&] { message.append_fixed(floats); });
    if (--budget > 0) fuzz::refuses_or_reads([&] { walk(message.message(), input, budget); });
  }
}

FUZZ_TARGET(protobuf) {
  int budget = 10000;  // of messages; nested views of the same bytes would otherwise take a square of steps
  fuzz::refuses_or_reads(
      [&] { walk(tinyvision::checkpoint::ProtobufMessage("fuzz", fuzz::path, input), input, budget); });
}
